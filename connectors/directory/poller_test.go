package directory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// A topic holds the routes as the log does: the latest of each key.
type topic struct {
	mu   sync.Mutex
	last map[canon.ConversationID]canon.Message
	all  []canon.Message
	fail error
}

func (p *topic) publish(_ context.Context, ms ...canon.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	for _, m := range ms {
		p.all = append(p.all, m)
		if have, ok := p.last[m.Conversation]; !ok || !m.At.Before(have.At) {
			p.last[m.Conversation] = m
		}
	}
	return nil
}

func (p *topic) known() (out []Known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.last {
		if r := m.Body.(*canon.Route); !r.Withdrawn {
			out = append(out, Known{r, m.At})
		}
	}
	return out
}

// take returns what was published since the last time, as "provider class" with a minus
// before what was withdrawn.
func (p *topic) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, m := range p.all {
		r := m.Body.(*canon.Route)
		s := r.Provider.ID.ID
		if r.Withdrawn {
			s = "-" + s
		}
		out = append(out, s)
	}
	p.all = nil
	return strings.Join(out, " ")
}

func newTopic() *topic { return &topic{last: map[canon.ConversationID]canon.Message{}} }

func (r *rig) poller(t testing.TB, p *topic, poll PollSettings) *Poller {
	t.Helper()
	out, err := NewPoller(PollerConfig{Client: r.client(t), Country: "SI", Poll: poll, Publish: p.publish, Known: p.known, Now: r.clock})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func round(t testing.TB, p *Poller) Round {
	t.Helper()
	r, err := p.Round(bg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPoller goes through the life of routes over a real instance.
func TestPoller(t *testing.T) {
	r, log := newRig(t), newTopic()
	p := r.poller(t, log, PollSettings{Countries: []string{"ES"}, EvidenceTypes: []string{birthES, livesES}})
	if got := round(t, p); got != (Round{Routes: 1, Published: 1, Asking: 1}) {
		t.Errorf("first round %+v", got)
	}
	if got := log.take(); got != "test-civil-register" {
		t.Errorf("published %q", got)
	}
	route := log.known()[0].Route
	if route.Country != "ES" || route.AccessPoint.ID != "AP_ES_TEST" || len(route.Specifications) == 0 || len(route.Procedures) != 0 || route.Provenance.Signer == "" {
		t.Errorf("route %+v", route)
	}
	body, err := canon.MarshalBody(route, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Validate(canon.KindRoute, body); err != nil {
		t.Errorf("the route breaks its schema: %v", err)
	}
	if got := round(t, p); got.Published != 0 || log.take() != "" {
		t.Errorf("an unchanged directory publishes: %+v", got)
	}
	// A directory that is down says nothing: its routes stay.
	r.down()
	r.pass(25*time.Hour + time.Minute) // no old answer serves either
	if got := round(t, p); got.Failed != 2 || got.Withdrawn != 0 || log.take() != "" {
		t.Errorf("a directory that is down: %+v", got)
	}
	r.set(nil)
	if got := round(t, p); got.Published+got.Withdrawn != 0 {
		t.Errorf("up again: %+v", got)
	}
	// What is no longer wanted, and what the directory no longer names, is withdrawn.
	p = r.poller(t, log, PollSettings{Countries: []string{"FI"}, EvidenceTypes: []string{birthES}})
	if got := round(t, p); got.Withdrawn != 1 {
		t.Errorf("a country that is no longer asked: %+v", got)
	}
	if got := log.take(); got != "-test-civil-register" {
		t.Errorf("published %q", got)
	}
	if got := round(t, p); got.Withdrawn != 0 {
		t.Errorf("it is withdrawn again: %+v", got)
	}
}

// TestPollerByProcedure finds evidence types by what a procedure of ours wants proved.
func TestPollerByProcedure(t *testing.T) {
	r, log := newRig(t), newTopic()
	p := r.poller(t, log, PollSettings{Countries: []string{"ES", "FI"}, Procedures: []string{"T2"}, Requirements: []string{birth}})
	got := round(t, p)
	if got.Published == 0 || got.Published != got.Routes || got.Failed != 0 {
		t.Fatalf("got %+v", got)
	}
	for _, k := range log.known() {
		if len(k.Route.Requirements) == 0 || k.Route.Country == "SI" {
			t.Errorf("route %+v", k.Route)
		}
	}
}

// TestPollersAgree: two processes that see the same change publish one id; another
// change in the same interval has another.
func TestPollersAgree(t *testing.T) {
	r, a, b := newRig(t), newTopic(), newTopic()
	poll := PollSettings{Countries: []string{"ES"}, EvidenceTypes: []string{birthES}, Every: Duration(time.Hour)}
	one, two := r.poller(t, a, poll), r.poller(t, b, poll)
	round(t, one)
	r.pass(10 * time.Minute)
	round(t, two)
	if len(a.all) != 1 || len(b.all) != 1 || a.all[0].ID != b.all[0].ID || a.all[0].Conversation != b.all[0].Conversation {
		t.Fatalf("ids differ:\n%v\n%v", a.all, b.all)
	}
	changed := *a.all[0].Body.(*canon.Route)
	changed.Assurance = "Low"
	key := changed.Key()
	m := a.last[key]
	m.Body = &changed
	a.last[key] = m
	round(t, one)
	if len(a.all) != 2 || a.all[1].ID == a.all[0].ID || !a.all[1].At.After(a.all[0].At) {
		t.Errorf("a second change in one interval: %v", a.all)
	}
}

// asker answers from memory.
type asker struct {
	services canon.DataServicesAnswer
	err      error
}

func (a asker) Requirements(context.Context, canon.RequirementsQuery) (canon.RequirementsAnswer, error) {
	return canon.RequirementsAnswer{}, a.err
}

func (a asker) EvidenceTypes(context.Context, canon.EvidenceTypesQuery) (canon.RequirementsAnswer, error) {
	return canon.RequirementsAnswer{}, a.err
}

func (a asker) DataServices(context.Context, canon.DataServicesQuery) (canon.DataServicesAnswer, error) {
	return a.services, a.err
}

// TestRouteKeepsItsSchema: what a directory may say and the log may not is left out.
func TestRouteKeepsItsSchema(t *testing.T) {
	id := canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0060", ID: "1"}
	s := canon.DataService{
		EvidenceType: canon.EvidenceType{ID: region, Classification: birthES, Titles: []canon.Text{{Lang: "EN", Text: "t"}}},
		AccessPoint:  id, Provider: canon.Agent{ID: id, Names: []canon.Text{{Lang: "EN", Text: "p"}}, Country: "ES"},
		Assurance: "Extreme", Specifications: []string{"oots-edm:v2.0", "other", "oots-edm:v2.0"},
	}
	for range 50 {
		s.EvidenceType.Distributions = append(s.EvidenceType.Distributions, canon.Distribution{Format: "application/pdf"})
	}
	origin := canon.Origin{Provenance: canon.Provenance{Edition: "oots-cs:v2.0", Source: "https://cs.example", Query: "q", At: time.Unix(1e9, 0).UTC()}}
	log := newTopic()
	p, err := NewPoller(PollerConfig{Client: asker{services: canon.DataServicesAnswer{Origin: origin, Services: []canon.DataService{s, s}}}, Country: "SI",
		Poll: PollSettings{Countries: []string{"ES"}, EvidenceTypes: []string{birthES}}, Publish: log.publish, Known: log.known})
	if err != nil {
		t.Fatal(err)
	}
	if got := round(t, p); got.Routes != 1 || got.Published != 1 {
		t.Fatalf("got %+v", got)
	}
	route := log.known()[0].Route
	body, err := canon.MarshalBody(route, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Validate(canon.KindRoute, body); err != nil {
		t.Error(err)
	}
	if route.Assurance != "High" || len(route.Specifications) != 1 {
		t.Errorf("got %+v", route)
	}
}

// TestRun polls at once and then at the interval, whatever publishing says.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rounds := make(chan Round, 10)
		log := newTopic()
		p, err := NewPoller(PollerConfig{Client: asker{err: errors.New("down")}, Country: "SI", Publish: log.publish, Known: log.known,
			Poll: PollSettings{Countries: []string{"ES"}, EvidenceTypes: []string{birthES}, Every: Duration(time.Minute)}, Observe: func(r Round) { rounds <- r }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		start := time.Now()
		for i := range 3 {
			if r := <-rounds; r.Failed != 1 || time.Since(start) != time.Duration(i)*time.Minute {
				t.Errorf("round %d: %+v after %s", i, r, time.Since(start))
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPollerRefuses(t *testing.T) {
	log := newTopic()
	for name, poll := range map[string]PollSettings{
		"nothing":             {},
		"no country":          {EvidenceTypes: []string{birthES}},
		"nothing wanted":      {Countries: []string{"ES"}},
		"our own country":     {Countries: []string{"SI"}, EvidenceTypes: []string{birthES}},
		"a country twice":     {Countries: []string{"ES", "ES"}, EvidenceTypes: []string{birthES}},
		"a type that is none": {Countries: []string{"ES"}, EvidenceTypes: []string{"birth"}},
	} {
		if _, err := NewPoller(PollerConfig{Client: asker{}, Country: "SI", Poll: poll, Publish: log.publish, Known: log.known}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	p, err := NewPoller(PollerConfig{Client: asker{}, Country: "SI", Poll: PollSettings{Countries: []string{"ES"}, EvidenceTypes: []string{birthES}}, Publish: log.publish, Known: log.known})
	if err != nil {
		t.Fatal(err)
	}
	log.fail = errors.New("the log is down")
	log.last["x"] = canon.Message{Body: &canon.Route{Country: "ES"}}
	if _, err := p.Round(bg); err == nil || !strings.Contains(err.Error(), "the log is down") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(0, len(log.all)); d != "" {
		t.Error(d)
	}
}
