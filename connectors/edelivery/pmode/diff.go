package pmode

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/edelivery/wssec"
)

// A Difference is what one table has other than another; partners are told by name.
type Difference struct {
	Own     []Change            `json:"own,omitempty"`
	Added   []string            `json:"added,omitempty"`
	Removed []string            `json:"removed,omitempty"`
	Changed map[string][]Change `json:"changed,omitempty"`
}

// A Change is one setting that differs.
type Change struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

// Empty reports that nothing differs.
func (d Difference) Empty() bool {
	return len(d.Own) == 0 && len(d.Added) == 0 && len(d.Removed) == 0 && len(d.Changed) == 0
}

// Diff says what a change from one table to another changes.
func Diff(from, to *Table) Difference {
	d := Difference{Own: changes(from.own.Settings(), to.own.Settings()), Changed: map[string][]Change{}}
	for _, p := range to.Partners() {
		was, ok := from.names[p.Name]
		if !ok {
			d.Added = append(d.Added, p.Name)
			continue
		}
		if c := changes(was.Settings(), p.Settings()); len(c) > 0 {
			d.Changed[p.Name] = c
		}
	}
	for _, p := range from.Partners() {
		if _, ok := to.names[p.Name]; !ok {
			d.Removed = append(d.Removed, p.Name)
		}
	}
	return d
}

func changes(from, to []Setting) []Change {
	var out []Change
	for _, s := range to {
		i := slices.IndexFunc(from, func(o Setting) bool { return o.Key == s.Key })
		if i < 0 {
			out = append(out, Change{s.Key, "", s.Value})
		} else if from[i].Value != s.Value {
			out = append(out, Change{s.Key, from[i].Value, s.Value})
		}
	}
	for _, s := range from {
		if !slices.ContainsFunc(to, func(o Setting) bool { return o.Key == s.Key }) {
			out = append(out, Change{s.Key, s.Value, ""})
		}
	}
	return out
}

// A Setting is one resolved value, under its key in the file.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type settings []Setting

// set adds a setting unless it is empty.
func (s *settings) set(key, format string, args ...any) {
	if v := fmt.Sprintf(format, args...); v != "" {
		*s = append(*s, Setting{key, v})
	}
}

// Certificates returns the certificates of our side, each once.
func (o *Own) Certificates() []*x509.Certificate {
	var out []*x509.Certificate
	for _, i := range o.Signing {
		out = append(out, i.Certificate)
	}
	for _, d := range o.Decrypt {
		out = append(out, d.Certificate)
	}
	return once(out)
}

// Certificates returns the certificates that the agreement stands on, each once.
func (p *Partner) Certificates() []*x509.Certificate {
	out := slices.Concat(p.Trust.Pinned, p.Trust.Known, p.Trust.Anchors, p.Trust.Intermediates, p.Encrypt, p.TLS.CA, p.TLS.Clients.Pinned, p.TLS.Clients.CA)
	if p.TLS.Own != nil {
		out = append(out, p.TLS.Own.Leaf)
	}
	return once(out)
}

