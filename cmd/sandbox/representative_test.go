package sandbox

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

// acting makes the portal ask in the name of whom, by a persona who acts for them with a
// power for scope; none where scope is empty.
func acting(t *testing.T, whom, by, scope string) func(map[string]any) {
	t.Helper()
	person := func(id string) map[string]any {
		p, ok := personaByID(id)
		if !ok {
			t.Fatalf("nobody is called %s", id)
		}
		return subjectOf(p.Subject)
	}
	who := person(by)
	if scope != "" {
		for _, p := range who {
			p.(map[string]any)["attributes"] = []map[string]any{{"name": canon.PowerName, "uri": canon.PowerURI, "value": scope}}
		}
	}
	return func(wish map[string]any) { wish["subject"], wish["representative"] = person(whom), who }
}

// Somebody acts for a company or for a person: with a power that covers the procedure
// the representative sees the evidence about the represented and decides; without one
// nothing leaves.
// Covers: B-023
func TestRepresentatives(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{}, func(*Landscape, string, obj) {})
	for _, tt := range []struct {
		name                      string
		register, whom, by, scope string
		at                        string // who identifies at the provider. Default: by
		outcome                   string
		code                      canon.Code
	}{
		{name: "a company by a person", register: "companies", whom: "velden", by: "lucia", scope: "X1", outcome: "delivered"},
		{name: "a company by a person with a general power", register: "companies", whom: "velden", by: "lucia", scope: "ALL", outcome: "delivered"},
		{name: "a company that comes itself", register: "companies", whom: "velden", by: "lucia", scope: "V1, X1", at: "velden", outcome: "delivered"},
		{name: "a person by a person", register: "residence", whom: "oskar", by: "lucia", scope: "V1", outcome: "delivered"},
		{name: "a person by a company", register: "residence", whom: "oskar", by: "velden", scope: "V1", outcome: "delivered"},
		{name: "a company without a power", register: "companies", whom: "velden", by: "lucia", outcome: "refused", code: canon.CodeRepresentation},
		{name: "a person without a power", register: "residence", whom: "oskar", by: "lucia", outcome: "refused", code: canon.CodeRepresentation},
		{name: "a power for something else", register: "companies", whom: "velden", by: "lucia", scope: "V1", outcome: "refused", code: canon.CodeRepresentation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.regs.count(tt.register)
			s.wish(acting(t, tt.whom, tt.by, tt.scope))
			res := s.play(t, Script{Register: tt.register, Persona: tt.by, Other: tt.at})
			if res.Outcome != tt.outcome || res.Code != string(tt.code) {
				t.Fatalf("outcome %q %q, want %q %q\nsteps: %q", res.Outcome, res.Code, tt.outcome, tt.code, res.Steps)
			}
			if tt.code != "" {
				if len(s.wire()) != 0 || s.regs.count(tt.register) != before {
					t.Errorf("%d messages left, the register was asked %d times", len(s.wire()), s.regs.count(tt.register)-before)
				}
				return
			}
			sameEvidence(t, tt.register, res)
			docs := s.documents(t, res.Exchange)
			if len(docs) != 4 {
				t.Fatalf("%d documents", len(docs))
			}
			represented, _ := personaByID(tt.whom)
			by, _ := personaByID(tt.by)
			for _, i := range []int{0, 2} {
				for _, want := range []string{`"AuthorizedRepresentative`, canon.PowerName, identifierOf(represented), identifierOf(by)} {
					if !strings.Contains(docs[i], want) {
						t.Errorf("request %d lacks %s", i, want)
					}
				}
			}
			if id := identifierOf(by); strings.Contains(docs[3], id) || !strings.Contains(docs[3], "IsAbout") {
				t.Error("the evidence is about who acts, or about nobody")
			}
			if events := audited(ctx, t, s.Node(Spain), "representation.recorded"); len(events) == 0 {
				t.Error("Spain recorded nothing of the representation")
			}
		})
	}
}

