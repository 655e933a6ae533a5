package sandbox

import (
	"crypto/rand"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"oncegate/schemas/canon"
)

// The procedure of the portal that wants several proofs: it asks the gateway what is
// wanted and who has it, puts every choice to the person, and opens all exchanges in
// one session.

const (
	studiesOffer     = "studies"
	studiesProcedure = "T2"
)

// studies is one person's way through the procedure.
type studies struct {
	session      string
	requirements []map[string]any // wishes, in the form of the API
	evidence     []map[string]any
	plan         plan // as the person saw it last
	asked        int  // times that the person pressed the button
	exchanges    []studiesExchange
}

type studiesExchange struct {
	ID      string
	Title   string
	From    string
	Country string
}

func newStudies() *studies {
	return &studies{session: canon.DeriveUUID("session", rand.Text())}
}

// plan is what the API says of the choices so far, as far as the page shows it.
type plan struct {
	ID           string
	Complete     bool
	Requirements []struct {
		ID, Country, Status, Option, Detail string
		Names, Reasons                      []canon.Text
		Options                             []struct {
			ID    string
			Names []canon.Text
		}
	}
	Evidence []struct {
		Country, Status, Detail string
		Type                    string `json:"evidence_type"`
		Titles                  []canon.Text
		Questions               []struct {
			ID, Type string
			Texts    []canon.Text
			Choices  []struct {
				Value string
				Names []canon.Text
			}
		}
		Services []struct {
			ID, Obstacle string
			Provider     struct{ Names []canon.Text }
		}
	}
	Asks []struct {
		Titles   []canon.Text
		Country  string
		Provider struct{ Names []canon.Text }
		Exchange *struct{ State string }
	}
}

func (p *portal) studiesPages(mux *http.ServeMux) {
	with := func(next func(http.ResponseWriter, *http.Request, *visit)) http.HandlerFunc {
		return p.withVisit(func(w http.ResponseWriter, r *http.Request, v *visit) {
			if v.studies == nil {
				http.Redirect(w, r, "/", http.StatusSeeOther)
				return
			}
			if r.Method == http.MethodPost && (!p.parse(w, r) || !p.ours(w, r, v)) {
				return
			}
			next(w, r, v)
		})
	}
	mux.HandleFunc("GET /plan", with(p.showPlan))
	mux.HandleFunc("POST /plan", with(p.choose))
	mux.HandleFunc("POST /plan/ask", with(p.askPlan))
	mux.HandleFunc("POST /plan/again", with(p.chooseAgain))
	mux.HandleFunc("GET /session", with(p.showSession))
	mux.HandleFunc("POST /session/{n}/preview", with(p.sessionPreview))
	mux.HandleFunc("GET /session/{n}/evidence/{document}", with(p.sessionEvidence))
}

var words = template.FuncMap{"text": func(ts []canon.Text) string {
	for _, t := range ts {
		if t.Lang == "EN" {
			return t.Text
		}
	}
	if len(ts) > 0 {
		return ts[0].Text
	}
	return "(no name)"
}}

