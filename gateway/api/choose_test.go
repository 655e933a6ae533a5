package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/choice"
	"oncegate/gateway/choice/choicetest"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

const (
	needBirth  = "https://sr.example.eu/requirements/birth"
	needAge    = "https://sr.example.eu/requirements/age"
	needDegree = "https://sr.example.eu/requirements/degree"
	degree     = "https://sr.example.eu/evidencetypeclassifications/degree"
	session    = "3d1d9c4b-6a0e-4d8f-9a51-7d5c2f7a9e10"
)

func text1(s string) []canon.Text { return []canon.Text{{Lang: "EN", Text: s}} }

func serviceIn(kind, provider string) canon.DataService {
	return canon.DataService{
		EvidenceType: canon.EvidenceType{
			ID: canon.DeriveUUID(kind), Classification: kind, Titles: text1("Title"),
			Distributions: []canon.Distribution{{Format: "application/xml"}, {Format: "application/pdf", Languages: []string{"LV"}}},
		},
		AccessPoint: canon.Participant{Scheme: scheme + "LV", ID: "ap-lv"}, Specifications: []string{"oots-edm:v2.0"},
		Provider: canon.Agent{ID: canon.Participant{Scheme: scheme + "LV", ID: provider}, Names: text1(provider)},
	}
}

// commonServices know procedure T2: a birth certificate proves birth and age, and a
// degree is given by two authorities, between which the directory asks a question.
func commonServices() *choicetest.Directory {
	one := func(kind string) []canon.EvidenceOption {
		return []canon.EvidenceOption{{ID: canon.DeriveUUID("o", kind), EvidenceTypes: []canon.EvidenceKind{{Classification: kind, Titles: text1("Title")}}}}
	}
	return &choicetest.Directory{
		Procedures: map[string][]canon.Requirement{"T2": {{ID: needBirth, Names: text1("Birth")}, {ID: needAge, Names: text1("Age")}, {ID: needDegree, Names: text1("Degree")}}},
		Options: map[string][]canon.EvidenceOption{
			needBirth + " LV": one(birth), needAge + " LV": one(birth), needDegree + " LV": one(degree),
			needAge + " EE": {{ID: canon.DeriveUUID("none"), NoMatch: true, Reasons: text1("not issued")}},
		},
		Services: map[string][]canon.DataService{birth + " LV": {serviceIn(birth, "births")}, degree + " LV": {serviceIn(degree, "north"), serviceIn(degree, "south")}},
		Questions: map[string][]canon.Question{degree + " LV": {{
			ID: "9be524c1-6efe-417a-974c-088f54f0bcae", Type: canon.QuestionCodelist, Descriptions: text1("Where?"),
			Choices: []canon.Choosable{{Value: "secret-north", Names: text1("North")}, {Value: "both"}},
		}}},
		Among: func(q canon.DataServicesQuery) []string {
			if q.Concepts[0].Values[0] == "both" {
				return []string{"north", "south"}
			}
			return []string{"north"}
		},
	}
}

func planning(d *choicetest.Directory) func(*Config) {
	return func(c *Config) {
		g, err := choice.NewGuide(choice.Config{Directory: d})
		if err != nil {
			panic(err)
		}
		c.Guide = g
	}
}

type obj = map[string]any

func wish(requirement, country string) obj {
	return obj{"requirement": requirement, "country": country}
}

func otherwise(requirement string) obj { return obj{"requirement": requirement, "otherwise": true} }

func answers(value string) []any {
	return []any{obj{"question": "9be524c1-6efe-417a-974c-088f54f0bcae", "value": value}}
}

func (w *world) plan(body obj) obj {
	w.t.Helper()
	return w.want(w.do("POST", "/api/v1/plans", portalToken, body), 200).json(w.t)
}

func waits(plan obj) string {
	var out []string
	for _, list := range []string{"requirements", "evidence"} {
		for _, r := range plan[list].([]any) {
			out = append(out, r.(obj)["status"].(string))
		}
	}
	return strings.Join(out, " ")
}

// asking is the body that opens the exchanges of a plan.
func asking(plan obj, more ...obj) obj {
	b := obj{"session": session}
	for _, m := range append([]obj{plan}, more...) {
		maps.Copy(b, m)
	}
	full := request(nil)
	for _, k := range []string{"subject", "explicit_request", "return_url"} {
		if _, ok := b[k]; !ok {
			b[k] = full[k]
		}
	}
	return b
}

