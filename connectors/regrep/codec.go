package regrep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// Config says who we are and what we accept.
type Config struct {
	// Reporter is the organisation that answers where the evidence provider is not
	// known: it stands as ErrorProvider on refusals of requests that cannot be read.
	// Its country completes providers that have none. Required.
	Reporter canon.Agent

	// ContentDomain is the right side of the Content-IDs of our parts. Required.
	ContentDomain string

	// Lists are the code lists. Default: those of TDD 2.0.1.
	Lists *codes.Lists

	MaxDocument int64 // Default 4 MiB; bytes of one RegRep document.
	MaxEvidence int64 // Default 25 MiB; bytes of one evidence, before compression (TDD 4.7).
	MaxMessage  int64 // Default 100 MiB; bytes of all parts together, before compression (TDD 4.7).
}

func (c *Config) validate() error {
	var errs []error
	if !organisation(c.Lists, c.Reporter.ID) {
		errs = append(errs, errors.New("reporter has no identifier with an EAS or unregistered scheme"))
	}
	if len(c.Reporter.Names) == 0 {
		errs = append(errs, errors.New("reporter has no name"))
	}
	if !c.Lists.Has("CountryIdentificationCode", c.Reporter.Country) {
		errs = append(errs, errors.New("reporter has no country of CountryIdentificationCode"))
	}
	if c.ContentDomain == "" || strings.ContainsAny(c.ContentDomain, "@<>\"% \t\r\n") {
		errs = append(errs, errors.New("contentDomain is not a domain"))
	}
	if c.MaxDocument < 0 || c.MaxEvidence < 0 || c.MaxMessage < 0 || c.MaxDocument > 1<<30 {
		errs = append(errs, errors.New("a limit is out of range"))
	}
	return errors.Join(errs...)
}

// organisation reports whether p may name an organisation: an EAS code, or
// "unregistered" with a country or "oots", and an identifier.
func organisation(lists *codes.Lists, p canon.Participant) bool {
	if p.ID == "" || len(p.ID) >= 256 {
		return false
	}
	if code, ok := strings.CutPrefix(p.Scheme, easPrefix); ok {
		return lists.Has("EAS", code)
	}
	code, ok := strings.CutPrefix(p.Scheme, unregisteredPrefix)
	return ok && (code == "oots" || lists.Has("CountryIdentificationCode", code))
}

const (
	easPrefix          = "urn:cef.eu:names:identifier:EAS:"
	unregisteredPrefix = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
)

// A Codec translates the messages of service QueryManager, in every version of the
// data model. It holds no state and is safe for concurrent use.
type Codec struct {
	judge
	reporter    canon.Agent
	domain      string
	lists       *codes.Lists
	maxDocument int64
	maxEvidence int64
	maxMessage  int64
}

var _ edelivery.Codec = (*Codec)(nil)

// New returns a codec.
func New(c Config) (*Codec, error) {
	if c.Lists == nil {
		c.Lists = codes.Default()
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configuring regrep: %w", err)
	}
	j, err := newJudge(c.Lists)
	if err != nil {
		return nil, fmt.Errorf("configuring regrep: %w", err)
	}
	limit := func(n, standard int64) int64 {
		if n == 0 {
			return standard
		}
		return n
	}
	return &Codec{
		judge:       j,
		reporter:    c.Reporter,
		domain:      c.ContentDomain,
		lists:       c.Lists,
		maxDocument: limit(c.MaxDocument, 4<<20),
		maxEvidence: limit(c.MaxEvidence, 25<<20),
		maxMessage:  limit(c.MaxMessage, 100<<20),
	}, nil
}

// documents says what the part of each action is.
var documents = map[string]rules.Document{
	ActionRequest: rules.EDMRequest, ActionResponse: rules.EDMResponse, ActionException: rules.EDMError,
}

