package choice

import (
	"errors"
	"fmt"
	"slices"

	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// Solve works out what follows from the wishes, as far as the facts reach. It is a
// pure function. unknown are the queries whose answers are missing for it; with
// them known, Solve goes further. Flaws are wishes that cannot be kept; with any of
// them the plan is not one to act on.
//
// Nothing is chosen for the person where several things fit: an option or an
// authority is taken by itself only if it is the only one.
func Solve(w Wishes, f *Facts) (p *Plan, flaws []Flaw, unknown []Query) {
	s := &solver{w: w, f: f, plan: &Plan{Procedure: w.Procedure, Country: w.Country}, at: map[key]int{}}
	if s.flaws = w.check(); len(s.flaws) > 0 {
		return s.plan, s.flaws, nil
	}
	if !f.requirements.known {
		return s.plan, nil, []Query{canon.RequirementsQuery{Country: w.Country, Procedure: w.Procedure}}
	}
	if f.requirements.err != nil {
		return s.plan, nil, nil
	}
	s.plan.Stale = f.requirements.answer.Stale
	s.requirements()
	s.settle()
	if len(s.unknown) == 0 {
		s.strays()
		s.finish()
	}
	return s.plan, s.flaws, s.unknown
}

type solver struct {
	w       Wishes
	f       *Facts
	plan    *Plan
	at      map[key]int // evidence of the plan
	flaws   []Flaw
	unknown []Query
}

func (s *solver) bad(in string, i int, field, format string, args ...any) {
	s.flaws = append(s.flaws, Flaw{in, i, field, fmt.Sprintf(format, args...)})
}

// requirements lists those of the procedure with what was wished for each, in the
// order of the evidence broker.
func (s *solver) requirements() {
	all := s.f.requirements.answer.Requirements
	for _, r := range all {
		found := false
		for i, wish := range s.w.Requirements {
			if wish.Requirement != r.ID {
				continue
			}
			found = true
			s.requirement(r, wish, i)
		}
		if !found {
			s.plan.Requirements = append(s.plan.Requirements, RequirementState{DirectoryRequirement: bare(r), Status: WantsCountry})
		}
	}
	for i, wish := range s.w.Requirements {
		if !slices.ContainsFunc(all, func(r canon.DirectoryRequirement) bool { return r.ID == wish.Requirement }) {
			// B-043: only what the catalogue links to the procedure.
			s.bad("requirements", i, "requirement", "is none of the procedure")
		}
	}
}

// bare is a requirement without the options that EB-1 may list of other countries.
func bare(r canon.DirectoryRequirement) canon.DirectoryRequirement {
	r.Options = nil
	return r
}

func (s *solver) requirement(r canon.DirectoryRequirement, wish RequirementWish, i int) {
	state := RequirementState{DirectoryRequirement: bare(r), Country: wish.Country, Status: WantsCountry}
	switch {
	case wish.Otherwise:
		state.Status = Otherwise
	case wish.Country != "":
		s.option(&state, wish, i)
	}
	s.plan.Requirements = append(s.plan.Requirements, state)
}

// option finds the options of a requirement in a country and which one is taken.
func (s *solver) option(state *RequirementState, wish RequirementWish, i int) {
	told := s.f.options[key{wish.Requirement, wish.Country}]
	switch {
	case !told.known:
		s.unknown = append(s.unknown, canon.EvidenceTypesQuery{Country: wish.Country, Requirement: wish.Requirement})
		return
	case told.err != nil:
		state.unavailable(told.err)
		return
	}
	s.plan.Stale = s.plan.Stale || told.answer.Stale
	at := slices.IndexFunc(told.answer.Requirements, func(r canon.DirectoryRequirement) bool { return r.ID == wish.Requirement })
	if at < 0 {
		state.Status, state.Detail = Unavailable, "the country has entered nothing for this requirement"
		return
	}
	for n, o := range told.answer.Requirements[at].Options {
		switch {
		case o.NoMatch:
			state.Reasons = append(state.Reasons, o.Reasons...)
		case len(o.EvidenceTypes) > 0:
			if o.ID == "" { // up to Common Services 1.2 a list need not have one
				o.ID = fmt.Sprintf("option-%d", n+1)
			}
			state.Options = append(state.Options, o)
		}
	}
	switch {
	case len(state.Options) == 0:
		state.Status, state.Detail = Unavailable, "the country has no evidence for this requirement"
	case wish.Option != "":
		if !slices.ContainsFunc(state.Options, func(o canon.EvidenceOption) bool { return o.ID == wish.Option }) {
			s.bad("requirements", i, "option", "is none that the country offers for the requirement")
			return
		}
		state.Option, state.Status = wish.Option, WantsOther
	case len(state.Options) == 1:
		state.Option, state.Status = state.Options[0].ID, WantsOther
	default:
		state.Status = WantsOption
	}
	if len(state.Options) > 0 {
		state.Reasons = nil
	}
	if o := state.taken(); o != nil {
		for _, e := range o.EvidenceTypes {
			s.need(e, wish.Country, wish.Requirement)
		}
	}
}

func (r *RequirementState) taken() *canon.EvidenceOption {
	for i := range r.Options {
		if r.Options[i].ID == r.Option {
			return &r.Options[i]
		}
	}
	return nil
}

func (r *RequirementState) unavailable(err error) {
	r.Status = Unavailable
	r.Code, r.Detail, r.Retryable = reason(err)
}

func reason(err error) (canon.Code, string, bool) {
	f := canon.AsFault(err)
	if f.Kind == canon.Internal {
		return f.Code, "the common services could not be asked", false
	}
	return f.Code, f.Detail, f.Kind == canon.Unavailable
}

// need adds an evidence type to the plan, once for all requirements that it proves.
func (s *solver) need(e canon.EvidenceKind, country, requirement string) {
	k := key{e.Classification, country}
	if i, ok := s.at[k]; ok {
		if have := &s.plan.Evidence[i]; !slices.Contains(have.Requirements, requirement) {
			have.Requirements = append(have.Requirements, requirement)
		}
		return
	}
	s.at[k] = len(s.plan.Evidence)
	s.plan.Evidence = append(s.plan.Evidence, EvidenceState{EvidenceKind: e, Country: country, Requirements: []string{requirement}, ask: -1})
}

// settle finds the authority for every evidence, then what that makes of the
// requirements.
func (s *solver) settle() {
	for i := range s.plan.Evidence {
		s.service(&s.plan.Evidence[i])
	}
	for i := range s.plan.Requirements {
		r := &s.plan.Requirements[i]
		s.adds(r)
		o := r.taken()
		if o == nil || r.Status != WantsOther {
			continue
		}
		r.Status = Ready
		for _, e := range o.EvidenceTypes {
			have := s.plan.Evidence[s.at[key{e.Classification, r.Country}]]
			switch {
			case have.Status == Unavailable: // all of an option or nothing
				r.Status, r.Code, r.Detail, r.Retryable = Unavailable, have.Code, have.Detail, have.Retryable
			case have.Status != Ready && r.Status != Unavailable:
				r.Status = WantsOther
			}
		}
	}
}

// adds counts for each option the evidence that is needed for nothing else.
func (s *solver) adds(r *RequirementState) {
	for _, o := range r.Options {
		n := 0
		for _, e := range o.EvidenceTypes {
			i, ok := s.at[key{e.Classification, r.Country}]
			if !ok || slices.Equal(s.plan.Evidence[i].Requirements, []string{r.ID}) {
				n++
			}
		}
		r.Adds = append(r.Adds, n)
	}
}

// maxTurns bounds how often the directory may ask back.
const maxTurns = 3

// service goes through the dialogue with the directory about one evidence type.
func (s *solver) service(e *EvidenceState) {
	k := key{e.Classification, e.Country}
	wish, at := s.w.evidence(k)
	query := canon.DataServicesQuery{Country: e.Country, Classification: e.Classification}
	var asked []string
	for n := 0; ; n++ {
		turns := s.f.services[k].turns
		if n == len(turns) {
			if n == maxTurns {
				e.Status, e.Code, e.Detail = Unavailable, canon.CodeDirectoryAnswer, "the directory asks for ever more"
				return
			}
			s.unknown = append(s.unknown, query)
			return
		}
		t := turns[n].answer
		if f := canon.AsFault(t.err); f != nil && n > 0 && f.Code == canon.CodeDirectoryQuery {
			// Only a free answer can be refused here; the person may give another.
			e.Questions, e.Status = turns[n-1].answer.answer.Questions, WantsAnswers
			e.Code, e.Detail = f.Code, "the directory does not accept an answer"
			return
		}
		if t.err != nil {
			e.Status = Unavailable
			e.Code, e.Detail, e.Retryable = reason(t.err)
			return
		}
		s.plan.Stale = s.plan.Stale || t.answer.Stale
		if len(t.answer.Questions) == 0 {
			s.choose(e, wish, at, turns[n], asked)
			return
		}
		query = turns[n].query
		query.EvidenceType = t.answer.EvidenceType.ID
		query.Concepts = slices.Clone(query.Concepts)
		missing := false
		for _, q := range t.answer.Questions {
			i := slices.IndexFunc(wish.Answers, func(a Answer) bool { return a.Question == q.ID })
			if i < 0 {
				missing = true
				continue
			}
			if err := query.Answer(q, wish.Answers[i].Value); err != nil {
				s.bad("evidence", at, fmt.Sprintf("answers/%d/value", i), "%s", AnswerFlaw(err))
			}
			asked = append(asked, q.ID)
		}
		if missing || len(s.flaws) > 0 {
			e.Questions, e.Status = t.answer.Questions, WantsAnswers
			return
		}
	}
}

// AnswerFlaw is the rule that an answer breaks, without the answer.
func AnswerFlaw(err error) string {
	for _, known := range []error{canon.ErrNotOneAnswer, canon.ErrNotBoolean, canon.ErrNotAChoice, canon.ErrTooLong} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "is no answer to the question"
}

// choose finds the authority among those that the directory named.
func (s *solver) choose(e *EvidenceState, wish EvidenceWish, at int, t turn, asked []string) {
	usable := 0
	for _, d := range t.answer.answer.Services {
		svc := Service{ID: ServiceID(d), DataService: d, Obstacle: s.obstacle(d, e.Country)}
		if slices.ContainsFunc(e.Services, func(o Service) bool { return o.ID == svc.ID }) {
			continue
		}
		if svc.Obstacle == "" {
			usable++
		}
		e.Services = append(e.Services, svc)
	}
	taken := -1
	switch {
	case len(e.Services) == 0:
		e.Status, e.Detail = Unavailable, "no authority of the country gives this evidence by automated exchange"
	case usable == 0:
		e.Status, e.Detail = Unavailable, e.Services[0].Obstacle
	case wish.Service != "":
		if taken = slices.IndexFunc(e.Services, func(o Service) bool { return o.ID == wish.Service && o.Obstacle == "" }); taken < 0 {
			s.bad("evidence", at, "service", "is none of those that can be asked for this evidence")
			return
		}
	case usable == 1:
		taken = slices.IndexFunc(e.Services, func(o Service) bool { return o.Obstacle == "" })
	default:
		e.Status = WantsService
	}
	if taken < 0 {
		return
	}
	svc := e.Services[taken]
	kind, ok := s.form(svc.EvidenceType, wish, at)
	if !ok {
		return
	}
	e.Status, e.Service, e.ask = Ready, svc.ID, len(s.plan.Asks)
	a := Ask{
		Key: askKey(e.Classification, svc.Provider.ID), EvidenceType: kind, Service: svc.ID, Provider: svc.Provider, Country: e.Country,
		Offer:    canon.Offer{AccessPoint: svc.AccessPoint, Specifications: svc.Specifications, Assurance: svc.Assurance},
		Concepts: t.query.Concepts, Again: wish.Again,
	}
	if a.Provider.Country == "" {
		a.Provider.Country = e.Country
	}
	shown := make([]string, 0, len(e.Services))
	for _, o := range e.Services {
		shown = append(shown, o.ID)
	}
	a.Choices = []canon.Choice{{
		What: canon.ChoseService, About: e.Classification, Shown: shown, Taken: svc.ID, Person: wish.Service != "" && usable > 1,
		Asked: asked, Answer: t.answer.answer.Provenance,
	}}
	s.plan.Asks = append(s.plan.Asks, a)
}

// obstacle says why a service cannot be chosen. A directory speaks for its own Member
// State: who follows it must not end up, unasked, in a third one.
func (s *solver) obstacle(d canon.DataService, country string) string {
	if d.Provider.Country != "" && d.Provider.Country != country {
		return "is an authority of another Member State than the directory that names it"
	}
	// Low < Substantial < High (TDD 3). What is not known or not asked for is no obstacle.
	if s.w.Assurance != "" && d.Assurance != "" && !codes.Meets(s.w.Assurance, d.Assurance) {
		return "wants an identification of level " + d.Assurance
	}
	return s.f.obstacle(s.w.Procedure, s.w.Requester, d)
}

// form narrows the forms of the evidence to what was wished (R-EDM-REQ-C032: at
// least one stays). A language that is not there is no obstacle (TDD 2.0: it must
// not produce an error).
func (s *solver) form(e canon.EvidenceType, wish EvidenceWish, at int) (canon.EvidenceType, bool) {
	forms := e.Distributions
	if len(wish.Formats) > 0 && len(forms) > 0 {
		forms = slices.DeleteFunc(slices.Clone(forms), func(d canon.Distribution) bool { return !slices.Contains(wish.Formats, d.Format) })
		if len(forms) == 0 {
			s.bad("evidence", at, "formats", "holds none in which the authority gives the evidence")
			return e, false
		}
	}
	out := make([]canon.Distribution, 0, len(forms))
	for _, d := range forms {
		if len(wish.Languages) > 0 {
			d.Languages = wish.Languages
		}
		d.Associated = wish.Associated
		out = append(out, d)
	}
	e.Distributions = out
	return e, true
}

// strays are wishes for evidence that no requirement of the plan leads to.
func (s *solver) strays() {
	for i, e := range s.w.Evidence {
		if _, ok := s.at[key{e.Classification, e.Country}]; !ok {
			s.bad("evidence", i, "evidence_type", "is not needed for any requirement in this country")
		}
	}
}

// finish gives each ask the requirements that it serves and the choices that led
// to it, and the plan its name. What only serves a requirement that cannot be had
// is not asked for.
func (s *solver) finish() {
	var asks []Ask
	for i := range s.plan.Evidence {
		e := &s.plan.Evidence[i]
		if e.Status != Ready {
			continue
		}
		a := s.plan.Asks[e.ask]
		var led []canon.Choice
		for _, r := range s.plan.Requirements {
			if r.Country != e.Country || !slices.Contains(e.Requirements, r.ID) || r.Status == Unavailable {
				continue
			}
			a.Requirements = append(a.Requirements, r.Requirement)
			led = append(led, s.led(r)...)
		}
		a.Choices = append(led, a.Choices...)
		e.ask = -1
		if len(a.Requirements) > 0 {
			e.ask = len(asks)
			asks = append(asks, a)
		}
	}
	s.plan.Asks = asks
	s.plan.ID = planID(s.plan.Procedure, asks)
}

// led are the choices that led to a requirement's option.
func (s *solver) led(r RequirementState) []canon.Choice {
	all := s.f.requirements.answer
	procedure := canon.Choice{What: canon.ChoseRequirement, About: r.ID, Taken: r.ID, Answer: all.Provenance}
	for _, o := range all.Requirements {
		procedure.Shown = append(procedure.Shown, o.ID)
	}
	option := canon.Choice{
		What: canon.ChoseOption, About: r.ID, Taken: r.Option, Person: len(r.Options) > 1,
		Answer: s.f.options[key{r.ID, r.Country}].answer.Provenance,
	}
	for _, o := range r.Options {
		option.Shown = append(option.Shown, o.ID)
	}
	return []canon.Choice{procedure, option}
}
