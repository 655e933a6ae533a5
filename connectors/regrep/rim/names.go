package rim

import "oncegate/connectors/xmldoc"

// Namespaces of the documents.
const (
	SpaceQuery = "urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0"
	SpaceRIM   = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0"
	SpaceRS    = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:4.0"
	SpaceLCM   = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:4.0"
	SpaceSDG   = "http://data.europa.eu/p4s"
	SpaceXLink = "http://www.w3.org/1999/xlink"
	SpaceXSI   = "http://www.w3.org/2001/XMLSchema-instance"
)

// The URNs of RegRep.
const (
	StatusPrefix      = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	StatusSuccess     = StatusPrefix + "Success"
	StatusFailure     = StatusPrefix + "Failure"
	StatusUnavailable = StatusPrefix + "Unavailable"

	SeverityError = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"

	// CollectionSet must be written: the default of the XSD is a bag.
	CollectionSet     = "urn:oasis:names:tc:ebxml-regrep:CollectionType:Set"
	AssociationPrefix = "urn:oasis:names:tc:ebxml-regrep:AssociationType:"
	UUIDPrefix        = "urn:uuid:"
)

// Value types of a slot.
const (
	TypeString        = "StringValueType"
	TypeDateTime      = "DateTimeValueType"
	TypeBoolean       = "BooleanValueType"
	TypeInternational = "InternationalStringValueType"
	TypeAny           = "AnyValueType"
	TypeCollection    = "CollectionValueType"
)

// Query returns a name of RegRep's query schema.
func Query(local string) xmldoc.Name { return xmldoc.Name{Space: SpaceQuery, Local: local} }

// RIM returns a name of the registry information model.
func RIM(local string) xmldoc.Name { return xmldoc.Name{Space: SpaceRIM, Local: local} }

// RS returns a name of RegRep's registry services.
func RS(local string) xmldoc.Name { return xmldoc.Name{Space: SpaceRS, Local: local} }

// SDG returns a name of the generic metadata profile.
func SDG(local string) xmldoc.Name { return xmldoc.Name{Space: SpaceSDG, Local: local} }

// Plain returns a name without namespace, as attributes have it.
func Plain(local string) xmldoc.Name { return xmldoc.Name{Local: local} }

// XSIType is the name of the attribute xsi:type.
var XSIType = xmldoc.Name{Space: SpaceXSI, Local: "type"}

// XMLLang is the name of the attribute xml:lang.
var XMLLang = xmldoc.Name{Space: xmldoc.SpaceXML, Local: "lang"}

// The names that every document asks for.
var (
	nameSlot      = RIM("Slot")
	nameSlotValue = RIM("SlotValue")
	nameValue     = RIM("Value")
	nameElement   = RIM("Element")
	nameLocalized = RIM("LocalizedString")
	attrName      = Plain("name")
	attrLang      = Plain("lang")
	attrValue     = Plain("value")
	attrScheme    = Plain("schemeID")
)
