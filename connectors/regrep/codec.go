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
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Config says who we are and what we accept.
type Config struct {
	// Reporter is the organisation that answers where the evidence provider is not
	// known: it stands as ErrorProvider on refusals of requests that cannot be read.
	// Its country completes providers that have none. Required.
	Reporter canon.Agent

	// ContentDomain is the right side of the Content-IDs of our parts. Required.
	ContentDomain string

	// Procedures is the list Procedures. Default: that of TDD 2.0.1.
	Procedures []string

	MaxDocument int64 // Default 4 MiB; bytes of one RegRep document.
	MaxEvidence int64 // Default 25 MiB; bytes of one evidence, before compression (TDD 4.7).
	MaxMessage  int64 // Default 100 MiB; bytes of all parts together, before compression (TDD 4.7).
}

func (c *Config) validate() error {
	var errs []error
	if !organisationScheme(c.Reporter.ID.Scheme) || c.Reporter.ID.ID == "" {
		errs = append(errs, errors.New("reporter has no identifier with an EAS or unregistered scheme"))
	}
	if len(c.Reporter.Names) == 0 {
		errs = append(errs, errors.New("reporter has no name"))
	}
	if !countries[c.Reporter.Country] {
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

// A Codec translates the messages of service QueryManager. It holds no state and
// is safe for concurrent use.
type Codec struct {
	reporter    canon.Agent
	domain      string
	editions    []edition // newest first
	maxDocument int64
	maxEvidence int64
	maxMessage  int64
}

var _ edelivery.Codec = (*Codec)(nil)

// New returns a codec.
func New(c Config) (*Codec, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configuring regrep: %w", err)
	}
	procedures := c.Procedures
	if len(procedures) == 0 {
		procedures = defaultProcedures
	}
	limit := func(n, standard int64) int64 {
		if n == 0 {
			return standard
		}
		return n
	}
	return &Codec{
		reporter:    c.Reporter,
		domain:      c.ContentDomain,
		editions:    []edition{&edm20{procedures: words(strings.Join(procedures, " "))}},
		maxDocument: limit(c.MaxDocument, 4<<20),
		maxEvidence: limit(c.MaxEvidence, 25<<20),
		maxMessage:  limit(c.MaxMessage, 100<<20),
	}, nil
}

func (c *Codec) edition(specification string) (edition, bool) {
	for _, ed := range c.editions {
		if ed.specification() == specification {
			return ed, true
		}
	}
	return nil, false
}

// Decode implements edelivery.Codec. The id of a message is derived from the
// sender and its ebMS MessageId. A request that breaks a rule yields one
// EvidenceRefusal on LegOut; a response or error that breaks one is a Fault
// CodeResponseInvalid, because nobody waits for an answer to an answer
// (TDD 4.7): the exchange ends at its deadline.
func (c *Codec) Decode(ctx context.Context, in edelivery.Incoming, payloads canon.Payloads) ([]canon.Message, error) {
	var family string
	switch in.Header.Action {
	case ActionRequest:
		family = familyRequest
	case ActionResponse:
		family = familyResponse
	case ActionException:
		family = familyError
	default:
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "not an action of evidence exchange")
	}
	m, root, err := c.decode(ctx, in, family, payloads)
	if err == nil {
		return []canon.Message{m}, nil
	}
	v, broken := errors.AsType[*violation](err)
	switch {
	case !broken:
		return nil, fmt.Errorf("decoding %s: %w", in.Header.Action, err)
	case family == familyRequest:
		return []canon.Message{c.refuse(in, root, v)}, nil
	}
	return nil, canon.NewFault(canon.CodeResponseInvalid, v, "%s", v.Error())
}

