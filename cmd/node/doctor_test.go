package node

import (
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/directory"
	"oncegate/connectors/pkitest"
)

// examined runs the doctor on a copy of the sample that was spoiled.
func examined(t *testing.T, original string, x Examination, spoil func(dir string, c *Config)) []Finding {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Dir(original), dir).CombinedOutput(); err != nil {
		t.Fatalf("copying the sample: %v\n%s", err, out)
	}
	file := filepath.Join(dir, filepath.Base(original))
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		spoil(filepath.Dir(file), cfg)
	}
	if x.Now == nil {
		x.Now = time.Now
	}
	return cfg.Examine(t.Context(), x)
}

func found(fs []Finding, state, check, text string) bool {
	return slices.ContainsFunc(fs, func(f Finding) bool {
		return f.State == state && f.Check == check && strings.Contains(f.Place+" "+f.Text, text)
	})
}

// Covers: B-061, B-063, B-065
func TestDoctor(t *testing.T) {
	original := sample(t)
	replace := func(t *testing.T, path, old, with string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), old) {
			t.Fatalf("%s does not say %q", path, old)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, with, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name               string
		x                  Examination
		spoil              func(t *testing.T, dir string, c *Config)
		state, check, text string
	}{
		{"as it was made", Examination{}, nil, FindingOK, "p-modes", "1 agreements"},
		{"fault of the configuration", Examination{}, func(_ *testing.T, _ string, c *Config) { c.Country = "si" }, FindingFail, "configuration", "country"},
		{"anybody may sign for the common services", Examination{}, func(_ *testing.T, _ string, c *Config) {
			c.Services = &directory.Settings{Trust: &directory.TrustSettings{Anchors: []string{"ca.pem"}}}
		}, FindingWarn, "common services", "directory.trust"},
		{"no privacy notice", Examination{}, func(_ *testing.T, _ string, c *Config) { c.Web.Privacy = "" }, FindingWarn, "configuration", "web.privacy_url"},
		{"secret for all to read", Examination{}, func(t *testing.T, dir string, _ *Config) { must(t, os.Chmod(filepath.Join(dir, "ticket.key"), 0o644)) }, FindingFail, "secrets", "keys.ticket others may read"},
		{"directory for all to write", Examination{}, func(t *testing.T, dir string, _ *Config) { must(t, os.Chmod(dir, 0o777)) }, FindingWarn, "secrets", "others may write"},
		{"key of an agreement for all to read", Examination{}, func(t *testing.T, dir string, _ *Config) { must(t, os.Chmod(filepath.Join(dir, "as4.key"), 0o640)) }, FindingFail, "p-modes", "may be read by others"},
		{"fault of an agreement", Examination{}, func(t *testing.T, dir string, _ *Config) {
			replace(t, filepath.Join(dir, "pmodes.yaml"), "compress: true", "compress: perhaps")
		}, FindingFail, "p-modes", "pmodes.yaml:"},
		{"key of another certificate", Examination{}, func(t *testing.T, dir string, c *Config) {
			must(t, os.Rename(filepath.Join(dir, "client.key"), filepath.Join(dir, "tls.key")))
		}, FindingFail, "certificates", "does not match"},
		{"certificate that ends soon", Examination{Now: func() time.Time { return time.Now().AddDate(0, 0, 160) }}, nil, FindingWarn, "certificates", "own sign rsa ends in 19 days"},
		{"certificate that has ended", Examination{Now: func() time.Time { return time.Now().AddDate(0, 0, 200) }}, nil, FindingFail, "certificates", "own tls edelivery no certificate is valid"},
		{"partner's certificate that ends soon", Examination{Now: func() time.Time { return time.Now().AddDate(0, 0, 160) }}, nil, FindingWarn, "certificates", "spain encrypt rsa ends in 19 days"},
		{"clock before this program", Examination{Now: func() time.Time { return time.Now().AddDate(-20, 0, 0) }}, nil, FindingWarn, "clock", "before"},
		{"temporary directory that cannot be made", Examination{}, func(_ *testing.T, _ string, c *Config) { c.Payloads.Temp = "/proc/none" }, FindingFail, "directories", "payloads.temp"},
		{"no CRL", Examination{}, func(t *testing.T, dir string, _ *Config) {
			replace(t, filepath.Join(dir, "pmodes.yaml"), "pinned: [partner.pem]", "pinned: [partner.pem]\n      intermediates: [ca.pem]\n      revocation: {mode: hard, crl: [missing.crl]}")
		}, FindingFail, "revocation", "missing.crl"},
		{"pinned without its issuer", Examination{}, func(t *testing.T, dir string, _ *Config) {
			replace(t, filepath.Join(dir, "pmodes.yaml"), "pinned: [partner.pem]", "pinned: [partner.pem]\n      revocation: {mode: hard, crl: [missing.crl]}")
		}, FindingWarn, "revocation", "is not configured"},
		{"Kafka away", Examination{Timeout: time.Second}, func(_ *testing.T, _ string, c *Config) { c.Kafka.Brokers = []string{"127.0.0.1:1"} }, FindingFail, "kafka", "127.0.0.1:1"},
		{"Redis away", Examination{Timeout: time.Second}, func(_ *testing.T, _ string, c *Config) { c.Redis.Address = "127.0.0.1:1" }, FindingFail, "redis", "127.0.0.1:1"},
		{"embedded, not running", Examination{}, func(_ *testing.T, dir string, c *Config) { c.Embedded.Data = filepath.Join(dir, "data") }, FindingOK, "kafka and redis", "does not run"},
		{"partner's name is unknown", Examination{Network: true, Timeout: time.Second}, func(t *testing.T, dir string, c *Config) { c.Embedded.Data = dir }, FindingFail, "network", "spain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := examined(t, original, tt.x, func(dir string, c *Config) {
				if !strings.HasSuffix(tt.name, "away") {
					c.Embedded.Data = filepath.Join(dir, "data")
				}
				if tt.spoil != nil {
					tt.spoil(t, dir, c)
				}
			})
			if !found(got, tt.state, tt.check, tt.text) {
				t.Errorf("no finding %s %s %q among %+v", tt.state, tt.check, tt.text, got)
			}
			for _, f := range got {
				if f.State == FindingFail && tt.state == FindingOK {
					t.Errorf("unexpected: %+v", f)
				}
			}
		})
	}
}

