package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"oncegate/cmd/node"
)

func TestDoctorCode(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: deploy/keys.sh needs it")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), filepath.Join("..", "..", "deploy", "keys.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("running keys.sh: %v\n%s", err, out)
	}
	config := filepath.Join(dir, "oncegate.yaml")
	states := func() (code int, states map[string]int) {
		t.Helper()
		r := cli(t, "doctor", "-c", config, "--embedded", "-o", "json")
		var found []node.Finding
		if err := jsonInto(r.out, &found); err != nil {
			t.Fatalf("%v\n%s%s", err, r.out, r.err)
		}
		states = map[string]int{}
		for _, f := range found {
			states[f.State]++
		}
		return r.code, states
	}
	// Whether the clock of this machine is kept decides between no finding and warnings.
	want := exitOK
	code, got := states()
	if got[node.FindingWarn] > 0 {
		want = exitWarnings
	}
	if code != want || got[node.FindingFail] > 0 || got[node.FindingOK] < 5 {
		t.Errorf("code %d, want %d; findings %v", code, want, got)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if code, got := states(); code != exitWarnings || got[node.FindingFail] > 0 {
		t.Errorf("code %d, want %d; findings %v", code, exitWarnings, got)
	}
	if err := os.Chmod(filepath.Join(dir, "as4.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, got := states(); code != exitFindings || got[node.FindingFail] == 0 {
		t.Errorf("code %d, want %d; findings %v", code, exitFindings, got)
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if code, got := states(); code != exitFindings || got[node.FindingFail] != 1 {
		t.Errorf("code %d, want %d; findings %v", code, exitFindings, got)
	}
}
