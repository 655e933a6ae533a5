package directory

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/certpath"
	"oncegate/connectors/directory/answers"
	"oncegate/connectors/pkitest"
)

// load reads settings as the configuration file does: strictly.
func load(text string) (*Settings, error) {
	var s Settings
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	return &s, s.Validate()
}

func TestSettings(t *testing.T) {
	root, signer := pkitest.Root("Root"), pkitest.Root("Signer")
	files := map[string][]byte{"root.pem": pkitest.CertificatePEM(root.Cert), "signer.pem": pkitest.CertificatePEM(signer.Cert), "empty.pem": []byte("x")}
	from := Sources{
		Read: func(name string) ([]byte, error) {
			if b, ok := files[name]; ok {
				return b, nil
			}
			return nil, fs.ErrNotExist
		},
		Revocation: func(mode string) (certpath.Revocation, error) {
			if mode != "hard" {
				return nil, errors.New("another mode")
			}
			return nil, nil
		},
	}
	whole := `
environment: acc
zone: oots.tech.ec.europa.eu
versions: [oots-cs:v2.0, oots-cs:v1.2, oots-cs:v1.0]
resolvers: [192.0.2.53, "[2001:db8::53]:5353"]
dnssec: true
trust: {anchors: [root.pem], subject: "CN=EC-OOTS-CS", policies: ["1.3.130.2.1.9.2"], revocation: hard}
instances:
  - {country: FI, eb: "https://cs.example/eb/", dsd: "https://cs.example/dsd"}
  - {country: SE, trust: {pinned: [signer.pem]}}
  - {country: "*", unsigned: true}
rules: refuse
ca: [root.pem]
private_addresses: true
timeout: 5s
dns_timeout: 1s
ttl: 30m
negative_ttl: 1m
stale: 0s
max_size: 1000000
entries: 10
signature_age: 24h
poll: {every: 10m, countries: [FI], procedures: [T2], requirements: ["https://sr.example/requirements/1"], evidence_types: ["https://sr.example/e/1"], specification: "oots-edm:v2.0"}
`
	s, err := load(whole)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Config("SI", from)
	if err != nil {
		t.Fatal(err)
	}
	if c.Resolvers[0] != "192.0.2.53:53" || c.Stale != 0 || c.TTL != 30*time.Minute || len(c.Versions) != 3 || c.Trust.MaxAge != 24*time.Hour || !c.RefuseRules {
		t.Errorf("got %+v", c)
	}
	if i := c.instance("FI"); i.EB != "https://cs.example/eb" || i.Trust != c.Trust {
		t.Errorf("FI: %+v", i)
	}
	if i := c.instance("SE"); i.EB != "" || len(i.Trust.Pinned) != 1 || i.Unsigned {
		t.Errorf("SE: %+v", i)
	}
	if i := c.instance("LT"); !i.Unsigned {
		t.Errorf("LT: %+v", i)
	}
	small, err := load("trust: {anchors: [root.pem]}")
	if err != nil {
		t.Fatal(err)
	}
	c, err = small.Config("SI", from)
	if err != nil || c.Environment != "prod" || c.Versions[0] != answers.Edition20 || c.Trust.MaxAge != 0 || c.Stale != 24*time.Hour {
		t.Errorf("defaults: %+v, %v", c, err)
	}
	for name, text := range map[string]string{
		"an unknown key":          "trust: {anchors: [root.pem]}\nother: 1",
		"no trust":                "environment: acc",
		"trust in nobody":         "trust: {}",
		"a file that is not":      "trust: {anchors: [gone.pem]}",
		"a file without any":      "trust: {anchors: [empty.pem]}",
		"another environment":     "environment: dev\ntrust: {anchors: [root.pem]}",
		"another version":         "versions: [oots-cs:v3.0]\ntrust: {anchors: [root.pem]}",
		"a resolver by name":      "resolvers: [dns.example]\ntrust: {anchors: [root.pem]}",
		"unsigned in prod":        "trust: {anchors: [root.pem]}\ninstances: [{country: FI, unsigned: true}]",
		"an instance over http":   "trust: {anchors: [root.pem]}\ninstances: [{country: FI, eb: 'http://cs.example'}]",
		"an instance twice":       "trust: {anchors: [root.pem]}\ninstances: [{country: FI}, {country: FI}]",
		"a country that is none":  "trust: {anchors: [root.pem]}\ninstances: [{country: Finland}]",
		"an expression":           "trust: {anchors: [root.pem], subject: '('}",
		"a policy":                "trust: {anchors: [root.pem], policies: [x]}",
		"a mode of revocation":    "trust: {anchors: [root.pem], revocation: perhaps}",
		"a revocation that fails": "trust: {anchors: [root.pem], revocation: soft}",
		"a duration":              "trust: {anchors: [root.pem]}\nttl: soon",
		"a negative duration":     "trust: {anchors: [root.pem]}\nttl: -1s",
		"rules":                   "trust: {anchors: [root.pem]}\nrules: ignore",
		"a poll of nothing":       "trust: {anchors: [root.pem]}\npoll: {countries: [FI]}",
		"a zone":                  "trust: {anchors: [root.pem]}\nzone: 'a b'",
	} {
		s, err := load(text)
		if err == nil {
			_, err = s.Config("SI", from)
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := small.Config("si", from); err == nil {
		t.Error("a country in small letters is accepted")
	}
}
