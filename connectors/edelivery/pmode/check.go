package pmode

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmlsec"
)

// A problem is one thing that is wrong with a table, or weak: a warning.
type problem struct {
	partner int    // index, or -1 for our own side
	key     string // where in the partner's mapping, such as retry.max
	text    string
	remedy  string
	warning bool
}

// in tells the problem where there is no file.
func (p problem) in(partners []Partner) string {
	if p.partner < 0 {
		return "own: " + p.text
	}
	return fmt.Sprintf("partner %q: %s", partners[p.partner].Name, p.text)
}

// problems collects.
type problems []problem

func (ps *problems) need(ok bool, key, text, remedy string) {
	if !ok {
		*ps = append(*ps, problem{partner: -1, key: key, text: text, remedy: remedy})
	}
}

func (ps *problems) warn(ok bool, key, text, remedy string) {
	if !ok {
		*ps = append(*ps, problem{partner: -1, key: key, text: text, remedy: remedy, warning: true})
	}
}

func (o *Own) check(now time.Time) []problem {
	var ps problems
	ps.party(o.Party)
	ps.need(o.Domain != "" && !strings.ContainsAny(o.Domain, " @<>\t\r\n"), "domain", "domain is required and is a host name", "name a host of ours: it makes MessageIds unique")
	ps.need(len(o.Signing) > 0, "signing", "a signing certificate and key are required", "")
	for i, s := range o.Signing {
		key := fmt.Sprintf("signing[%d]", i)
		switch {
		case s.Certificate == nil || s.Key == nil:
			ps.need(false, key, "signing certificate and key are required", "")
		case !samePublic(s.Certificate, s.Key.Public()):
			ps.need(false, key, "signing key does not belong to its certificate", "name the key that the certificate was made for")
		default:
			kind := keystore.KindOf(s.Certificate)
			ps.need(kind == keystore.RSA && strong(s.Certificate) || kind == keystore.EC || kind == keystore.Ed25519, key,
				"signing key is not RSA of 2048 bits or more, ECDSA or Ed25519", "")
			ps.valid(key, s.Certificate, now)
		}
	}
	ps.need(len(o.Decrypt) > 0, "decryption", "a decryption certificate and key are required", "")
	for i, d := range o.Decrypt {
		key := fmt.Sprintf("decryption[%d]", i)
		switch {
		case d.Certificate == nil || d.Key == nil && d.Agreement == nil:
			ps.need(false, key, "decryption certificate and key are required", "")
		case d.Key != nil && !samePublic(d.Certificate, d.Key.Public()):
			ps.need(false, key, "decryption key does not belong to its certificate", "name the key that the certificate was made for")
		default:
			kind := keystore.KindOf(d.Certificate)
			ps.need(kind == keystore.RSA && strong(d.Certificate) && d.Key != nil || (kind == keystore.EC || kind == keystore.X25519) && d.Agreement != nil, key,
				"decryption key is not RSA of 2048 bits or more, EC or X25519", "")
			ps.valid(key, d.Certificate, now)
		}
	}
	return ps
}

func samePublic(c *x509.Certificate, pub crypto.PublicKey) bool {
	k, ok := keystore.PublicKey(c).(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(pub)
}

// strong reports an RSA key of 2048 bits or more (i.11); other kinds have one size.
func strong(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return !ok || k.N.BitLen() >= 2048
}

func (ps *problems) party(p ebms.Party) {
	ps.need(p.ID.ID != "" && !strings.ContainsAny(p.ID.ID, "<>"), "party", "party id is required, without < and >", "")
	// The canonical participant, which goes into every record, has such a scheme.
	ps.need(strings.HasPrefix(p.ID.Scheme, "urn:"), "party", "party type is required and is a urn, unless the id is a URI", "such as urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI")
	ps.need(p.ID.Scheme != ebms.Untyped || ebms.IsURI(p.ID.ID), "party", "party id without a type is not a URI", "type: as the partner writes it")
}

// soon is when a certificate's end is worth a warning; doctor and metrics warn too.
const soon = 30 * 24 * time.Hour

func (ps *problems) valid(key string, c *x509.Certificate, now time.Time) {
	switch {
	case now.IsZero():
	case now.After(c.NotAfter):
		ps.warn(false, key, fmt.Sprintf("certificate %s expired on %s", subject(c), c.NotAfter.Format(time.DateOnly)), "replace it")
	case now.Before(c.NotBefore):
		ps.warn(false, key, fmt.Sprintf("certificate %s is valid from %s on", subject(c), c.NotBefore.Format(time.DateOnly)), "")
	case c.NotAfter.Sub(now) < soon:
		ps.warn(false, key, fmt.Sprintf("certificate %s expires on %s", subject(c), c.NotAfter.Format(time.DateOnly)), "put its successor beside it")
	}
}

func subject(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return fmt.Sprintf("%q", c.Subject.CommonName)
	}
	return fmt.Sprintf("with serial number %d", c.SerialNumber)
}

