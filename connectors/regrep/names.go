package regrep

import (
	"net/url"
	"strings"

	"oncegate/connectors/regrep/rim"
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

const packagingScheme = "urn:fdc:oots:classification:edm"

// Names of slots.
const (
	slotSpecification = "SpecificationIdentifier"
	slotIssued        = "IssueDateTime"
	slotProcedure     = "Procedure"
	slotPreview       = "PreviewLocation"
	slotReturn        = "ReturnLocation"
	slotMethod        = "PreviewMethod"
	slotDescription   = "PreviewDescription"
	slotPossible      = "PossibilityForPreview"
	slotExplicit      = "ExplicitRequestGiven"
	slotRequirements  = "Requirements"
	slotRequester     = "EvidenceRequester"
	slotProvider      = "EvidenceProvider"
	slotConcepts      = "EvidenceProviderClassification"
	slotEvidence      = "EvidenceRequest"
	slotNatural       = "NaturalPerson"
	slotLegal         = "LegalPerson"
	slotActing        = "AuthorizedRepresentative"
	slotLegalActing   = "AuthorizedRepresentativeLegalPerson"
	slotResponse      = "EvidenceResponseIdentifier"
	slotAvailable     = "ResponseAvailableDateTime"
	slotMetadata      = "EvidenceMetadata"
	slotErrorProvider = "ErrorProvider"
	slotTimestamp     = "Timestamp"
)

// Names that the readers ask for.
var (
	nameIdentifier  = rim.SDG("Identifier")
	nameName        = rim.SDG("Name")
	nameTitle       = rim.SDG("Title")
	nameDescription = rim.SDG("Description")
	nameFormat      = rim.SDG("Format")
	nameLanguage    = rim.SDG("Language")
	nameConformsTo  = rim.SDG("ConformsTo")
	nameTransform   = rim.SDG("Transformation")
	nameAssociated  = rim.SDG("AssociatedDocumentRequest")
	nameSlot        = rim.RIM("Slot")
	nameList        = rim.RIM("RegistryObjectList")
	nameObject      = rim.RIM("RegistryObject")
	nameException   = rim.RS("Exception")
	attrScheme      = rim.Plain("schemeID")
)

// Bounds on what a document may repeat and say. No rule sets them; they are those
// of the canonical schemas, so that what is read here can be published.
const (
	maxObjects   = 256
	maxDocuments = 100
	maxForms     = 32 // distributions
	maxAgents    = 8  // intermediaries
	maxLegalName = 512
	maxEmail     = 320
)

// Location reports whether s may be handed to a browser as preview or return
// location: an absolute https URL with a host, without user information and
// without a fragment (TDD 4.9).
func Location(s string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("#\\\"<>`{}|^", c) }
	if !strings.HasPrefix(s, "https://") || len(s) > 2048 || strings.ContainsFunc(s, odd) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil
}

// httpsURI reports whether s may be the URI of something in a repository.
func httpsURI(s string) bool {
	if !strings.HasPrefix(s, "https://") || len(s) > rim.MaxURL || strings.ContainsAny(s, " \t\r\n") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != ""
}

// word reports whether s is short and of letters and digits only, as codes are.
func word(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
