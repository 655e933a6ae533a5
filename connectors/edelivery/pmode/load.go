package pmode

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// Files reads a file that a table names: a certificate or a key, in PEM.
type Files func(name string) ([]byte, error)

// A Fault is one mistake in a file, with its place.
type Fault struct {
	File      string
	Line, Col int
	Text      string
}

// Error returns file:line:col: text.
func (f *Fault) Error() string { return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Text) }

// Load reads a table from YAML. Unknown and repeated keys, aliases and more than
// one document are faults; all faults are reported at once.
func Load(file string, data []byte, files Files) (*Table, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document", file)
	}
	return LoadNode(file, &doc, files)
}

// LoadNode reads a table from a node of a larger file, such as the section of a
// gateway's configuration.
func LoadNode(file string, n *yaml.Node, files Files) (*Table, error) {
	return (&loader{file: file, files: files}).table(n)
}

func (l *loader) table(n *yaml.Node) (*Table, error) {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	var own Own
	var partners []Partner
	l.fields(n, map[string]field{
		"own": func(n *yaml.Node) { own = l.own(n) },
		"partners": func(n *yaml.Node) {
			for _, e := range l.items(n) {
				partners = append(partners, l.partner(e))
			}
		},
	}, "own", "partners")
	if len(l.faults) > 0 {
		return nil, errors.Join(l.faults...)
	}
	t, err := New(own, partners)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.file, err)
	}
	return t, nil
}

type field func(*yaml.Node)

type loader struct {
	file   string
	files  Files
	faults []error
}

func (l *loader) fault(n *yaml.Node, format string, args ...any) {
	l.faults = append(l.faults, &Fault{File: l.file, Line: n.Line, Col: n.Column, Text: fmt.Sprintf(format, args...)})
}

// fields calls the reader of every key of a mapping.
func (l *loader) fields(n *yaml.Node, readers map[string]field, required ...string) {
	if n.Kind != yaml.MappingNode {
		l.fault(n, "want a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		read, ok := readers[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || !ok:
			l.fault(k, "unknown key %q", k.Value)
		case seen[k.Value]:
			l.fault(k, "key %q twice", k.Value)
		case v.Kind == yaml.AliasNode:
			l.fault(v, "aliases are not read")
		default:
			read(v)
		}
		seen[k.Value] = true
	}
	for _, r := range required {
		if !seen[r] {
			l.fault(n, "key %q is missing", r)
		}
	}
}

func (l *loader) items(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		l.fault(n, "want a list")
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.Content), func(e *yaml.Node) bool {
		if e.Kind == yaml.AliasNode {
			l.fault(e, "aliases are not read")
			return true
		}
		return false
	})
}

func (l *loader) text(to *string) field {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			l.fault(n, "want text")
			return
		}
		*to = n.Value
	}
}

func (l *loader) truth(to *bool) field {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
			l.fault(n, "want true or false")
			return
		}
		if err := n.Decode(to); err != nil {
			l.fault(n, "want true or false")
		}
	}
}

func (l *loader) texts(to *[]string) field {
	return func(n *yaml.Node) {
		for _, e := range l.items(n) {
			var s string
			l.text(&s)(e)
			*to = append(*to, s)
		}
	}
}

func (l *loader) pause(to *time.Duration) field {
	return func(n *yaml.Node) {
		d, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
			l.fault(n, "want a duration such as 2s")
			return
		}
		*to = d
	}
}

// size reads a number of bytes, with or without KiB, MiB, GiB.
func (l *loader) size(to *int64) field {
	return func(n *yaml.Node) {
		text, unit := n.Value, int64(1)
		for _, u := range []struct {
			name  string
			bytes int64
		}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
			if rest, ok := strings.CutSuffix(text, u.name); ok {
				text, unit = strings.TrimSpace(rest), u.bytes
				break
			}
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if n.Kind != yaml.ScalarNode || err != nil || v <= 0 || v > math.MaxInt64/unit {
			l.fault(n, "want a size such as 64MiB")
			return
		}
		*to = v * unit
	}
}

// The names of algorithms in a file; what xmlsec knows besides is not part of any
// eDelivery profile with RSA.
var (
	signatures = map[string]xmlsec.SignatureAlgorithm{"rsa-sha256": xmlsec.RSASHA256, "rsa-sha384": xmlsec.RSASHA384, "rsa-sha512": xmlsec.RSASHA512}
	ciphers    = map[string]xmlsec.DataAlgorithm{"aes128-gcm": xmlsec.AES128GCM, "aes256-gcm": xmlsec.AES256GCM}
	transports = map[string]xmlsec.KeyTransport{"rsa-oaep": xmlsec.RSAOAEP, "rsa-oaep-mgf1p": xmlsec.RSAOAEPMGF1P}
)

func choices[T any](l *loader, names map[string]T, to *[]T) field {
	return func(n *yaml.Node) {
		for _, e := range l.items(n) {
			var name string
			l.text(&name)(e)
			alg, ok := names[name]
			if !ok {
				l.fault(e, "want one of %s", strings.Join(slices.Sorted(maps.Keys(names)), ", "))
				continue
			}
			*to = append(*to, alg)
		}
	}
}

func (l *loader) party(p *canon.Participant) field {
	return func(n *yaml.Node) {
		l.fields(n, map[string]field{"id": l.text(&p.ID), "type": l.text(&p.Scheme)}, "id")
	}
}

