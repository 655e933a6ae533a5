package sandbox

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

func TestTheRegistersOfFinlandHold(t *testing.T) {
	var out strings.Builder
	if failed, err := register.Check(&out, finnishRegisters()); failed > 0 || err != nil {
		t.Errorf("%d samples fail, %v\n%s", failed, err, out.String())
	}
}

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

	// One session on every wire, and every exchange says what it stands on.
	for _, x := range got.Exchanges {
		c, err := l.Node(Slovenia).Exchanges().Get(ctx, x.Exchange)
		if err != nil {
			t.Fatal(err)
		}
		if c.Session != got.Session {
			t.Errorf("%s is of session %s, want %s", x.Exchange, c.Session, got.Session)
		}
		var chose []string
		for _, o := range c.Choices {
			if o.Answer.Signer == "" || o.Answer.Digest == "" || strings.Contains(o.Answer.Query, "NORTH") {
				t.Errorf("%s: %s stands on %+v", x.Title, o.What, o.Answer)
			}
			if o.Person {
				chose = append(chose, string(o.What))
			}
		}
		want := ""
		if strings.HasPrefix(x.Title, "Degree") {
			want = "option service"
		}
		if got := strings.Join(chose, " "); got != want {
			t.Errorf("%s: the person chose %q, want %q", x.Title, got, want)
		}
		if x.Outcome == "deferred" && c.AvailableAt.Format(time.DateOnly) != ready {
			t.Errorf("deferred until %s, want %s", c.AvailableAt, ready)
		}
	}
	// The provider knows the session, too, and what the person answered is sealed there.
	own, err := routing.ParseParticipant(l.si.AccessPoint)
	if err != nil {
		t.Fatal(err)
	}
	there, err := l.Node(Finland).Exchanges().Get(ctx, canon.InboundConversation(own, canon.ExchangeID(got.Exchanges[2].Exchange)))
	if err != nil || there.Session != got.Session {
		t.Errorf("Finland: session %v, %v", there, err)
	}
	// Routes of the directory are learned, and shown to operators.
	until(ctx, t, "the routes of the directory", func() (bool, error) {
		_, routes := l.ask(ctx, t, l.si, http.MethodGet, "/api/v1/routes", "")
		return strings.Count(string(routes), `"usable":`) >= 3, nil
	})
	if _, health := l.ask(ctx, t, l.si, http.MethodGet, "/api/v1/directory", ""); strings.Count(string(health), `"stale":false`) < 4 {
		t.Errorf("health of the common services: %s", health)
	}
}
