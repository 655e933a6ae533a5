package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

var sampleData = filepath.Join("..", "..", "deploy", "directory")

func TestDirectoryCheck(t *testing.T) {
	if got := ok(t, "directory", "check", sampleData); !strings.Contains(got, "sound: 3 member states") {
		t.Errorf("got %s", got)
	}
	var view struct {
		Sound  bool
		Faults []json.RawMessage
	}
	parsed(t, &view, "directory", "check", sampleData)
	if !view.Sound || len(view.Faults) != 0 {
		t.Errorf("view %+v", view)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("country: GR\nbroker: {proofs: [{id: x}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := cli(t, "directory", "check", bad)
	if r.code != exitFindings || !strings.Contains(r.out, bad+":1:1: country") || !strings.Contains(r.out, bad+":2:19: proof") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := cli(t, "directory", "check", "no-such-data"); r.code != exitUsage {
		t.Errorf("exit %d", r.code)
	}
}

func TestDirectoryUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"serve"}, "no data"},
		{[]string{"serve", sampleData}, "nobody signs"},
		{[]string{"serve", sampleData, "--unsigned"}, "no TLS"},
		{[]string{"serve", sampleData, "--unsigned", "--url", "http://x"}, "not an https address"},
		{[]string{"query", "requirements"}, "--country is required"},
		{[]string{"query", "requirements", "--country", "SI"}, "whose signatures are believed"},
		{[]string{"query", "evidence-types", "--country", "SI"}, "--requirement is required"},
		{[]string{"query", "services", "--country", "SI"}, "--evidence-type is required"},
		{[]string{"submit", sampleData, "--country", "SI"}, "--part is broker or directory"},
		{[]string{"submit", sampleData, "--country", "DE", "--part", "broker"}, "no data of DE"},
		{[]string{"submit", sampleData, "--country", "SI", "--part", "broker"}, "name --to URL"},
		{[]string{"submit", sampleData, "--country", "SI", "--part", "broker", "--to", "http://x"}, "--token-file is required"},
		{[]string{"withdraw", sampleData, "--country", "SI", "--part", "broker"}, "name --object ID, or --all"},
		{[]string{"withdraw", sampleData, "--country", "SI", "--part", "broker", "--object", "x"}, "no object x"},
	} {
		if r := cli(t, append([]string{"directory"}, tt.args...)...); r.code != exitUsage || !strings.Contains(r.err, tt.want) {
			t.Errorf("oncegate directory %s: exit %d, %s; want %q", strings.Join(tt.args, " "), r.code, r.err, tt.want)
		}
	}
}

// TestDirectorySample reads the settings that are handed out.
func TestDirectorySample(t *testing.T) {
	s, base, err := directorySettings(filepath.Join("..", "..", "deploy", "directory-server.yaml"), directoryFile{}, nil)
	if err != nil || s.Data != sampleData || s.URL != "https://cs.example" || len(s.Submitters) != 1 {
		t.Errorf("settings %+v of %s: %v", s, base, err)
	}
}

// serveForTest runs `directory serve` until the test ends and returns its address.
func serveForTest(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	root := newRoot()
	r, w := io.Pipe()
	root.SetArgs(append([]string{"directory", "serve"}, args...))
	root.SetOut(w)
	root.SetErr(io.Discard)
	done := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		_ = w.CloseWithError(io.EOF)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := regexp.MustCompile(`^listening on (\S+):`).FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return m[1]
		}
	}
	t.Fatalf("it did not listen: %v", <-done)
	return ""
}

