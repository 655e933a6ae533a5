package answers

// MediaType is the media type of an answer.
const MediaType = "application/x-ebrs+xml"

// SeverityAdditionalInput is the severity of DSD:ERR:0005.
const SeverityAdditionalInput = "urn:sr.oots.tech.ec.europa.eu:codes:ErrorSeverity:DSDErrorResponse:AdditionalInput"

// Types of exceptions, local names in rs.
const (
	NotFound       = "ObjectNotFoundExceptionType"
	InvalidRequest = "InvalidRequestExceptionType"
)
