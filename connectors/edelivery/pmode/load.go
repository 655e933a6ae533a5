package pmode

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/revocation"
	"oncegate/connectors/edelivery/wssec"
)

// Files reads a file that a table names.
type Files func(name string) ([]byte, error)

// A Loader reads tables from YAML. Unknown and repeated keys, aliases and more
// than one document are faults; all faults are reported at once.
type Loader struct {
	File   string    // Required. The name that faults have.
	Public Files     // Required. Reads certificates.
	Secret Files     // Required. Reads keys, stores, passwords and PINs; what it returns is overwritten.
	Now    time.Time // Default none. When certificates are judged, with warnings.

	// Revocation makes what checks the certificates of an agreement. Default none:
	// an agreement that asks for it is a fault.
	Revocation func(revocation.Policy) (wssec.Revocation, error)
}

// Load reads a table. Warnings are not errors; Check has them.
func Load(file string, data []byte, files Files) (*Table, error) {
	t, faults := Loader{File: file, Public: files, Secret: files}.Check(context.Background(), data)
	if err := join(faults); err != nil {
		return nil, err
	}
	return t, nil
}

// LoadPartner reads the mapping of one partner, of which nothing is required and
// nothing but the words is checked: a template, whose rest is found out later.
func LoadPartner(file string, n *yaml.Node, files Files) (Partner, error) {
	return Loader{File: file, Public: files, Secret: files}.Partner(context.Background(), n)
}

// Partner is LoadPartner with the settings of the loader.
func (c Loader) Partner(ctx context.Context, n *yaml.Node) (Partner, error) {
	l := newLoader(ctx, c)
	p, _ := l.partner(n)
	return p, join(l.faults)
}

func newLoader(ctx context.Context, c Loader) *loader {
	return &loader{Loader: c, ctx: ctx, certs: map[string][]*x509.Certificate{}, known: map[[32]byte][]*x509.Certificate{}}
}

// Check reads a table and says everything that is wrong with it and everything
// that is weak, in the order of the file. The table is nil where a fault is more
// than a warning.
func (c Loader) Check(ctx context.Context, data []byte) (*Table, []*Fault) {
	l := newLoader(ctx, c)
	doc := l.parse(data)
	if doc == nil {
		return nil, l.faults
	}
	t := l.table(doc)
	if join(l.faults) != nil {
		t = nil
	}
	return t, sortFaults(l.faults)
}

type loader struct {
	Loader
	ctx    context.Context // of one call of Check
	faults []*Fault
	section
	certs map[string][]*x509.Certificate   // by file
	known map[[32]byte][]*x509.Certificate // by content: partners share them
}

