package pmode

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/revocation"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// The words of a file. Algorithms that xmlsec knows besides are no part of any
// eDelivery profile.
var (
	profiles   = map[string]wssec.Profile{"1.15": wssec.Profile115, "2.0": wssec.Profile20, "2.0-ecdsa": wssec.Profile20ECDSA}
	tokens     = map[string]wssec.Token{"bst": wssec.TokenBST, "pkipath": wssec.TokenPKIPath, "ski": wssec.TokenSKI, "issuer-serial": wssec.TokenIssuerSerial, "thumbprint": wssec.TokenThumbprint}
	signatures = map[string]xmlsec.SignatureAlgorithm{
		"rsa-sha256": xmlsec.RSASHA256, "rsa-sha384": xmlsec.RSASHA384, "rsa-sha512": xmlsec.RSASHA512,
		"ecdsa-sha256": xmlsec.ECDSASHA256, "ecdsa-sha384": xmlsec.ECDSASHA384, "ecdsa-sha512": xmlsec.ECDSASHA512, "ed25519": xmlsec.Ed25519,
	}
	ciphers    = map[string]xmlsec.DataAlgorithm{"aes128-gcm": xmlsec.AES128GCM, "aes256-gcm": xmlsec.AES256GCM}
	transports = map[string]xmlsec.KeyTransport{"rsa-oaep": xmlsec.RSAOAEP, "rsa-oaep-mgf1p": xmlsec.RSAOAEPMGF1P}
	agreements = map[string]xmlsec.KeyAgreement{"x25519": xmlsec.X25519, "ecdh-es": xmlsec.ECDHES}
	securities = map[string]bool{"sign+encrypt": false, "sign": true}
	meps       = map[string]MEP{"push": Push, "pull": Pull}
	directions = map[string]Direction{"both": Both, "in": In, "out": Out}
	datatypes  = map[string]Datatype{"string": String, "int": Integer, "boolean": Boolean}
	versions   = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	modes      = map[string]revocation.Mode{"off": revocation.Off, "soft": revocation.Soft, "hard": revocation.Hard}
)

func tokenNames() string { return strings.Join(slices.Sorted(maps.Keys(tokens)), ", ") }

// word returns the word of a value.
func word[T comparable](words map[string]T, v T) string {
	for w, x := range words {
		if x == v {
			return w
		}
	}
	return ""
}

func (l *loader) party(p *canon.Participant) field {
	return func(n *yaml.Node) {
		l.fields(n, map[string]field{"id": l.text(&p.ID), "type": l.text(&p.Scheme)}, "id")
	}
}

// accessPoint reads a party of the header, which needs no type where its id is a URI.
func (l *loader) accessPoint(p *canon.Participant) field {
	return func(n *yaml.Node) {
		l.party(p)(n)
		if p.Scheme == "" && ebms.IsURI(p.ID) {
			p.Scheme = ebms.Untyped
		}
	}
}

// begin starts a section of the file.
func (l *loader) begin(n *yaml.Node) {
	l.section = section{node: n, places: map[string]*yaml.Node{}, broken: map[string]bool{}}
}

func (l *loader) own(n *yaml.Node) (Own, section) {
	var o Own
	l.begin(n)
	l.fields(n, map[string]field{
		"party":  l.accessPoint(&o.Party.ID),
		"role":   l.text(&o.Party.Role),
		"domain": l.text(&o.Domain),
		"signing": func(n *yaml.Node) {
			read := func(n *yaml.Node) {
				e, ok := l.identity(n)
				if !ok {
					return
				}
				key, ok := e.Signer()
				if !ok {
					l.fault(n, "key cannot sign")
					return
				}
				o.Signing = append(o.Signing, wssec.Identity{Certificate: e.Certificate, Chain: e.Chain, Key: key})
			}
			if n.Kind == yaml.MappingNode { // one identity needs no list
				read(n)
				return
			}
			l.each(n, read)
		},
		"decryption": func(n *yaml.Node) {
			l.each(n, func(n *yaml.Node) {
				e, ok := l.identity(n)
				if !ok {
					return
				}
				d := wssec.Decryption{Certificate: e.Certificate}
				d.Key, _ = e.Decrypter()
				d.Agreement, _ = e.Agreement()
				if d.Key == nil && d.Agreement == nil {
					l.fault(n, "key cannot decrypt")
					return
				}
				o.Decrypt = append(o.Decrypt, d)
			})
		},
	}, "party", "domain", "signing", "decryption")
	s := l.section
	l.section = section{}
	return o, s
}

