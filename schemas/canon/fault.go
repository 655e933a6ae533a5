package canon

import (
	"errors"
	"fmt"
)

// A FaultKind says what a failure means for the one who meets it. Kinds are
// append-only: they cross the log.
type FaultKind string

// The kinds of fault. Each edge turns them into its own words in one table.
const (
	Invalid     FaultKind = "invalid"     // the input breaks a rule; trying again does not help
	Denied      FaultKind = "denied"      // not allowed
	NotFound    FaultKind = "not-found"   // no such thing, or no unique one
	Conflict    FaultKind = "conflict"    // contradicts what is already known
	Unavailable FaultKind = "unavailable" // try again later
	Internal    FaultKind = "internal"    // a defect of ours
	Expired     FaultKind = "expired"     // a deadline passed
)

// FaultKinds lists every kind, for exhaustiveness tests at the edges.
func FaultKinds() []FaultKind {
	return []FaultKind{Invalid, Denied, NotFound, Conflict, Unavailable, Internal, Expired}
}

// A Fault is a failure with a meaning.
type Fault struct {
	Kind   FaultKind
	Code   Code   // stable, from the one catalogue
	Detail string // may be shown to a peer or a person; never evidence, never a name
	Err    error  // for the operator's log only
}

// Error returns the detail and the cause, for logs.
func (f *Fault) Error() string {
	s := string(f.Code) + " " + string(f.Kind)
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// NewFault returns a fault of the kind that the catalogue gives the code.
func NewFault(code Code, cause error, format string, args ...any) *Fault {
	return &Fault{Kind: code.Kind(), Code: code, Detail: fmt.Sprintf(format, args...), Err: cause}
}

// AsFault returns the fault in err's chain. ErrForgotten is one by itself; any
// other error without a fault is Internal.
func AsFault(err error) *Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if errors.Is(err, ErrForgotten) {
		return NewFault(CodePayloadForgotten, err, "the conversation was forgotten")
	}
	return &Fault{Kind: Internal, Code: CodeInternal, Err: err}
}
