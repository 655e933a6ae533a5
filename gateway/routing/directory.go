package routing

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// learned is the latest that the log says of one route.
type learned struct {
	route *canon.Route
	key   canon.ConversationID
	at    time.Time
}

// pair is what a query looks for.
type pair struct {
	provider     canon.Participant
	evidenceType string
}

// An index is one state of the directory. It does not change.
type index struct {
	all    []learned // by key
	byPair map[pair][]learned
	given  map[canon.Participant]bool // providers
}

// Learn takes what the log says of routes, in its order; of several messages about
// one route the latest counts. Queries see all of them at once. Messages of another
// kind are passed over.
func (t *Table) Learn(ms ...canon.Message) {
	t.learning.Lock()
	defer t.learning.Unlock()
	changed := false
	for _, m := range ms {
		r, ok := m.Body.(*canon.Route)
		if !ok || m.At.Before(t.routes[m.Conversation].at) || r.Key() != m.Conversation {
			continue
		}
		t.routes[m.Conversation] = learned{r, m.Conversation, m.At}
		changed = true
	}
	if !changed {
		return
	}
	next := &index{byPair: map[pair][]learned{}, given: map[canon.Participant]bool{}}
	for _, l := range t.routes {
		if !l.route.Withdrawn {
			next.all = append(next.all, l)
		}
	}
	slices.SortFunc(next.all, func(a, b learned) int { return cmp.Compare(a.key, b.key) })
	for _, l := range next.all {
		p := pair{l.route.Provider.ID, l.route.EvidenceType.Classification}
		next.byPair[p] = append(next.byPair[p], l)
		next.given[p.provider] = true
	}
	t.known.Store(next)
}

// fromDirectory resolves a query with what the directory says: of the routes that
// can be used the one with the newest edition that both sides speak.
func (t *Table) fromDirectory(q Query) (Route, Reason) {
	known := t.known.Load()
	left := slices.Clone(known.byPair[pair{q.Provider.ID, q.EvidenceType}])
	switch {
	case len(left) == 0 && known.given[q.Provider.ID]:
		return Route{}, NoEvidenceType
	case len(left) == 0:
		return Route{}, NoProvider
	}
	// A directory speaks for its own Member State: what it says of an authority of
	// another one leads nobody away from there.
	left = slices.DeleteFunc(left, func(l learned) bool { return !speaksFor(l.route.Country, q.Provider) })
	if len(left) == 0 || slices.ContainsFunc(left, func(l learned) bool { return l.route.Country != left[0].route.Country }) {
		return Route{}, NoProvider
	}
	return t.usable(left, q)
}

// speaksFor reports that an authority is of a Member State, or does not say of which.
func speaksFor(country string, a canon.Agent) bool {
	return (a.Country == "" || a.Country == country) && !registered(a.ID, country)
}

// offered names the route of a request that brought its own.
const offered = "offer"

// fromOffer resolves a query with what the request brings from the directory.
func (t *Table) fromOffer(q Query) (Route, Reason) {
	country := cmp.Or(q.Provider.Country, registeredIn(q.Provider.ID))
	if country == "" {
		return Route{}, NoProvider
	}
	r, why := t.usable([]learned{{route: &canon.Route{
		Country: country, AccessPoint: q.Offer.AccessPoint, Specifications: q.Offer.Specifications, Assurance: q.Offer.Assurance,
	}}}, q)
	r.Name = offered
	return r, why
}