func identifierOf(p persona) string {
	if n := p.Subject.Natural; n != nil {
		return n.Identifier
	}
	return p.Subject.Legal.Identifier
}

// Whoever the power does not name sees nothing, whatever company they act for.
// Covers: B-023, B-028
func TestSomebodyElseIsNoRepresentative(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{}, func(*Landscape, string, obj) {})
	s.wish(acting(t, "velden", "lucia", "X1"))
	var status atomic.Int64
	res, err := s.Play(ctx, Script{Register: "companies", Persona: "lucia", Other: "ingrid", Through: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				status.Store(int64(resp.StatusCode))
			}
			return resp, err
		})
	}})
	if err == nil || status.Load() != http.StatusForbidden || s.regs.count("companies") != 0 {
		t.Errorf("status %d, the register was asked %d times, %v\nsteps: %q", status.Load(), s.regs.count("companies"), err, res.Steps)
	}
}

// In one session one person opens two exchanges in EDM 1.2, which has no ExchangeId, with
// one authority, and goes through both previews at once: each ends with its own evidence.
// Covers: B-055
func TestTwoExchangesOfASessionDoNotMix(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{}, speaking("oots-edm:v1.2"))
	session := canon.DeriveUUID("session", t.Name())
	s.wish(func(wish map[string]any) { wish["session"] = session })
	// Each waits at its preview until the other is there, too.
	there := make(chan struct{}, 2)
	both := make(chan struct{})
	go func() {
		<-there
		<-there
		close(both)
	}()
	meet := func(ctx context.Context) error {
		there <- struct{}{}
		select {
		case <-both:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	type end struct {
		res *Result
		err error
	}
	ends := make([]chan end, 2)
	for i, decline := range []bool{false, true} {
		ends[i] = make(chan end, 1)
		go func() {
			res, err := s.Play(ctx, Script{Register: "diplomas", Persona: "lucia", Decline: decline, AtPreview: meet})
			ends[i] <- end{res, err}
		}()
	}
	sessions := map[canon.SessionID]bool{}
	var ids []canon.ConversationID
	for i, want := range []string{"delivered", "declined"} {
		e := <-ends[i]
		if e.err != nil || e.res.Outcome != want || !slices.Contains(e.res.Steps, "came back to the portal") {
			t.Fatalf("outcome %q, want %q: %v\nsteps: %q", e.res.Outcome, want, e.err, e.res.Steps)
		}
		c, err := s.Node(Slovenia).Exchanges().Get(ctx, e.res.Exchange)
		if err != nil {
			t.Fatal(err)
		}
		sessions[c.Session] = true
		ids = append(ids, c.ID)
	}
	if len(sessions) != 1 || !sessions[canon.SessionID(session)] || ids[0] == ids[1] {
		t.Errorf("exchanges %v of sessions %v", ids, sessions)
	}
}

// Between the two requests of an exchange in EDM 1.2 both Member States lose their
// memory: the location alone ties the second to the first, and the log tells the rest.
// Covers: B-055
func TestMemoryLostBetweenTheRequestsOfAnOlderEdition(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := staged(ctx, t, Config{}, speaking("oots-edm:v1.2"))
	lost := 0
	res := s.play(t, Script{Register: "diplomas", Persona: "lucia", Through: func(next http.RoundTripper) http.RoundTripper {
		return patient(roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/case/preview" && lost == 0 {
				lost++
				for _, m := range []string{Slovenia, Finland} {
					if err := s.Node(m).Forget(ctx); err != nil {
						return nil, err
					}
				}
			}
			return next.RoundTrip(r)
		}))
	}})
	if res.Outcome != "delivered" || lost != 1 || !slices.Contains(res.Steps, "came back to the portal") {
		t.Errorf("outcome %q %q, lost %d times\nsteps: %q", res.Outcome, res.Code, lost, res.Steps)
	}
}
