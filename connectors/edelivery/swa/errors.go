package swa

import "fmt"

// A Problem says what kind of answer a broken package deserves.
type Problem int

// The problems. The zero value is unset.
const (
	Malformed    Problem = iota + 1 // no framing to be read: no ebMS answer can be built
	WrongType                       // not a media type that carries AS4
	TooLarge                        // a limit was passed
	Inconsistent                    // framing is fine, parts contradict each other (EBMS:0007)
	Unreadable                      // the sender went away, or our own disk failed
)

// An Error is a package that cannot be read.
type Error struct {
	Problem Problem
	Reason  string // names the rule, never content
	Err     error
}

// Error returns the reason and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(p Problem, format string, args ...any) *Error {
	return &Error{Problem: p, Reason: fmt.Sprintf(format, args...)}
}

func because(p Problem, err error, reason string) *Error {
	return &Error{Problem: p, Reason: reason, Err: err}
}