// A section is our own side or one partner. It knows where its keys stand, so that
// what is found out later has a place too.
type section struct {
	node   *yaml.Node
	path   string
	places map[string]*yaml.Node
	broken map[string]bool // first words of the keys that have a fault
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// parse returns the one document.
func (l *loader) parse(data []byte) *yaml.Node {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err != nil {
		f := &Fault{File: l.File, Line: 1, Col: 1, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
		if errors.Is(err, io.EOF) {
			f.Text = "file is empty"
		}
		if m := yamlLine.FindStringSubmatch(f.Text); m != nil {
			f.Line, _ = strconv.Atoi(m[1])
			f.Text = strings.Replace(f.Text, m[0], "", 1)
		}
		f.Text = "not YAML: " + f.Text
		l.faults = append(l.faults, f)
		return nil
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		l.fault(&more, "more than one document")
		return nil
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0]
	}
	return &doc
}

func (l *loader) table(n *yaml.Node) *Table {
	var own Own
	var partners []Partner
	ours := section{node: n}
	var theirs []section
	l.fields(n, map[string]field{
		"own": func(n *yaml.Node) { own, ours = l.own(n) },
		"partners": func(n *yaml.Node) {
			for _, e := range l.items(n) {
				p, s := l.partner(e, "name", "party", "signing")
				partners, theirs = append(partners, p), append(theirs, s)
			}
		},
	}, "own", "partners")
	t, found := build(own, partners, l.Now)
	for _, p := range found {
		s := ours
		if p.partner >= 0 {
			s = theirs[p.partner]
		}
		at, covered := s.place(p.key)
		covered = covered || p.key == "profile" && (ours.broken["signing"] || ours.broken["decryption"])
		if covered && !p.warning {
			continue // a consequence of a fault that is told already
		}
		l.faults = append(l.faults, &Fault{File: l.File, Line: at.Line, Col: at.Column, Text: p.text, Remedy: p.remedy, Warning: p.warning})
	}
	return t
}

// place returns the node of a key, or of what it is part of.
func (s section) place(key string) (n *yaml.Node, broken bool) {
	first := key
	if i := strings.IndexAny(first, ".["); i >= 0 {
		first = first[:i]
	}
	broken = s.broken[first]
	for key != "" {
		if n := s.places[key]; n != nil {
			return n, broken
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return s.node, broken
}

func (l *loader) fault(n *yaml.Node, format string, args ...any) {
	l.remedied(n, "", format, args...)
}

func (l *loader) remedied(n *yaml.Node, remedy, format string, args ...any) {
	l.breaks(l.path)
	l.faults = append(l.faults, &Fault{File: l.File, Line: n.Line, Col: n.Column, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (l *loader) breaks(path string) {
	if l.broken != nil {
		first := path
		if i := strings.IndexAny(first, ".["); i >= 0 {
			first = first[:i]
		}
		l.broken[first] = true
	}
}

// read reads a file that a node names.
func (l *loader) read(n *yaml.Node, files Files) ([]byte, string, bool) {
	var name string
	l.text(&name)(n)
	if name == "" {
		return nil, "", false
	}
	b, err := files(name)
	if err != nil {
		l.remedied(n, "names are relative to this file", "reading file: %v", err)
		return nil, name, false
	}
	return b, name, true
}

// certificates reads all certificates of one PEM file. A file is read once, and a
// content that stands in several files is parsed once.
func (l *loader) certificates(to *[]*x509.Certificate) field {
	return func(n *yaml.Node) {
		if cs, ok := l.certs[n.Value]; ok && n.Kind == yaml.ScalarNode {
			*to = append(*to, cs...)
			return
		}
		b, name, ok := l.read(n, l.Public)
		if !ok {
			return
		}
		sum := sha256.Sum256(b)
		cs := l.known[sum]
		if cs == nil {
			var err error
			if cs, err = keystore.Certificates(b); err != nil {
				l.remedied(n, "a PEM file with -----BEGIN CERTIFICATE-----", "%v", err)
				return
			}
			l.known[sum] = cs
		}
		l.certs[name] = cs
		*to = append(*to, cs...)
	}
}

func (l *loader) certificateFiles(to *[]*x509.Certificate) field {
	return func(n *yaml.Node) {
		for _, e := range l.items(n) {
			l.certificates(to)(e)
		}
	}
}

// stores is how a keystore reads: what it holds public and what it holds secret
// come through different doors.
type stores struct{ public, secret Files }

func (s stores) Public(name string) ([]byte, error) { return s.public(name) }
func (s stores) Secret(name string) ([]byte, error) { return s.secret(name) }

var _ keystore.Files = stores{}

// identity reads a certificate of ours and its key. Nothing of a key is told.
func (l *loader) identity(n *yaml.Node) (keystore.Entry, bool) {
	var ref keystore.Ref
	before := len(l.faults)
	l.fields(n, map[string]field{
		"certificate": l.text(&ref.Certificate),
		"key":         l.text(&ref.Key),
		"provider":    l.text(&ref.Provider),
		"pkcs12": func(n *yaml.Node) {
			ref.PKCS12 = &keystore.PKCS12{}
			l.fields(n, map[string]field{
				"file": l.text(&ref.PKCS12.File), "password_file": l.text(&ref.PKCS12.PasswordFile), "alias": l.text(&ref.PKCS12.Alias),
			}, "file", "password_file")
		},
		"pkcs11": func(n *yaml.Node) {
			ref.PKCS11 = &keystore.PKCS11{}
			l.fields(n, map[string]field{
				"module": l.text(&ref.PKCS11.Module), "token": l.text(&ref.PKCS11.Token), "label": l.text(&ref.PKCS11.Label),
				"pin_file": l.text(&ref.PKCS11.PINFile), "certificate": l.text(&ref.PKCS11.Certificate),
			}, "module", "token", "label", "pin_file")
		},
	})
	if len(l.faults) > before {
		return keystore.Entry{}, false
	}
	return l.open(n, ref)
}

func (l *loader) open(n *yaml.Node, ref keystore.Ref) (keystore.Entry, bool) {
	e, err := keystore.Open(l.ctx, ref, stores{l.Public, l.Secret})
	if err != nil {
		l.fault(n, "%v", err)
		return e, false
	}
	return e, true
}