var planPage = template.Must(template.New("plan").Funcs(words).Parse(pageHead + `
<h1>Applying for a master’s degree</h1>
{{if not .Plan.Complete}}<p>Please answer what we need to know to find your evidence. You can hand in each proof in another way, too.</p>
<form method="post" action="/plan"><input type="hidden" name="form" value="{{.Form}}">
{{range $i, $r := .Plan.Requirements}}
{{if eq .Status "country"}}<fieldset><legend>{{text .Names}}: where is your evidence?</legend>
{{range $.Countries}}<p class="wish"><input type="radio" name="country-{{$i}}" id="country-{{$i}}-{{.}}" value="{{.}}" required><label for="country-{{$i}}-{{.}}">{{index $.CountryNames .}}</label></p>{{end}}
<p class="wish"><input type="radio" name="country-{{$i}}" id="country-{{$i}}-other" value="otherwise" required><label for="country-{{$i}}-other">I will hand it in myself</label></p></fieldset>
{{else if eq .Status "option"}}<fieldset><legend>{{text .Names}}: how do you want to prove it?</legend>
{{range .Options}}<p class="wish"><input type="radio" name="option-{{$i}}" id="{{.ID}}" value="{{.ID}}" required><label for="{{.ID}}">{{text .Names}}</label></p>{{end}}</fieldset>{{end}}
{{end}}
{{range $j, $e := .Plan.Evidence}}
{{if eq .Status "questions"}}<fieldset><legend>{{text .Titles}}: the other Member State asks</legend>
{{range $k, $q := .Questions}}<p>{{text .Texts}}</p>
{{if eq .Type "codelist"}}{{range $m, $c := .Choices}}<p class="wish"><input type="radio" name="answer-{{$j}}-{{$k}}" id="answer-{{$j}}-{{$k}}-{{$m}}" value="{{.Value}}" required><label for="answer-{{$j}}-{{$k}}-{{$m}}">{{text .Names}}</label></p>{{end}}
{{else if eq .Type "boolean"}}<p class="wish"><input type="radio" name="answer-{{$j}}-{{$k}}" id="answer-{{$j}}-{{$k}}-yes" value="true" required><label for="answer-{{$j}}-{{$k}}-yes">Yes</label></p>
<p class="wish"><input type="radio" name="answer-{{$j}}-{{$k}}" id="answer-{{$j}}-{{$k}}-no" value="false" required><label for="answer-{{$j}}-{{$k}}-no">No</label></p>
{{else}}<p><label for="answer-{{$j}}-{{$k}}">Your answer</label> <input name="answer-{{$j}}-{{$k}}" id="answer-{{$j}}-{{$k}}" maxlength="256" required></p>{{end}}{{end}}</fieldset>
{{else if eq .Status "service"}}<fieldset><legend>{{text .Titles}}: several authorities have it. Which one shall we ask?</legend>
{{range .Services}}{{if not .Obstacle}}<p class="wish"><input type="radio" name="service-{{$j}}" id="{{.ID}}" value="{{.ID}}" required><label for="{{.ID}}">{{text .Provider.Names}}</label></p>{{end}}{{end}}</fieldset>{{end}}
{{end}}
<p><button id="continue">Continue</button></p></form>
{{else}}<p>This is what we would fetch for you. You will see each document before we do, and only then you decide whether we get it.</p>
<ul>{{range .Plan.Asks}}<li><strong>{{text .Titles}}</strong> from {{text .Provider.Names}}, {{.Country}}{{with .Exchange}} – we have asked for it already{{end}}</li>{{end}}</ul>
{{range .Plan.Requirements}}{{if eq .Status "otherwise"}}<p>{{text .Names}}: you hand it in yourself.</p>{{else if eq .Status "unavailable"}}<p>{{text .Names}}: cannot be fetched ({{.Detail}}). Please hand it in yourself.</p>{{end}}{{end}}
{{if .Plan.Asks}}<form method="post" action="/plan/ask"><input type="hidden" name="form" value="{{.Form}}"><input type="hidden" name="plan" value="{{.Plan.ID}}">
<p class="wish"><input type="checkbox" name="explicit" id="explicit" value="yes" required><label for="explicit">I ask you to fetch this evidence for me.</label></p>
<p><button id="ask">Fetch it</button></p></form>{{end}}
<p><a href="/">I will hand it in myself</a></p>{{end}}` + pageFoot))

var countryNames = map[string]string{"ES": "In Spain", "FI": "In Finland"}

// wishes is the body of POST /api/v1/plans.
func (s *studies) wishes() map[string]any {
	// Nil would be written as null.
	return map[string]any{
		"procedure": studiesProcedure, "session": s.session, "assurance": "High",
		"requirements": append([]map[string]any{}, s.requirements...), "evidence": append([]map[string]any{}, s.evidence...),
	}
}

func (p *portal) showPlan(w http.ResponseWriter, r *http.Request, v *visit) {
	p.mu.Lock()
	wishes := v.studies.wishes()
	p.mu.Unlock()
	var got plan
	if err := p.call(r.Context(), http.MethodPost, "/api/v1/plans", "", wishes, &got); err != nil {
		p.fail(w, http.StatusBadGateway, "The gateway does not plan: "+err.Error())
		return
	}
	p.mu.Lock()
	v.studies.plan = got
	p.mu.Unlock()
	render(w, http.StatusOK, planPage, map[string]any{"Title": "Your evidence", "Plan": got, "Form": v.form, "Countries": []string{"ES", "FI"}, "CountryNames": countryNames})
}

