package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/edelivery"
)

// pingVerbs runs the connectivity test of one node against another that is up, and
// then against an address where nothing listens.
func pingVerbs(t *testing.T, config, partner string) {
	var report edelivery.PingReport
	parsed(t, &report, "message", "ping", "--to", partner, "-c", config)
	if !report.OK || report.Answer.Kind != "receipt" || report.TLS == nil || report.Problem != nil {
		t.Errorf("report = %+v, problem %+v", report, report.Problem)
	}
	sample := filepath.Join(t.TempDir(), "sample.pdf")
	if err := os.WriteFile(sample, []byte("%PDF-1.7"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := ok(t, "message", "ping", "--to", partner, "--payload", sample, "-c", config)
	for _, want := range []string{"the receipt holds", "3 references", "we sign with", "we encrypt for them with", "days left", "TLS 1.3"} {
		if !strings.Contains(text, want) {
			t.Errorf("output lacks %q:\n%s", want, text)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"message", "ping", "-c", config}, exitUsage, "--to is required"},
		{[]string{"message", "ping", "--to", "nobody", "-c", config}, exitError, partner},
		{[]string{"message", "ping", "--to", partner, "--payload", "no-such-file", "-c", config}, exitUsage, "no-such-file"},
	} {
		if r := cli(t, tt.args...); r.code != tt.code || !strings.Contains(r.err, tt.want) {
			t.Errorf("oncegate %s: exit %d, %s; want %d and %q", strings.Join(tt.args, " "), r.code, r.err, tt.code, tt.want)
		}
	}
	down := elsewhere(t, config, report.URL)
	r := cli(t, "message", "ping", "--to", partner, "-c", down, "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitFindings || report.OK {
		t.Fatalf("nothing listens: exit %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	if p := report.Problem; p == nil || !strings.Contains(p.Symptom, "refused") || p.Remedy == "" {
		t.Errorf("problem = %+v", p)
	}
	if r := cli(t, "message", "ping", "--to", partner, "-c", down); r.code != exitFindings || !strings.Contains(r.out, "remedy") || !strings.Contains(r.err, "refused") {
		t.Errorf("nothing listens: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

// elsewhere is the configuration with the partner at an address where nothing listens.
func elsewhere(t *testing.T, config, url string) string {
	t.Helper()
	scheme, rest, _ := strings.Cut(url, "://")
	_, path, _ := strings.Cut(rest, "/")
	dir := filepath.Dir(config)
	pmodes, err := os.ReadFile(filepath.Join(dir, "pmodes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(pmodes), url, scheme+"://127.0.0.1:1/"+path)
	if changed == string(pmodes) {
		t.Fatal("the P-Modes do not name the address of the partner")
	}
	conf, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"pmodes-down.yaml": changed, "oncegate-down.yaml": strings.ReplaceAll(string(conf), "pmodes.yaml", "pmodes-down.yaml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "oncegate-down.yaml")
}
