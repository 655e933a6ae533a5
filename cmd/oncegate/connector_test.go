package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/register"
	"oncegate/schemas/canon"
)

// registerVerbs look at the registers of a deployment and compare versions over its log.
func registerVerbs(t *testing.T, conf string) {
	var views []registerView
	parsed(t, &views, "connector", "list", "-c", conf)
	served := map[string]string{}
	for _, v := range views {
		if v.Served != nil {
			served[v.Name] = v.Served.URL
		}
	}
	if len(served) < 3 || !strings.HasPrefix(served["births"], "https://127.0.0.1:") {
		t.Errorf("served: %v", served)
	}
	if out := ok(t, "connector", "list", "-c", conf); !strings.Contains(out, "ASKED AT") {
		t.Errorf("list prints %q", out)
	}
	ok(t, "connector", "check", "-c", conf)
	if out := ok(t, "connector", "check", "births", "--live", "-c", conf); !strings.Contains(out, "TLS 1.3") {
		t.Errorf("check --live prints %q", out)
	}
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	query := filepath.Join(home, "..", "..", "connectors", "registers", "births", "testdata", "found.query.json")
	if out := ok(t, "connector", "check", "births", "--live", "--query", query, "-c", conf); !strings.Contains(out, "found") || strings.Contains(out, "Marwick") {
		t.Errorf("check with a query prints %q", out)
	}
	desk(t)
	edit(t, "changed/births/register.yaml", "format-date(subject/natural/birthDate, 'DD/MM/YYYY')", "subject/natural/birthDate")
	// The exchange was delivered, so its keys are gone: nobody can look any more.
	for _, topic := range []string{"register.query.v1", "register.record.v1"} {
		var d diffView
		parsed(t, &d, "map", "diff", "registers/births", "changed/births", "--on", topic, "--since", "1h", "-c", conf)
		if d.Inputs != 0 || d.Forgotten != 1 || len(d.Fields) != 0 {
			t.Errorf("over %s: %d inputs, %d forgotten, %+v", topic, d.Inputs, d.Forgotten, d.Fields)
		}
	}
	t.Chdir(home)
}

// A message whose keys are there is compared by the rules of both versions.
func TestDiffOfMessages(t *testing.T) {
	desk(t)
	edit(t, "changed/births/register.yaml", "format-date(subject/natural/birthDate, 'DD/MM/YYYY')", "subject/natural/birthDate")
	before, err := openRules("registers/births", "")
	if err != nil {
		t.Fatal(err)
	}
	after, err := openRules("changed/births", "")
	if err != nil {
		t.Fatal(err)
	}
	compare := register.Comparison{Before: before.def, After: after.def}
	query := func(name string) canon.Message {
		return canon.Message{ID: "0b7e3c52-6a51-5d0e-9a55-6a1f2c3d4e01", Kind: canon.KindRegisterQuery, Body: &canon.RegisterQuery{
			Register: name, Procedure: "T3", Private: canon.Clear(canon.QueryPrivate{Subject: canon.Subject{
				Natural: &canon.NaturalPerson{FamilyName: "Marwick-Testa", GivenName: "Lucía", BirthDate: "1994-03-17"},
			}}),
		}}
	}
	list, state, err := changesOf(t.Context(), nil, compare, query("births"))
	if err != nil || state != wasCompared || len(list) != 1 || !strings.HasSuffix(list[0].Path, "BirthDate") || list[0].Old+list[0].New != "" {
		t.Errorf("a query: %v, state %v, %v", list, state, err)
	}
	if _, state, err := changesOf(t.Context(), nil, compare, query("tax")); err != nil || state != notCompared {
		t.Errorf("a query of another register: state %v, %v", state, err)
	}
	lost := canon.Message{Kind: canon.KindRegisterQuery, Body: &canon.RegisterQuery{Register: "births"}}
	if _, state, err := changesOf(t.Context(), nil, compare, lost); err != nil || state != messageForgotten {
		t.Errorf("a query that was forgotten: state %v, %v", state, err)
	}
}

// address reads what a command prints until it shows an address.
func address(t *testing.T, r io.Reader) string {
	t.Helper()
	var text strings.Builder
	buf := make([]byte, 1024)
	for {
		n, err := r.Read(buf)
		text.Write(buf[:n])
		if m := regexp.MustCompile(`url: (\S+)`).FindStringSubmatch(text.String()); m != nil && strings.Contains(text.String(), "Ctrl-C") {
			return m[1]
		}
		if err != nil {
			t.Fatalf("no address in %q: %v", text.String(), err)
		}
	}
}

func TestConnectorFake(t *testing.T) {
	query, err := os.ReadFile(filepath.Join("..", "..", "connectors", "registers", "births", "testdata", "found.query.xml"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	root := newRoot()
	root.SetArgs([]string{"connector", "fake", "births", "--fail", "1"})
	root.SetOut(in)
	root.SetErr(io.Discard)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	base := address(t, out)
	for i, want := range []int{http.StatusInternalServerError, http.StatusOK} {
		r, err := http.NewRequestWithContext(ctx, "POST", base+"/civil-status/v3", strings.NewReader(string(query)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/soap+xml")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || want == http.StatusOK && !strings.Contains(string(body), "Marwick-Testa") {
			t.Errorf("call %d: status %d, want %d", i+1, res.StatusCode, want)
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}

func TestAddressesAreShownWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"https://u:p@register.example:8443/v1?key=abc#x": "https://register.example:8443/v1", "postgres://h/db?password=s": "postgres://h/db", "https://[": "(not an address)",
	} {
		if got := shownURL(in); got != want {
			t.Errorf("shownURL(%q) = %q, want %q", in, got, want)
		}
	}
}
