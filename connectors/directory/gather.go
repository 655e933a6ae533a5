package directory

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"oncegate/schemas/canon"
)

// A gathering is what the directories say in one round.
type gathering struct {
	poller *Poller
	round  Round
	routes map[canon.ConversationID]*found
	lost   map[scope]bool // of which nothing was learned
}

// A scope is a country, or one evidence type of it.
type scope struct{ country, classification string }

// A wish is why an evidence type is looked up. An unset field means any.
type wish struct{ procedure, requirement string }

// found is a route with the wishes that led to it.
type found struct {
	country string // whose directory names it
	service canon.DataService
	origin  canon.Origin
	wishes  map[wish]bool
}

// country gathers what is wanted of one country.
func (g *gathering) country(ctx context.Context, country string) {
	wanted := map[string]map[wish]bool{} // by classification
	want := func(classification string, w wish) {
		if wanted[classification] == nil {
			wanted[classification] = map[wish]bool{}
		}
		wanted[classification][w] = true
	}
	poll := g.poller.Poll
	for _, c := range poll.EvidenceTypes {
		want(c, wish{})
	}
	requirements := map[string]map[string]bool{} // procedures by requirement; "" for any
	need := func(requirement, procedure string) {
		if requirements[requirement] == nil {
			requirements[requirement] = map[string]bool{}
		}
		requirements[requirement][procedure] = true
	}
	for _, r := range poll.Requirements {
		need(r, "")
	}
	for _, p := range poll.Procedures {
		a, err := g.poller.Client.Requirements(ctx, canon.RequirementsQuery{Country: g.poller.Country, Procedure: p})
		if g.failed(ctx, err, scope{country, ""}) {
			continue
		}
		for _, r := range a.Requirements {
			need(r.ID, p)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(requirements)) {
		a, err := g.poller.Client.EvidenceTypes(ctx, canon.EvidenceTypesQuery{Country: country, Requirement: r})
		if g.failed(ctx, err, scope{country, ""}) {
			continue
		}
		for _, d := range a.Requirements {
			for _, o := range d.Options {
				for _, t := range o.EvidenceTypes {
					for p := range requirements[r] {
						want(t.Classification, wish{p, r})
					}
				}
			}
		}
	}
	for _, c := range slices.Sorted(maps.Keys(wanted)) {
		g.services(ctx, country, c, wanted[c])
	}
}

func (g *gathering) services(ctx context.Context, country, classification string, wishes map[wish]bool) {
	a, err := g.poller.Client.DataServices(ctx, canon.DataServicesQuery{Country: country, Classification: classification, Specification: g.poller.Poll.Specification})
	if g.failed(ctx, err, scope{country, classification}) {
		return
	}
	if len(a.Questions) > 0 {
		g.round.Asking++ // only the person can say who it is
		return
	}
	for _, s := range a.Services {
		f := &found{country: country, service: s, origin: a.Origin, wishes: wishes}
		r := f.route()
		if len(r.Specifications) == 0 {
			continue
		}
		if have := g.routes[r.Key()]; have != nil { // named twice
			continue
		}
		g.routes[r.Key()] = f
	}
}

// failed reports an error, and keeps in mind what was not learned. A "no" is an answer,
// but for that of the DNS: it would take away all routes of a country at once.
func (g *gathering) failed(ctx context.Context, err error, s scope) bool {
	if err == nil {
		return false
	}
	f, ok := errors.AsType[*canon.Fault](err)
	if ok && f.Kind == canon.NotFound && !errors.Is(err, errNoInstance) {
		return true
	}
	g.lost[s] = true
	g.round.Failed++
	if ctx.Err() == nil {
		g.poller.Logger.WarnContext(ctx, "directory not asked: its routes stay as they are", slog.String("country", s.country), slog.Any("error", err))
	}
	return true
}

// Bounds of the canonical schema.
const (
	maxSpecifications = 16
	maxWishes         = 64
	maxForms          = 32
)

// route makes the canonical route. Which wish it answers is told as long as all do: one
// of any procedure makes it good for any.
func (f *found) route() *canon.Route {
	s := f.service
	r := &canon.Route{
		EvidenceType: s.EvidenceType, Provider: s.Provider, Country: f.country, AccessPoint: s.AccessPoint,
		Assurance: s.Assurance, Provenance: f.origin.Provenance, Specifications: []string{},
	}
	if len(r.EvidenceType.Distributions) > maxForms {
		r.EvidenceType.Distributions = r.EvidenceType.Distributions[:maxForms]
	}
	if r.Assurance != "" && !slices.Contains([]string{"Low", "Substantial", "High"}, r.Assurance) {
		r.Assurance = "High" // what it means is not known: nobody gets less than it may ask
	}
	for _, v := range s.Specifications {
		if strings.HasPrefix(v, "oots-edm:v") && len(r.Specifications) < maxSpecifications && !slices.Contains(r.Specifications, v) {
			r.Specifications = append(r.Specifications, v)
		}
	}
	procedures, requirements := map[string]bool{}, map[string]bool{}
	for w := range f.wishes {
		procedures[w.procedure], requirements[w.requirement] = true, true
	}
	r.Procedures, r.Requirements = listed(procedures), listed(requirements)
	return r
}

// listed returns the set in order; nothing, which means any, where any is in it or
// where it is too large to be told.
func listed(set map[string]bool) []string {
	if set[""] || len(set) > maxWishes {
		return nil
	}
	return slices.Sorted(maps.Keys(set))
}
