package register

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// The namespaces of the X-Road message protocol 4.0.
const (
	xroadSpace    = "http://x-road.eu/xsd/xroad.xsd"
	xroadIDs      = "http://x-road.eu/xsd/identifiers"
	xroadProtocol = "4.0"
)

// xroadService says that the register is a service of X-Road: a security server
// stands between, which wants to know who asks whom (X-Road: Message Protocol 4.0;
// Message Protocol for REST).
type xroadService struct {
	parts []string        // instance, class, member, subsystem, service[, version]
	issue *mapping.Lookup // why it is asked, such as the number of a procedure; nil: not said
}

var xroadPart = regexp.MustCompile(`^[^/\\%;:\x00-\x20\x7f]{1,255}$`)

func xroadParts(id string, from, to int) ([]string, bool) {
	parts := strings.Split(id, "/")
	if len(parts) < from || len(parts) > to {
		return nil, false
	}
	for _, p := range parts {
		if !xroadPart.MatchString(p) || p == "." || p == ".." {
			return nil, false
		}
	}
	return parts, true
}

func readXRoad(v yamldoc.Value, scope *mapping.Scope) *xroadService {
	if !v.Exists() {
		return nil
	}
	f := v.Fields("service", "issue")
	s := &xroadService{}
	var ok bool
	if id := f["service"].RequiredText(v, "service"); id != "" {
		if s.parts, ok = xroadParts(id, 5, 6); !ok {
			f["service"].Fault("want INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE, and for SOAP the version after it")
		}
	}
	if f["issue"].Exists() {
		if s.issue = scope.Lookup(f["issue"]); s.issue != nil && s.issue.Mentions(personal) {
			f["issue"].Fault("security servers keep the issue in their logs: it must not hold personal data")
		}
	}
	return s
}

func (s *xroadService) issueOf(in any) (string, error) {
	if s == nil || s.issue == nil {
		return "", nil
	}
	text, err := s.issue.Text(in)
	if err == nil && strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		err = errors.New("the issue cannot stand in a header")
	}
	return text, err
}

// XRoad is who we are in X-Road.
type XRoad struct {
	Client   string // INSTANCE/CLASS/MEMBER/SUBSYSTEM; Required for a register of X-Road
	User     string // who asks for us; a system, never the person asked about. Default none
	Instance string // of the register, where it is another than its definition says, as in a test environment
}

func (x XRoad) validate() error {
	var errs []error
	if _, ok := xroadParts(x.Client, 3, 4); x.Client != "" && !ok {
		errs = append(errs, errors.New("xroad: client: want INSTANCE/CLASS/MEMBER/SUBSYSTEM"))
	}
	if x.Instance != "" && (!xroadPart.MatchString(x.Instance) || x.Instance == "." || x.Instance == "..") {
		errs = append(errs, errors.New("xroad: instance: want one name"))
	}
	if strings.ContainsFunc(x.User, func(r rune) bool { return r <= ' ' || r > '~' }) || len(x.User) > 255 {
		errs = append(errs, errors.New("xroad: user: want printable ASCII without blanks"))
	}
	return errors.Join(errs...)
}

// xroadCall is one deployment's use of a service.
type xroadCall struct {
	us      XRoad
	client  []string
	service []string
}

var errNoXRoad = errors.New("this register is a service of X-Road: the deployment must say who it is (xroad: {client: ...})")

// dial checks that the deployment is one of X-Road; nil for any other register.
func (s *xroadService) dial(us XRoad) (*xroadCall, error) {
	if s == nil {
		return nil, nil
	}
	if us.Client == "" {
		return nil, errNoXRoad
	}
	c := &xroadCall{us: us, service: append([]string(nil), s.parts...)}
	c.client, _ = xroadParts(us.Client, 3, 4)
	if us.Instance != "" {
		c.service[0] = us.Instance
	}
	return c, nil
}

var xroadFields = []string{"xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode", "serviceVersion"}

// block is one SOAP header of X-Road.
func xroadBlock(local, text string) *mapping.Element {
	return &mapping.Element{Name: mapping.Name{Prefix: "xrd", Space: xroadSpace, Local: local}, Text: text}
}

