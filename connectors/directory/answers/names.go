package answers

import "oncegate/connectors/xmldoc"

// Namespaces of the documents.
const (
	spaceQuery = "urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0"
	spaceRIM   = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0"
	spaceRS    = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:4.0"
	spaceSDG   = "http://data.europa.eu/p4s"
	spaceXSI   = "http://www.w3.org/2001/XMLSchema-instance"
)

// MediaType is the media type of an answer.
const MediaType = "application/x-ebrs+xml"

// Words of RegRep.
const (
	StatusSuccess = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
	StatusFailure = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"

	SeverityError           = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"
	SeverityAdditionalInput = "urn:sr.oots.tech.ec.europa.eu:codes:ErrorSeverity:DSDErrorResponse:AdditionalInput"

	NotFound       = "ObjectNotFoundExceptionType" // xsi:type in rs
	InvalidRequest = "InvalidRequestExceptionType"

	collectionSet = "urn:oasis:names:tc:ebxml-regrep:CollectionType:Set"
)

func queryName(local string) xmldoc.Name { return xmldoc.Name{Space: spaceQuery, Local: local} }
func rimName(local string) xmldoc.Name   { return xmldoc.Name{Space: spaceRIM, Local: local} }
func rsName(local string) xmldoc.Name    { return xmldoc.Name{Space: spaceRS, Local: local} }
func sdgName(local string) xmldoc.Name   { return xmldoc.Name{Space: spaceSDG, Local: local} }
func plainName(local string) xmldoc.Name { return xmldoc.Name{Local: local} }

var xsiType = xmldoc.Name{Space: spaceXSI, Local: "type"}
