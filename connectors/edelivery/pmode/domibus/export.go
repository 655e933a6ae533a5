package domibus

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// An Export says what of a table becomes a file of Domibus.
type Export struct {
	Own      string   // Default the id of our party. Our name in the file.
	Endpoint string   // Default none. Where we listen; the partner's side needs it.
	Party    string   // Default our own. Whose file it is: our own name or that of a partner.
	Partners []string // Default all. By name.
}

// Write writes agreements as the P-Mode XML of Domibus 5.1, the same bytes for the
// same table, with notes on what the format cannot say.
func Write(t *pmode.Table, e Export) ([]byte, []Note, error) {
	w := &writer{Export: e, own: t.Own(), names: map[canon.Participant]string{}, used: map[string]string{}}
	w.Own = cmp.Or(w.Own, t.Own().Party.ID.ID)
	w.names[t.Own().Party.ID] = w.Own
	for _, p := range t.Partners() {
		if len(e.Partners) == 0 || slices.Contains(e.Partners, p.Name) {
			w.partners = append(w.partners, p)
			w.partyName(p)
		}
	}
	if len(w.partners) == 0 {
		return nil, nil, fmt.Errorf("writing P-Modes of Domibus: no such partner")
	}
	w.Party = cmp.Or(w.Party, w.Own)
	if !slices.ContainsFunc(w.parties(), func(p party) bool { return p.name == w.Party }) {
		return nil, nil, fmt.Errorf("writing P-Modes of Domibus: %q is neither our name nor that of a partner", w.Party)
	}
	b := xmldoc.NewBuilder(xmldoc.Name{Space: Namespace, Local: "configuration"}, xmldoc.NS{Prefix: "db", URI: Namespace})
	w.write(b.Root())
	out, err := b.Document()
	if err != nil {
		return nil, nil, fmt.Errorf("writing P-Modes of Domibus: %w", err)
	}
	return indented(out), w.notes, nil
}

type writer struct {
	Export
	own      *pmode.Own
	partners []*pmode.Partner
	names    map[canon.Participant]string
	lists    lists
	used     map[string]string // name of an entry by its content
	notes    []Note
}

// lists are the entries of the file, in the order in which they were needed.
type lists struct {
	mpcs, roles, types, properties, sets, payloads, profiles, securities, agreements, services, actions, awareness, legs []entry
	processes                                                                                                            []process
}

// An entry is an element with its attributes and the names of its children.
type entry struct {
	attrs    []string // name, value, name, value …
	children [][]string
}

type process struct {
	entry
	initiator, responder string
	legs                 []string
}

type party struct {
	name, endpoint string
	id             canon.Participant
}

// partyName names the party of a partner: several agreements are with one party.
func (w *writer) partyName(p *pmode.Partner) {
	if w.names[p.Party.ID] == "" {
		w.names[p.Party.ID] = p.Name
	}
}

func (w *writer) note(p *pmode.Partner, format string, args ...any) {
	w.notes = append(w.notes, Note{Text: fmt.Sprintf("partner %q: ", p.Name) + fmt.Sprintf(format, args...)})
}

func (w *writer) parties() []party {
	all := []party{{w.Own, w.Endpoint, w.own.Party.ID}}
	for _, p := range w.partners {
		name := w.names[p.Party.ID]
		i := slices.IndexFunc(all, func(o party) bool { return o.name == name })
		if i < 0 {
			all = append(all, party{name, p.URL, p.Party.ID})
		} else if all[i].endpoint == "" {
			all[i].endpoint = p.URL
		} else if p.URL != "" && all[i].endpoint != p.URL {
			w.note(p, "Domibus has one endpoint for a party: %s is written", all[i].endpoint)
		}
	}
	return all
}

// put adds an entry once and returns its name.
func (w *writer) put(to *[]entry, kind, wanted string, e entry) string {
	key := fmt.Sprintf("%s %q %q", kind, e.attrs, e.children)
	if n := w.used[key]; n != "" {
		return n
	}
	name := wanted
	for i := 2; w.taken(*to, name); i++ {
		name = fmt.Sprintf("%s_%d", wanted, i)
	}
	w.used[key] = name
	e.attrs = append([]string{"name", name}, e.attrs...)
	*to = append(*to, e)
	return name
}

func (w *writer) taken(in []entry, name string) bool {
	return slices.ContainsFunc(in, func(e entry) bool { return strings.EqualFold(e.attrs[1], name) })
}