// Covers: B-043
func TestFromProcedureToPlan(t *testing.T) {
	d := commonServices()
	w := newWorld(t, planning(d))

	got := w.want(w.do("GET", "/api/v1/procedures/T2/requirements", portalToken, nil), 200).json(t)
	if n := len(got["requirements"].([]any)); n != 3 || got["country"] != "AT" || got["origin"].(obj)["signer"] == "" {
		t.Errorf("requirements: %v", got)
	}
	got = w.want(w.do("GET", "/api/v1/evidence-options?country=LV&requirement="+needBirth, portalToken, nil), 200).json(t)
	if n := len(got["options"].([]any)); n != 1 {
		t.Errorf("options: %v", got)
	}
	got = w.want(w.do("GET", "/api/v1/evidence-options?country=EE&requirement="+needAge, portalToken, nil), 200).json(t)
	if len(got["options"].([]any)) != 0 || got["no_match"].([]any)[0].(obj)["text"] != "not issued" {
		t.Errorf("no match: %v", got)
	}
	w.problem(w.do("GET", "/api/v1/evidence-options?country=FI&requirement="+needAge, portalToken, nil), 404, canon.CodeDirectoryEmpty, "")

	form := w.want(w.do("POST", "/api/v1/data-services", portalToken, obj{"evidence_type": degree, "country": "LV"}), 200).json(t)
	q := form["questions"].([]any)[0].(obj)
	if q["type"] != "codelist" || len(q["choices"].([]any)) != 2 || len(form["services"].([]any)) != 0 {
		t.Errorf("form: %v", form)
	}
	form = w.want(w.do("POST", "/api/v1/data-services", portalToken, obj{"evidence_type": degree, "country": "LV", "answers": answers("both")}), 200).json(t)
	if len(form["questions"].([]any)) != 0 || len(form["services"].([]any)) != 2 {
		t.Errorf("services: %v", form)
	}
	p := w.problem(w.do("POST", "/api/v1/data-services", portalToken, obj{"evidence_type": degree, "country": "LV", "answers": answers("secret-west")}), 422, canon.CodeBadInput, "/answers/0/value")
	if data, _ := json.Marshal(p); strings.Contains(string(data), "west") {
		t.Errorf("a problem repeats an answer: %s", data)
	}

	plan := w.plan(obj{"procedure": "T2"})
	if waits(plan) != "country country country" || plan["complete"] != false {
		t.Errorf("first plan: %s", waits(plan))
	}
	rs := []any{wish(needBirth, "LV"), wish(needAge, "LV"), wish(needDegree, "LV")}
	if got := waits(w.plan(obj{"procedure": "T2", "requirements": rs})); got != "ready ready evidence ready questions" {
		t.Errorf("second plan: %s", got)
	}
	e := obj{"evidence_type": degree, "country": "LV", "answers": answers("both")}
	plan = w.plan(obj{"procedure": "T2", "requirements": rs, "evidence": []any{e}})
	if got := waits(plan); got != "ready ready evidence ready service" {
		t.Errorf("third plan: %s", got)
	}
	e["service"] = plan["evidence"].([]any)[1].(obj)["services"].([]any)[1].(obj)["id"]
	plan = w.plan(obj{"procedure": "T2", "requirements": rs, "evidence": []any{e}})
	if got := waits(plan); got != "ready ready ready ready ready" || plan["complete"] != true || len(plan["asks"].([]any)) != 2 {
		t.Errorf("fourth plan: %s, %d asks", got, len(plan["asks"].([]any)))
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	w := newWorld(t, planning(commonServices()))
	post := func(body any) answer { return w.do("POST", "/api/v1/plans", portalToken, body) }
	w.problem(post(obj{}), 422, canon.CodeBadInput, "/procedure")
	w.problem(post(obj{"procedure": "T2", "requirements": []any{wish("https://sr.example.eu/requirements/other", "LV")}}), 422, canon.CodeBadInput, "/requirements/0/requirement")
	w.problem(post(obj{"procedure": "T2", "requirements": []any{wish(needBirth, "AT")}}), 422, canon.CodeBadInput, "/requirements/0/country")
	w.problem(post(obj{"procedure": "T2", "requirements": []any{wish(needDegree, "LV")}, "evidence": []any{obj{"evidence_type": degree, "country": "LV", "answers": answers("secret-west")}}}), 422, canon.CodeBadInput, "/evidence/0/answers/0/value")
	w.problem(post(obj{"procedure": "ZZ"}), 404, canon.CodeDirectoryEmpty, "")
	w.problem(w.do("POST", "/api/v1/plans", operatorToken, obj{"procedure": "T2"}), 403, canon.CodeForbidden, "")
	w.problem(w.do("GET", "/api/v1/procedures/t2/requirements", portalToken, nil), 400, canon.CodeBadInput, "procedure")
	w.problem(w.do("GET", "/api/v1/evidence-options?requirement=x&country=LV", portalToken, nil), 400, canon.CodeBadInput, "requirement")
	w.problem(w.do("GET", "/api/v1/evidence-options?requirement="+needAge, portalToken, nil), 400, canon.CodeBadInput, "country")

	none := newWorld(t)
	none.problem(none.do("POST", "/api/v1/plans", portalToken, obj{"procedure": "T2"}), 404, canon.CodeBadInput, "")
}

// Covers: B-017, B-019, B-046
func TestExchangesOfAPlan(t *testing.T) {
	w := newWorld(t, planning(commonServices()))
	wishes := obj{"procedure": "T2", "requirements": []any{wish(needBirth, "LV"), wish(needAge, "LV"), otherwise(needDegree)}}
	plan := w.plan(wishes)
	target := "/api/v1/plans/" + plan["id"].(string) + "/exchanges"
	open := func(key string, body any) answer {
		return w.do("POST", target, portalToken, body, "Idempotency-Key", key)
	}
	const key2 = "another-key-0123456789"

	w.problem(open(key, asking(wishes, obj{"explicit_request": obj{"given": false}})), 403, canon.CodeNoExplicitRequest, "/explicit_request")
	w.problem(w.do("POST", "/api/v1/plans/"+strings.Repeat("0", 32)+"/exchanges", portalToken, asking(wishes), "Idempotency-Key", key), 409, canon.CodePlanChanged, "plan")

	got := w.want(open(key, asking(wishes)), 202).json(t)
	xs := got["exchanges"].([]any)
	if len(xs) != 1 {
		t.Fatalf("exchanges: %v", xs)
	}
	x := xs[0].(obj)
	id := canon.ConversationID(x["id"].(string))
	if x["opened"] != true || len(x["requirements"].([]any)) != 2 {
		t.Errorf("exchange: %v", x)
	}
	req := w.sent()[0]
	var needs []string
	for _, r := range req.Requirements {
		needs = append(needs, r.ID)
	}
	if diff := cmp.Diff([]string{needBirth, needAge}, needs); diff != "" {
		t.Errorf("one evidence for two requirements is asked for once with both (-want +got):\n%s", diff)
	}
	if req.Session != session || len(w.sent()) != 1 {
		t.Errorf("session %s, %d requests", req.Session, len(w.sent()))
	}
	c, err := w.store.Get(t.Context(), id)
	check0(t, err)
	if len(c.Choices) != 5 || c.Choices[4].What != canon.ChoseService || c.Choices[4].Answer.Signer == "" {
		t.Errorf("choices of the exchange: %+v", c.Choices)
	}

	// The same call again, and the same wish under another key: nothing is asked twice.
	again := w.want(open(key, asking(wishes)), 202).json(t)
	if again["exchanges"].([]any)[0].(obj)["id"] != string(id) {
		t.Error("the same key gave another exchange")
	}
	other := w.want(open(key2, asking(wishes)), 202).json(t)["exchanges"].([]any)[0].(obj)
	if other["id"] != string(id) || other["opened"] != false {
		t.Errorf("asked twice: %v", other)
	}
	w.problem(open(key, asking(wishes, obj{"language": "LV"})), 409, canon.CodeKeyReused, "Idempotency-Key")
	if n := len(w.sent()); n != 1 {
		t.Errorf("%d requests were sent", n)
	}

	// Delivered: it is offered again with its documents; memory may be lost meanwhile.
	w.offer(id)
	w.want(w.do("POST", path(id, "preview"), portalToken, nil), 200)
	w.deliver(id)
	w.memory.held = nil
	p := w.plan(obj{"procedure": "T2", "session": session, "requirements": wishes["requirements"]})
	held := p["asks"].([]any)[0].(obj)["exchange"].(obj)
	if held["id"] != string(id) || held["state"] != "delivered" {
		t.Errorf("what the procedure has is not offered again: %v", held)
	}
	if got := w.want(open("third-key-0123456789", asking(wishes)), 202).json(t)["exchanges"].([]any)[0].(obj); got["opened"] != false {
		t.Errorf("asked again for what is there: %v", got)
	}
	// Unless the person wants it anew.
	anew := obj{"evidence": []any{obj{"evidence_type": birth, "country": "LV", "again": true}}}
	if got := w.want(open("fourth-key-0123456789", asking(wishes, anew)), 202).json(t)["exchanges"].([]any)[0].(obj); got["opened"] != true || got["id"] == string(id) {
		t.Errorf("not asked anew: %v", got)
	}
	// Another portal has sessions of its own.
	their := w.want(w.do("POST", target, otherToken, asking(wishes), "Idempotency-Key", key), 202).json(t)["exchanges"].([]any)[0].(obj)
	if their["opened"] != true || their["id"] == string(id) {
		t.Errorf("another portal: %v", their)
	}
}

// Covers: B-046
func TestWhatEndedWithoutEvidenceMayBeAskedAgain(t *testing.T) {
	w := newWorld(t, planning(commonServices()))
	wishes := obj{"procedure": "T2", "requirements": []any{wish(needBirth, "LV"), otherwise(needAge), otherwise(needDegree)}}
	target := "/api/v1/plans/" + w.plan(wishes)["id"].(string) + "/exchanges"
	open := func(key string) obj {
		return w.want(w.do("POST", target, portalToken, asking(wishes), "Idempotency-Key", key), 202).json(t)["exchanges"].([]any)[0].(obj)
	}
	first := open(key)
	w.hear(canon.ConversationID(first["id"].(string)), &canon.EvidenceRefusal{Request: w.sent()[0].Request, Response: canon.DeriveUUID("r"), ErrorCode: "EDM:ERR:0004"})
	if again := open(key); again["id"] != first["id"] || again["state"] != "refused" {
		t.Errorf("a repeated call opened another exchange: %v", again)
	}
	second := open("second-key-0123456789")
	if second["id"] == first["id"] || second["opened"] != true {
		t.Errorf("the person cannot ask again: %v", second)
	}
}

// The directory names the authority only after the answer; the answer itself goes
// into the private part of the request and nowhere else.
func TestAnswersStayPrivate(t *testing.T) {
	w := newWorld(t, planning(commonServices()))
	wishes := obj{"procedure": "T2", "requirements": []any{otherwise(needBirth), otherwise(needAge), wish(needDegree, "LV")},
		"evidence": []any{obj{"evidence_type": degree, "country": "LV", "answers": answers("secret-north"), "formats": []any{"application/pdf"}, "associated": []any{"Annex"}}}}
	plan := w.plan(wishes)
	w.held = true // the core has no route for it; this is about what is published
	got := w.want(w.do("POST", "/api/v1/plans/"+plan["id"].(string)+"/exchanges", portalToken, asking(wishes), "Idempotency-Key", key), 202)
	if strings.Contains(string(got.body), "secret") {
		t.Errorf("the answer repeats it: %s", got.body)
	}
	req := w.messages(canon.KindEvidenceRequest)[0].Body.(*canon.EvidenceRequest)
	private, _ := req.Private.Get()
	if len(private.Concepts) != 1 || private.Concepts[0].Values[0] != "secret-north" {
		t.Error("the request lacks the answer that the provider wants")
	}
	open := *req
	open.Private = canon.Sealed[canon.RequestPrivate]{}
	data, err := json.Marshal(open)
	check0(t, err)
	if strings.Contains(string(data), "secret") {
		t.Errorf("the open part holds an answer: %s", data)
	}
	if req.Offer.AccessPoint.ID != "ap-lv" || len(req.EvidenceType.Distributions) != 1 || !slices.Equal(req.EvidenceType.Distributions[0].Associated, []string{"Annex"}) {
		t.Errorf("offer %+v, forms %+v", req.Offer, req.EvidenceType.Distributions)
	}
	for _, v := range w.memory.held {
		if strings.Contains(v, "secret") {
			t.Errorf("the memory holds an answer: %s", v)
		}
	}
}

func TestAPlanThatIsNotComplete(t *testing.T) {
	w := newWorld(t, planning(commonServices()))
	for _, tc := range []struct {
		name   string
		wishes obj
	}{
		{"a requirement is open", obj{"procedure": "T2", "requirements": []any{wish(needBirth, "LV")}}},
		{"nothing to ask for", obj{"procedure": "T2", "requirements": []any{otherwise(needBirth), otherwise(needAge), otherwise(needDegree)}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := w.plan(tc.wishes)
			w.problem(w.do("POST", "/api/v1/plans/"+plan["id"].(string)+"/exchanges", portalToken, asking(tc.wishes), "Idempotency-Key", key), 409, canon.CodeNotReady, "")
		})
	}
}

// Covers: B-026
func TestWithdrawal(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	w.offer(id)
	w.want(w.do("DELETE", path(id), portalToken, nil), http.StatusAccepted)
	s := w.state(id)
	if s["state"] != "withdrawn" || s["final"] != true {
		t.Errorf("state: %v", s)
	}
	w.want(w.do("DELETE", path(id), portalToken, nil), http.StatusNoContent)
}

// Covers: B-023
func TestRepresentativesAreSentAndOnlySaidToBeThere(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(func(b map[string]any) {
		b["representative"] = obj{"natural": obj{"assurance": "High", "family_name": "Vertreterin", "given_name": "Anna", "birth_date": "1970-01-01",
			"attributes": []any{obj{"name": canon.PowerName, "uri": canon.PowerURI, "value": "ALL"}}}}
	}))
	private, _ := w.sent()[0].Private.Get()
	if private.Representative.Natural == nil || private.Representative.Natural.GivenName != "Anna" {
		t.Fatal("the representative is not in the request")
	}
	for _, a := range []answer{
		w.want(w.do("GET", path(id), portalToken, nil), 200),
		w.want(w.do("GET", "/api/v1/exchanges/"+string(id), operatorToken, nil), 200),
	} {
		if a.json(t)["representative"] != true || strings.Contains(string(a.body), "Vertreterin") {
			t.Errorf("view: %s", a.body)
		}
	}
}

