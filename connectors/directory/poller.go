package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"oncegate/schemas/canon"
)

// An Asker asks the common services; a Client does.
type Asker interface {
	Requirements(context.Context, canon.RequirementsQuery) (canon.RequirementsAnswer, error)
	EvidenceTypes(context.Context, canon.EvidenceTypesQuery) (canon.RequirementsAnswer, error)
	DataServices(context.Context, canon.DataServicesQuery) (canon.DataServicesAnswer, error)
}

var _ Asker = (*Client)(nil)

// A Known route is one that the log holds.
type Known struct {
	Route *canon.Route // not to be changed
	Since time.Time    // of its message
}

// PollerConfig configures a Poller.
type PollerConfig struct {
	Client  Asker          // Required.
	Country string         // Required. Ours: its procedures are looked up, and no route leads to it.
	Poll    PollSettings   // Required.
	Publish canon.Publish  // Required.
	Known   func() []Known // Required. The routes that the log holds and that are not withdrawn.

	Now     func() time.Time // Default time.Now.
	Logger  *slog.Logger     // Default none.
	Observe func(Round)      // Default none. After each round.
}

// A Round says how one round of polling ended.
type Round struct {
	Routes    int // that the directories name
	Published int // new or changed
	Withdrawn int
	Failed    int // queries without an answer: what they would say of stays as it is
	Asking    int // evidence types whose directory wants to know more of the person first
}

// A Poller keeps the routes on the log as the directories have them: it publishes what
// is new or changed, withdraws what is gone, and leaves what a directory that is down
// said last. Any number of them may run: what they publish of one change has one id.
type Poller struct {
	PollerConfig
	every time.Duration
}

// NewPoller returns a poller.
func NewPoller(c PollerConfig) (*Poller, error) {
	if c.Client == nil || c.Publish == nil || c.Known == nil || !isCountry(c.Country) {
		return nil, errors.New("configuring the poller of the directories: Client, Country, Publish and Known are required")
	}
	if err := c.Poll.validate(); err != nil {
		return nil, fmt.Errorf("configuring the poller of the directories: %w", err)
	}
	if slices.Contains(c.Poll.Countries, c.Country) {
		return nil, fmt.Errorf("configuring the poller of the directories: %s is our own country: no route leads there (Reg. 2018/1724 Art. 14(1))", c.Country)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(Round) {}
	}
	p := &Poller{PollerConfig: c, every: time.Duration(c.Poll.Every)}
	if p.every <= 0 {
		p.every = time.Hour
	}
	return p, nil
}

// Run polls at once and then at every interval until ctx ends. A round that could not
// be published is repeated at the next.
func (p *Poller) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if _, err := p.Round(ctx); err != nil && ctx.Err() == nil {
			p.Logger.ErrorContext(ctx, "routes of the directory not published", slog.Any("error", err))
		}
		timer.Reset(p.every)
	}
}

// Round asks everything once and publishes what changed.
func (p *Poller) Round(ctx context.Context) (Round, error) {
	g := &gathering{poller: p, routes: map[canon.ConversationID]*found{}, lost: map[scope]bool{}}
	for _, country := range p.Poll.Countries {
		g.country(ctx, country)
		if ctx.Err() != nil {
			return g.round, ctx.Err()
		}
	}
	ms := p.changes(g)
	for batch := range slices.Chunk(ms, 64) {
		if err := p.Publish(ctx, batch...); err != nil {
			return g.round, fmt.Errorf("publishing routes: %w", err)
		}
	}
	if g.round.Published+g.round.Withdrawn+g.round.Failed > 0 {
		p.Logger.InfoContext(ctx, "routes of the directory", slog.Int("routes", g.round.Routes), slog.Int("published", g.round.Published),
			slog.Int("withdrawn", g.round.Withdrawn), slog.Int("failed", g.round.Failed))
	}
	p.Observe(g.round)
	return g.round, nil
}

// changes compares what was gathered with what the log holds.
func (p *Poller) changes(g *gathering) []canon.Message {
	var ms []canon.Message
	// The time is that of the interval, and so is the id derived from it: two processes
	// that see the same change say the same.
	slot := p.Now().UTC().Truncate(p.every)
	say := func(r *canon.Route, since time.Time) {
		at := slot
		if !at.After(since) { // a second change within an interval
			at = since.Add(time.Nanosecond)
		}
		ms = append(ms, r.Message(at))
	}
	known := map[canon.ConversationID]Known{}
	for _, k := range p.Known() {
		known[k.Route.Key()] = k
	}
	g.round.Routes = len(g.routes)
	for _, key := range slices.Sorted(maps.Keys(g.routes)) {
		r := g.routes[key].route()
		have, ok := known[key]
		if ok && same(have.Route, r) {
			continue
		}
		g.round.Published++
		say(r, have.Since)
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		r := known[key].Route
		if g.routes[key] != nil || g.lost[scope{r.Country, ""}] || g.lost[scope{r.Country, r.EvidenceType.Classification}] {
			continue
		}
		gone := *r
		gone.Withdrawn = true
		g.round.Withdrawn++
		say(&gone, known[key].Since)
	}
	return ms
}

// same reports whether two routes say the same, wherever and whenever they were found.
func same(a, b *canon.Route) bool {
	x, y := *a, *b
	x.Provenance, y.Provenance = canon.Provenance{}, canon.Provenance{}
	i, err := json.Marshal(x)
	j, err2 := json.Marshal(y)
	return err == nil && err2 == nil && bytes.Equal(i, j)
}

func (s *PollSettings) validate() error {
	var faults []error
	if len(s.Countries) == 0 || len(s.Procedures)+len(s.Requirements)+len(s.EvidenceTypes) == 0 {
		faults = append(faults, errors.New("poll: countries are required, and procedures, requirements or evidence_types"))
	}
	for i, c := range s.Countries {
		if !isCountry(c) || slices.Contains(s.Countries[:i], c) {
			faults = append(faults, fmt.Errorf("poll: %q is not two capital letters, or there twice", c))
		}
	}
	for _, u := range slices.Concat(s.Requirements, s.EvidenceTypes) {
		if len(u) < len("https://x") || len(u) > 1024 || u[:8] != "https://" {
			faults = append(faults, fmt.Errorf("poll: %q is no https URI", u))
		}
	}
	if time.Duration(s.Every) < 0 {
		faults = append(faults, errors.New("poll: every is positive"))
	}
	return errors.Join(faults...)
}
