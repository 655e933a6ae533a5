package regrep

import (
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// An edition reads and writes the documents of one EDM version. Reading returns
// a *violation for a broken rule; writing returns the document whole. Editions
// are handed only documents that name them, or that name no edition, and they
// know no transport: envelopes lack the parties, the exchange and the session,
// which stand in the message header.
type edition interface {
	specification() string // oots-edm:v2.0; slot SpecificationIdentifier
	properties() []string  // the message properties that must be there, and no others

	readRequest(root xmldoc.Element) (*canon.EvidenceRequest, error)
	readResponse(root xmldoc.Element) (*response, error)
	readException(root xmldoc.Element) (canon.Body, error) // *PreviewRequired or *EvidenceRefusal

	writeRequest(*canon.EvidenceRequest) ([]byte, error)
	writeResponse(*response) ([]byte, error)
	writePreview(*canon.PreviewRequired) ([]byte, error)
	writeRefusal(*canon.EvidenceRefusal) ([]byte, error)
}

// A response is an EvidenceResponse with what ties its documents to parts of
// the message.
type response struct {
	body  *canon.EvidenceResponse
	items []item // one for each of body.Documents
}

// An item is the carrier of one document.
type item struct {
	content string   // Content-ID of the part
	formats []string // media types that the metadata state; none for most supplements
}