func TestDoctorAsksKafkaAndRedis(t *testing.T) {
	eng, err := startEngines(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer eng.close()
	got := examined(t, sample(t), Examination{}, func(_ string, c *Config) {
		c.Kafka = KafkaConfig{Brokers: []string{eng.addresses.Kafka}}
		c.Redis = RedisConfig{Address: eng.addresses.Redis}
	})
	for _, check := range []string{"kafka", "redis"} {
		if !found(got, FindingOK, check, "answers") {
			t.Errorf("%s does not answer: %+v", check, got)
		}
	}
}

func TestDoctorConnectsToPartners(t *testing.T) {
	original := sample(t)
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	for _, tt := range []struct {
		name, ca    string
		state, text string
	}{
		{"trusted", string(ca), FindingOK, "TLS 1.3"},
		{"not trusted", "", FindingFail, "no TLS"},
	} {
		got := examined(t, original, Examination{Network: true}, func(dir string, c *Config) {
			c.Embedded.Data = filepath.Join(dir, "data")
			if tt.ca != "" {
				c.EDelivery.CA = "server-ca.pem"
				if err := os.WriteFile(filepath.Join(dir, c.EDelivery.CA), []byte(tt.ca), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "pmodes.yaml")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(b), "https://ap.spain.example/as4", srv.URL, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if !found(got, tt.state, "network", tt.text) {
			t.Errorf("%s: no finding %s %q among %+v", tt.name, tt.state, tt.text, got)
		}
	}
}

func TestDoctorLooksAtChains(t *testing.T) {
	now := time.Now()
	root := pkitest.Root("root", pkitest.Around(now))
	middle := root.Issue("middle", pkitest.P256(), pkitest.Authority, pkitest.Around(now))
	leaf := middle.Issue("leaf", pkitest.P256(), pkitest.Around(now))
	for _, tt := range []struct {
		name  string
		chain []*x509.Certificate
		want  string
	}{
		{"whole", []*x509.Certificate{leaf.Cert, middle.Cert, root.Cert}, ""},
		{"without the root", []*x509.Certificate{leaf.Cert, middle.Cert}, ""},
		{"self-signed", []*x509.Certificate{root.Cert}, ""},
		{"leaf alone", []*x509.Certificate{leaf.Cert}, FindingWarn},
		{"wrong order", []*x509.Certificate{leaf.Cert, root.Cert, middle.Cert}, FindingFail},
	} {
		d := &doctor{now: now}
		d.chain("place", tt.chain, true)
		got := ""
		if len(d.findings) > 0 {
			got = d.findings[0].State
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