// choose adds what the person chose to the wishes. The fields are those of the plan
// that was on the page; what they may hold, the gateway judges.
func (p *portal) choose(w http.ResponseWriter, r *http.Request, v *visit) {
	f := r.PostForm
	p.mu.Lock()
	s := v.studies
	for i, q := range s.plan.Requirements {
		n := strconv.Itoa(i)
		if c := f.Get("country-" + n); c != "" {
			wish := map[string]any{"requirement": q.ID, "country": c}
			if c == "otherwise" {
				wish = map[string]any{"requirement": q.ID, "otherwise": true}
			}
			s.requirements = append(s.requirements, wish)
		}
		if o := f.Get("option-" + n); o != "" {
			for _, wish := range s.requirements {
				if wish["requirement"] == q.ID {
					wish["option"] = o
				}
			}
		}
	}
	for j, e := range s.plan.Evidence {
		wish := map[string]any{"evidence_type": e.Type, "country": e.Country}
		at := slices.IndexFunc(s.evidence, func(m map[string]any) bool { return m["evidence_type"] == e.Type && m["country"] == e.Country })
		if at >= 0 {
			wish = s.evidence[at]
		}
		var answers []map[string]any
		for k, q := range e.Questions {
			if a := f.Get(fmt.Sprintf("answer-%d-%d", j, k)); a != "" {
				answers = append(answers, map[string]any{"question": q.ID, "value": a})
			}
		}
		if len(answers) > 0 {
			wish["answers"] = answers
		}
		if id := f.Get("service-" + strconv.Itoa(j)); id != "" {
			wish["service"] = id
			wish["associated"] = []string{canon.RoleAnnex, canon.RoleTranslation}
		}
		if at < 0 && len(wish) > 2 {
			s.evidence = append(s.evidence, wish)
		}
	}
	p.mu.Unlock()
	http.Redirect(w, r, "/plan", http.StatusSeeOther)
}

// chooseAgain gives the choice of authority back to the person.
func (p *portal) chooseAgain(w http.ResponseWriter, r *http.Request, v *visit) {
	p.mu.Lock()
	for _, wish := range v.studies.evidence {
		delete(wish, "service")
	}
	p.mu.Unlock()
	http.Redirect(w, r, "/plan", http.StatusSeeOther)
}

func (p *portal) askPlan(w http.ResponseWriter, r *http.Request, v *visit) {
	if r.PostForm.Get("explicit") != "yes" {
		p.fail(w, http.StatusBadRequest, "Without your explicit request nothing is fetched.")
		return
	}
	p.mu.Lock()
	s := v.studies
	if v.returns == "" {
		v.returns = rand.Text()
	}
	body := s.wishes()
	body["subject"], body["return_url"] = subjectOf(v.subject), p.base+"/return/"+v.returns
	body["explicit_request"] = explicit(p.now())
	s.asked++
	key := v.form + "-plan-" + strconv.Itoa(s.asked)
	id := s.plan.ID
	p.mu.Unlock()
	var got struct {
		Exchanges []struct {
			ID, Country string
			Titles      []canon.Text
			Provider    struct{ Names []canon.Text }
		}
	}
	if r.PostForm.Get("plan") != id {
		p.fail(w, http.StatusConflict, "You have chosen something else meanwhile. Please look again at what is fetched.")
		return
	}
	if err := p.call(r.Context(), http.MethodPost, "/api/v1/plans/"+id+"/exchanges", key, body, &got); err != nil {
		p.fail(w, http.StatusBadGateway, "The gateway did not take the request: "+err.Error())
		return
	}
	text := words["text"].(func([]canon.Text) string)
	p.mu.Lock()
	for _, e := range got.Exchanges {
		if !slices.ContainsFunc(s.exchanges, func(o studiesExchange) bool { return o.ID == e.ID }) {
			s.exchanges = append(s.exchanges, studiesExchange{e.ID, text(e.Titles), text(e.Provider.Names), e.Country})
		}
	}
	p.mu.Unlock()
	http.Redirect(w, r, "/session", http.StatusSeeOther)
}