// Covers: B-015
func TestTheStateSaysWhy(t *testing.T) {
	t.Run("deferred", func(t *testing.T) {
		w := newWorld(t)
		id := w.open(key, request(nil))
		w.offer(id)
		w.want(w.do("POST", path(id, "preview"), portalToken, nil), 200)
		w.hear(id, &canon.EvidenceResponse{Request: w.sent()[1].Request, Response: canon.DeriveUUID("r"), Status: canon.StatusDeferred, AvailableAt: start.Add(240 * time.Hour),
			Private: canon.Clear(canon.ResponsePrivate{})})
		if s := w.state(id); s["state"] != "deferred" || s["available_at"] != "2026-09-24T09:00:00Z" {
			t.Errorf("state: %v", s)
		}
	})
	t.Run("a rule", func(t *testing.T) {
		w := newWorld(t)
		id := w.open(key, request(nil))
		w.hear(id, &canon.EvidenceRefusal{Request: w.sent()[0].Request, Response: canon.DeriveUUID("r"), ErrorCode: "EDM:ERR:0003",
			Detail: "R-EDM-REQ-S005 at /query:QueryRequest/rim:Slot[2]"})
		r, _ := w.state(id)["reason"].(obj)
		if r["rule"] != "R-EDM-REQ-S005" || r["path"] != "/query:QueryRequest/rim:Slot[2]" || r["remedy"] == nil || r["meaning"] == nil {
			t.Errorf("reason: %v", r)
		}
		view := w.want(w.do("GET", "/api/v1/exchanges/"+string(id), operatorToken, nil), 200).json(t)
		if view["reason"].(obj)["rule"] != "R-EDM-REQ-S005" || len(view["requirements"].([]any)) != 1 {
			t.Errorf("operator's view: %v", view)
		}
	})
}