// Decode implements edelivery.Codec. The id of a message is derived from the
// sender and its ebMS MessageId. A request that breaks a rule yields one
// EvidenceRefusal on LegOut; a response or error that breaks one is a Fault
// CodeResponseInvalid, because nobody waits for an answer to an answer
// (TDD 4.7): the exchange ends at its deadline.
func (c *Codec) Decode(ctx context.Context, in edelivery.Incoming, payloads canon.Payloads) ([]canon.Message, error) {
	doc, ok := documents[in.Header.Action]
	if !ok {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "not an action of evidence exchange")
	}
	m, seen, err := c.decode(ctx, in, doc, payloads)
	if err == nil {
		return []canon.Message{m}, nil
	}
	v, broken := errors.AsType[*violation](err)
	switch {
	case !broken:
		return nil, fmt.Errorf("decoding %s: %w", in.Header.Action, err)
	case doc == rules.EDMRequest:
		return []canon.Message{c.refuse(in, seen, v)}, nil
	}
	return nil, canon.NewFault(canon.CodeResponseInvalid, nil, "%s", v)
}

// A sighting is what is known of a document while it is read.
type sighting struct {
	root          xmldoc.Element // zero where there is no document
	ed            *edition       // nil where the version is not spoken
	specification string
}

// decode returns what was seen of the document with every error.
func (c *Codec) decode(ctx context.Context, in edelivery.Incoming, doc rules.Document, payloads canon.Payloads) (m canon.Message, seen sighting, err error) {
	if doc == rules.EDMResponse {
		in.Parts = documentFirst(in.Parts)
	}
	if seen.root, err = c.document(in, doc); err != nil {
		return m, seen, err
	}
	if seen.ed, seen.specification, err = choose(seen.root, &in.Header); err != nil {
		return m, seen, err
	}
	d, err := c.read(seen.ed, seen.specification, doc, seen.root)
	if err != nil {
		return m, seen, err
	}
	// The header comes second: a sender is told first what its document lacks.
	found, err := c.header(seen.ed, &in.Header)
	if err == nil {
		err = fatal(found)
	}
	if err != nil {
		return m, seen, err
	}
	p, err := correlate(seen.ed, &in.Header, d.body)
	if err != nil {
		return m, seen, err
	}
	if d.response != nil {
		if err := c.attach(ctx, d.response, in.Parts, p.conversation, payloads); err != nil {
			return m, seen, err
		}
	}
	env := canon.EnvelopeOf(d.body)
	env.Leg, env.From, env.To = canon.LegIn, in.Header.From.ID, in.Header.To.ID
	env.Exchange, env.Session, env.SentAt = p.exchange, p.session, in.Header.Timestamp.UTC()
	env.AS4, env.RefTo = in.Header.MessageID, in.Header.RefToMessageID
	return canon.Message{
		ID: messageID(&in.Header), Kind: d.body.Kind(), Conversation: p.conversation, At: in.Now.UTC(), Body: d.body,
	}, seen, nil
}

// documentFirst moves the RegRep part to the front: that a response begins with
// it is a warning only (R-EDM-ebMS-032).
func documentFirst(parts []edelivery.Part) []edelivery.Part {
	at := slices.IndexFunc(parts, func(p edelivery.Part) bool { return baseType(p.MediaType) == MediaType })
	if at <= 0 {
		return parts
	}
	out := slices.Clone(parts)
	copy(out[1:], parts[:at])
	out[0] = parts[at]
	return out
}

// messageID gives one AS4 message one canonical id, however often it arrives.
func messageID(h *ebms.UserMessage) canon.MessageID {
	return canon.MessageID(canon.DeriveUUID("as4", h.From.ID.Scheme, h.From.ID.ID, h.MessageID))
}

// document parses the RegRep part.
func (c *Codec) document(in edelivery.Incoming, doc rules.Document) (xmldoc.Element, error) {
	// How many parts there must be is said by rules of the header too, which ask for
	// an edition: it stands in this part.
	alone := doc != rules.EDMResponse
	switch {
	case len(in.Parts) == 0:
		return xmldoc.Element{}, breaks(rulecheck.LayerStructure, partRules[doc], "there is no payload part")
	case alone && len(in.Parts) != 1:
		return xmldoc.Element{}, breaks(rulecheck.LayerStructure, partRules[doc], "there is more than one payload part")
	}
	part := in.Parts[0]
	if baseType(part.MediaType) != MediaType {
		return xmldoc.Element{}, breaks(rulecheck.LayerStructure, partRules[doc], "the first part is not %s", MediaType)
	}
	if part.Size > c.maxDocument {
		return xmldoc.Element{}, breaks(rulecheck.LayerXML, "", "the document has more than %d bytes", c.maxDocument)
	}
	f, err := part.Open()
	if err != nil {
		return xmldoc.Element{}, fmt.Errorf("opening document: %w", err)
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(max(part.Size, 0)) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(f, c.maxDocument+1)); err != nil {
		return xmldoc.Element{}, fmt.Errorf("reading document: %w", err)
	}
	d, err := xmldoc.ParseKept(b.Bytes(), xmldoc.Limits{MaxBytes: int(c.maxDocument)})
	if err != nil {
		broken, ok := errors.AsType[*xmldoc.ParseError](err)
		if !ok {
			return xmldoc.Element{}, fmt.Errorf("reading document: %w", err)
		}
		return xmldoc.Element{}, breaks(rulecheck.LayerXML, "", "%s", strings.TrimPrefix(broken.Error(), "xml:"))
	}
	return d.Root(), nil
}

