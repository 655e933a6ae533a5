package domibus

import (
	"net/url"
	"strings"
)

// business returns the nodes at a path below businessProcesses.
func (c *Configuration) business(path ...string) []*node {
	return c.root.all(append([]string{"businessProcesses"}, path...)...)
}

// named finds a node by its name; Domibus does not look at case.
func named(in []*node, name string) *node {
	for _, n := range in {
		if strings.EqualFold(n.get("name"), name) {
			return n
		}
	}
	return nil
}

// references of legs, with where their names are. Domibus takes files in which one
// leads nowhere and cannot use the leg; here the leg is left out.
var references = []struct {
	attr string
	path []string
}{
	{"service", []string{"services", "service"}},
	{"action", []string{"actions", "action"}},
	{"security", []string{"securities", "security"}},
	{"receptionAwareness", []string{"as4", "receptionAwareness"}},
	{"reliability", []string{"as4", "reliability"}},
	{"errorHandling", []string{"errorHandlings", "errorHandling"}},
	{"propertySet", []string{"properties", "propertySet"}},
	{"payloadProfile", []string{"payloadProfiles", "payloadProfile"}},
	{"splitting", []string{"splittingConfigurations", "splitting"}},
}

const leftOut = "what needs it is left out"

// hangTogether checks what a schema cannot (d.3).
func (r *reader) hangTogether() {
	c := r.c
	own := named(c.business("parties", "party"), c.root.get("party"))
	if own == nil {
		r.fault(c.root, "the name of one of the parties", "our own party %q is not among the parties", shown(c.root.get("party")))
	}
	r.parties()
	for _, l := range c.business("legConfigurations", "legConfiguration") {
		for _, ref := range references {
			if name := l.get(ref.attr); name != "" && named(c.business(ref.path...), name) == nil {
				r.broken(l, "leg %q: %s %q is not known", shown(l.get("name")), ref.attr, shown(name))
			}
		}
		if name := l.get("defaultMpc"); named(c.root.all("mpcs", "mpc"), name) == nil {
			r.broken(l, "leg %q: defaultMpc %q is not known", shown(l.get("name")), shown(name))
		}
	}
	for _, a := range c.business("as4", "receptionAwareness") {
		if _, err := parseRetry(a.get("retry")); err != nil {
			r.fault(a, "minutes;times;CONSTANT, 0;0;SEND_ONCE, or minutes;first pause;factor;PROGRESSIVE", "receptionAwareness %q: retry %q: %v", shown(a.get("name")), shown(a.get("retry")), err)
		}
	}
	r.content()
	for _, p := range c.business("process") {
		r.process(p, own)
	}
}

// broken says that a leg cannot be used.
func (r *reader) broken(l *node, format string, args ...any) {
	l.broken = true
	r.warn(l, leftOut, format, args...)
}

func (r *reader) forbidden(n *node, what, v string) {
	if strings.ContainsAny(v, "<>") {
		r.fault(n, "", "%s %q holds < or >", what, shown(v))
	}
}

func relativeURI(v string) bool {
	_, err := url.Parse(v)
	return err == nil && !strings.ContainsAny(v, " <>\"{}|\\^`")
}

func (r *reader) parties() {
	c := r.c
	ids := map[string]*node{}
	types := c.business("parties", "partyIdTypes", "partyIdType")
	for _, t := range types {
		r.forbidden(t, "name of a partyIdType", t.get("name"))
		r.forbidden(t, "value of a partyIdType", t.get("value"))
	}
	for i, p := range c.business("parties", "party") {
		name := p.get("name")
		r.forbidden(p, "name of a party", name)
		r.forbidden(p, "endpoint", p.get("endpoint"))
		if p.get("endpoint") == "" {
			r.warn(p, "", "party %q has no endpoint: nothing can be sent to it", shown(name))
		}
		for _, o := range c.business("parties", "party")[:i] {
			if o.get("name") != name && strings.EqualFold(o.get("name"), name) {
				r.fault(p, "", "party %q differs from %q by case only", shown(name), shown(o.get("name")))
			}
		}
		for _, id := range p.all("identifier") {
			v := id.get("partyId")
			r.forbidden(id, "partyId", v)
			key := strings.ToLower(v)
			if ids[key] != nil {
				r.fault(id, "", "partyId %q stands twice, first in line %d", shown(v), ids[key].Line)
			} else {
				ids[key] = id
			}
			t := named(types, id.get("partyIdType"))
			if t == nil && id.get("partyIdType") != "" {
				r.warn(id, "it is taken as the type itself", "party %q: partyIdType %q is not known", shown(name), shown(id.get("partyIdType")))
			}
			if (t == nil || t.get("value") == "") && !relativeURI(v) {
				r.warn(id, "", "party %q: partyId without a type is not a URI", shown(name))
			}
		}
	}
}

