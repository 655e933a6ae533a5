package directory

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/certpath"
	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
)

// Settings are the section `directory` of the configuration file. Names of files in
// it are relative to that file.
type Settings struct {
	// Environment names the instances in the DNS: prod, acc or testing. Default: prod
	Environment string `yaml:"environment"`
	// Zone is where instances are looked up. Default: oots.tech.ec.europa.eu
	Zone string `yaml:"zone"`
	// Versions of the common services that are asked for, newest first.
	// Default: oots-cs:v2.0, oots-cs:v1.2
	Versions  []string `yaml:"versions"`
	Resolvers []string `yaml:"resolvers"` // IP addresses. Default: those of /etc/resolv.conf
	DNSSEC    bool     `yaml:"dnssec"`    // answers of the DNS must have been validated by the resolver

	// Trust says whose signatures are believed. Required, unless every instance has its own.
	Trust *TrustSettings `yaml:"trust"`
	// Instances have addresses, or trust, of their own; the country * stands for all others.
	Instances []InstanceSettings `yaml:"instances"`

	// Rules says what follows from a fatal breach of a business rule by an answer that
	// can be read: report or refuse. Default: report
	Rules string `yaml:"rules"`

	CA      []string `yaml:"ca"`                // files: for the TLS servers of instances. Default: the system's
	Private bool     `yaml:"private_addresses"` // instances in private networks and on this host may be asked

	Timeout    Duration `yaml:"timeout"`       // of one query. Default: 10s
	DNSTimeout Duration `yaml:"dns_timeout"`   // of one question to one resolver. Default: 2s
	TTL        Duration `yaml:"ttl"`           // how long an answer is fresh. Default: 1h
	Negative   Duration `yaml:"negative_ttl"`  // how long a "no" is. Default: 5m
	Stale      Duration `yaml:"stale"`         // how long an old answer serves while there is none. Default: 24h
	MaxSize    int      `yaml:"max_size"`      // bytes of one answer. Default: 8 MiB
	Entries    int      `yaml:"entries"`       // answers remembered. Default: 2000
	Age        Duration `yaml:"signature_age"` // how old a signature may be. Default: any

	Poll *PollSettings `yaml:"poll"` // publishes routes. Default: off
}

// TrustSettings say whose signatures are believed.
type TrustSettings struct {
	Anchors       []string `yaml:"anchors"`       // PEM files of authorities
	Intermediates []string `yaml:"intermediates"` // PEM files of authorities that answers leave out
	Pinned        []string `yaml:"pinned"`        // PEM files of the signers themselves
	Subject       string   `yaml:"subject"`       // regular expression of the signer's subject. Default: any under anchors
	Policies      []string `yaml:"policies"`      // OIDs of certificate policies. Default: any
	Revocation    string   `yaml:"revocation"`    // off, soft or hard. Default: off
}

// An InstanceSettings is what is special about the instance of one country.
type InstanceSettings struct {
	Country string         `yaml:"country"` // Required: two letters, or *
	EB      string         `yaml:"eb"`      // https URL before /rest/search. Default: of the DNS
	DSD     string         `yaml:"dsd"`     // https URL before /rest/search. Default: of the DNS
	Trust   *TrustSettings `yaml:"trust"`   // in place of the general one
	// Unsigned takes answers without a signature. For test beds: refused in prod.
	Unsigned bool `yaml:"unsigned"`
}

// PollSettings say which routes are kept.
type PollSettings struct {
	Every         Duration `yaml:"every"`          // Default: 1h
	Countries     []string `yaml:"countries"`      // Required: that issue the evidence
	Procedures    []string `yaml:"procedures"`     // codes: everything that their requirements need
	Requirements  []string `yaml:"requirements"`   // https URIs: every evidence that proves them
	EvidenceTypes []string `yaml:"evidence_types"` // https URIs of classifications
	Specification string   `yaml:"specification"`  // only who reads it: oots-edm:v2.0. Default: all
}

// A Duration is written as 90s or 15m.
type Duration time.Duration

// UnmarshalYAML reads 90s.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 0 {
		return fmt.Errorf("line %d: want a duration such as 90s or 15m", n.Line)
	}
	if v == 0 {
		v = -1 // said, not left out
	}
	*d = Duration(v)
	return nil
}

// Sources give Settings what the process has.
type Sources struct {
	Read       func(name string) ([]byte, error)              // Required. Reads a file that is no secret.
	Revocation func(mode string) (certpath.Revocation, error) // Required where trust asks for revocation, soft or hard.
}

