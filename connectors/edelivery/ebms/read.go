package ebms

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Bounds of one header value, those of Domibus.
const (
	maxValue      = 1024
	maxID         = 255
	maxProperties = 100
)

func eb(local string) xmldoc.Name { return xmldoc.Name{Space: Namespace, Local: local} }

// MessagingName is the name of the header block.
var MessagingName = eb("Messaging")

// A Messaging is the content of the header block: one of the two.
type Messaging struct {
	User   *UserMessage
	Signal *Signal
}

// Read reads an eb:Messaging element. Errors are of type *Error. Security rests
// on the caller: the element must be the one that a signature covers before
// anything that it says is acted upon.
func Read(messaging xmldoc.Element) (Messaging, error) {
	var users, signals []xmldoc.Element
	for c := range messaging.Children() {
		switch c.Name() {
		case eb("UserMessage"):
			users = append(users, c)
		case eb("SignalMessage"):
			signals = append(signals, c)
		default:
			if c.Name().Space == Namespace {
				return Messaging{}, Errorf(InvalidHeader, "unknown element in Messaging")
			}
		}
	}
	switch {
	case len(users) > 1 || len(users) == 1 && len(signals) > 0:
		return Messaging{}, Errorf(ValueInconsistent, "more than one message unit")
	case len(signals) > 1:
		return Messaging{}, Errorf(ValueInconsistent, "more than one signal")
	case len(users) == 1:
		m, err := readUser(users[0])
		return Messaging{User: m}, err
	case len(signals) == 1:
		s, err := readSignal(signals[0])
		return Messaging{Signal: s}, err
	}
	return Messaging{}, Errorf(InvalidHeader, "no message unit")
}

// A scan walks the children of one element in the order of the schema and keeps
// the first mistake.
type scan struct {
	of   string
	next xmldoc.Element // zero at the end
	err  *error
}

func scanOf(e xmldoc.Element, err *error) scan {
	return scan{of: e.Name().Local, next: e.First(), err: err}
}

func (s *scan) fail(code Code, format string, args ...any) {
	if *s.err == nil {
		*s.err = Errorf(code, format, args...)
	}
}

// maybe returns the next child if it has the name.
func (s *scan) maybe(local string) (xmldoc.Element, bool) {
	if *s.err != nil || s.next.IsZero() || !s.next.Is(eb(local)) {
		return xmldoc.Element{}, false
	}
	e := s.next
	s.next = e.Next()
	return e, true
}

func (s *scan) need(local string) (xmldoc.Element, bool) {
	e, ok := s.maybe(local)
	if !ok {
		s.fail(InvalidHeader, "%s missing in %s", local, s.of)
	}
	return e, ok
}

func (s *scan) end() {
	if *s.err == nil && !s.next.IsZero() {
		s.fail(InvalidHeader, "unexpected or repeated element in %s", s.of)
	}
}

// token returns the text of an element as xs:token, at most max bytes.
func (s *scan) token(e xmldoc.Element, max int) string {
	t, err := e.TextOnly()
	if err != nil {
		s.fail(InvalidHeader, "%s is not text", e.Name().Local)
		return ""
	}
	t = strings.TrimSpace(t)
	if len(t) > max {
		s.fail(InvalidHeader, "%s is too long", e.Name().Local)
		return ""
	}
	return t
}

func (s *scan) needToken(local string, max int) string {
	e, ok := s.need(local)
	if !ok {
		return ""
	}
	t := s.token(e, max)
	if t == "" {
		s.fail(InvalidHeader, "%s is empty", local)
	}
	return t
}

func (s *scan) attr(e xmldoc.Element, local string) string {
	v, _ := e.Attr(xmldoc.Name{Local: local})
	if len(v) > maxValue {
		s.fail(InvalidHeader, "attribute %s is too long", local)
		return ""
	}
	return strings.TrimSpace(v)
}

func readUser(e xmldoc.Element) (*UserMessage, error) {
	var err error
	m := &UserMessage{}
	s := scanOf(e, &err)
	if mpc, ok := e.Attr(xmldoc.Name{Local: "mpc"}); ok {
		m.MPC = mpc
	}
	if info, ok := s.need("MessageInfo"); ok {
		m.Timestamp, m.MessageID, m.RefToMessageID = readInfo(info, &err)
	}
	if info, ok := s.need("PartyInfo"); ok {
		p := scanOf(info, &err)
		if from, ok := p.need("From"); ok {
			m.From = readParty(from, &err)
		}
		if to, ok := p.need("To"); ok {
			m.To = readParty(to, &err)
		}
		p.end()
	}
	if info, ok := s.need("CollaborationInfo"); ok {
		c := scanOf(info, &err)
		if a, ok := c.maybe("AgreementRef"); ok {
			m.Agreement = Agreement{Value: c.token(a, maxValue), Type: c.attr(a, "type"), PMode: c.attr(a, "pmode")}
		}
		if sv, ok := c.need("Service"); ok {
			m.Service = Service{Value: c.token(sv, maxValue), Type: c.attr(sv, "type")}
			// ebMS3 5.2.2.8: without a type the value is a URI.
			if m.Service.Type == "" && !IsURI(m.Service.Value) {
				c.fail(ValueInconsistent, "Service without type is not a URI")
			}
		}
		m.Action = c.needToken("Action", maxValue)
		m.ConversationID = c.needToken("ConversationId", maxID)
		c.end()
	}
	if ps, ok := s.maybe("MessageProperties"); ok {
		m.Properties = readProperties(ps, &err)
	}
	if ps, ok := s.maybe("PayloadInfo"); ok {
		p := scanOf(ps, &err)
		for {
			part, ok := p.maybe("PartInfo")
			if !ok {
				break
			}
			m.Parts = append(m.Parts, readPart(part, m.Parts, &err))
		}
		p.end()
	}
	s.end()
	return m, err
}