func (l *loader) partner(n *yaml.Node, required ...string) (Partner, section) {
	var p Partner
	l.begin(n)
	compress := true
	l.fields(n, map[string]field{
		"name":       l.text(&p.Name),
		"party":      l.accessPoint(&p.Party.ID),
		"role":       l.text(&p.Party.Role),
		"own_role":   l.text(&p.OwnRole),
		"url":        l.text(&p.URL),
		"allow_http": l.truth(&p.AllowHTTP),
		"direction":  choice(l, directions, &p.Direction),
		"mep":        choice(l, meps, &p.MEP),
		"mpc":        l.text(&p.MPC),
		"pull": func(n *yaml.Node) {
			l.fields(n, map[string]field{"every": l.pause(&p.Fetch.Every), "mpc": l.text(&p.Fetch.MPC)}, "every")
		},
		"two_way":    l.truth(&p.TwoWay),
		"profile":    choice(l, profiles, &p.Profile),
		"security":   choice(l, securities, &p.SignOnly),
		"signing":    func(n *yaml.Node) { l.trust(n, &p) },
		"encryption": l.certificateFiles(&p.Encrypt),
		"token": func(n *yaml.Node) {
			if n.Kind == yaml.ScalarNode {
				choice(l, tokens, &p.Token)(n)
				return
			}
			l.fields(n, map[string]field{"sign": choice(l, tokens, &p.SignToken), "encrypt": choice(l, tokens, &p.EncryptToken)})
		},
		"algorithms": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"signature":     choices(l, signatures, &p.Allow.Signatures),
				"data":          choices(l, ciphers, &p.Allow.Data),
				"key_transport": choices(l, transports, &p.Allow.Transports),
				"key_agreement": choices(l, agreements, &p.Allow.Agreements),
				"tokens":        choices(l, tokens, &p.Allow.Tokens),
			})
		},
		"agreement": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"value": l.text(&p.Agreement.Value), "type": l.text(&p.Agreement.Type), "pmode": l.text(&p.Agreement.PMode),
			}, "value")
		},
		"services": func(n *yaml.Node) {
			l.each(n, func(n *yaml.Node) { p.Services = append(p.Services, l.service(n)) })
		},
		"corners": func(n *yaml.Node) {
			l.fields(n, map[string]field{"theirs": l.parties(&p.Corners.Theirs), "ours": l.parties(&p.Corners.Ours)})
		},
		"compress":    l.truth(&compress),
		"soap_faults": l.truth(&p.SOAPFaults),
		"retry":       func(n *yaml.Node) { l.retry(n, &p.Retry) },
		"timeout":     l.pause(&p.Timeout),
		"limits": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"part": l.size(&p.Limits.Part), "message": l.size(&p.Limits.Message),
				"ratio": l.size(&p.Limits.Ratio), "parts": l.number(&p.Limits.Parts, "parts"),
			})
		},
		"retention": l.pause(&p.Retention),
		"tls":       func(n *yaml.Node) { l.tls(n, &p.TLS) },
	}, required...)
	p.Plain = !compress
	s := l.section
	l.section = section{}
	return p, s
}

func (l *loader) parties(to *[]canon.Participant) field {
	return func(n *yaml.Node) {
		l.each(n, func(n *yaml.Node) {
			var p canon.Participant
			l.party(&p)(n)
			*to = append(*to, p)
		})
	}
}