// kinds are the kinds of key of a profile.
func kinds(p wssec.Profile) (sign, encrypt keystore.Kind) {
	switch p {
	case wssec.Profile20:
		return keystore.Ed25519, keystore.X25519
	case wssec.Profile20ECDSA:
		return keystore.EC, keystore.EC
	}
	return keystore.RSA, keystore.RSA
}

// check says what is wrong with a partner that has its defaults, also beside the
// partners before it, and makes its verifier.
func (p *Partner) check(t *Table, now time.Time) []problem {
	var ps problems
	ps.need(p.Name != "", "name", "name is required", "")
	ps.need(t.names[p.Name] == nil, "name", "name is taken", "operators and the log know partners by name")
	ps.party(p.Party)
	ps.need(p.Party.ID != t.own.Party.ID, "party", "party is our own", "")
	p.checkWay(&ps, t)
	p.checkSecurity(&ps, t, now)
	p.checkContent(&ps)
	ps.need(p.Retry.Attempts > 0 && p.Retry.Attempts <= 100, "retry.attempts", "retry attempts are from 1 to 100", "")
	ps.need(p.Retry.Initial > 0 && p.Retry.Max >= p.Retry.Initial && p.Retry.Factor >= 1, "retry", "retry pauses do not grow from initial to max", "max is not below initial, factor not below 1")
	ps.need(p.Retry.Jitter < 1, "retry.jitter", "retry jitter is not below 1", "")
	ps.need(p.Retry.Expiry >= 0, "retry.expiry", "retry expiry is negative", "")
	ps.need(p.Timeout > 0, "timeout", "timeout is not positive", "")
	ps.need(p.Limits.Part > 0 && p.Limits.Message >= p.Limits.Part && p.Limits.Ratio > 0 && p.Limits.Parts > 0, "limits", "limits are not positive, or that of a message is below that of a part", "")
	ps.warn(p.Limits.Parts <= 28, "limits.parts", "more than 28 payload parts: Domibus and WSS4J refuse such messages", "28 unless the partner says otherwise")
	ps.need(p.Retention >= 0, "retention", "retention is negative", "")
	if p.Retention > 0 {
		ps.warn(p.Retention >= p.Retry.longest(), "retention", "duplicates are remembered for less time than our own attempts take", "no shorter than the partner's attempts go on")
	}
	p.checkNeighbours(&ps, t)
	return ps
}

// longest is how long all attempts take.
func (r Retry) longest() time.Duration {
	var d time.Duration
	for n := 1; n < min(r.Attempts, 100); n++ {
		d += r.Pause(n)
	}
	if r.Expiry > 0 {
		return min(d, r.Expiry)
	}
	return d
}