// usable narrows routes of the directory to the one that is taken.
func (t *Table) usable(left []learned, q Query) (Route, Reason) {
	for _, step := range []struct {
		keep func(*canon.Route) bool
		why  Reason
	}{
		{func(r *canon.Route) bool { return r.Country != t.country }, SameState},
		{func(r *canon.Route) bool { return r.ValidAt(q.At) }, NotValid},
		{func(r *canon.Route) bool { return len(r.Procedures) == 0 || slices.Contains(r.Procedures, q.Procedure) }, NoProcedure},
		{func(r *canon.Route) bool { return proves(r.Requirements, q.Requirements) }, NoRequirement},
		{func(r *canon.Route) bool { return t.agreement(r, q.At) }, NoAgreement},
		{func(r *canon.Route) bool { return t.specification(r) != "" }, NoSpecification},
		{func(r *canon.Route) bool { return r.Assurance == "" || t.assured(q, r.Assurance) }, LowAssurance},
	} {
		left = slices.DeleteFunc(left, func(l learned) bool { return !step.keep(l.route) })
		if len(left) == 0 {
			return Route{}, step.why
		}
	}
	best := slices.MaxFunc(left, func(a, b learned) int {
		return newer(t.specification(a.route), t.specification(b.route)) // of equals the first, by key
	})
	r := best.route
	return Route{
		Name: string(best.key), Own: t.own, Peer: r.AccessPoint, Country: r.Country, Specification: t.specification(r),
	}, ""
}

// agreement reports whether messages can go to the access point of a route: never to
// our own, and to a partner's for its own Member State and while it is registered.
func (t *Table) agreement(r *canon.Route, at time.Time) bool {
	p, ok := t.partners[r.AccessPoint]
	switch {
	case r.AccessPoint == t.own, ok && (p.country != r.Country || !p.period.holds(at)):
		return false
	case t.agreed != nil:
		return t.agreed(r.AccessPoint)
	}
	return ok
}

// specification returns the newest edition that both sides speak; none is "".
func (t *Table) specification(r *canon.Route) string {
	best := ""
	for _, s := range r.Specifications {
		if slices.Contains(t.speaks, s) && (best == "" || newer(s, best) > 0) {
			best = s
		}
	}
	return best
}

// newer compares editions by their numbers.
func newer(a, b string) int {
	x, _ := edition(a)
	y, _ := edition(b)
	return slices.Compare(x[:], y[:])
}

// edition reads oots-edm:vMAJOR.MINOR.
func edition(s string) (v [2]int, ok bool) {
	number, ok := strings.CutPrefix(s, "oots-edm:v")
	major, minor, dotted := strings.Cut(number, ".")
	x, err1 := strconv.ParseUint(major, 10, 8)
	y, err2 := strconv.ParseUint(minor, 10, 8)
	return [2]int{int(x), int(y)}, ok && dotted && err1 == nil && err2 == nil
}

// A Learned is one route of the directory and what it is worth here.
type Learned struct {
	Key           canon.ConversationID
	Route         *canon.Route // not to be changed
	Since         time.Time    // when the log said so
	Specification string       // that would be spoken
	Why           Reason       // it cannot be used; empty where it can
	HiddenBy      string       // the configured route that is used in its place
}

// Usable reports whether a request can take the route.
func (l Learned) Usable() bool { return l.Why == "" && l.HiddenBy == "" }

// Learned tells of every route of the directory whether it can be used at a time,
// by key. It is what operators see: a route that cannot be used is no error of a
// request alone.
func (t *Table) Learned(at time.Time) []Learned {
	var out []Learned
	for _, l := range t.known.Load().all {
		r := l.route
		o := Learned{Key: l.key, Route: r, Since: l.at, Specification: t.specification(r)}
		switch {
		case r.Country == t.country:
			o.Why = SameState
		case !r.ValidAt(at):
			o.Why = NotValid
		case !speaksFor(r.Country, canon.Agent{ID: r.Provider.ID}):
			o.Why = NoProvider
		case !t.agreement(r, at):
			o.Why = NoAgreement
		case o.Specification == "":
			o.Why = NoSpecification
		}
		for _, e := range t.ask {
			if e.provider == r.Provider.ID && e.evidenceType == r.EvidenceType.Classification {
				o.HiddenBy = e.Name
				break
			}
		}
		out = append(out, o)
	}
	return out
}
