package ebms

import (
	"fmt"
	"strings"
)

// A Code is an ebMS error code, "EBMS:nnnn". Peers compare codes, never texts.
type Code string

// The codes that this access point sends or expects (ebMS3 6.7, AS4 1.0, Part 2).
const (
	ValueNotRecognized     Code = "EBMS:0001"
	FeatureNotSupported    Code = "EBMS:0002"
	ValueInconsistent      Code = "EBMS:0003"
	Other                  Code = "EBMS:0004"
	ConnectionFailure      Code = "EBMS:0005"
	EmptyPartition         Code = "EBMS:0006"
	MimeInconsistency      Code = "EBMS:0007"
	HeaderNotSupported     Code = "EBMS:0008"
	InvalidHeader          Code = "EBMS:0009"
	ProcessingModeMismatch Code = "EBMS:0010"
	ExternalPayloadError   Code = "EBMS:0011"
	FailedAuthentication   Code = "EBMS:0101"
	FailedDecryption       Code = "EBMS:0102"
	PolicyNoncompliance    Code = "EBMS:0103"
	DysfunctionalReliable  Code = "EBMS:0201"
	DeliveryFailure        Code = "EBMS:0202"
	MissingReceipt         Code = "EBMS:0301"
	InvalidReceipt         Code = "EBMS:0302"
	DecompressionFailure   Code = "EBMS:0303"
	DuplicateDetected      Code = "EBMS:4001" // phase4's own: it holds the message, without a receipt
)

// Severities of an error.
const (
	SeverityFailure = "failure"
	SeverityWarning = "warning"
)

// An Entry is what the one table says of a code.
type Entry struct {
	Short    string
	Severity string
	Category string
	Origin   string
}

const (
	originCore        = "ebMS"
	originSecurity    = "security"
	originReliability = "reliability"
)

var table = map[Code]Entry{
	ValueNotRecognized:     {"ValueNotRecognized", SeverityFailure, "Content", originCore},
	FeatureNotSupported:    {"FeatureNotSupported", SeverityWarning, "Content", originCore},
	ValueInconsistent:      {"ValueInconsistent", SeverityFailure, "Content", originCore},
	Other:                  {"Other", SeverityFailure, "Content", originCore},
	ConnectionFailure:      {"ConnectionFailure", SeverityFailure, "Communication", originCore},
	EmptyPartition:         {"EmptyMessagePartitionChannel", SeverityWarning, "Communication", originCore},
	MimeInconsistency:      {"MimeInconsistency", SeverityFailure, "Unpackaging", originCore},
	HeaderNotSupported:     {"FeatureNotSupported", SeverityFailure, "Unpackaging", originCore},
	InvalidHeader:          {"InvalidHeader", SeverityFailure, "Unpackaging", originCore},
	ProcessingModeMismatch: {"ProcessingModeMismatch", SeverityFailure, "Processing", originCore},
	ExternalPayloadError:   {"ExternalPayloadError", SeverityFailure, "Content", originCore},
	FailedAuthentication:   {"FailedAuthentication", SeverityFailure, "Processing", originSecurity},
	FailedDecryption:       {"FailedDecryption", SeverityFailure, "Processing", originSecurity},
	PolicyNoncompliance:    {"PolicyNoncompliance", SeverityFailure, "Processing", originSecurity},
	DysfunctionalReliable:  {"DysfunctionalReliability", SeverityFailure, "Processing", originReliability},
	DeliveryFailure:        {"DeliveryFailure", SeverityFailure, "Communication", originReliability},
	MissingReceipt:         {"MissingReceipt", SeverityFailure, "Communication", originCore},
	InvalidReceipt:         {"InvalidReceipt", SeverityFailure, "Communication", originCore},
	DecompressionFailure:   {"DecompressionFailure", SeverityFailure, "Communication", originCore},
	DuplicateDetected:      {"DuplicateDetected", SeverityFailure, "Processing", originCore},
}

// Codes lists the codes of the table.
func Codes() []Code {
	out := make([]Code, 0, len(table))
	for c := range table {
		out = append(out, c)
	}
	return out
}

// Entry returns what the table says of the code; false for a code not in it.
func (c Code) Entry() (Entry, bool) {
	e, ok := table[c]
	return e, ok
}

// wellFormed reports EBMS: and four digits.
func (c Code) wellFormed() bool {
	n, ok := strings.CutPrefix(string(c), "EBMS:")
	return ok && len(n) == 4 && strings.Trim(n, "0123456789") == ""
}

// An Error is a failure that a peer is told, as the code and a fixed text. Err
// is for our own log only.
type Error struct {
	Code   Code
	Detail string // names the rule; never content, and nothing of the cause of a security failure
	Err    error
}

// Error returns code, detail and cause.
func (e *Error) Error() string {
	s := string(e.Code)
	if t, ok := table[e.Code]; ok {
		s += " " + t.Short
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error with a detail that the peer is told.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Because returns an error whose cause stays with us.
func Because(code Code, cause error, detail string) *Error {
	return &Error{Code: code, Detail: detail, Err: cause}
}
