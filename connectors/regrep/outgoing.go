package regrep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// reread hands what was written to the rules and the reader of the same edition: no
// document leaves that we would refuse ourselves.
func (c *Codec) reread(ed *edition, specification string, kind rules.Document, document []byte) (decoded, error) {
	doc, err := xmldoc.ParseKept(document, xmldoc.Limits{})
	if err != nil {
		return decoded{}, fmt.Errorf("reading own document: %w", err)
	}
	d, err := c.read(ed, specification, kind, doc.Root())
	if v, ok := errors.AsType[*violation](err); ok {
		return d, breaksOwn(v)
	}
	return d, err
}

// breaksOwn is the fault of a message of ours that would break a rule.
func breaksOwn(v *violation) error {
	return canon.NewFault(canon.CodeMessageInvalid, nil, "the message would break %s", v)
}

func (c *Codec) encodeRequest(ed *edition, q *canon.EvidenceRequest) ([]byte, error) {
	b, err := (&writer{ed: ed}).writeRequest(q)
	if err != nil {
		return nil, err
	}
	d, err := c.reread(ed, q.Specification, rules.EDMRequest, b)
	if err == nil && d.body.(*canon.EvidenceRequest).Step != q.Step {
		err = breaksOwn(breaks(rulecheck.LayerCross, "TDD 4.4", "the step is not that of the locations"))
	}
	return b, err
}

func (c *Codec) encodePreview(ed *edition, p *canon.PreviewRequired) ([]byte, error) {
	located := *p
	located.Provider = c.located(p.Provider)
	b, err := (&writer{ed: ed}).writePreview(&located, c.lists)
	if err != nil {
		return nil, err
	}
	_, err = c.reread(ed, p.Specification, rules.EDMError, b)
	return b, err
}

func (c *Codec) encodeRefusal(ed *edition, p *canon.EvidenceRefusal) ([]byte, error) {
	located := *p
	located.Provider = c.located(p.Provider)
	b, err := (&writer{ed: ed}).writeRefusal(&located, c.lists)
	if err != nil {
		return nil, err
	}
	_, err = c.reread(ed, p.Specification, rules.EDMError, b)
	return b, err
}

func (c *Codec) encodeResponse(ctx context.Context, ed *edition, p *canon.EvidenceResponse, conversation canon.ConversationID, payloads canon.Payloads) ([]byte, []edelivery.Part, error) {
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
		if !c.lists.Has("OOTSMediaTypes", ref.MediaType) { // R-EDM-RESP-C023, also for supplements
			return nil, nil, canon.NewFault(canon.CodeMessageInvalid, nil, "media type of document %s is not in OOTSMediaTypes", doc.ID)
		}
	}
	b, err := (&writer{ed: ed}).writeResponse(x)
	if err != nil {
		return nil, nil, err
	}
	d, err := c.reread(ed, p.Specification, rules.EDMResponse, b)
	if err != nil {
		return nil, nil, err
	}
	got := d.response.body
	if got.Status != p.Status || len(got.Documents) != len(p.Documents) || p.Status == canon.StatusDeferred && p.AvailableAt.IsZero() {
		return nil, nil, breaksOwn(breaks(rulecheck.LayerCross, "TDD 4.9", "the status is not that of the documents"))
	}
	return b, parts, nil
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

// contentName makes the Content-ID of a part from its UUID.
func contentName(id, domain string) string {
	return strings.ToLower(strings.TrimPrefix(id, rim.UUIDPrefix)) + "@" + domain
}