func (w *writer) write(root *xmldoc.Tag) {
	l := &w.lists
	w.mpc(ebms.DefaultMPC)
	for _, p := range w.partners {
		w.agreement(p)
	}
	types := map[string]string{}
	for _, p := range w.parties() {
		types[p.id.Scheme] = w.put(&l.types, "type", "partyType", entry{attrs: []string{"value", ebms.Party{ID: p.id}.Type()}})
	}
	attr(root, "party", w.Party)
	list(root.Add(local("mpcs")), "mpc", l.mpcs)
	b := root.Add(local("businessProcesses"))
	list(b.Add(local("roles")), "role", l.roles)
	parties := b.Add(local("parties"))
	list(parties.Add(local("partyIdTypes")), "partyIdType", l.types)
	for _, p := range w.parties() {
		e := parties.Add(local("party"))
		attr(e, "name", p.name, "endpoint", p.endpoint)
		attr(e.Add(local("identifier")), "partyId", p.id.ID, "partyIdType", types[p.id.Scheme])
	}
	meps := b.Add(local("meps"))
	attr(meps.Add(local("mep")), "name", "oneway", "value", oneWay)
	attr(meps.Add(local("binding")), "name", "push", "value", push)
	attr(meps.Add(local("binding")), "name", "pull", "value", pull)
	properties := b.Add(local("properties"))
	if len(l.sets) == 0 { // the schema wants one
		w.propertySet([]pmode.Property{{Name: ebms.PropertyOriginalSender}, {Name: ebms.PropertyFinalRecipient}})
	}
	list(properties, "property", l.properties)
	nested(properties, "propertySet", "propertyRef", "property", l.sets)
	if len(l.payloads)+len(l.profiles) > 0 {
		payloads := b.Add(local("payloadProfiles"))
		list(payloads, "payload", l.payloads)
		nested(payloads, "payloadProfile", "attachment", "name", l.profiles)
	}
	list(b.Add(local("securities")), "security", l.securities)
	attr(b.Add(local("errorHandlings")).Add(local("errorHandling")), "name", "errorHandling", "errorAsResponse", "true",
		"businessErrorNotifyProducer", "true", "businessErrorNotifyConsumer", "true", "deliveryFailureNotifyProducer", "true")
	if len(l.agreements) == 0 {
		l.agreements = []entry{{attrs: []string{"name", "none", "value", "", "type", ""}}}
	}
	list(b.Add(local("agreements")), "agreement", l.agreements)
	list(b.Add(local("services")), "service", l.services)
	list(b.Add(local("actions")), "action", l.actions)
	as4 := b.Add(local("as4"))
	list(as4, "receptionAwareness", l.awareness)
	attr(as4.Add(local("reliability")), "name", "AS4Reliability", "nonRepudiation", "true", "replyPattern", "response")
	list(b.Add(local("legConfigurations")), "legConfiguration", l.legs)
	for _, p := range l.processes {
		e := b.Add(local("process"))
		attr(e, p.attrs...)
		attr(e.Add(local("initiatorParties")).Add(local("initiatorParty")), "name", p.initiator)
		attr(e.Add(local("responderParties")).Add(local("responderParty")), "name", p.responder)
		legs := e.Add(local("legs"))
		for _, name := range p.legs {
			attr(legs.Add(local("leg")), "name", name)
		}
	}
}

func local(name string) xmldoc.Name { return xmldoc.Name{Local: name} }

func attr(t *xmldoc.Tag, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		t.Attr(local(pairs[i]), pairs[i+1])
	}
}

func list(t *xmldoc.Tag, name string, es []entry) {
	for _, e := range es {
		attr(t.Add(local(name)), e.attrs...)
	}
}

func nested(t *xmldoc.Tag, name, child, key string, es []entry) {
	for _, e := range es {
		n := t.Add(local(name))
		attr(n, e.attrs...)
		for _, c := range e.children {
			attr(n.Add(local(child)), key, c[0])
		}
	}
}

func (w *writer) mpc(uri string) string {
	name := "defaultMpc"
	if uri != ebms.DefaultMPC {
		name = "mpc"
	}
	return w.put(&w.lists.mpcs, "mpc", name, entry{attrs: []string{"qualifiedName", uri, "enabled", "true",
		"default", strconv.FormatBool(uri == ebms.DefaultMPC), "retention_downloaded", "0", "retention_undownloaded", "14400"}})
}

