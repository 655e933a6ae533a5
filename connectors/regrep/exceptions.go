package regrep

import "oncegate/connectors/xmldoc"

const (
	severityError   = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"
	severityPreview = "urn:sr.oots.tech.ec.europa.eu:codes:ErrorSeverity:EDMErrorResponse:PreviewRequired"
	// The host of early drafts is still met (TDD 1.0); it is read, never written.
	severityPreviewDraft = "urn:sr.oots.tech.europa.eu:codes:ErrorSeverity:EDMErrorResponse:PreviewRequired"
)

// Codes that this package itself sends.
const (
	codeMissingAuthorization = "EDM:ERR:0002"
	codeInvalid              = "EDM:ERR:0003"
	codeUnsupported          = "EDM:ERR:0007"
)

// An exception is one row of the list EDMErrorCodes.
type exception struct {
	code    string
	typ     xmldoc.Name // xsi:type
	message string      // fixed wording (R-EDM-ERR-C027)
}

// exceptions is the list EDMErrorCodes of TDD 2.0.1. The severity is Error in
// every row; 0002 with a PreviewLocation is PreviewRequired (R-EDM-ERR-C022).
var exceptions = [...]exception{
	{"EDM:ERR:0001", rsName("AuthenticationExceptionType"), "Failed Authentication"},
	{codeMissingAuthorization, rsName("AuthorizationExceptionType"), "Missing Authorization"},
	{codeInvalid, rsName("InvalidRequestExceptionType"), "Syntactically or semantically invalid request"},
	{"EDM:ERR:0004", rsName("ObjectNotFoundExceptionType"), "Object not found"},
	{"EDM:ERR:0005", rsName("TimeoutExceptionType"), "Exceeding timeout period"},
	{"EDM:ERR:0006", rsName("UnresolvedReferenceExceptionType"), "Referenced object that cannot be resolved"},
	{codeUnsupported, rsName("UnsupportedCapabilityExceptionType"), "Optional feature or capability is not supported"},
	{"EDM:ERR:0008", queryName("QueryExceptionType"), "Invalid query syntax or semantics that must be corrected"},
}

func exceptionByCode(code string) (exception, bool) {
	for _, x := range exceptions {
		if x.code == code {
			return x, true
		}
	}
	return exception{}, false
}

func exceptionByType(name xmldoc.Name) (exception, bool) {
	for _, x := range exceptions {
		if x.typ == name {
			return x, true
		}
	}
	return exception{}, false
}