// decode returns the root of the document, once there is one, with every error.
func (c *Codec) decode(ctx context.Context, in edelivery.Incoming, family string, payloads canon.Payloads) (canon.Message, xmldoc.Element, error) {
	var m canon.Message
	if family == familyResponse {
		in.Parts = documentFirst(in.Parts)
	}
	root, err := c.document(in, family)
	if err != nil {
		return m, root, err
	}
	ed, err := c.choose(root, family)
	if err != nil {
		return m, root, err
	}
	p, err := readProperties(&in.Header, ed)
	if err != nil {
		return m, root, err
	}
	conversation := canon.ConversationID(strings.ToLower(string(p.exchange)))
	var body canon.Body
	switch family {
	case familyRequest:
		q, err := ed.readRequest(root)
		if err != nil {
			return m, root, err
		}
		if p.sender != q.Requester.ID || p.recipient != q.Provider.ID {
			return m, root, invalid("TDD 4.7.1", "originalSender and finalRecipient are not the requester and the provider of the request")
		}
		conversation = canon.InboundConversation(in.Header.From.ID, p.exchange)
		body = q
	case familyResponse:
		x, err := ed.readResponse(root)
		if err != nil {
			return m, root, err
		}
		if err := c.attach(ctx, x, in.Parts, conversation, payloads); err != nil {
			return m, root, err
		}
		body = x.body
	case familyError:
		if body, err = ed.readException(root); err != nil {
			return m, root, err
		}
	}
	env := canon.EnvelopeOf(body)
	env.Leg, env.From, env.To = canon.LegIn, in.Header.From.ID, in.Header.To.ID
	env.Exchange, env.Session, env.AS4, env.RefTo = p.exchange, p.session, in.Header.MessageID, in.Header.RefToMessageID
	if family != familyRequest { // our own exchange comes back: its id is ours to spell
		env.Exchange = canon.ExchangeID(conversation)
	}
	return canon.Message{
		ID: messageID(&in.Header), Kind: body.Kind(), Conversation: conversation, At: in.Now.UTC(), Body: body,
	}, root, nil
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
func (c *Codec) document(in edelivery.Incoming, family string) (xmldoc.Element, error) {
	rule := map[string]string{familyRequest: "R-EDM-ebMS-023", familyError: "R-EDM-ebMS-030", familyResponse: "R-EDM-ebMS-032"}[family]
	if len(in.Parts) == 0 {
		return xmldoc.Element{}, invalid(rule, "there is no payload part")
	}
	if family != familyResponse && len(in.Parts) != 1 {
		return xmldoc.Element{}, invalid(rule, "there is more than one payload part")
	}
	part := in.Parts[0]
	if baseType(part.MediaType) != MediaType {
		return xmldoc.Element{}, invalid(rule, "the first part is not %s", MediaType)
	}
	if part.Size > c.maxDocument {
		return xmldoc.Element{}, invalid("XML", "the document has more than %d bytes", c.maxDocument)
	}
	f, err := part.Open()
	if err != nil {
		return xmldoc.Element{}, fmt.Errorf("opening document: %w", err)
	}
	defer f.Close()
	doc, err := xmldoc.Parse(f, xmldoc.Limits{MaxBytes: int(c.maxDocument)})
	if err != nil {
		broken, ok := errors.AsType[*xmldoc.ParseError](err)
		if !ok || broken.Reason == xmldoc.ReasonRead {
			return xmldoc.Element{}, fmt.Errorf("reading document: %w", err)
		}
		return xmldoc.Element{}, invalid("XML", "%s", strings.TrimPrefix(broken.Error(), "xml:"))
	}
	return doc.Root(), nil
}

func baseType(mediaType string) string {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(base))
}

// choose returns the edition that the document names. One that names none is
// read by the newest, which says what is missing.
func (c *Codec) choose(root xmldoc.Element, family string) (edition, error) {
	r := new(reader)
	named := ""
	for s := range root.All(rimName("Slot")) {
		if name, _ := s.Attr(plainName("name")); collapse(name) == "SpecificationIdentifier" {
			if v, err := s.Only(rimName("SlotValue")); err == nil {
				named = r.string(v)
			}
			break
		}
	}
	if named == "" {
		return c.editions[0], nil
	}
	if ed, ok := c.edition(named); ok {
		return ed, nil
	}
	rule := ruleID(family, "C001")
	if family == familyResponse {
		rule = ruleID(family, "C002")
	}
	return nil, invalid(rule, "SpecificationIdentifier is not %s", c.editions[0].specification())
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
	ed, known := c.edition(env.Specification)
	if !known {
		return fail(canon.NewFault(canon.CodeMessageInvalid, nil, "EDM version is not spoken here"))
	}
	if !uuid(string(env.Session)) || !uuid(string(env.Exchange)) { // R-EDM-ebMS-017, -037
		return fail(canon.NewFault(canon.CodeMessageInvalid, nil, "session and exchange are not UUIDs"))
	}
	out = edelivery.Outgoing{
		Action:         ActionException,
		OriginalSender: env.Provider.ID,
		FinalRecipient: env.Requester.ID,
		Properties: []ebms.Property{
			{Name: propertyExchange, Value: string(env.Exchange)},
			{Name: propertySpecification, Value: ed.specification()},
		},
		ConversationID: string(env.Session),
		RefToMessageID: env.RefTo, // Two-Way/Push-and-Push (a.5)
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