func (l *loader) own(n *yaml.Node) Own {
	var o Own
	l.fields(n, map[string]field{
		"party":  l.party(&o.Party.ID),
		"role":   l.text(&o.Party.Role),
		"domain": l.text(&o.Domain),
		"signing": func(n *yaml.Node) {
			var k any
			o.Sign.Certificate, k = l.pair(n)
			if k != nil {
				var ok bool
				if o.Sign.Key, ok = k.(crypto.Signer); !ok {
					l.fault(n, "key cannot sign")
				}
			}
		},
		"decryption": func(n *yaml.Node) {
			for _, e := range l.items(n) {
				var d wssec.Decryption
				var k any
				d.Certificate, k = l.pair(e)
				if k != nil {
					var ok bool
					if d.Key, ok = k.(crypto.Decrypter); !ok {
						l.fault(e, "key cannot decrypt")
					}
				}
				o.Decrypt = append(o.Decrypt, d)
			}
		},
	}, "party", "domain", "signing", "decryption")
	return o
}

// pair reads a certificate and its key.
func (l *loader) pair(n *yaml.Node) (cert *x509.Certificate, key any) {
	l.fields(n, map[string]field{
		"certificate": func(n *yaml.Node) {
			var cs []*x509.Certificate
			l.certificates(&cs)(n)
			if len(cs) > 0 {
				cert = cs[0]
			}
		},
		"key": func(n *yaml.Node) { key = l.key(n) },
	}, "certificate", "key")
	return cert, key
}

func (l *loader) read(n *yaml.Node) ([]byte, bool) {
	var name string
	l.text(&name)(n)
	if name == "" {
		return nil, false
	}
	b, err := l.files(name)
	if err != nil {
		l.fault(n, "reading file: %v", err)
		return nil, false
	}
	return b, true
}

// certificates reads all certificates of one PEM file.
func (l *loader) certificates(to *[]*x509.Certificate) field {
	return func(n *yaml.Node) {
		b, ok := l.read(n)
		if !ok {
			return
		}
		found := false
		for {
			var block *pem.Block
			if block, b = pem.Decode(b); block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				continue
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				l.fault(n, "not a certificate: %v", err)
				return
			}
			*to, found = append(*to, c), true
		}
		if !found {
			l.fault(n, "no certificate in the file")
		}
	}
}

func (l *loader) certificateFiles(to *[]*x509.Certificate) field {
	return func(n *yaml.Node) {
		for _, e := range l.items(n) {
			l.certificates(to)(e)
		}
	}
}

// key reads a private key. Nothing of the file's content is told.
func (l *loader) key(n *yaml.Node) any {
	b, ok := l.read(n)
	if !ok {
		return nil
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			l.fault(n, "no private key in the file")
			return nil
		}
		var k any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			k, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			l.fault(n, "not a private key that can be read")
			return nil
		}
		return k
	}
}

func (l *loader) partner(n *yaml.Node) Partner {
	var p Partner
	var token string
	compress := true
	l.fields(n, map[string]field{
		"name":  l.text(&p.Name),
		"party": l.party(&p.Party.ID),
		"role":  l.text(&p.Party.Role),
		"url":   l.text(&p.URL),
		"signing": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"pinned":        l.certificateFiles(&p.Trust.Pinned),
				"anchors":       l.certificateFiles(&p.Trust.Anchors),
				"intermediates": l.certificateFiles(&p.Trust.Intermediates),
				"names":         l.texts(&p.Trust.Names),
			})
		},
		"encryption": l.certificateFiles(&p.Encrypt),
		"token": func(n *yaml.Node) {
			l.text(&token)(n)
			if p.Token = wssec.Token(token); !p.Token.Valid() {
				l.fault(n, "want bst, ski or issuer-serial")
			}
		},
		"algorithms": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"signature":     choices(l, signatures, &p.Allow.Signatures),
				"data":          choices(l, ciphers, &p.Allow.Data),
				"key_transport": choices(l, transports, &p.Allow.Transports),
			})
		},
		"agreement": func(n *yaml.Node) {
			l.fields(n, map[string]field{
				"value": l.text(&p.Agreement.Value), "type": l.text(&p.Agreement.Type), "pmode": l.text(&p.Agreement.PMode),
			}, "value")
		},
		"services": func(n *yaml.Node) {
			for _, e := range l.items(n) {
				p.Services = append(p.Services, l.service(e))
			}
		},
		"compress": l.truth(&compress),
		"retry":    func(n *yaml.Node) { p.Retry = l.retry(n) },
		"timeout":  l.pause(&p.Timeout),
		"limits": func(n *yaml.Node) {
			l.fields(n, map[string]field{"part": l.size(&p.Limits.Part), "message": l.size(&p.Limits.Message), "ratio": l.size(&p.Limits.Ratio)})
		},
	}, "name", "party", "signing")
	p.Plain = !compress
	return p
}

func (l *loader) service(n *yaml.Node) Service {
	var s Service
	l.fields(n, map[string]field{
		"service": l.text(&s.Service.Value), "type": l.text(&s.Service.Type), "actions": l.texts(&s.Actions),
	}, "service", "actions")
	return s
}

func (l *loader) retry(n *yaml.Node) Retry {
	var r Retry
	l.fields(n, map[string]field{
		"attempts": func(n *yaml.Node) {
			v, err := strconv.Atoi(n.Value)
			if n.Kind != yaml.ScalarNode || err != nil || v < 1 {
				l.fault(n, "want a number of attempts")
				return
			}
			r.Attempts = v
		},
		"initial": l.pause(&r.Initial),
		"max":     l.pause(&r.Max),
		"factor": func(n *yaml.Node) {
			v, err := strconv.ParseFloat(n.Value, 64)
			if n.Kind != yaml.ScalarNode || err != nil || v < 1 || math.IsInf(v, 0) || math.IsNaN(v) {
				l.fault(n, "want a factor of 1 or more")
				return
			}
			r.Factor = v
		},
	})
	return r
}
