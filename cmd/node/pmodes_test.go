package node

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// On SIGHUP a changed file comes into force at once, and one with a fault does not.
func TestPModesFollowTheirFile(t *testing.T) {
	cfg, err := Load(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.EDelivery.PModesHistory = filepath.Join(t.TempDir(), "history")
	n := newNode(cfg, Options{})
	store, err := RevocationStore(n.log, false)
	if err != nil {
		t.Fatal(err)
	}
	live, _, err := n.livePModes(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer n.hangup(t.Context(), "P-Modes have faults", live.Reload)()
	file := cfg.PModesFile()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := live.Table().Partners()[0].Name
	change := func(old, new string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for end := time.After(10 * time.Second); !ok(); {
			select {
			case <-tick.C:
			case <-end:
				t.Fatalf("waited in vain until %s", what)
			}
		}
	}
	outcome := func(word string) float64 {
		got, err := n.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range got {
			for _, m := range f.GetMetric() {
				if f.GetName() == "gateway_as4_pmodes_reloads_total" && m.GetLabel()[0].GetValue() == word {
					return m.GetCounter().GetValue()
				}
			}
		}
		return 0
	}
	change("name: "+name, "name: renamed")
	until("the new name is in force", func() bool { _, ok := live.Table().Named("renamed"); return ok })
	change("partners:", "partnrs:")
	until("the fault is counted", func() bool { return outcome("refused") == 1 })
	if _, ok := live.Table().Named("renamed"); !ok {
		t.Error("a file with a fault came into force")
	}
	if got := outcome("loaded"); got != 2 {
		t.Errorf("%v files came into force, want 2", got)
	}
	kept, err := filepath.Glob(filepath.Join(cfg.EDelivery.PModesHistory, "*.yaml"))
	if err != nil || len(kept) != 2 {
		t.Errorf("history: %q, %v", kept, err)
	}
}

// What a P-Mode names is read within bounds, and secrets are those of their owner.
func TestFilesOfPModesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"small": 10, "large": maxNamed + 1} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := PModes(filepath.Join(dir, "pmodes.yaml"), nil)
	for _, tt := range []struct {
		name string
		read func(string) ([]byte, error)
		want string
	}{
		{"small", l.Public, ""}, {"large", l.Public, "is larger than"}, {".", l.Public, "is not a file"}, {"gone", l.Public, "no such file"},
		{"small", l.Secret, "chmod 600"},
	} {
		if _, err := tt.read(tt.name); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
