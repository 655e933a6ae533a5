package discovery

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
)

// file is the YAML form of a Config.
type file struct {
	Zone      string `yaml:"zone"`
	Publisher struct {
		URL     string  `yaml:"url"`
		Version Version `yaml:"version"`
	} `yaml:"publisher"`
	Services []struct {
		Name    string  `yaml:"name"`
		Version Version `yaml:"version"`
	} `yaml:"services"`
	Resolvers []string  `yaml:"resolvers"`
	DNSSEC    bool      `yaml:"dnssec"`
	Signers   yaml.Node `yaml:"signers"`

	CA        []string `yaml:"ca"`
	AllowHTTP bool     `yaml:"allow_http"`
	Private   bool     `yaml:"private_addresses"`

	Transports []struct {
		Name    string    `yaml:"name"`
		Receive bool      `yaml:"receive"`
		Partner yaml.Node `yaml:"partner"`
	} `yaml:"transports"`
	DocumentScheme string `yaml:"document_scheme"`
	Activities     []struct {
		Action   string     `yaml:"action"`
		Document Identifier `yaml:"document"`
		Process  Identifier `yaml:"process"`
		Service  struct {
			Value string `yaml:"value"`
			Type  string `yaml:"type"`
		} `yaml:"service"`
	} `yaml:"activities"`

	Timeout  duration `yaml:"timeout"`
	DNSTry   duration `yaml:"dns_timeout"`
	TTL      duration `yaml:"ttl"`
	Negative duration `yaml:"negative_ttl"`
	Stale    duration `yaml:"stale"`
	MaxSize  int      `yaml:"max_size"`
	Entries  int      `yaml:"entries"`
}

type duration time.Duration

// UnmarshalYAML reads a duration such as 2s.
func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 0 {
		return fmt.Errorf("line %d: want a duration such as 2s", n.Line)
	}
	if v == 0 {
		v = -1 // said, not left out; only Stale may be none
	}
	*d = duration(v)
	return nil
}

// UnmarshalYAML reads scheme::value.
func (i *Identifier) UnmarshalYAML(n *yaml.Node) error {
	id, err := ParseIdentifier(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		return fmt.Errorf("line %d: want an identifier as scheme::value", n.Line)
	}
	*i = id
	return nil
}

// Load reads a configuration from YAML. The loader is that of the agreements: it
// reads the files that the configuration names, and the partner of a transport as
// one of a table. Unknown and repeated keys are faults. PModes and what a process
// gives besides (Now, Random, Logger) are left to the caller.
func Load(ctx context.Context, l pmode.Loader, data []byte) (Config, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("%s: %w", l.File, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("%s: more than one document", l.File)
	}
	c := Config{
		Zone: f.Zone, Publisher: f.Publisher.URL, Version: f.Publisher.Version,
		Resolvers: f.Resolvers, DNSSEC: f.DNSSEC, PlainHTTP: f.AllowHTTP, PrivateAddresses: f.Private,
		DocumentScheme: f.DocumentScheme, Timeout: time.Duration(f.Timeout), DNSTry: time.Duration(f.DNSTry),
		TTL: time.Duration(f.TTL), Negative: time.Duration(f.Negative), Stale: time.Duration(f.Stale),
		MaxBytes: f.MaxSize, Entries: f.Entries,
	}
	var faults []error
	for _, s := range f.Services {
		c.Services = append(c.Services, Service{s.Name, s.Version})
	}
	for _, a := range f.Activities {
		c.Activities = append(c.Activities, Activity{a.Action, a.Document, a.Process, ebms.Service{Value: a.Service.Value, Type: a.Service.Type}})
	}
	var err error
	if c.Signers, err = loadSigners(ctx, l, &f.Signers); err != nil {
		faults = append(faults, err)
	}
	if len(f.CA) > 0 {
		if c.Roots, err = loadRoots(l, f.CA); err != nil {
			faults = append(faults, err)
		}
	}
	for _, t := range f.Transports {
		out := Transport{Name: t.Name, Receive: t.Receive}
		if t.Partner.Kind != 0 {
			giveID(&t.Partner)
			if out.Partner, err = l.Partner(ctx, &t.Partner); err != nil {
				faults = append(faults, err)
			}
		}
		c.Transports = append(c.Transports, out)
	}
	return c, errors.Join(faults...)
}

// giveID puts an id into the party of a template, which a party of a table must have.
func giveID(partner *yaml.Node) {
	for i := 0; i+1 < len(partner.Content); i += 2 {
		k, v := partner.Content[i], partner.Content[i+1]
		if k.Value != "party" || v.Kind != yaml.MappingNode {
			continue
		}
		word := func(s string) *yaml.Node {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: v.Line, Column: v.Column}
		}
		v.Content = append(v.Content, word("id"), word("found"))
	}
}

// loadSigners reads the signing of a partner, with a pattern of subjects besides.
func loadSigners(ctx context.Context, l pmode.Loader, n *yaml.Node) (Signers, error) {
	var s Signers
	if n.Kind != yaml.MappingNode {
		return s, fmt.Errorf("%s:%d: signers is required and is a mapping", l.File, n.Line)
	}
	rest := *n
	rest.Content = slices.Clone(n.Content)
	for i := 0; i+1 < len(rest.Content); i += 2 {
		switch k, v := rest.Content[i], rest.Content[i+1]; k.Value {
		case "subject":
			re, err := regexp.Compile(v.Value)
			if err != nil || v.Kind != yaml.ScalarNode || v.Value == "" {
				return s, fmt.Errorf("%s:%d: signers: subject is not a regular expression", l.File, v.Line)
			}
			s.Subject = re
			rest.Content = slices.Delete(rest.Content, i, i+2)
			i -= 2
		case "names":
			return s, fmt.Errorf("%s:%d: signers: want subject, a pattern, instead of names", l.File, k.Line)
		}
	}
	signing := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "signing", Line: n.Line, Column: n.Column}
	p, err := l.Partner(ctx, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column, Content: []*yaml.Node{signing, &rest}})
	s.Pinned, s.Anchors, s.Intermediates = p.Trust.Pinned, p.Trust.Anchors, p.Trust.Intermediates
	s.Policies, s.Revocation = p.Trust.Policies, p.Trust.Revocation
	return s, err
}

func loadRoots(l pmode.Loader, names []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, name := range names {
		b, err := l.Public(name)
		if err != nil {
			return nil, fmt.Errorf("%s: ca: reading file: %w", l.File, err)
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
				return nil, fmt.Errorf("%s: ca: %s is not a certificate: %w", l.File, name, err)
			}
			pool.AddCert(c)
			found = true
		}
		if !found {
			return nil, fmt.Errorf("%s: ca: no certificate in %s", l.File, name)
		}
	}
	return pool, nil
}