// agreement writes the processes of one agreement.
func (w *writer) agreement(p *pmode.Partner) {
	l := &w.lists
	own, theirs := w.role("own", p.OwnRole), w.role("partner", p.Party.Role)
	if own == theirs { // Domibus wants two roles, though they may say the same
		theirs = w.second(p.Party.Role)
	}
	agreement := ""
	if p.Agreement.Value != "" {
		agreement = w.put(&l.agreements, "agreement", "agreement", entry{attrs: []string{"value", p.Agreement.Value, "type", p.Agreement.Type}})
	}
	w.lost(p)
	party := w.names[p.Party.ID]
	process := func(suffix, binding, initiator, responder, initiatorRole, responderRole, mpc string) {
		n := process{initiator: initiator, responder: responder, legs: w.legs(p, mpc)}
		n.attrs = []string{"name", p.Name + suffix, "mep", "oneway", "binding", binding, "initiatorRole", initiatorRole, "responderRole", responderRole}
		if agreement != "" {
			n.attrs = append(n.attrs, "agreement", agreement)
		}
		l.processes = append(l.processes, n)
	}
	suffix := func(s string) string {
		if p.Direction == pmode.Both {
			return s
		}
		return ""
	}
	if p.Direction != pmode.In && (p.URL != "" || p.MEP == pmode.Pull) {
		if p.MEP == pmode.Pull { // who pulls is the initiator
			process(suffix("-out"), "pull", party, w.Own, theirs, own, p.MPC)
		} else {
			process(suffix("-out"), "push", w.Own, party, own, theirs, p.MPC)
		}
	}
	switch {
	case p.Direction == pmode.Out:
	case p.Fetch.Every > 0:
		process(suffix("-in"), "pull", w.Own, party, own, theirs, p.Fetch.MPC)
	default:
		mpc := p.MPC
		if p.MEP == pmode.Pull {
			mpc = ebms.DefaultMPC
		}
		process(suffix("-in"), "push", party, w.Own, theirs, own, mpc)
	}
}

func (w *writer) role(wanted, value string) string {
	return w.put(&w.lists.roles, "role", wanted+"Role", entry{attrs: []string{"value", value}})
}

// second is another role of the same value.
func (w *writer) second(value string) string {
	return w.put(&w.lists.roles, "second role", "partnerRole", entry{attrs: []string{"value", value}})
}

// legs writes a leg for every action.
func (w *writer) legs(p *pmode.Partner, mpc string) []string {
	l := &w.lists
	retry, lost := formatRetry(p.Retry)
	if lost != "" && p.Direction != pmode.In {
		w.note(p, "%s", lost)
	}
	common := []string{
		"defaultMpc", w.mpc(mpc), "reliability", "AS4Reliability", "errorHandling", "errorHandling",
		"receptionAwareness", w.put(&l.awareness, "awareness", "receptionAwareness", entry{attrs: []string{"retry", retry, "duplicateDetection", "true"}}),
		"security", w.security(p), "compressPayloads", strconv.FormatBool(!p.Plain),
	}
	var names []string
	for _, s := range p.Services {
		service := []string{"value", s.Service.Value}
		if s.Service.Type != "" {
			service = append(service, "type", s.Service.Type)
		}
		attrs := append(slices.Clone(common), "service", w.put(&l.services, "service", "service", entry{attrs: service}))
		if len(s.Properties) > 0 {
			attrs = append(attrs, "propertySet", w.propertySet(s.Properties))
		}
		if name := w.payloadProfile(p, s.Payloads); name != "" {
			attrs = append(attrs, "payloadProfile", name)
		}
		for _, a := range s.Actions {
			action := w.put(&l.actions, "action", a, entry{attrs: []string{"value", a}})
			names = append(names, w.put(&l.legs, "leg", "leg_"+a, entry{attrs: append(slices.Clone(attrs), "action", action)}))
		}
	}
	return names
}

func (w *writer) security(p *pmode.Partner) string {
	policy := ""
	for _, file := range []string{"eDeliveryAS4Policy.xml", "eDeliveryAS4Policy_BST.xml", "eDeliveryAS4Policy_BST_PKIP.xml", "eDeliveryAS4Policy_IS.xml"} {
		if f := policies[strings.ToLower(file)]; f.token == p.SignToken {
			policy = file
		}
	}
	if policy == "" || p.SignToken != p.EncryptToken && !p.SignOnly {
		policy = cmp.Or(policy, "eDeliveryAS4Policy.xml")
		w.note(p, "Domibus has one token form for both directions, and no thumbprint: %s is written", policy)
	}
	if p.SignOnly {
		if policy != "eDeliveryAS4Policy.xml" {
			w.note(p, "signOnly.xml of Domibus refers to certificates by ski")
		}
		policy = "signOnly.xml"
	}
	attrs := []string{"policy", policy}
	switch p.Profile {
	case wssec.Profile115:
		attrs = append(attrs, "signatureMethod", "RSA_SHA256")
	case wssec.Profile20:
		attrs = append(attrs, "profile", "ECC")
	default:
		w.note(p, "Domibus has no word for profile %s: 2.0 is written", p.Profile)
		attrs = append(attrs, "profile", "ECC")
	}
	return w.put(&w.lists.securities, "security", strings.TrimSuffix(policy, ".xml"), entry{attrs: attrs})
}

