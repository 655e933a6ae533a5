package ebms

import (
	"fmt"
	"strings"
)

// A Code is an ebMS error code, "EBMS:nnnn". Peers compare codes, never texts.
type Code string

// The codes (ebMS3 6.7, Part 2 sections 2 to 5 and 7, AS4 1.0).
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

	RoutingFailure            Code = "EBMS:0020"
	MPCCapacityExceeded       Code = "EBMS:0021"
	MessagePersistenceTimeout Code = "EBMS:0022"
	MessageExpired            Code = "EBMS:0023"
	BundlingError             Code = "EBMS:0030"
	RelatedMessageFailed      Code = "EBMS:0031"

	BadFragmentGroup         Code = "EBMS:0040"
	DuplicateMessageSize     Code = "EBMS:0041"
	DuplicateFragmentCount   Code = "EBMS:0042"
	DuplicateMessageHeader   Code = "EBMS:0043"
	DuplicateAction          Code = "EBMS:0044"
	DuplicateCompressionInfo Code = "EBMS:0045"
	DuplicateFragment        Code = "EBMS:0046"
	BadFragmentStructure     Code = "EBMS:0047"
	BadFragmentNum           Code = "EBMS:0048"
	BadFragmentCount         Code = "EBMS:0049"
	FragmentSizeExceeded     Code = "EBMS:0050"
	ReceiveIntervalExceeded  Code = "EBMS:0051"
	BadProperties            Code = "EBMS:0052"
	HeaderMismatch           Code = "EBMS:0053"
	OutOfStorageSpace        Code = "EBMS:0054"
	DecompressionError       Code = "EBMS:0055" // of a joined message; a part has DecompressionFailure
	AlternateMEP             Code = "EBMS:0060"

	FailedAuthentication  Code = "EBMS:0101"
	FailedDecryption      Code = "EBMS:0102"
	PolicyNoncompliance   Code = "EBMS:0103"
	DysfunctionalReliable Code = "EBMS:0201"
	DeliveryFailure       Code = "EBMS:0202"
	MissingReceipt        Code = "EBMS:0301"
	InvalidReceipt        Code = "EBMS:0302"
	DecompressionFailure  Code = "EBMS:0303"
	DuplicateDetected     Code = "EBMS:4001" // phase4's own: it holds the message, without a receipt
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
	// Passing: the failure may be over when the same message comes again. All others
	// are final, since the same message would fail again.
	Passing bool
}

const (
	originCore        = "ebMS"
	originSecurity    = "security"
	originReliability = "reliability"
)

// Categories (ebMS3 6.2.5).
const (
	content       = "Content"
	unpackaging   = "Unpackaging"
	processing    = "Processing"
	communication = "Communication"
)

// table is the one place where a code has its words (c.3). A test compares it with
// the constants above, one by one.
var table = map[Code]Entry{
	ValueNotRecognized:        {"ValueNotRecognized", SeverityFailure, content, originCore, false},
	FeatureNotSupported:       {"FeatureNotSupported", SeverityWarning, content, originCore, false},
	ValueInconsistent:         {"ValueInconsistent", SeverityFailure, content, originCore, false},
	Other:                     {"Other", SeverityFailure, content, originCore, false},
	ConnectionFailure:         {"ConnectionFailure", SeverityFailure, communication, originCore, true},
	EmptyPartition:            {"EmptyMessagePartitionChannel", SeverityWarning, communication, originCore, false},
	MimeInconsistency:         {"MimeInconsistency", SeverityFailure, unpackaging, originCore, false},
	HeaderNotSupported:        {"FeatureNotSupported", SeverityFailure, unpackaging, originCore, false},
	InvalidHeader:             {"InvalidHeader", SeverityFailure, unpackaging, originCore, false},
	ProcessingModeMismatch:    {"ProcessingModeMismatch", SeverityFailure, processing, originCore, false},
	ExternalPayloadError:      {"ExternalPayloadError", SeverityFailure, content, originCore, false},
	RoutingFailure:            {"RoutingFailure", SeverityFailure, processing, originCore, false},
	MPCCapacityExceeded:       {"MPCCapacityExceeded", SeverityFailure, processing, originCore, true},
	MessagePersistenceTimeout: {"MessagePersistenceTimeout", SeverityFailure, processing, originCore, false},
	MessageExpired:            {"MessageExpired", SeverityWarning, processing, originCore, false},
	BundlingError:             {"BundlingError", SeverityFailure, content, originCore, false},
	RelatedMessageFailed:      {"RelatedMessageFailed", SeverityFailure, processing, originCore, false},
	BadFragmentGroup:          {"BadFragmentGroup", SeverityFailure, content, originCore, false},
	DuplicateMessageSize:      {"DuplicateMessageSize", SeverityFailure, content, originCore, false},
	DuplicateFragmentCount:    {"DuplicateFragmentCount", SeverityFailure, content, originCore, false},
	DuplicateMessageHeader:    {"DuplicateMessageHeader", SeverityFailure, content, originCore, false},
	DuplicateAction:           {"DuplicateAction", SeverityFailure, content, originCore, false},
	DuplicateCompressionInfo:  {"DuplicateCompressionInfo", SeverityFailure, content, originCore, false},
	DuplicateFragment:         {"DuplicateFragment", SeverityFailure, content, originCore, false},
	BadFragmentStructure:      {"BadFragmentStructure", SeverityFailure, unpackaging, originCore, false},
	BadFragmentNum:            {"BadFragmentNum", SeverityFailure, content, originCore, false},
	BadFragmentCount:          {"BadFragmentCount", SeverityFailure, content, originCore, false},
	FragmentSizeExceeded:      {"FragmentSizeExceeded", SeverityWarning, unpackaging, originCore, false},
	ReceiveIntervalExceeded:   {"ReceiveIntervalExceeded", SeverityFailure, processing, originCore, false},
	BadProperties:             {"BadProperties", SeverityWarning, processing, originCore, false},
	HeaderMismatch:            {"HeaderMismatch", SeverityFailure, processing, originCore, false},
	OutOfStorageSpace:         {"OutOfStorageSpace", SeverityFailure, processing, originCore, true},
	DecompressionError:        {"DecompressionError", SeverityFailure, processing, originCore, false},
	AlternateMEP:              {"ResponseUsing-AlternateMEP", SeverityWarning, processing, originCore, false},
	FailedAuthentication:      {"FailedAuthentication", SeverityFailure, processing, originSecurity, false},
	FailedDecryption:          {"FailedDecryption", SeverityFailure, processing, originSecurity, false},
	PolicyNoncompliance:       {"PolicyNoncompliance", SeverityFailure, processing, originSecurity, false},
	DysfunctionalReliable:     {"DysfunctionalReliability", SeverityFailure, processing, originReliability, false},
	DeliveryFailure:           {"DeliveryFailure", SeverityFailure, communication, originReliability, true},
	MissingReceipt:            {"MissingReceipt", SeverityFailure, communication, originCore, false},
	InvalidReceipt:            {"InvalidReceipt", SeverityFailure, communication, originCore, false},
	DecompressionFailure:      {"DecompressionFailure", SeverityFailure, communication, originCore, false},
	DuplicateDetected:         {"DuplicateDetected", SeverityFailure, processing, originCore, false},
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

// Passing reports that the same message may be taken when it comes again. A code
// that is not in the table is final.
func (c Code) Passing() bool { return table[c].Passing }

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