// checkWay checks how messages travel.
func (p *Partner) checkWay(ps *problems, t *Table) {
	ps.need(p.MEP == Push || p.MEP == Pull, "mep", "mep is not push or pull", "")
	ps.need(p.Direction == Both || p.Direction == In || p.Direction == Out, "direction", "direction is not both, in or out", "")
	ps.need(p.Direction != Out || p.sends(), "direction", "url is required to send", "url, or mep: pull")
	if p.MEP == Pull {
		ps.need(p.MPC != ebms.DefaultMPC, "mep", "a partner that pulls needs an mpc of its own", "mpc: a URI that no other partner has")
		if o := t.pullers[p.MPC]; o != nil && p.MPC != ebms.DefaultMPC {
			ps.need(false, "mpc", fmt.Sprintf("mpc is that of %q, which pulls too", o.Name), "whoever pulls has an mpc of its own")
		}
	}
	ps.need(uri(p.MPC), "mpc", "mpc is not a URI", "")
	if p.Fetch.Every != 0 {
		ps.need(p.Fetch.Every >= time.Second, "pull.every", "pull.every is less than a second", "")
		ps.need(p.URL != "", "pull", "url is required to pull", "")
		ps.need(uri(p.Fetch.MPC), "pull.mpc", "mpc to pull from is not a URI", "")
	}
	if p.URL == "" {
		return
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		ps.need(false, "url", "url is not an http or https address without credentials", "")
		return
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		ps.need(p.AllowHTTP, "url", "url is http: headers would travel in clear and the server would not be checked", "https, or allow_http: true where another layer protects the way")
		ps.warn(!p.AllowHTTP, "allow_http", "url is http: headers travel in clear and the server is not checked", "https")
	}
	ps.need(p.TLS.Min == tls.VersionTLS12 || p.TLS.Min == tls.VersionTLS13, "tls.min", "tls.min is not 1.2 or 1.3", "")
}

