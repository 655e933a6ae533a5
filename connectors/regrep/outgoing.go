package regrep

import (
	"context"
	"fmt"
	"io"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// reread parses what was written and hands it to the reader of the same edition:
// no document leaves that we would refuse ourselves.
func reread(document []byte, read func(xmldoc.Element) error) error {
	doc, err := xmldoc.ParseBytes(document, xmldoc.Limits{})
	if err != nil {
		return fmt.Errorf("reading own document: %w", err)
	}
	if err := read(doc.Root()); err != nil {
		return canon.NewFault(canon.CodeMessageInvalid, err, "the message would break %s", err)
	}
	return nil
}

func (c *Codec) encodeRequest(ed edition, q *canon.EvidenceRequest) ([]byte, error) {
	b, err := ed.writeRequest(q)
	if err != nil {
		return nil, err
	}
	return b, reread(b, func(root xmldoc.Element) error {
		got, err := ed.readRequest(root)
		if err == nil && got.Step != q.Step {
			err = invalid("TDD 4.4", "the step is not that of the locations")
		}
		return err
	})
}

func (c *Codec) encodePreview(ed edition, p *canon.PreviewRequired) ([]byte, error) {
	located := *p
	located.Provider = c.located(p.Provider)
	b, err := ed.writePreview(&located)
	if err != nil {
		return nil, err
	}
	return b, reread(b, func(root xmldoc.Element) error { _, err := ed.readException(root); return err })
}

func (c *Codec) encodeRefusal(ed edition, p *canon.EvidenceRefusal) ([]byte, error) {
	located := *p
	located.Provider = c.located(p.Provider)
	b, err := ed.writeRefusal(&located)
	if err != nil {
		return nil, err
	}
	return b, reread(b, func(root xmldoc.Element) error { _, err := ed.readException(root); return err })
}

func (c *Codec) encodeResponse(ctx context.Context, ed edition, p *canon.EvidenceResponse, conversation canon.ConversationID, payloads canon.Payloads) ([]byte, []edelivery.Part, error) {
	located := *p
	located.Provider = c.located(p.Provider)
	x := &response{body: &located}
	var parts []edelivery.Part
	for _, doc := range p.Documents {
		name := contentName(doc.ID, c.domain)
		x.items = append(x.items, item{content: name})
		ref := doc.Payload
		parts = append(parts, edelivery.Part{
			ID: name, MediaType: ref.MediaType, Size: ref.Size,
			// The access point opens parts while it sends, within the call that ctx bounds.
			Open: func() (io.ReadCloser, error) { return payloads.Open(ctx, conversation, ref) },
		})
		if !mediaTypes[ref.MediaType] { // R-EDM-RESP-C023, also for supplements
			return nil, nil, canon.NewFault(canon.CodeMessageInvalid, nil, "media type of document %s is not in OOTSMediaTypes", doc.ID)
		}
	}
	b, err := ed.writeResponse(x)
	if err != nil {
		return nil, nil, err
	}
	return b, parts, reread(b, func(root xmldoc.Element) error {
		got, err := ed.readResponse(root)
		if err == nil && (got.body.Status != p.Status || len(got.body.Documents) != len(p.Documents) ||
			p.Status == canon.StatusDeferred && p.AvailableAt.IsZero()) {
			err = invalid("TDD 4.9", "the status is not that of the documents")
		}
		return err
	})
}

// checkSizes keeps the limits of TDD 4.7 and the Content-IDs apart.
func (c *Codec) checkSizes(parts []edelivery.Part) error {
	var total int64
	seen := map[string]bool{}
	for i, p := range parts {
		if seen[p.ID] {
			return canon.NewFault(canon.CodeMessageInvalid, nil, "two parts have one Content-ID")
		}
		seen[p.ID] = true
		total += p.Size
		if i > 0 && p.Size > c.maxEvidence {
			return canon.NewFault(canon.CodeMessageInvalid, nil, "an evidence has more than %d bytes", c.maxEvidence)
		}
	}
	if total > c.maxMessage {
		return canon.NewFault(canon.CodeMessageInvalid, nil, "the message has more than %d bytes", c.maxMessage)
	}
	return nil
}
