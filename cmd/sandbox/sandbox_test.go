package sandbox

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"
)

// logger writes the nodes' log where the test asks for it.
func logger(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

func TestOneEvidenceCrossesTheBorder(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	l, err := Start(ctx, Config{Dir: t.TempDir(), Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, reg := range []string{"births", "residence", "companies"} {
		t.Run(reg, func(t *testing.T) {
			res, err := l.Play(ctx, Script{Register: reg})
			if err != nil {
				t.Fatalf("%v\nsteps: %q", err, res.Steps)
			}
			if res.Outcome != "delivered" || len(res.Evidence) == 0 {
				t.Errorf("outcome %q with %d bytes, want delivered evidence\nsteps: %q", res.Outcome, len(res.Evidence), res.Steps)
			}
		})
	}
}