func (r *reader) content() {
	c := r.c
	properties := c.business("properties", "property")
	for _, p := range properties {
		switch strings.ToLower(p.get("datatype")) {
		case "string", "int", "boolean":
		default:
			r.fault(p, "string, int or boolean", "property %q: datatype %q is not known", shown(p.get("name")), shown(p.get("datatype")))
		}
	}
	for _, s := range c.business("properties", "propertySet") {
		for _, ref := range s.all("propertyRef") {
			if named(properties, ref.get("property")) == nil {
				r.fault(ref, "", "propertySet %q: property %q is not known", shown(s.get("name")), shown(ref.get("property")))
			}
		}
	}
	payloads := c.business("payloadProfiles", "payload")
	for _, p := range payloads {
		if strings.HasPrefix(p.get("maxSize"), "-") {
			r.fault(p, "0 means without bound", "payload %q: maxSize is negative", shown(p.get("name")))
		}
	}
	for _, p := range c.business("payloadProfiles", "payloadProfile") {
		if strings.HasPrefix(p.get("maxSize"), "-") {
			r.fault(p, "0 means without bound", "payloadProfile %q: maxSize is negative", shown(p.get("name")))
		}
		for _, a := range p.all("attachment") {
			if named(payloads, a.get("name")) == nil {
				r.fault(a, "", "payloadProfile %q: attachment %q is not a known payload", shown(p.get("name")), shown(a.get("name")))
			}
		}
	}
	for _, kind := range []struct{ list, item string }{{"services", "service"}, {"agreements", "agreement"}} {
		for _, n := range c.business(kind.list, kind.item) {
			if n.get("type") == "" && !relativeURI(n.get("value")) {
				r.warn(n, "", "%s %q: a value without a type is not a URI", kind.item, shown(n.get("name")))
			}
		}
	}
	roles := c.business("roles", "role")
	for i, n := range roles {
		for _, o := range roles[:i] {
			if o.get("name") != n.get("name") && strings.EqualFold(o.get("name"), n.get("name")) {
				r.fault(n, "", "role %q differs from %q by case only", shown(n.get("name")), shown(o.get("name")))
			}
		}
	}
}

// The values of meps and bindings.
const (
	ns     = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
	oneWay = ns + "oneWay"
	push   = ns + "push"
	pull   = ns + "pull"
)

func (r *reader) process(p, own *node) {
	c, name := r.c, shown(p.get("name"))
	r.forbidden(p, "name of a process", p.get("name"))
	find := func(attr string, path ...string) *node {
		n := named(c.business(path...), p.get(attr))
		if n == nil {
			r.fault(p, "", "process %q: %s %q is not known", name, attr, shown(p.get(attr)))
		}
		return n
	}
	if p.get("agreement") != "" {
		find("agreement", "agreements", "agreement")
	}
	// Domibus does two-way exchanges as two one-way processes (a.5).
	if mep := find("mep", "meps", "mep"); mep != nil && !strings.EqualFold(mep.get("value"), oneWay) {
		r.fault(p, "two processes, one for each direction", "process %q: only the one-way mep is supported", name)
	}
	if b := find("binding", "meps", "binding"); b != nil && !strings.EqualFold(b.get("value"), push) && !strings.EqualFold(b.get("value"), pull) {
		r.fault(p, "two processes, one for each direction", "process %q: only the bindings push and pull are supported", name)
	}
	initiator, responder := find("initiatorRole", "roles", "role"), find("responderRole", "roles", "role")
	if initiator != nil && responder != nil && strings.EqualFold(initiator.get("value"), responder.get("value")) {
		r.warn(p, "", "process %q: initiator and responder have the same role", name)
	}
	ours := false
	for _, side := range []struct{ list, item string }{{"initiatorParties", "initiatorParty"}, {"responderParties", "responderParty"}} {
		for _, n := range p.all(side.list, side.item) {
			party := named(c.business("parties", "party"), n.get("name"))
			if party == nil {
				r.fault(n, "", "process %q: %s %q is not among the parties", name, side.item, shown(n.get("name")))
			}
			ours = ours || party != nil && party == own
		}
	}
	if own != nil && !ours {
		r.fault(p, "", "process %q: our own party is neither initiator nor responder", name)
	}
	for _, l := range p.all("legs", "leg") {
		if named(c.business("legConfigurations", "legConfiguration"), l.get("name")) == nil {
			r.fault(l, "", "process %q: leg %q is not known", name, shown(l.get("name")))
		}
	}
}
