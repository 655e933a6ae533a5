package domibus

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// Options say what is not in a file of Domibus.
type Options struct {
	Domain   string              // Default the host of our endpoint, or else of our party's name.
	Identity pmode.IdentityFiles // Default as4.pem and as4.key.
	Every    time.Duration       // Default 1m. How often we pull, where we do.
	// Certificates returns the files with the certificates of a party, by the name
	// that is its alias in a trust store of Domibus. Default: NAME.pem for both.
	Certificates func(name string, profile wssec.Profile) (sign, encrypt []string)
}

// A Note says what of a file is not carried over, or how.
type Note struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Draft turns the configuration into our agreements: one process, leg, initiator
// and responder is one P-Mode, and P-Modes that differ in service and action only
// become one agreement. It returns notes on what is not carried over. The
// configuration was not refused.
func (c *Configuration) Draft(o Options) (pmode.Draft, []Note) {
	m := &mapper{c: c, o: o, seen: map[string]bool{}}
	return m.draft(), m.noted()
}

type mapper struct {
	c     *Configuration
	o     Options
	own   *node
	notes []Note
	out   []*agreed
	seen  map[string]bool // P-Modes by what they match
}

// agreed is one agreement that is being put together.
type agreed struct {
	pmode.DraftPartner
	party           string
	processes, legs []string
}

func (m *mapper) note(n *node, format string, args ...any) {
	m.notes = append(m.notes, Note{n.Line, fmt.Sprintf(format, args...)})
}

func (m *mapper) noted() []Note {
	slices.SortStableFunc(m.notes, func(a, b Note) int { return cmp.Compare(a.Line, b.Line) })
	return slices.Compact(m.notes)
}

func (m *mapper) draft() pmode.Draft {
	c := m.c
	m.own = named(c.business("parties", "party"), c.root.get("party"))
	m.o.Identity.Certificate = cmp.Or(m.o.Identity.Certificate, "as4.pem")
	m.o.Identity.Key = cmp.Or(m.o.Identity.Key, "as4.key")
	m.o.Every = cmp.Or(m.o.Every, time.Minute)
	if m.o.Certificates == nil {
		m.o.Certificates = func(name string, _ wssec.Profile) (sign, encrypt []string) {
			f := []string{FileName(name) + ".pem"}
			return f, f
		}
	}
	d := pmode.Draft{
		Comment:  []string{"Imported from " + c.File + ", party " + c.root.get("party") + "."},
		Identity: m.o.Identity,
	}
	d.Own.Party.ID = m.identifier(m.own, 0)
	d.Own.Domain = cmp.Or(m.o.Domain, host(m.own.get("endpoint")), strings.ToLower(FileName(m.own.get("name")))+".invalid")
	for _, id := range m.own.all("identifier")[1:] {
		m.note(id, "our own party has several identifiers: the first is ours, %q is left out", id.get("partyId"))
	}
	m.secrets()
	for _, p := range c.business("process") {
		m.process(p)
	}
	m.merge()
	m.name()
	for _, a := range m.out {
		a.Comment = []string{plural("process", a.processes) + "; " + plural("leg", a.legs)}
		d.Partners = append(d.Partners, a.DraftPartner)
	}
	if len(d.Partners) == 0 {
		m.note(c.root, "nothing is left: no process leads to a static partner")
	}
	return d
}

func plural(what string, names []string) string {
	if len(names) > 1 {
		what += map[bool]string{true: "es", false: "s"}[strings.HasSuffix(what, "s")]
	}
	return what + " " + strings.Join(names, ", ")
}

func host(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || net.ParseIP(u.Hostname()) != nil {
		return ""
	}
	return u.Hostname()
}

// FileName makes a file name of a party's name: letters, digits, dot, dash and
// underscore stay (i.21).
func FileName(party string) string {
	s := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, party)
	return cmp.Or(strings.TrimLeft(s, "."), "party")
}

// secrets notes what a party has that we do not use.
func (m *mapper) secrets() {
	for _, p := range m.c.business("parties", "party") {
		if p.has("userName") || p.has("password") {
			m.note(p, "party %q: userName and password are not used by the profile and are left out", p.get("name"))
		}
	}
}

func (m *mapper) identifier(party *node, i int) canon.Participant {
	id := party.all("identifier")[i]
	p := canon.Participant{ID: id.get("partyId"), Scheme: id.get("partyIdType")}
	if t := named(m.c.business("parties", "partyIdTypes", "partyIdType"), p.Scheme); t != nil {
		p.Scheme = t.get("value")
	}
	if p.Scheme == "" && ebms.IsURI(p.ID) {
		p.Scheme = ebms.Untyped
	}
	return p
}

