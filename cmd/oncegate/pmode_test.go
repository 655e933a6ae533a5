package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/cmd/sandbox"
)

func TestPModeVerbs(t *testing.T) {
	file := filepath.Join(filepath.Dir(landscape(t).ConfigFile(sandbox.Slovenia)), "pmodes.yaml")
	t.Run("look", func(t *testing.T) { lookAtPModes(t, file) })
	t.Run("Domibus", func(t *testing.T) { exchangePModes(t, file) })
}

func lookAtPModes(t *testing.T, file string) {
	var check checkView
	parsed(t, &check, "pmode", "check", file)
	if !check.Sound || check.Partners == 0 || len(check.Faults) > 0 {
		t.Errorf("check = %+v", check)
	}
	var list []partnerView
	parsed(t, &list, "pmode", "list", "--file", file)
	if len(list) == 0 || list[0].Name == "" || list[0].Days < 0 {
		t.Fatalf("list = %+v", list)
	}
	var show showView
	parsed(t, &show, "pmode", "show", list[0].Name, "--file", file)
	if show.Name != list[0].Name || len(show.Settings) < 10 || len(show.Certificates) == 0 {
		t.Errorf("show = %+v", show)
	}
	if r := cli(t, "pmode", "show", "nobody", "--file", file); r.code != exitUsage {
		t.Errorf("nobody: %+v", r)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(filepath.Dir(file), "next.yaml")
	for _, tt := range []struct {
		name, old, new string
		code           int
		want           string
	}{
		{"nothing", "", "", exitOK, "nothing changes"},
		{"another address", "url: https://", "url: https://other.", exitOK, "url"},
		{"a fault", "partners:", "partnrs:", exitFindings, ""},
	} {
		if err := os.WriteFile(other, []byte(strings.Replace(string(text), tt.old, tt.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := cli(t, "pmode", "diff", file, other); r.code != tt.code || !strings.Contains(r.out, tt.want) {
			t.Errorf("diff, %s: %+v", tt.name, r)
		}
	}
	r := cli(t, "pmode", "check", other)
	if r.code != exitFindings || !strings.Contains(r.out, `next.yaml:`) || !strings.Contains(r.out, `did you mean partners?`) {
		t.Errorf("check of a fault: %+v", r)
	}
}

func exchangePModes(t *testing.T, file string) {
	dir := filepath.Dir(file)
	xml, back := filepath.Join(dir, "domibus.xml"), filepath.Join(dir, "back.yaml")
	ok(t, "pmode", "export", "--file", file, "-O", xml, "--endpoint", "https://ap.example/as4")
	if r := cli(t, "pmode", "export", "--file", file, "-O", xml); r.code != exitUsage || !strings.Contains(r.err, "--force") {
		t.Errorf("overwritten: %+v", r)
	}
	r := cli(t, "pmode", "import", xml, "-O", back, "--own-domain", "ap.example")
	if r.code != exitOK || !strings.Contains(r.err, "no certificate of party") {
		t.Fatalf("import: %+v", r)
	}
	text, err := os.ReadFile(back)
	if err != nil || !strings.Contains(string(text), "# Imported from") {
		t.Errorf("%v\n%s", err, text)
	}
	if err := os.WriteFile(xml, []byte("<!DOCTYPE a SYSTEM \"https://127.0.0.1/a\"><a/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := cli(t, "pmode", "import", xml); r.code != exitFindings || r.out != "" || !strings.Contains(r.err, "DOCTYPE") {
		t.Errorf("DOCTYPE: %+v", r)
	}
}
