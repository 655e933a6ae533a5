package sandbox

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Two proofs from two Member States in one session: a question of the directory, a
// choice of authority, an answer that is deferred, an annex that is sent and a
// translation that is not.
// Covers: B-033, B-043, B-046, B-060
func TestOneProcedureTwoMemberStates(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	l := started(ctx, t, Config{Dir: t.TempDir(), Logger: logger(t)})
	got, err := l.PlayStudies(ctx)
	if err != nil {
		t.Fatalf("%v\nsteps: %s", err, strings.Join(got.Steps, "\n"))
	}
	var ends []string
	for _, x := range got.Exchanges {
		line := x.Title + " of " + x.From + ": " + x.Outcome
		if x.Ready != "" {
			line += " until " + x.Ready
		}
		for _, r := range x.Received {
			line += ", " + r.Role
		}
		ends = append(ends, line)
	}
	ready := time.Now().UTC().AddDate(0, 0, readyDays).Format(time.DateOnly)
	want := []string{
		"Birth certificate of Civil register (test), ES: delivered, MainEvidence",
		"Degree certificate of Archive of the University of the North (test), FI: deferred until " + ready,
		"Degree certificate of National register of degrees (test), FI: delivered, MainEvidence, Annex",
	}
	if diff := cmp.Diff(want, ends); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s\nsteps: %s", diff, strings.Join(got.Steps, "\n"))
	}
}
