package regrep

import "oncegate/connectors/xmldoc"

// Namespaces of the documents.
const (
	spaceQuery = "urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0"
	spaceRIM   = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0"
	spaceRS    = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:4.0"
	spaceSDG   = "http://data.europa.eu/p4s"
	spaceXLink = "http://www.w3.org/1999/xlink"
	spaceXSI   = "http://www.w3.org/2001/XMLSchema-instance"
)

// The ebMS actions of evidence exchange (TDD 4.7).
const (
	ActionRequest   = "ExecuteQueryRequest"
	ActionResponse  = "ExecuteQueryResponse"
	ActionException = "ExceptionResponse"
)

// MediaType is the media type of the RegRep part.
const MediaType = "application/x-ebrs+xml"

// Names of the message properties that EDM adds to those of the four corners.
const (
	propertyExchange      = "ExchangeId"
	propertySpecification = "SpecificationId"
)

const (
	statusPrefix      = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	statusSuccess     = statusPrefix + "Success"
	statusFailure     = statusPrefix + "Failure"
	statusUnavailable = statusPrefix + "Unavailable"

	collectionSet     = "urn:oasis:names:tc:ebxml-regrep:CollectionType:Set"
	associationPrefix = "urn:oasis:names:tc:ebxml-regrep:AssociationType:"
	packagingScheme   = "urn:fdc:oots:classification:edm"
	uuidURN           = "urn:uuid:"
)

// Value types of a slot.
const (
	typeString        = "StringValueType"
	typeDateTime      = "DateTimeValueType"
	typeBoolean       = "BooleanValueType"
	typeInternational = "InternationalStringValueType"
	typeAny           = "AnyValueType"
	typeCollection    = "CollectionValueType"
)

func queryName(local string) xmldoc.Name { return xmldoc.Name{Space: spaceQuery, Local: local} }
func rimName(local string) xmldoc.Name   { return xmldoc.Name{Space: spaceRIM, Local: local} }
func rsName(local string) xmldoc.Name    { return xmldoc.Name{Space: spaceRS, Local: local} }
func sdgName(local string) xmldoc.Name   { return xmldoc.Name{Space: spaceSDG, Local: local} }
func plainName(local string) xmldoc.Name { return xmldoc.Name{Local: local} }

var (
	xsiType = xmldoc.Name{Space: spaceXSI, Local: "type"}
	xmlLang = xmldoc.Name{Space: xmldoc.SpaceXML, Local: "lang"}
)