func uri(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && !strings.ContainsAny(s, " <>\t\r\n")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkSecurity checks certificates, tokens and algorithms.
func (p *Partner) checkSecurity(ps *problems, t *Table, now time.Time) {
	if !p.Profile.Valid() {
		ps.need(false, "profile", "profile is not 1.15, 2.0 or 2.0-ecdsa", "")
		return
	}
	sign, encrypt := kinds(p.Profile)
	has := func(c *x509.Certificate, kind keystore.Kind) bool { return c != nil && keystore.KindOf(c) == kind }
	ps.need(len(t.own.Signing) == 0 || slices.ContainsFunc(t.own.Signing, func(i wssec.Identity) bool { return has(i.Certificate, sign) }),
		"profile", fmt.Sprintf("profile %s needs a signing identity of ours with an %s key", p.Profile, sign), "add it under own.signing")
	for _, c := range p.Trust.Pinned {
		ps.need(has(c, sign) && strong(c), "signing.pinned", fmt.Sprintf("a certificate's key is not %s: profile %s signs with it", name(sign), p.Profile), "")
		ps.valid("signing.pinned", c, now)
	}
	for _, c := range slices.Concat(p.Trust.Anchors, p.Trust.Intermediates) {
		ps.valid("signing", c, now)
	}
	v, err := wssec.NewVerifier(p.Trust)
	if err != nil {
		ps.need(false, "signing", err.Error(), "pinned: [file], or anchors: [file] with names: [common name]")
	}
	p.verifier = v
	for _, token := range []wssec.Token{p.SignToken, p.EncryptToken} {
		ps.need(token.Valid(), "token", "token is not one of "+tokenNames(), "")
		ps.warn(token != wssec.TokenThumbprint, "token", "thumbprint names certificates by SHA-1, and few accept it", "bst or ski")
	}
	ps.warn(!slices.Contains(p.Allow.Tokens, wssec.TokenThumbprint), "algorithms.tokens", "thumbprint names certificates by SHA-1", "without it unless the partner has no other form")
	ps.warn(!slices.Contains(p.Allow.Transports, xmlsec.RSAOAEPMGF1P), "algorithms.key_transport", "rsa-oaep-mgf1p uses SHA-1 and is no part of the profile", "ask the partner for rsa-oaep with SHA-256")
	ps.warn(!p.SignOnly, "security", "payloads are signed but not encrypted: whoever ends TLS reads them", "sign+encrypt unless the network says otherwise")
	if p.SignOnly {
		return
	}
	ps.need(len(t.own.Decrypt) == 0 || slices.ContainsFunc(t.own.Decrypt, func(d wssec.Decryption) bool { return has(d.Certificate, encrypt) }),
		"profile", fmt.Sprintf("profile %s needs a decryption identity of ours with an %s key", p.Profile, encrypt), "add it under own.decryption")
	ps.need(!p.sends() || len(p.Encrypt) > 0, "encryption", "an encryption certificate is required to send: with a url, or for a partner that pulls", "encryption: [file]")
	for _, c := range p.Encrypt {
		ps.need(has(c, encrypt) && strong(c), "encryption", fmt.Sprintf("a certificate's key is not %s: profile %s encrypts with it", name(encrypt), p.Profile), "")
		ps.valid("encryption", c, now)
	}
}

func name(k keystore.Kind) string {
	if k == keystore.RSA {
		return "RSA of 2048 bits or more"
	}
	return string(k)
}

// checkContent checks services.
func (p *Partner) checkContent(ps *problems) {
	replies := false
	for i, s := range p.Services {
		key := fmt.Sprintf("services[%d]", i)
		ps.need(s.Service.Value != "" && len(s.Actions) > 0, key, "a service needs a value and actions", "")
		ps.need(s.Service.Type != "" || uri(s.Service.Value), key, "a service without a type must be a URI", "type: as the network has agreed")
		for n, a := range s.Actions {
			ps.need(a != "", key+".actions", "an action is empty", "")
			ps.need(!slices.Contains(s.Actions[:n], a), key+".actions", fmt.Sprintf("action %q twice", a), "")
		}
		for _, r := range s.Replies {
			replies = true
			ps.need(slices.Contains(s.Actions, r), key+".replies", fmt.Sprintf("%q is not one of the actions", r), "")
		}
		names := map[string]bool{}
		for _, q := range s.Properties {
			ps.need(q.Name != "" && !names[q.Name], key+".properties", fmt.Sprintf("property %q is empty or twice", q.Name), "")
			ps.need(q.Datatype == "" || q.Datatype == String || q.Datatype == Integer || q.Datatype == Boolean, key+".properties", "datatype is not string, int or boolean", "")
			names[q.Name] = true
		}
		p.checkPayloads(ps, key+".payloads", s.Payloads)
	}
	ps.need(p.TwoWay || !replies, "two_way", "a service names replies, but the agreement is not two-way", "two_way: true")
	ps.need(!p.TwoWay || replies, "two_way", "a two-way agreement names its replies", "replies: the actions of the second message, in each service")
	for _, c := range slices.Concat(p.Corners.Theirs, p.Corners.Ours) {
		ps.need(c.ID != "", "corners", "an authority needs an id", "")
	}
}

func (p *Partner) checkPayloads(ps *problems, key string, l Payloads) {
	ps.need(l.Max >= 0 && l.Size >= 0, key, "bounds of payloads are negative", "")
	ps.warn(l.Size <= p.Limits.Message, key, "payloads may be larger than limits.message, which holds", "raise limits.message, or lower size")
	ids := map[string]bool{}
	required := 0
	for _, q := range l.Parts {
		ps.need(q.ID != "" && !ids[q.ID], key+".parts", fmt.Sprintf("payload part %q is empty or twice", q.ID), "")
		ps.need(q.Size >= 0, key+".parts", "bounds of payloads are negative", "")
		ids[q.ID] = true
		if q.Required {
			required++
		}
	}
	ps.need(l.Max == 0 || required <= l.Max, key, "more parts are required than are allowed", "")
}

// checkNeighbours looks for other agreements that the same message would match.
func (p *Partner) checkNeighbours(ps *problems, t *Table) {
	for _, o := range t.parties[p.Party.ID] {
		service, action, ok := common(o.Services, p.Services)
		if !ok {
			continue
		}
		same := o.Agreement.Value == p.Agreement.Value && o.Agreement.Type == p.Agreement.Type
		if p.Direction != Both && o.Direction != Both && p.Direction != o.Direction {
			continue
		}
		if same && (p.Direction != Out || o.Direction != Out) && o.Party.Role == p.Party.Role && o.OwnRole == p.OwnRole && (o.takesFrom(p.MPC) || p.takesFrom(o.MPC)) {
			ps.need(false, "party", fmt.Sprintf("same party, agreement and action as %q (service %q, action %q): a message would match both", o.Name, service.Value, action),
				"one of them with another agreement, role, mpc or action")
			continue
		}
		ps.warn(!o.sends() || !p.sends(), "services", fmt.Sprintf("action %q to this party is sent under %q, which stands first", action, o.Name), "order them by preference; what comes in is matched by agreement and role")
	}
}

func common(a, b []Service) (ebms.Service, string, bool) {
	for _, x := range a {
		for _, y := range b {
			if x.Service != y.Service {
				continue
			}
			if i := slices.IndexFunc(x.Actions, func(s string) bool { return slices.Contains(y.Actions, s) }); i >= 0 {
				return x.Service, x.Actions[i], true
			}
		}
	}
	return ebms.Service{}, "", false
}