// process makes the P-Modes of one process with our own party on one side.
func (m *mapper) process(p *node) {
	side := func(list, item string) []*node {
		var out []*node
		for _, n := range p.all(list, item) {
			out = append(out, named(m.c.business("parties", "party"), n.get("name")))
		}
		return out
	}
	initiators, responders := side("initiatorParties", "initiatorParty"), side("responderParties", "responderParty")
	if len(initiators) == 0 || len(responders) == 0 {
		m.note(p, "process %q is for dynamic discovery and is left out: see edelivery.discovery", p.get("name"))
		return
	}
	pulls := strings.EqualFold(named(m.c.business("meps", "binding"), p.get("binding")).get("value"), pull)
	for _, i := range initiators {
		for _, r := range responders {
			if i == r || i != m.own && r != m.own {
				continue
			}
			for _, l := range p.all("legs", "leg") {
				leg := named(m.c.business("legConfigurations", "legConfiguration"), l.get("name"))
				if leg.broken {
					m.note(l, "process %q: leg %q refers to what is not there and is left out", p.get("name"), l.get("name"))
					continue
				}
				m.leg(p, leg, i, r, pulls)
			}
		}
	}
}

// leg makes one P-Mode.
func (m *mapper) leg(p, leg, initiator, responder *node, pulls bool) {
	name := leg.get("name")
	partner, ownRole, role := responder, "initiatorRole", "responderRole"
	if initiator != m.own {
		partner, ownRole, role = initiator, "responderRole", "initiatorRole"
	}
	roleOf := func(attr string) string { return named(m.c.business("roles", "role"), p.get(attr)).get("value") }
	a := &agreed{party: partner.get("name"), processes: []string{p.get("name")}, legs: []string{name}}
	a.OwnRole, a.Party.Role = roleOf(ownRole), roleOf(role)
	if a.OwnRole == "" || a.Party.Role == "" {
		m.note(p, "process %q has an empty role and is left out", p.get("name"))
		return
	}
	a.Party.ID = m.identifier(partner, 0)
	if !strings.HasPrefix(a.Party.ID.Scheme, "urn:") {
		m.note(partner, "party %q is left out: its partyId needs a type that is a urn, or is a URI itself without one", partner.get("name"))
		return
	}
	if !m.security(a, leg) {
		return
	}
	mpc := named(m.c.root.all("mpcs", "mpc"), leg.get("defaultMpc"))
	if on, _ := truth(mpc.get("enabled")); !on {
		m.note(leg, "leg %q is left out: its mpc is not enabled", name)
		return
	}
	a.MPC = mpc.get("qualifiedName")
	// A pulling initiator receives; a pushing one sends.
	sends := (initiator == m.own) != pulls
	a.Direction = pmode.In
	if sends {
		a.Direction = pmode.Out
		a.URL = partner.get("endpoint")
	}
	switch {
	case pulls && sends:
		a.MEP, a.URL = pmode.Pull, ""
		if a.MPC == ebms.DefaultMPC {
			m.note(leg, "leg %q: a partner that pulls needs an mpc of its own: agree on one with %q", name, a.party)
		}
	case pulls:
		a.URL = partner.get("endpoint")
		a.Fetch = pmode.Fetch{Every: m.o.Every, MPC: a.MPC}
		m.note(leg, "leg %q: how often Domibus pulls is not in its file: every %s is taken", name, m.o.Every)
	case sends && a.URL == "":
		m.note(partner, "party %q has no endpoint: what is sent to it is left out", partner.get("name"))
		return
	}
	m.endpoint(a, partner)
	if g := named(m.c.business("agreements", "agreement"), p.get("agreement")); g != nil {
		a.Agreement = ebms.Agreement{Value: g.get("value"), Type: g.get("type")}
		if a.Agreement.Value == "" {
			a.Agreement = ebms.Agreement{}
		}
	}
	compress, _ := truth(leg.get("compressPayloads"))
	a.Plain = !compress
	m.reliability(a, leg)
	if !sends {
		a.Retry = pmode.Retry{}
	}
	a.Services = []pmode.Service{m.service(leg)}
	if len(partner.all("identifier")) > 1 {
		m.note(partner, "party %q has several identifiers: %q is used", partner.get("name"), a.Party.ID.ID)
	}
	m.add(a, leg)
}

// add keeps a P-Mode unless another one takes the same messages.
func (m *mapper) add(a *agreed, leg *node) {
	s := a.Services[0]
	key := fmt.Sprintf("%q", []string{a.Party.ID.Scheme, a.Party.ID.ID, a.OwnRole, a.Party.Role, string(a.Direction), string(a.MEP), a.MPC, a.Agreement.Value, a.Agreement.Type, s.Service.Value, s.Service.Type, s.Actions[0]})
	if m.seen[key] {
		m.note(leg, "leg %q of process %q is left out: another one takes the same messages", leg.get("name"), a.processes[0])
		return
	}
	m.seen[key] = true
	m.out = append(m.out, a)
}

func (m *mapper) endpoint(a *agreed, partner *node) {
	u, err := url.Parse(a.URL)
	if a.URL == "" || err != nil || u.Scheme != "http" {
		return
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		m.note(partner, "party %q: the endpoint is http: it is refused unless allow_http is set; ask for https", partner.get("name"))
	}
}