func once(all []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range all {
		if !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// Settings returns what is in force for our side, with certificates and no keys.
func (o *Own) Settings() []Setting {
	var s settings
	s.set("party", "%s", participant(o.Party.Type(), o.Party.ID.ID))
	s.set("role", "%s", o.Party.Role)
	s.set("domain", "%s", o.Domain)
	for i, id := range o.Signing {
		s.set(fmt.Sprintf("signing[%d]", i), "%s", certificate(id.Certificate))
	}
	for i, d := range o.Decrypt {
		s.set(fmt.Sprintf("decryption[%d]", i), "%s", certificate(d.Certificate))
	}
	return s
}

// Settings returns what is in force for the partner, defaults included.
func (p *Partner) Settings() []Setting {
	var s settings
	s.set("party", "%s", participant(p.Party.Type(), p.Party.ID.ID))
	s.set("role", "%s", p.Party.Role)
	s.set("own_role", "%s", p.OwnRole)
	s.set("direction", "%s", p.Direction)
	s.set("mep", "%s", p.MEP)
	s.set("url", "%s", p.URL)
	if p.AllowHTTP {
		s.set("allow_http", "true")
	}
	s.set("mpc", "%s", p.MPC)
	if p.Fetch.Every > 0 {
		s.set("pull", "every %s from %s", p.Fetch.Every, p.Fetch.MPC)
	}
	s.set("two_way", "%t", p.TwoWay)
	s.set("profile", "%s", p.Profile)
	s.set("security", "%s", word(securities, p.SignOnly))
	for _, c := range []struct {
		key string
		in  []*x509.Certificate
	}{
		{"signing.pinned", p.Trust.Pinned}, {"signing.anchors", p.Trust.Anchors}, {"signing.intermediates", p.Trust.Intermediates}, {"signing.known", p.Trust.Known},
		{"encryption", p.Encrypt}, {"tls.ca", p.TLS.CA}, {"tls.clients.pinned", p.TLS.Clients.Pinned}, {"tls.clients.ca", p.TLS.Clients.CA},
	} {
		for i, cert := range c.in {
			s.set(fmt.Sprintf("%s[%d]", c.key, i), "%s", certificate(cert))
		}
	}
	s.set("signing.names", "%s", strings.Join(p.Trust.Names, ", "))
	for _, oid := range p.Trust.Policies {
		s.set("signing.policies", "%s", oid.String())
	}
	for _, oid := range p.Trust.Usages {
		s.set("signing.usages", "%s", oid.String())
	}
	if p.Revocation.Mode != "" {
		s.set("signing.revocation", "%s, crl %q, ocsp %q %q nonce %t", p.Revocation.Mode, p.Revocation.CRL, p.Revocation.OCSP.URL, p.Revocation.OCSP.Hosts, p.Revocation.OCSP.Nonce)
	}
	s.set("token.sign", "%s", p.SignToken)
	s.set("token.encrypt", "%s", p.EncryptToken)
	allow := p.accepts()
	s.set("algorithms.signature", "%s", words(signatures, allow.Signatures))
	s.set("algorithms.data", "%s", words(ciphers, allow.Data))
	s.set("algorithms.key_transport", "%s", words(transports, allow.Transports))
	s.set("algorithms.key_agreement", "%s", words(agreements, allow.Agreements))
	s.set("algorithms.tokens", "%s", words(tokens, allow.Tokens))
	s.set("agreement.value", "%s", p.Agreement.Value)
	s.set("agreement.type", "%s", p.Agreement.Type)
	s.set("agreement.pmode", "%s", p.Agreement.PMode)
	for i, v := range p.Services {
		v.set(&s, fmt.Sprintf("services[%d]", i))
	}
	for _, c := range p.Corners.Theirs {
		s.set("corners.theirs", "%s", participant(c.Scheme, c.ID))
	}
	for _, c := range p.Corners.Ours {
		s.set("corners.ours", "%s", participant(c.Scheme, c.ID))
	}
	s.set("compress", "%t", !p.Plain)
	s.set("soap_faults", "%t", p.SOAPFaults)
	s.set("retry", "%d attempts, pauses from %s by %g to %s, jitter %g", p.Retry.Attempts, p.Retry.Initial, p.Retry.Factor, p.Retry.Max, max(p.Retry.Jitter, 0))
	if p.Retry.Expiry > 0 {
		s.set("retry.expiry", "%s", p.Retry.Expiry)
	}
	s.set("timeout", "%s", p.Timeout)
	s.set("limits", "part %d, message %d, ratio %d, parts %d", p.Limits.Part, p.Limits.Message, p.Limits.Ratio, p.Limits.Parts)
	if p.Retention > 0 {
		s.set("retention", "%s", p.Retention)
	}
	if p.TLS.Own != nil {
		s.set("tls.certificate", "%s", certificate(p.TLS.Own.Leaf))
	}
	s.set("tls.server_name", "%s", p.TLS.ServerName)
	s.set("tls.min", "%s", word(versions, p.TLS.Min))
	s.set("tls.clients.names", "%s", strings.Join(p.TLS.Clients.Names, ", "))
	return s
}

// accepts returns what is accepted from the partner: what the agreement names, and
// for the rest what its profile has.
func (p *Partner) accepts() wssec.Algorithms {
	a := p.Profile.Algorithms()
	if len(p.Allow.Signatures) > 0 {
		a.Signatures = p.Allow.Signatures
	}
	if len(p.Allow.Data) > 0 {
		a.Data = p.Allow.Data
	}
	if len(p.Allow.Transports) > 0 || len(p.Allow.Agreements) > 0 {
		a.Transports, a.Agreements = p.Allow.Transports, p.Allow.Agreements
	}
	if len(p.Allow.Tokens) > 0 {
		a.Tokens = p.Allow.Tokens
	}
	return a
}

func (v Service) set(s *settings, key string) {
	s.set(key, "%s", participant(v.Service.Type, v.Service.Value))
	s.set(key+".actions", "%s", strings.Join(v.Actions, ", "))
	s.set(key+".replies", "%s", strings.Join(v.Replies, ", "))
	for i, q := range v.Properties {
		s.set(fmt.Sprintf("%s.properties[%d]", key, i), "%s %s required %t", q.Name, q.Datatype, q.Required)
	}
	if v.Payloads.Max > 0 {
		s.set(key+".payloads.max", "%d", v.Payloads.Max)
	}
	if v.Payloads.Size > 0 {
		s.set(key+".payloads.size", "%d", v.Payloads.Size)
	}
	s.set(key+".payloads.types", "%s", strings.Join(v.Payloads.Types, ", "))
	for i, q := range v.Payloads.Parts {
		s.set(fmt.Sprintf("%s.payloads.parts[%d]", key, i), "%s %s required %t size %d", q.ID, q.Type, q.Required, q.Size)
	}
}

func words[T comparable](names map[string]T, vs []T) string {
	var out []string
	for _, v := range vs {
		out = append(out, word(names, v))
	}
	return strings.Join(out, ", ")
}

func participant(scheme, id string) string {
	if scheme == "" {
		return id
	}
	return scheme + ":" + id
}

// certificate names a certificate so that two of them differ and an operator
// knows them.
func certificate(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return fmt.Sprintf("%s, until %s, sha256 %s", c.Subject, c.NotAfter.UTC().Format("2006-01-02"), hex.EncodeToString(sum[:8]))
}