// Config makes a configuration of the settings for a deployment in a country; what a
// process gives besides (Now, Random, Logger, Metrics) is left to the caller. It
// reports all faults at once.
func (s *Settings) Config(country string, from Sources) (Config, error) {
	c := Config{
		Country: country, Environment: s.Environment, Zone: s.Zone, Resolvers: s.Resolvers, DNSSEC: s.DNSSEC,
		Private: s.Private, Timeout: time.Duration(s.Timeout), DNSTry: time.Duration(s.DNSTimeout),
		TTL: time.Duration(s.TTL), Negative: time.Duration(s.Negative), Stale: time.Duration(s.Stale),
		MaxBytes: s.MaxSize, Entries: s.Entries, RefuseRules: s.Rules == "refuse",
	}
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("directory: %w", err))
		}
	}
	for _, v := range s.Versions {
		c.Versions = append(c.Versions, answers.Edition(v))
	}
	if len(s.CA) > 0 {
		c.Roots = x509.NewCertPool()
		list, err := from.certificates("ca", s.CA)
		add(err)
		for _, a := range list {
			c.Roots.AddCert(a)
		}
	}
	var err error
	c.Trust, err = s.trust(s.Trust, from)
	add(err)
	for _, i := range s.Instances {
		out := Instance{Country: i.Country, EB: i.EB, DSD: i.DSD, Unsigned: i.Unsigned}
		out.Trust, err = s.trust(i.Trust, from)
		add(err)
		c.Instances = append(c.Instances, out)
	}
	if err := errors.Join(faults...); err != nil {
		return Config{}, err
	}
	c, err = c.withDefaults()
	return c, err
}

// trust reads what the settings name; nil for none.
func (s *Settings) trust(t *TrustSettings, from Sources) (*httpsig.Trust, error) {
	if t == nil {
		return nil, nil
	}
	out := &httpsig.Trust{MaxAge: time.Duration(s.Age)}
	out.MaxAge = max(out.MaxAge, 0)
	var faults []error
	for _, f := range []struct {
		key   string
		names []string
		to    *[]*x509.Certificate
	}{{"anchors", t.Anchors, &out.Anchors}, {"intermediates", t.Intermediates, &out.Intermediates}, {"pinned", t.Pinned, &out.Pinned}} {
		list, err := from.certificates("trust: "+f.key, f.names)
		faults = append(faults, err)
		*f.to = list
	}
	if t.Subject != "" {
		re, err := regexp.Compile(t.Subject)
		if err != nil {
			faults = append(faults, errors.New("trust: subject is not a regular expression"))
		}
		out.Subject = re
	}
	for _, p := range t.Policies {
		oid, err := x509.ParseOID(p)
		if err != nil {
			faults = append(faults, fmt.Errorf("trust: policy %q is no OID", p))
		}
		out.Policies = append(out.Policies, oid)
	}
	switch t.Revocation {
	case "", "off":
	case "soft", "hard":
		if from.Revocation == nil {
			faults = append(faults, errors.New("trust: revocation cannot be asked for here"))
			break
		}
		r, err := from.Revocation(t.Revocation)
		faults = append(faults, err)
		out.Revocation = r
	default:
		faults = append(faults, fmt.Errorf("trust: revocation %q is not off, soft or hard", t.Revocation))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if err := out.Validate(); err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	return out, nil
}

// certificates reads PEM files.
func (s Sources) certificates(key string, names []string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, name := range names {
		data, err := s.Read(name)
		if err != nil {
			return nil, fmt.Errorf("%s: reading file: %w", key, err)
		}
		found := false
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: not a certificate: %w", key, name, err)
			}
			out, found = append(out, c), true
		}
		if !found {
			return nil, fmt.Errorf("%s: %s holds no certificate", key, name)
		}
	}
	return out, nil
}

// Validate says what of the settings cannot be, without reading a file.
func (s *Settings) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("directory: "+format, args...)) }
	if s.Rules != "" && s.Rules != "refuse" && s.Rules != "report" {
		fault("rules: %q is not report or refuse", s.Rules)
	}
	general := s.Trust != nil
	for _, i := range s.Instances {
		if i.Trust == nil && !general && !i.Unsigned {
			fault("instance %s: trust is required, here or in general", i.Country)
		}
	}
	if !general && !s.everywhere() {
		fault("trust is required")
	}
	if s.Poll != nil {
		if err := s.Poll.validate(); err != nil {
			fault("%w", err)
		}
	}
	return errors.Join(faults...)
}

// everywhere reports that no instance is left to the general trust.
func (s *Settings) everywhere() bool {
	for _, i := range s.Instances {
		if i.Country == AnyCountry {
			return true
		}
	}
	return false
}