// policies are the security policies that Domibus comes with.
var policies = map[string]struct {
	token wssec.Token
	sign  bool // only
}{
	"edeliveryas4policy.xml":          {token: wssec.TokenSKI},
	"edeliveryas4policy_bst.xml":      {token: wssec.TokenBST},
	"edeliveryas4policy_bst_pkip.xml": {token: wssec.TokenPKIPath},
	"edeliveryas4policy_is.xml":       {token: wssec.TokenIssuerSerial},
	"signonly.xml":                    {token: wssec.TokenSKI, sign: true},
}

// security maps the policy; false leaves the leg out.
func (m *mapper) security(a *agreed, leg *node) bool {
	s := named(m.c.business("securities", "security"), leg.get("security"))
	policy := strings.ToLower(s.get("policy"))
	if strings.HasPrefix(policy, "donothing") {
		m.note(leg, "leg %q is left out: messages without a signature are never taken or sent here", leg.get("name"))
		return false
	}
	f, ok := policies[policy]
	if !ok {
		f.token = wssec.TokenSKI
		m.note(s, "policy %q is not one of Domibus: sign+encrypt with ski is taken for it", s.get("policy"))
	}
	a.Token, a.SignOnly = f.token, f.sign
	a.Profile = wssec.Profile115
	if s.get("profile") == "ECC" {
		a.Profile = wssec.Profile20
	}
	switch method := s.get("signatureMethod"); method {
	case "", "RSA_SHA256":
	default:
		m.note(s, "signatureMethod %q: that of the profile is taken", method)
	}
	return true
}

func (m *mapper) reliability(a *agreed, leg *node) {
	ra := named(m.c.business("as4", "receptionAwareness"), leg.get("receptionAwareness"))
	r, err := parseRetry(ra.get("retry"))
	if err == nil { // it was checked
		a.Retry = r
	}
	if ra.has("retry") {
		if v, ok := truth(ra.get("duplicateDetection")); ok && !v {
			m.note(ra, "duplicateDetection is always on here")
		}
	}
	rel := named(m.c.business("as4", "reliability"), leg.get("reliability"))
	if v, _ := truth(rel.get("nonRepudiation")); !v {
		m.note(rel, "reliability %q: receipts are always signed and of the non-repudiation kind here", rel.get("name"))
	}
	if !strings.EqualFold(rel.get("replyPattern"), "response") {
		m.note(rel, "reliability %q: receipts are always in the response (profile 1.15)", rel.get("name"))
	}
	if v, _ := truth(named(m.c.business("errorHandlings", "errorHandling"), leg.get("errorHandling")).get("errorAsResponse")); !v {
		m.note(leg, "leg %q: errors are always in the response (profile 1.15)", leg.get("name"))
	}
	if s := leg.get("splitting"); s != "" {
		m.note(leg, "leg %q: splitting %q is not carried over: messages travel whole", leg.get("name"), s)
	}
}

func (m *mapper) service(leg *node) pmode.Service {
	c := m.c
	v := named(c.business("services", "service"), leg.get("service"))
	s := pmode.Service{
		Service: ebms.Service{Value: v.get("value"), Type: v.get("type")},
		Actions: []string{named(c.business("actions", "action"), leg.get("action")).get("value")},
	}
	if set := leg.get("propertySet"); set != "" {
		for _, ref := range named(c.business("properties", "propertySet"), set).all("propertyRef") {
			q := named(c.business("properties", "property"), ref.get("property"))
			if q == nil {
				continue // told when the file was read
			}
			must, _ := truth(q.get("required"))
			s.Properties = append(s.Properties, pmode.Property{Name: q.get("key"), Required: must, Datatype: pmode.Datatype(strings.ToLower(q.get("datatype")))})
		}
	}
	if profile := leg.get("payloadProfile"); profile != "" {
		p := named(c.business("payloadProfiles", "payloadProfile"), profile)
		s.Payloads.Size = number(p.get("maxSize"))
		for _, at := range p.all("attachment") {
			q := named(c.business("payloadProfiles", "payload"), at.get("name"))
			if q == nil {
				continue
			}
			must, _ := truth(q.get("required"))
			if v, _ := truth(q.get("inBody")); v {
				m.note(q, "payload %q: a payload in the SOAP body is no part of the profile and is left out", q.get("name"))
				continue
			}
			if q.has("schemaFile") {
				m.note(q, "payload %q: schemaFile is not carried over", q.get("name"))
			}
			id := strings.TrimPrefix(q.get("cid"), "cid:")
			if id == "" {
				m.note(q, "payload %q has no cid and is left out", q.get("name"))
				continue
			}
			s.Payloads.Parts = append(s.Payloads.Parts, pmode.Payload{ID: id, Type: q.get("mimeType"), Required: must, Size: number(q.get("maxSize"))})
		}
	}
	return s
}

// number returns a checked number; zero means without bound.
func number(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0
	}
	return v
}
