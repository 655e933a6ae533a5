package api

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/gateway/choice"
	"oncegate/schemas/canon"
)

// The endpoints by which a portal leads the person from a procedure to evidence
// requests. What the person answered travels in bodies alone, never in a URL, and
// is neither stored nor logged here.

// origin is components/schemas/Origin: what an answer of the common services stands on.
type origin struct {
	canon.Provenance
	FreshUntil time.Time `json:"fresh_until,omitzero"`
	Stale      bool      `json:"stale"`
}

func originOf(o canon.Origin) origin {
	p := o.Provenance
	p.At = p.At.UTC()
	return origin{p, o.Until.UTC(), o.Stale}
}

type requirementView struct {
	ID           string       `json:"id"`
	Names        []canon.Text `json:"names"`
	Descriptions []canon.Text `json:"descriptions,omitempty"`
}

func requirementOf(r canon.Requirement) requirementView {
	return requirementView{r.ID, listed(r.Names), r.Descriptions}
}

// listed makes an empty list of none: a portal walks through it either way.
func listed[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

type optionView struct {
	ID            string       `json:"id"`
	Names         []canon.Text `json:"names,omitempty"`
	EvidenceTypes []kindView   `json:"evidence_types"`
	Adds          *int         `json:"adds,omitempty"`
}

type kindView struct {
	EvidenceType string       `json:"evidence_type"`
	Titles       []canon.Text `json:"titles"`
	Descriptions []canon.Text `json:"descriptions,omitempty"`
}

func kindOf(k canon.EvidenceKind) kindView {
	return kindView{k.Classification, listed(k.Titles), k.Descriptions}
}

func optionOf(o canon.EvidenceOption) optionView {
	v := optionView{ID: o.ID, Names: o.Names, EvidenceTypes: []kindView{}}
	for _, k := range o.EvidenceTypes {
		v.EvidenceTypes = append(v.EvidenceTypes, kindOf(k))
	}
	return v
}

// questionView describes one field of a form: what to ask, and how it is answered.
type questionView struct {
	ID      string       `json:"id"`
	Type    string       `json:"type"` // codelist, boolean, string, place
	Level   string       `json:"level,omitempty"`
	Texts   []canon.Text `json:"texts"`
	Choices []choiceView `json:"choices,omitempty"`
}

type choiceView struct {
	Value string       `json:"value"`
	Names []canon.Text `json:"names,omitempty"`
}

func questionsOf(qs []canon.Question) []questionView {
	out := []questionView{}
	for _, q := range qs {
		v := questionView{ID: q.ID, Type: string(q.Type), Level: q.Level, Texts: listed(q.Descriptions)}
		for _, c := range q.Choices {
			v.Choices = append(v.Choices, choiceView(c))
		}
		out = append(out, v)
	}
	return out
}

type serviceView struct {
	ID             string            `json:"id"`
	Provider       agentView         `json:"provider"`
	Descriptions   []canon.Text      `json:"descriptions,omitempty"`
	Notes          []canon.Text      `json:"notes,omitempty"`
	AccessPoint    canon.Participant `json:"access_point"`
	Specifications []string          `json:"specifications"`
	Assurance      string            `json:"assurance,omitempty"`
	Distributions  []formView        `json:"distributions"`
	Obstacle       string            `json:"obstacle,omitempty"`
}

type agentView struct {
	ID      canon.Participant `json:"id"`
	Names   []canon.Text      `json:"names"`
	Country string            `json:"country,omitempty"`
}

func agentOf(a canon.Agent) agentView { return agentView{a.ID, listed(a.Names), a.Country} }

type formView struct {
	Format     string   `json:"format"`
	Languages  []string `json:"languages,omitempty"`
	ConformsTo string   `json:"conforms_to,omitempty"`
}

func serviceOf(d canon.DataService, obstacle string) serviceView {
	v := serviceView{
		ID: choice.ServiceID(d), Provider: agentOf(d.Provider), Descriptions: d.Descriptions, Notes: d.Notes, AccessPoint: d.AccessPoint,
		Specifications: listed(d.Specifications), Assurance: d.Assurance, Distributions: []formView{}, Obstacle: obstacle,
	}
	for _, f := range d.EvidenceType.Distributions {
		v.Distributions = append(v.Distributions, formView{f.Format, f.Languages, f.ConformsTo})
	}
	return v
}

// guide returns what plans; a gateway without a directory has none.
func (a *API) guide() (*choice.Guide, error) {
	if a.cfg.Guide == nil {
		return nil, &refusal{Fault: canon.NewFault(canon.CodeBadInput, nil, "this gateway asks no common services: name evidence type and provider in the request"), status: http.StatusNotFound}
	}
	return a.cfg.Guide, nil
}

var (
	countryCode   = regexp.MustCompile(`^[A-Z]{2}$`)
	procedureCode = regexp.MustCompile(`^[A-Z0-9]{1,8}$`)
)

// countryOf reads a parameter that names a country.
func countryOf(q url.Values, otherwise string) (string, error) {
	c := q.Get("country")
	if c == "" {
		c = otherwise
	}
	if !countryCode.MatchString(c) {
		return "", badParameter("country", "country is an upper-case two-letter code")
	}
	return c, nil
}

// getRequirements says what a procedure wants proved.
func (a *API) getRequirements(w http.ResponseWriter, r *http.Request, who credential) error {
	g, err := a.guide()
	if err != nil {
		return err
	}
	procedure := r.PathValue("procedure")
	if !procedureCode.MatchString(procedure) {
		return badParameter("procedure", "procedure is a code of list Procedures")
	}
	country, err := countryOf(r.URL.Query(), who.portal.Authority.Country)
	if err != nil {
		return err
	}
	got, err := g.Directory().Requirements(r.Context(), canon.RequirementsQuery{Country: country, Procedure: procedure})
	if err != nil {
		return fmt.Errorf("asking for requirements: %w", err)
	}
	out := struct {
		Procedure    string            `json:"procedure"`
		Country      string            `json:"country"`
		Requirements []requirementView `json:"requirements"`
		Origin       origin            `json:"origin"`
	}{procedure, country, []requirementView{}, originOf(got.Origin)}
	for _, q := range got.Requirements {
		out.Requirements = append(out.Requirements, requirementOf(q.Requirement))
	}
	return a.reply(w, http.StatusOK, out)
}

// getOptions says what proves a requirement in a country: one of the options, and
// all evidence types of it.
func (a *API) getOptions(w http.ResponseWriter, r *http.Request, _ credential) error {
	g, err := a.guide()
	if err != nil {
		return err
	}
	q := r.URL.Query()
	country, err := countryOf(q, "")
	if err != nil {
		return err
	}
	requirement := q.Get("requirement")
	if u, err := url.Parse(requirement); err != nil || u.Scheme != "https" || u.Host == "" || len(requirement) > 1024 {
		return badParameter("requirement", "requirement is the https URI of a requirement")
	}
	got, err := g.Directory().EvidenceTypes(r.Context(), canon.EvidenceTypesQuery{Country: country, Requirement: requirement})
	if err != nil {
		return fmt.Errorf("asking for evidence types: %w", err)
	}
	out := struct {
		Requirement string       `json:"requirement"`
		Country     string       `json:"country"`
		Options     []optionView `json:"options"`
		NoMatch     []canon.Text `json:"no_match,omitempty"`
		Origin      origin       `json:"origin"`
	}{requirement, country, []optionView{}, nil, originOf(got.Origin)}
	for _, req := range got.Requirements {
		for _, o := range req.Options {
			if o.NoMatch {
				out.NoMatch = append(out.NoMatch, o.Reasons...)
			} else if req.ID == requirement && len(o.EvidenceTypes) > 0 {
				out.Options = append(out.Options, optionOf(o))
			}
		}
	}
	return a.reply(w, http.StatusOK, out)
}

type answerBody struct {
	Question string `json:"question"`
	Value    string `json:"value"`
}

// servicesBody is components/schemas/DataServicesRequest.
type servicesBody struct {
	EvidenceType string       `json:"evidence_type"`
	Country      string       `json:"country"`
	Procedure    string       `json:"procedure"`
	Answers      []answerBody `json:"answers"`
}

// findServices says who gives an evidence type, or what the directory wants to know
// of the person first, as a form. It is a POST because answers are personal.
func (a *API) findServices(w http.ResponseWriter, r *http.Request, who credential) error {
	g, err := a.guide()
	if err != nil {
		return err
	}
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	var body servicesBody
	if _, err := decode(a.bodies.services, data, &body); err != nil {
		return err
	}
	query := canon.DataServicesQuery{Country: body.Country, Classification: body.EvidenceType}
	var got canon.DataServicesAnswer
	for n := 0; ; n++ {
		if got, err = g.Directory().DataServices(r.Context(), query); err != nil {
			return fmt.Errorf("asking for data services: %w", err)
		}
		if len(got.Questions) == 0 || n == len(body.Answers) {
			break
		}
		answered := 0
		query.EvidenceType = got.EvidenceType.ID
		for _, q := range got.Questions {
			i := slices.IndexFunc(body.Answers, func(b answerBody) bool { return b.Question == q.ID })
			if i < 0 {
				continue
			}
			if err := query.Answer(q, body.Answers[i].Value); err != nil {
				return refuseFlaws([]flaw{{Location: "/answers/" + strconv.Itoa(i) + "/value", Detail: choice.AnswerFlaw(err)}})
			}
			answered++
		}
		if answered < len(got.Questions) {
			break
		}
	}
	out := struct {
		EvidenceType string         `json:"evidence_type"`
		Country      string         `json:"country"`
		Questions    []questionView `json:"questions"`
		Services     []serviceView  `json:"services"`
		Origin       origin         `json:"origin"`
	}{body.EvidenceType, body.Country, questionsOf(got.Questions), []serviceView{}, originOf(got.Origin)}
	for _, s := range got.Services {
		out.Services = append(out.Services, serviceOf(s, g.Obstacle(body.Procedure, who.portal.Authority, s)))
	}
	return a.reply(w, http.StatusOK, out)
}

// planBody is components/schemas/PlanRequest.
type planBody struct {
	Procedure    string            `json:"procedure"`
	Session      string            `json:"session"`
	Assurance    string            `json:"assurance"`
	Requirements []requirementWish `json:"requirements"`
	Evidence     []evidenceWish    `json:"evidence"`
}

type requirementWish struct {
	Requirement string `json:"requirement"`
	Country     string `json:"country"`
	Option      string `json:"option"`
	Otherwise   bool   `json:"otherwise"`
}

type evidenceWish struct {
	EvidenceType string       `json:"evidence_type"`
	Country      string       `json:"country"`
	Answers      []answerBody `json:"answers"`
	Service      string       `json:"service"`
	Formats      []string     `json:"formats"`
	Languages    []string     `json:"languages"`
	Associated   []string     `json:"associated"`
	Again        bool         `json:"again"`
}

func (b *planBody) wishes(who credential) choice.Wishes {
	w := choice.Wishes{Procedure: b.Procedure, Country: who.portal.Authority.Country, Requester: who.portal.Authority, Assurance: b.Assurance}
	for _, r := range b.Requirements {
		w.Requirements = append(w.Requirements, choice.RequirementWish(r))
	}
	for _, e := range b.Evidence {
		wish := choice.EvidenceWish{
			Classification: e.EvidenceType, Country: e.Country, Service: e.Service, Formats: e.Formats, Languages: e.Languages,
			Associated: e.Associated, Again: e.Again,
		}
		for _, x := range e.Answers {
			wish.Answers = append(wish.Answers, choice.Answer(x))
		}
		w.Evidence = append(w.Evidence, wish)
	}
	return w
}

// solve plans and turns flaws into a problem that names places in the body. at is
// where the wishes stand in it.
func (a *API) solve(r *http.Request, who credential, body *planBody, at string) (*choice.Plan, error) {
	g, err := a.guide()
	if err != nil {
		return nil, err
	}
	if who.portal.Authority.Country == "" {
		return nil, canon.NewFault(canon.CodeForbidden, nil, "the portal's authority has no country in the configuration")
	}
	p, flaws, err := g.Plan(r.Context(), body.wishes(who))
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	if len(flaws) > 0 {
		return nil, refuseFlaws(placed(flaws, at))
	}
	return p, nil
}

func placed(flaws []choice.Flaw, at string) []flaw {
	var out []flaw
	for _, f := range flaws[:min(len(flaws), maxFlaws)] {
		place := []string{}
		if f.In != "" {
			place = append(place, f.In, strconv.Itoa(max(f.Index, 0)))
		}
		place = append(place, strings.Split(f.Field, "/")...)
		out = append(out, flaw{Location: at + pointer(place...), Detail: f.Detail})
	}
	return out
}

// makePlan says what follows from the choices so far, and what is still to choose.
func (a *API) makePlan(w http.ResponseWriter, r *http.Request, who credential) error {
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	var body planBody
	if _, err := decode(a.bodies.plan, data, &body); err != nil {
		return err
	}
	p, err := a.solve(r, who, &body, "")
	if err != nil {
		return err
	}
	view, err := a.planView(r.Context(), p, who, body.Session)
	if err != nil {
		return err
	}
	return a.reply(w, http.StatusOK, view)
}