func (w *writer) propertySet(ps []pmode.Property) string {
	var refs [][]string
	for _, q := range ps {
		datatype := cmp.Or(q.Datatype, pmode.String)
		attrs := []string{"key", q.Name, "datatype", string(datatype), "required", strconv.FormatBool(q.Required)}
		// A key may stand once only, whatever else differs: the first one stays.
		i := slices.IndexFunc(w.lists.properties, func(e entry) bool { return e.attrs[3] == q.Name })
		if i < 0 {
			refs = append(refs, []string{w.put(&w.lists.properties, "property", q.Name, entry{attrs: attrs})})
			continue
		}
		if !slices.Equal(w.lists.properties[i].attrs[2:], attrs) {
			w.notes = append(w.notes, Note{Text: fmt.Sprintf("property %q: Domibus has one datatype and one required for all services: the first one is written", q.Name)})
		}
		refs = append(refs, []string{w.lists.properties[i].attrs[1]})
	}
	return w.put(&w.lists.sets, "set", "propertySet", entry{children: refs})
}

func (w *writer) payloadProfile(p *pmode.Partner, l pmode.Payloads) string {
	if l.Max > 0 || len(l.Types) > 0 {
		w.note(p, "Domibus names every payload: payloads.max and payloads.types are not written")
	}
	if l.Size == 0 && len(l.Parts) == 0 {
		return ""
	}
	if len(l.Parts) == 0 {
		w.note(p, "Domibus bounds the size of named payloads only: payloads.size is not written")
		return ""
	}
	var refs [][]string
	for _, q := range l.Parts {
		attrs := []string{"cid", "cid:" + q.ID, "required", strconv.FormatBool(q.Required)}
		if q.Type != "" {
			attrs = append(attrs, "mimeType", q.Type)
		}
		if q.Size > 0 && q.Size <= 1<<31-1 {
			attrs = append(attrs, "maxSize", strconv.FormatInt(q.Size, 10))
		} else if q.Size > 0 {
			w.note(p, "payload %q: Domibus cannot say a size above 2 GiB", q.ID)
		}
		refs = append(refs, []string{w.put(&w.lists.payloads, "payload", q.ID, entry{attrs: attrs})})
	}
	return w.put(&w.lists.profiles, "profile", "payloadProfile", entry{attrs: []string{"maxSize", strconv.FormatInt(l.Size, 10)}, children: refs})
}

// lost notes what Domibus keeps elsewhere or does not have.
func (w *writer) lost(p *pmode.Partner) {
	var keys []string
	for _, k := range []struct {
		key string
		is  bool
	}{
		{"signing and encryption: certificates go into the trust store of Domibus", true},
		{"algorithms", len(p.Allow.Signatures)+len(p.Allow.Data)+len(p.Allow.Transports)+len(p.Allow.Agreements)+len(p.Allow.Tokens) > 0},
		{"corners", len(p.Corners.Theirs)+len(p.Corners.Ours) > 0}, {"two_way", p.TwoWay}, {"agreement.pmode", p.Agreement.PMode != ""},
		{"retention", p.Retention > 0}, {"soap_faults", p.SOAPFaults}, {"tls", p.TLS.Own != nil || len(p.TLS.CA) > 0 || !p.TLS.Clients.None()},
		{"pull.every", p.Fetch.Every > 0},
	} {
		if k.is {
			keys = append(keys, k.key)
		}
	}
	w.note(p, "not in the file: %s", strings.Join(keys, ", "))
}

// indented puts every element on a line of its own: there is no text in the file.
func indented(doc []byte) []byte {
	var out strings.Builder
	depth, start, quote := 0, 0, byte(0)
	for i, c := range doc {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			tag := strings.TrimSpace(string(doc[start : i+1]))
			start = i + 1
			if strings.HasPrefix(tag, "</") {
				depth--
			}
			out.WriteString(strings.Repeat("  ", max(depth, 0)) + tag + "\n")
			if !strings.HasPrefix(tag, "</") && !strings.HasSuffix(tag, "/>") && !strings.HasPrefix(tag, "<?") {
				depth++
			}
		}
	}
	return []byte(out.String())
}
