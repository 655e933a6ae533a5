package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery/pmode"
)

// pulling starts a landscape in which Slovenia fetches what Spain has for it, and in
// which answers must name the AS4 message that they answer.
func pulling(ctx context.Context, t *testing.T, cfg Config) *Landscape {
	t.Helper()
	cfg.Dir, cfg.Logger, cfg.Remote = t.TempDir(), logger(t), true
	l := started(ctx, t, cfg)
	replies := obj{
		"service": pmode.OOTSService, "type": pmode.OOTSServiceType, "actions": pmode.OOTSActions(),
		"replies": []string{"ExecuteQueryResponse", "ExceptionResponse"},
	}
	const mpc = "urn:mpc:sandbox:si"
	for member, more := range map[string]obj{
		Spain:    {"mep": "pull", "mpc": mpc},
		Slovenia: {"pull": obj{"every": "1s", "mpc": mpc}},
	} {
		file := filepath.Join(filepath.Dir(l.ConfigFile(member)), "pmodes.yaml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var table map[string]any
		if err := yaml.Unmarshal(data, &table); err != nil {
			t.Fatal(err)
		}
		partner := table["partners"].([]any)[0].(map[string]any)
		partner["two_way"], partner["services"] = true, []obj{replies}
		for k, v := range more {
			partner[k] = v
		}
		if data, err = yaml.Marshal(table); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []string{Spain, Slovenia} {
		if err := l.StartNode(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// An exchange whose answers are fetched has the effects of one whose answers are
// pushed, also when Spain's memory is lost while they wait.
func TestAnswersAreFetched(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var l *Landscape
	lost := &trap{spring: func() {
		if err := l.Node(Spain).Forget(ctx); err != nil {
			t.Error(err)
		}
	}}
	l = pulling(ctx, t, Config{Options: func(member string) node.Options {
		if member == Spain {
			return lost.options()
		}
		return node.Options{}
	}})
	o := &observer{l: l, node: l.Node}
	for _, tt := range []struct{ name, register, place string }{
		{"all is well", "births", ""},
		{"the shelf is lost with the preview offer on it", "residence", "handle/edelivery/after/evidence.preview.v1.out"},
		{"the shelf is lost with the evidence on it", "companies", "handle/edelivery/after/evidence.response.v1.out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.place != "" {
				lost.arm(tt.place)
			}
			res, err := l.Play(ctx, Script{Register: tt.register, Through: patient})
			if err != nil {
				t.Fatalf("%v\nsteps: %q", err, res.Steps)
			}
			if tt.place != "" && !lost.sprung() {
				t.Fatal("nothing was lost: the test proves nothing")
			}
			o.settled(ctx, t, res)
			sameEvidence(t, tt.register, res)
			want, got := delivered(tt.register), o.count(ctx, t, res)
			identifiedAgain(want, got)
			o.check(ctx, t, res, want)
		})
	}
}