// partRules are the rules on the parts of a message.
var partRules = map[rules.Document]string{
	rules.EDMRequest: "R-EDM-ebMS-023", rules.EDMError: "R-EDM-ebMS-030", rules.EDMResponse: "R-EDM-ebMS-032",
}

// Encode implements edelivery.Codec for the evidence messages on LegOut. What it
// writes is read again with the rules of the receiver before it leaves.
func (c *Codec) Encode(ctx context.Context, m canon.Message, payloads canon.Payloads) (out edelivery.Outgoing, ok bool, err error) {
	env := canon.EnvelopeOf(m.Body)
	if env == nil || env.Leg != canon.LegOut {
		return out, false, nil
	}
	fail := func(err error) (edelivery.Outgoing, bool, error) {
		return edelivery.Outgoing{}, false, fmt.Errorf("encoding %s: %w", m.Kind, err)
	}
	ed, known := editionOf(env.Specification)
	if !known {
		return fail(canon.NewFault(canon.CodeMessageInvalid, nil, "EDM version is not spoken here"))
	}
	if !rim.IsUUID(string(env.Session)) || !rim.IsUUID(string(env.Exchange)) { // R-EDM-ebMS-017, -037
		return fail(canon.NewFault(canon.CodeMessageInvalid, nil, "session and exchange are not UUIDs"))
	}
	out = edelivery.Outgoing{
		Action:         ActionException,
		OriginalSender: env.Provider.ID,
		FinalRecipient: env.Requester.ID,
		ConversationID: string(env.Session),
		RefToMessageID: env.RefTo, // Two-Way/Push-and-Push (a.5)
		Check: func(h *ebms.UserMessage) error {
			findings, err := c.judge.header(ed, h)
			if err != nil {
				return err
			}
			return fatal(findings)
		},
	}
	if ed.exchangeID {
		out.Properties = []ebms.Property{
			{Name: propertyExchange, Value: string(env.Exchange)},
			{Name: propertySpecification, Value: env.Specification},
		}
	}
	if out.FinalRecipient.IsZero() { // the requester of an unreadable request is not known; its access point is
		out.FinalRecipient = env.To
	}
	var document []byte
	var name string
	var attachments []edelivery.Part
	switch p := m.Body.(type) {
	case *canon.EvidenceRequest:
		out.Action, out.OriginalSender, out.FinalRecipient = ActionRequest, p.Requester.ID, p.Provider.ID
		if !ed.exchangeID { // the answer brings nothing else back that names the exchange
			out.ConversationID = string(env.Exchange)
		}
		name = string(p.Request)
		document, err = c.encodeRequest(ed, p)
	case *canon.EvidenceResponse:
		out.Action = ActionResponse
		name = p.Response
		document, attachments, err = c.encodeResponse(ctx, ed, p, m.Conversation, payloads)
	case *canon.PreviewRequired:
		name = p.Response
		document, err = c.encodePreview(ed, p)
	case *canon.EvidenceRefusal:
		name = p.Response
		document, err = c.encodeRefusal(ed, p)
	default:
		return out, false, nil
	}
	if err != nil {
		return fail(err)
	}
	out.Parts = append([]edelivery.Part{{
		ID: contentName(name, c.domain), MediaType: MediaType, Size: int64(len(document)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(document)), nil },
	}}, attachments...)
	if err := c.checkSizes(out.Parts); err != nil {
		return fail(err)
	}
	return out, true, nil
}

// located returns the agent with a country, which answers must state.
func (c *Codec) located(a canon.Agent) canon.Agent {
	a.Country = or(a.Country, c.reporter.Country)
	return a
}