var sessionPage = template.Must(template.New("session").Funcs(words).Parse(pageHead + `
<h1>Your evidence</h1>
{{if .Refresh}}<p>We are waiting for the other Member States. This page looks again by itself. <a href="/session?stay">Stop looking by itself</a></p>{{end}}
{{range $n, $e := .Exchanges}}<section class="exchange">
<h2>{{.Title}}</h2><p>From {{.From}}, {{.Country}}</p>
{{if .Case.PreviewAvailable}}<p>It is ready to be looked at there. Nothing has reached us yet.</p>
<form method="post" action="/session/{{$n}}/preview"><input type="hidden" name="form" value="{{$.Form}}"><p><button id="preview-{{$n}}">See it and decide</button></p></form>
{{else if .Case.Final}}<p><strong>{{.Words}}</strong></p>{{end}}
{{with .Ready}}<p>Your evidence will be ready on <strong id="ready-{{$n}}">{{.}}</strong>. We can ask again then, or you choose another authority.</p>{{end}}
{{range .Case.Documents}}<p><a class="document" data-role="{{.Role}}" href="/session/{{$n}}/evidence/{{.ID}}">{{text .Titles}}</a> <span class="quiet">{{.Role}}, {{.MediaType}}, {{.Size}} bytes</span></p>{{end}}
<dl><dt>State</dt><dd id="state-{{$n}}">{{.Case.State}}</dd>{{with .Case.Code}}<dt>Reason</dt><dd id="code-{{$n}}">{{.}}</dd>{{end}}<dt>Exchange</dt><dd id="exchange-{{$n}}">{{.Case.ID}}</dd></dl>
</section>{{end}}
{{if .Again}}<form method="post" action="/plan/again"><input type="hidden" name="form" value="{{.Form}}"><p><button id="again">Choose another authority</button></p></form>{{end}}
<p>Session <span id="session">{{.Session}}</span></p>` + pageFoot))

func (p *portal) showSession(w http.ResponseWriter, r *http.Request, v *visit) {
	type row struct {
		studiesExchange
		Case  caseState
		Words string
		Ready string
	}
	p.mu.Lock()
	exchanges, session := slices.Clone(v.studies.exchanges), v.studies.session
	p.mu.Unlock()
	data := map[string]any{"Title": "Your evidence", "Form": v.form, "Session": session}
	var rows []row
	waits, again := false, false
	for _, e := range exchanges {
		one := row{studiesExchange: e}
		if err := p.call(r.Context(), http.MethodGet, "/api/v1/evidence-requests/"+e.ID, "", nil, &one.Case); err != nil {
			p.fail(w, http.StatusBadGateway, "The gateway does not answer: "+err.Error())
			return
		}
		one.Words = caseWords[one.Case.State]
		one.Ready, _, _ = strings.Cut(one.Case.AvailableAt, "T")
		waits = waits || !one.Case.Final && !one.Case.PreviewAvailable
		again = again || one.Case.Final && one.Case.State != "delivered"
		rows = append(rows, one)
	}
	data["Exchanges"], data["Again"] = rows, again
	if waits && !r.URL.Query().Has("stay") {
		data["Refresh"] = "1"
	}
	render(w, http.StatusOK, sessionPage, data)
}

func (p *portal) exchange(w http.ResponseWriter, r *http.Request, v *visit) (string, bool) {
	n, err := strconv.Atoi(r.PathValue("n"))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || n < 0 || n >= len(v.studies.exchanges) {
		p.fail(w, http.StatusNotFound, "No such exchange.")
		return "", false
	}
	return v.studies.exchanges[n].ID, true
}

func (p *portal) sessionPreview(w http.ResponseWriter, r *http.Request, v *visit) {
	if id, ok := p.exchange(w, r, v); ok {
		p.openPreview(w, r, id, v.form+"-preview-"+id)
	}
}

func (p *portal) sessionEvidence(w http.ResponseWriter, r *http.Request, v *visit) {
	if id, ok := p.exchange(w, r, v); ok {
		p.document(w, r, id)
	}
}