// TestDirectory serves the sample data with TLS and signatures, asks it with the
// client, submits to it and withdraws.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(sampleData)); err != nil {
		t.Fatal(err)
	}
	ca := pkitest.Root("Directory Test CA")
	server := ca.Issue("127.0.0.1", pkitest.P256(), pkitest.Hosts("127.0.0.1"), pkitest.Extended(x509.ExtKeyUsageServerAuth), pkitest.Usage(x509.KeyUsageDigitalSignature))
	signer := ca.Issue("EC-OOTS-CS-TEST", pkitest.P256(), pkitest.Usage(x509.KeyUsageDigitalSignature))
	for name, p := range map[string]pkitest.Pair{"tls": server, "sign": signer} {
		if err := p.Write(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	anchor := write("ca.pem", string(pkitest.CertificatePEM(ca.Cert)))
	token := write("es.token", "0123456789abcdef0123\n")
	settings := write("server.yaml", `data: data
listen: 127.0.0.1:0
tls: {certificate: tls.pem, key: tls.key}
signing: {certificate: sign.pem, key: sign.key}
submitters: [{country: ES, token_file: es.token}]
`)
	address := serveForTest(t, "-f", settings)
	url := "https://" + address
	ask := func(words ...string) []string {
		return append(append([]string{"directory", "query"}, words...), "--url", url, "--trust", anchor, "--ca", anchor, "--private")
	}
	var needs canon.RequirementsAnswer
	parsed(t, &needs, ask("requirements", "--procedure", "T2", "--country", "SI")...)
	if len(needs.Requirements) != 2 || needs.Origin.Provenance.Signer == "" {
		t.Errorf("requirements %+v", needs)
	}
	var types canon.RequirementsAnswer
	const requirements = "https://sr.oots.tech.ec.europa.eu/requirements/0b5d6f0e-5a40-4c52-9a39-40d1a5c0e00"
	parsed(t, &types, ask("evidence-types", "--requirement", requirements+"4", "--country", "SI")...)
	if len(types.Requirements) != 1 || len(types.Requirements[0].Options) != 2 {
		t.Errorf("evidence types %+v", types)
	}
	const residence = "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02"
	services := ask("services", "--evidence-type", residence, "--country", "ES")
	if got := ok(t, services...); !strings.Contains(got, "In which region do you live?") || !strings.Contains(got, "NORTH,SOUTH") {
		t.Errorf("the question is not asked:\n%s", got)
	}
	services = append(services, "--answer", "9be524c1-6efe-417a-974c-088f54f0e001=SOUTH")
	if got := ok(t, services...); !strings.Contains(got, "test-population-register-south") || strings.Contains(got, "::test-population-register ") || !strings.Contains(got, "EC-OOTS-CS-TEST") {
		t.Errorf("the answer does not narrow the providers:\n%s", got)
	}
	if r := cli(t, ask("requirements", "--procedure", "W1", "--country", "SI")...); r.code != exitFindings {
		t.Errorf("nothing found: exit %d %s", r.code, r.err)
	}

	lcm := func(words ...string) []string {
		return append(words, "--country", "ES", "--part", "directory", "--to", url+"/dsd/lcm", "--token-file", token, "--ca", anchor)
	}
	if got := ok(t, lcm("directory", "submit", sampleData)...); !strings.Contains(got, "accepted: 7 objects") {
		t.Errorf("submit: %s", got)
	}
	if got := ok(t, lcm("directory", "submit", sampleData, "--dry-run")...); !strings.Contains(got, "lcm:SubmitObjectsRequest") {
		t.Errorf("dry run: %s", got)
	}
	ok(t, lcm("directory", "withdraw", sampleData, "--object", "2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02")...)
	if r := cli(t, append(services, "--edition", "oots-cs:v1.2")...); r.code != exitFindings {
		t.Errorf("withdrawn and still there: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if got := ok(t, lcm("directory", "withdraw", sampleData, "--all")...); !strings.Contains(got, "accepted: 0 objects") {
		t.Errorf("withdraw all: %s", got)
	}
	r := cli(t, "directory", "submit", sampleData, "--country", "SI", "--part", "broker", "--to", url+"/eb/lcm", "--token-file", token, "--ca", anchor)
	if r.code != exitFindings || !strings.Contains(r.out, "LCM:ERR:0003") {
		t.Errorf("data of another Member State: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if _, err := os.Stat(filepath.Join(data, "submitted", "ES-directory.yaml")); err != nil {
		t.Error(err)
	}
}