func xroadID(local, kind string, parts []string) *mapping.Element {
	e := xroadBlock(local, "")
	e.Attrs = []mapping.Attr{{Name: mapping.Name{Prefix: "iden", Space: xroadIDs, Local: "objectType"}, Value: kind}}
	for i, p := range parts {
		e.Children = append(e.Children, &mapping.Element{Name: mapping.Name{Prefix: "iden", Space: xroadIDs, Local: xroadFields[i]}, Text: p})
	}
	return e
}

// blocks are the SOAP headers of one query.
func (c *xroadCall) blocks(r *request) []*mapping.Element {
	if c == nil {
		return nil
	}
	kind := "SUBSYSTEM"
	if len(c.client) == 3 {
		kind = "MEMBER"
	}
	out := []*mapping.Element{xroadID("client", kind, c.client), xroadID("service", "SERVICE", c.service)}
	if c.us.User != "" {
		out = append(out, xroadBlock("userId", c.us.User))
	}
	out = append(out, xroadBlock("id", string(r.id)))
	if r.issue != "" {
		out = append(out, xroadBlock("issue", r.issue))
	}
	return append(out, xroadBlock("protocolVersion", xroadProtocol))
}

var errEcho = errors.New("the reply is not to this query: X-Road wants its headers repeated")

// check compares the headers of an answer with those of the query (Message
// Protocol 4.0, 2.2: a service repeats them). A fault of a security server has none.
func (c *xroadCall) check(header xmldoc.Element, r *request) error {
	if c == nil {
		return nil
	}
	if header.IsZero() {
		return errEcho
	}
	only := func(local string) (xmldoc.Element, error) {
		return header.Only(xmldoc.Name{Space: xroadSpace, Local: local})
	}
	id, err := only("id")
	if err != nil || strings.TrimSpace(id.Text()) != string(r.id) {
		return errEcho
	}
	for local, want := range map[string][]string{"client": c.client, "service": c.service} {
		e, err := only(local)
		if err != nil {
			return errEcho
		}
		for i, field := range xroadFields {
			have, err := e.Maybe(xmldoc.Name{Space: xroadIDs, Local: field})
			switch {
			case err != nil, have.IsZero() != (i >= len(want)):
				return errEcho
			case i < len(want) && strings.TrimSpace(have.Text()) != want[i]:
				return errEcho
			}
		}
	}
	return nil
}

var xroadCode = regexp.MustCompile(`^(Server|Client)(\.(ClientProxy|ServerProxy))?(\.[A-Za-z]{1,40}){0,3}$`)

// fault tells the code of a fault where it is one of the security servers' own.
func (s *xroadService) fault(code string) (string, bool) {
	if s == nil || !strings.Contains(code, ".") || !xroadCode.MatchString(code) {
		return "", false
	}
	return "X-Road reported " + code, true
}

// target is the path under which a security server offers a REST service.
func (c *xroadCall) target(rest string) string {
	var b strings.Builder
	b.WriteString("/r1")
	for _, p := range c.service {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String() + rest
}

// header names the call to the security server (Message Protocol for REST, 4.3).
func (c *xroadCall) header(h http.Header, r *request) {
	escaped := make([]string, len(c.client))
	for i, p := range c.client {
		escaped[i] = url.PathEscape(p)
	}
	h.Set("X-Road-Client", strings.Join(escaped, "/"))
	h.Set("X-Road-Id", string(r.id))
	if c.us.User != "" {
		h.Set("X-Road-UserId", c.us.User)
	}
	if r.issue != "" {
		h.Set("X-Road-Issue", r.issue)
	}
}

// checkREST reads the headers of an answer: X-Road-Error stands there when a
// security server speaks in place of the register, otherwise ours are repeated.
func (c *xroadCall) checkREST(s *xroadService, h http.Header, r *request) *callError {
	if code := h.Get("X-Road-Error"); code != "" {
		detail, ok := s.fault(code)
		if !ok {
			detail = "X-Road reported an error"
		}
		if class, _, _ := strings.Cut(code, "."); class == "Client" {
			return &callError{outcome: outcomeInvalid, detail: detail}
		}
		return &callError{outcome: outcomeUnavailable, detail: detail}
	}
	service := make([]string, len(c.service))
	for i, p := range c.service {
		service[i] = url.PathEscape(p)
	}
	if h.Get("X-Road-Id") != string(r.id) || h.Get("X-Road-Service") != strings.Join(service, "/") {
		return &callError{outcome: outcomeInvalid, detail: errEcho.Error()}
	}
	return nil
}