// trust reads who signs for a partner.
func (l *loader) trust(n *yaml.Node, p *Partner) {
	l.fields(n, map[string]field{
		"pinned":        l.certificateFiles(&p.Trust.Pinned),
		"anchors":       l.certificateFiles(&p.Trust.Anchors),
		"intermediates": l.certificateFiles(&p.Trust.Intermediates),
		"names":         l.texts(&p.Trust.Names),
		"known":         l.certificateFiles(&p.Trust.Known),
		"usages": func(n *yaml.Node) {
			for _, e := range l.items(n) {
				oid, err := usage(e.Value)
				if err != nil {
					l.fault(e, "want an object identifier such as 1.3.6.1.5.5.7.3.36")
					continue
				}
				p.Trust.Usages = append(p.Trust.Usages, oid)
			}
		},
		"policies": func(n *yaml.Node) {
			for _, e := range l.items(n) {
				oid, err := x509.ParseOID(e.Value)
				if err != nil {
					l.fault(e, "want an object identifier such as 1.3.6.1.4.1.99999.1")
					continue
				}
				p.Trust.Policies = append(p.Trust.Policies, oid)
			}
		},
		"revocation": func(n *yaml.Node) {
			v := &p.Revocation
			l.fields(n, map[string]field{
				"mode": choice(l, modes, &v.Mode),
				"crl":  l.texts(&v.CRL),
				"ocsp": func(n *yaml.Node) {
					l.fields(n, map[string]field{"url": l.text(&v.OCSP.URL), "hosts": l.texts(&v.OCSP.Hosts), "nonce": l.truth(&v.OCSP.Nonce)})
				},
			}, "mode")
			if v.Mode == "" || v.Mode == revocation.Off {
				return
			}
			if l.Revocation == nil {
				l.fault(n, "revocation is not checked here")
				return
			}
			var err error
			if p.Trust.Revocation, err = l.Revocation(*v); err != nil {
				l.fault(n, "%v", err)
			}
		},
	})
}

// usage reads an object identifier of an extended key usage.
func usage(s string) (asn1.ObjectIdentifier, error) {
	if _, err := x509.ParseOID(s); err != nil {
		return nil, err
	}
	var out asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		v, err := strconv.Atoi(arc)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (l *loader) service(n *yaml.Node) Service {
	var s Service
	l.fields(n, map[string]field{
		"service": l.text(&s.Service.Value), "type": l.text(&s.Service.Type),
		"actions": l.texts(&s.Actions), "replies": l.texts(&s.Replies),
		"properties": func(n *yaml.Node) {
			l.each(n, func(n *yaml.Node) {
				q := Property{Datatype: String}
				l.fields(n, map[string]field{"name": l.text(&q.Name), "required": l.truth(&q.Required), "datatype": choice(l, datatypes, &q.Datatype)}, "name")
				s.Properties = append(s.Properties, q)
			})
		},
		"payloads": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"max": l.number(&s.Payloads.Max, "parts"), "size": l.size(&s.Payloads.Size), "types": l.texts(&s.Payloads.Types),
				"parts": func(n *yaml.Node) {
					l.each(n, func(n *yaml.Node) {
						var q Payload
						l.fields(n, map[string]field{"id": l.text(&q.ID), "type": l.text(&q.Type), "required": l.truth(&q.Required), "size": l.size(&q.Size)}, "id")
						s.Payloads.Parts = append(s.Payloads.Parts, q)
					})
				},
			})
		},
	}, "service", "actions")
	return s
}

func (l *loader) retry(n *yaml.Node, r *Retry) {
	l.fields(n, map[string]field{
		"attempts": l.number(&r.Attempts, "attempts"),
		"initial":  l.pause(&r.Initial),
		"max":      l.pause(&r.Max),
		"factor":   l.float(&r.Factor, 1, math.MaxFloat64, "a factor of 1 or more"),
		"jitter": func(n *yaml.Node) {
			l.float(&r.Jitter, 0, 0.99, "a share from 0 to 0.99")(n)
			if r.Jitter == 0 {
				r.Jitter = -1 // none, where 0 would mean the default
			}
		},
		"expiry": l.pause(&r.Expiry),
	})
}

func (l *loader) tls(n *yaml.Node, t *TLS) {
	var own keystore.Ref
	l.fields(n, map[string]field{
		"ca":          l.certificateFiles(&t.CA),
		"certificate": l.text(&own.Certificate),
		"key":         l.text(&own.Key),
		"server_name": l.text(&t.ServerName),
		"min":         choice(l, versions, &t.Min),
		"clients": func(n *yaml.Node) {
			l.fields(n, map[string]field{"pinned": l.certificateFiles(&t.Clients.Pinned), "ca": l.certificateFiles(&t.Clients.CA), "names": l.texts(&t.Clients.Names)})
			if len(t.Clients.CA) > 0 && len(t.Clients.Names) == 0 {
				l.remedied(n, "names: [host or common name]", "clients of a ca without names: any holder of a certificate of the CA could connect")
			}
		},
	})
	if own == (keystore.Ref{}) {
		return
	}
	if e, ok := l.open(n, own); ok {
		c := &tls.Certificate{PrivateKey: e.Key, Leaf: e.Certificate, Certificate: [][]byte{e.Certificate.Raw}}
		for _, ca := range e.Chain {
			c.Certificate = append(c.Certificate, ca.Raw)
		}
		t.Own = c
	}
}