func readInfo(e xmldoc.Element, err *error) (at time.Time, id, ref string) {
	s := scanOf(e, err)
	if ts := s.needToken("Timestamp", maxID); ts != "" {
		var ok bool
		if at, ok = parseTime(ts); !ok {
			s.fail(InvalidHeader, "Timestamp is not a dateTime")
		}
	}
	id = s.needToken("MessageId", maxID)
	if id != "" && !swa.ValidID(id) {
		s.fail(InvalidHeader, "MessageId is not a message id")
		id = ""
	}
	if r, ok := s.maybe("RefToMessageId"); ok {
		if ref = s.token(r, maxID); ref != "" && !swa.ValidID(ref) {
			s.fail(InvalidHeader, "RefToMessageId is not a message id")
			ref = ""
		}
	}
	s.end()
	return at, id, ref
}

func readParty(e xmldoc.Element, err *error) Party {
	s := scanOf(e, err)
	var p Party
	if id, ok := s.need("PartyId"); ok {
		p.ID = canon.Participant{ID: s.token(id, maxID), Scheme: s.attr(id, "type")}
		switch {
		case p.ID.ID == "":
			s.fail(InvalidHeader, "PartyId is empty")
		case p.ID.Scheme == Untyped:
			s.fail(ValueInconsistent, "PartyId has a type that never travels")
		case p.ID.Scheme == "" && !IsURI(p.ID.ID):
			// ebMS3 5.2.2.4: without a type the value is a URI.
			s.fail(ValueInconsistent, "PartyId without type is not a URI")
		case p.ID.Scheme == "":
			p.ID.Scheme = Untyped
		}
	}
	if _, more := s.maybe("PartyId"); more {
		s.fail(ValueInconsistent, "more than one PartyId") // profile 1.15: exactly one
	}
	p.Role = s.needToken("Role", maxValue)
	s.end()
	return p
}

func readProperties(e xmldoc.Element, err *error) []Property {
	s := scanOf(e, err)
	var out []Property
	for {
		p, ok := s.maybe("Property")
		if !ok {
			break
		}
		name := s.attr(p, "name")
		switch {
		case name == "":
			s.fail(InvalidHeader, "Property without a name")
		case len(out) == maxProperties:
			s.fail(InvalidHeader, "more than %d properties", maxProperties)
		case slices.ContainsFunc(out, func(o Property) bool { return o.Name == name }):
			s.fail(ValueInconsistent, "property given twice")
		}
		if *err != nil {
			return nil
		}
		out = append(out, Property{Name: name, Type: s.attr(p, "type"), Value: s.token(p, maxValue)})
	}
	s.end()
	return out
}

func readPart(e xmldoc.Element, before []PartInfo, err *error) PartInfo {
	s := scanOf(e, err)
	var p PartInfo
	href := s.attr(e, "href")
	id, ok := swa.DecodeCID(href)
	switch {
	case ok:
		p.ID = id
	case href == "" || strings.HasPrefix(href, "#"):
		s.fail(ValueInconsistent, "payload in the SOAP Body is not part of the profile")
	case strings.HasPrefix(strings.ToLower(href), "cid:"):
		s.fail(ValueInconsistent, "href is not a cid URL")
	default:
		s.fail(ExternalPayloadError, "external payload") // never fetched
	}
	if slices.ContainsFunc(before, func(o PartInfo) bool { return o.ID == p.ID }) {
		s.fail(ValueInconsistent, "two PartInfo for one part")
	}
	if ps, ok := s.maybe("PartProperties"); ok {
		p.Properties = readProperties(ps, err)
	}
	// Schema and Description may stand around PartProperties in the OASIS schema;
	// the profile does not use them.
	s.end()
	if *err == nil {
		checkPart(p, &s)
	}
	return p
}

// checkPart obeys the compression feature of AS4 1.0 section 3.1.
func checkPart(p PartInfo, s *scan) {
	if v, _ := p.Property(PropertyMimeType); v == "" {
		s.fail(ValueInconsistent, "part property MimeType missing")
	}
	if v, ok := p.Property(PropertyCharacterSet); ok && !validEncName(v) {
		s.fail(ValueInconsistent, "part property CharacterSet is not an encoding name")
	}
	if v, ok := p.Property(PropertyCompressionType); ok && v != CompressionGzip {
		s.fail(ValueInconsistent, "part property CompressionType is not %s", CompressionGzip)
	}
}

// CheckParts says whether parts and PartInfo are the same set.
func (m *UserMessage) CheckParts(ids []string) error {
	if len(ids) != len(m.Parts) {
		return Errorf(ExternalPayloadError, "%d parts for %d PartInfo", len(ids), len(m.Parts))
	}
	for _, p := range m.Parts {
		if !slices.Contains(ids, p.ID) {
			return Errorf(ValueInconsistent, "PartInfo names a part that is not there")
		}
	}
	return nil
}

// IsURI reports an absolute URI.
func IsURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "" || u.Path != "")
}

// validEncName is EncName of XML 1.0 section 4.3.3.
func validEncName(s string) bool {
	if s == "" || len(s) > 40 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// parseTime reads xs:dateTime; without a zone it is UTC, as ebMS3 5.2.2.1 wants.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