// Covers: B-061
func TestOperatorsSeeTheDirectory(t *testing.T) {
	route := &canon.Route{
		EvidenceType: canon.EvidenceType{ID: canon.DeriveUUID("t"), Classification: birth, Titles: text1("Birth certificate")}, Provider: agent("LV", "births"), Country: "LV",
		AccessPoint: canon.Participant{Scheme: scheme + "LV", ID: "ap-new"}, Specifications: []string{"oots-edm:v2.0"},
		Provenance: canon.Provenance{Edition: "oots-cs:v2.0", Source: "https://dsd.example", Query: "q", At: start},
	}
	w := newWorld(t, planning(commonServices()), func(c *Config) {
		c.Routes = func(time.Time) []routing.Learned {
			return []routing.Learned{{Key: route.Key(), Route: route, Since: start, Why: routing.NoAgreement}}
		}
		c.Health = func(time.Time) []DirectoryHealth {
			return []DirectoryHealth{{Service: "eb", Country: "LV", Source: "https://eb.example", Asked: start, Answered: start.Add(-time.Hour), Stale: true, Code: canon.CodeDirectoryDown}}
		}
	})
	got := w.want(w.do("GET", "/api/v1/routes", operatorToken, nil), 200).json(t)["routes"].([]any)[0].(obj)
	if got["usable"] != false || got["obstacle"] != string(routing.NoAgreement) {
		t.Errorf("route: %v", got)
	}
	health := w.want(w.do("GET", "/api/v1/directory", operatorToken, nil), 200).json(t)
	one := health["instances"].([]any)[0].(obj)
	if health["configured"] != true || one["stale"] != true || one["age_seconds"] != float64(3600) || one["next_step"] == nil {
		t.Errorf("health: %v", health)
	}
	w.problem(w.do("GET", "/api/v1/routes", portalToken, nil), 403, canon.CodeForbidden, "")
}
