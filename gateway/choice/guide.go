package choice

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"oncegate/schemas/canon"
)

// A Directory is what the common services tell. connectors/directory.Client has it.
type Directory interface {
	// Requirements asks what a procedure wants proved (EB-1).
	Requirements(ctx context.Context, q canon.RequirementsQuery) (canon.RequirementsAnswer, error)
	// EvidenceTypes asks what proves a requirement in a country (EB-2).
	EvidenceTypes(ctx context.Context, q canon.EvidenceTypesQuery) (canon.RequirementsAnswer, error)
	// DataServices asks who gives an evidence type. Questions in the answer are no
	// error: the same is asked again with their answers.
	DataServices(ctx context.Context, q canon.DataServicesQuery) (canon.DataServicesAnswer, error)
}

// An Obstacle says why a requester cannot ask a service for a procedure; empty where
// it can.
type Obstacle func(procedure string, requester canon.Agent, s canon.DataService) string

// A Config says what a Guide works with.
type Config struct {
	Directory Directory // Required.
	// Obstacle says why a service cannot be asked from here, for example because its
	// access point has no agreement with ours; empty where it can. Default: never.
	Obstacle Obstacle
}

// A Guide plans with what the common services tell.
type Guide struct {
	cfg Config
}

// NewGuide checks the configuration.
func NewGuide(cfg Config) (*Guide, error) {
	if cfg.Directory == nil {
		return nil, errors.New("choice guide: Directory is required")
	}
	if cfg.Obstacle == nil {
		cfg.Obstacle = func(string, canon.Agent, canon.DataService) string { return "" }
	}
	return &Guide{cfg}, nil
}

// Directory returns what the guide asks.
func (g *Guide) Directory() Directory { return g.cfg.Directory }

// Obstacle says why a service cannot be asked from here; empty where it can.
func (g *Guide) Obstacle(procedure string, requester canon.Agent, s canon.DataService) string {
	return g.cfg.Obstacle(procedure, requester, s)
}

// rounds bounds how often Solve is run: requirements, options, services, and
// services after the questions of the directory.
const rounds = 5

// atOnce bounds the calls to the common services that one plan makes at a time.
const atOnce = 8

// Plan returns what follows from the wishes. The error is for a directory that does
// not know the procedure or does not answer at all; what is wrong with single
// wishes are flaws, and then there is no plan.
func (g *Guide) Plan(ctx context.Context, w Wishes) (*Plan, []Flaw, error) {
	f := NewFacts()
	f.obstacle = g.cfg.Obstacle
	for range rounds {
		p, flaws, unknown := Solve(w, f)
		if len(unknown) == 0 {
			if f.requirements.err != nil {
				return nil, nil, fmt.Errorf("asking for the requirements of a procedure: %w", f.requirements.err)
			}
			return p, flaws, nil
		}
		g.learn(ctx, f, unknown)
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, errors.New("planning: the directory asks for ever more")
}

// learn asks what Solve did not know.
func (g *Guide) learn(ctx context.Context, f *Facts, unknown []Query) {
	var mu sync.Mutex
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, q := range unknown {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			switch q := q.(type) {
			case canon.RequirementsQuery:
				a, err := g.cfg.Directory.Requirements(ctx, q)
				mu.Lock()
				defer mu.Unlock()
				f.KnowRequirements(a, err)
			case canon.EvidenceTypesQuery:
				a, err := g.cfg.Directory.EvidenceTypes(ctx, q)
				mu.Lock()
				defer mu.Unlock()
				f.KnowOptions(q, a, err)
			case canon.DataServicesQuery:
				a, err := g.cfg.Directory.DataServices(ctx, q)
				mu.Lock()
				defer mu.Unlock()
				f.KnowServices(q, a, err)
			}
		})
	}
	wait.Wait()
}
