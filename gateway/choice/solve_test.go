package choice_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/choice"
	"oncegate/gateway/choice/choicetest"
	"oncegate/schemas/canon"
)

const scheme = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"

func uri(what, name string) string {
	return "https://sr.oots.tech.ec.europa.eu/" + what + "/" + canon.DeriveUUID(name)
}

func requirement(name string) canon.Requirement {
	return canon.Requirement{ID: uri("requirements", name), Names: []canon.Text{{Lang: "EN", Text: name}}}
}

func kind(name string) canon.EvidenceKind {
	return canon.EvidenceKind{Classification: uri("evidencetypeclassifications/FI", name), Titles: []canon.Text{{Lang: "EN", Text: name}}}
}

func option(name string, kinds ...canon.EvidenceKind) canon.EvidenceOption {
	return canon.EvidenceOption{ID: canon.DeriveUUID("option", name), EvidenceTypes: kinds}
}

func service(name, provider string) canon.DataService {
	return canon.DataService{
		EvidenceType: canon.EvidenceType{
			ID: canon.DeriveUUID("service", name), Classification: kind(name).Classification, Titles: kind(name).Titles,
			Distributions: []canon.Distribution{{Format: "application/xml", Languages: []string{"FI", "EN"}}, {Format: "application/pdf"}},
		},
		AccessPoint: canon.Participant{Scheme: scheme + "FI", ID: "ap"}, Specifications: []string{"oots-edm:v2.0"},
		Provider: canon.Agent{ID: canon.Participant{Scheme: scheme + "FI", ID: provider}, Names: []canon.Text{{Lang: "EN", Text: provider}}},
	}
}

func at(id, country string) string { return id + " " + country }

// The landscape of the tests: procedure T2 wants birth and degree proved. A birth
// certificate proves both birth and age. A degree is proved by a diploma, or by a
// transcript together with an enrolment; there are two places that give a diploma,
// and the directory asks a question first.
func directory() *choicetest.Directory {
	fi := func(name string) string { return at(kind(name).Classification, "FI") }
	return &choicetest.Directory{
		Procedures: map[string][]canon.Requirement{"T2": {requirement("birth"), requirement("age"), requirement("degree")}},
		Options: map[string][]canon.EvidenceOption{
			at(requirement("birth").ID, "FI"):  {option("birth", kind("certificate"))},
			at(requirement("age").ID, "FI"):    {option("certificate", kind("certificate")), option("passport", kind("passport"))},
			at(requirement("degree").ID, "FI"): {option("diploma", kind("diploma")), option("parts", kind("transcript"), kind("enrolment"))},
			at(requirement("age").ID, "LV"):    {{ID: canon.DeriveUUID("none"), NoMatch: true, Reasons: []canon.Text{{Lang: "EN", Text: "not issued here"}}}},
		},
		Services: map[string][]canon.DataService{
			fi("certificate"): {service("certificate", "register")},
			fi("passport"):    {service("passport", "police")},
			fi("transcript"):  {service("transcript", "university")},
			fi("enrolment"):   {service("enrolment", "university")},
			fi("diploma"):     {service("diploma", "board"), service("diploma", "archive")},
		},
		Questions: map[string][]canon.Question{fi("diploma"): {{
			ID: canon.DeriveUUID("where"), Type: canon.QuestionCodelist, Descriptions: []canon.Text{{Lang: "EN", Text: "Where did you study?"}},
			Choices: []canon.Choosable{{Value: "north"}, {Value: "south"}},
		}}},
		Among: func(q canon.DataServicesQuery) []string {
			if q.Concepts[0].Values[0] == "south" {
				return []string{"board"}
			}
			return []string{"board", "archive"}
		},
	}
}

func wishes(rs ...choice.RequirementWish) choice.Wishes {
	return choice.Wishes{Procedure: "T2", Country: "AT", Assurance: "High", Requirements: rs}
}

func in(country, name string) choice.RequirementWish {
	return choice.RequirementWish{Requirement: requirement(name).ID, Country: country}
}

func taking(name, option string) choice.RequirementWish {
	w := in("FI", name)
	w.Option = canon.DeriveUUID("option", option)
	return w
}

func otherwise(name string) choice.RequirementWish {
	return choice.RequirementWish{Requirement: requirement(name).ID, Otherwise: true}
}

func about(name string, e choice.EvidenceWish) choice.EvidenceWish {
	e.Classification, e.Country = kind(name).Classification, "FI"
	return e
}

func answered(value string) []choice.Answer {
	return []choice.Answer{{Question: canon.DeriveUUID("where"), Value: value}}
}

func plan(t *testing.T, d *choicetest.Directory, w choice.Wishes) (*choice.Plan, []choice.Flaw) {
	t.Helper()
	g, err := choice.NewGuide(choice.Config{Directory: d, Obstacle: func(_ string, _ canon.Agent, s canon.DataService) string {
		if s.AccessPoint.ID == "unknown" {
			return "no agreement with its access point"
		}
		return ""
	}})
	if err != nil {
		t.Fatal(err)
	}
	p, flaws, err := g.Plan(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return p, flaws
}

// outline writes a plan in one line each for requirement, evidence and ask.
func outline(p *choice.Plan) []string {
	var out []string
	name := func(id string) string {
		for _, n := range []string{"birth", "age", "degree"} {
			if requirement(n).ID == id {
				return n
			}
		}
		return id
	}
	for _, r := range p.Requirements {
		line := "requirement " + name(r.ID) + " " + r.Country + ": " + string(r.Status)
		if len(r.Adds) > 1 {
			line += fmt.Sprint(" adds ", r.Adds)
		}
		out = append(out, line)
	}
	for _, e := range p.Evidence {
		out = append(out, fmt.Sprintf("evidence %s: %s, %d services, %d questions", e.Titles[0].Text, e.Status, len(e.Services), len(e.Questions)))
	}
	for _, a := range p.Asks {
		var rs []string
		for _, r := range a.Requirements {
			rs = append(rs, name(r.ID))
		}
		out = append(out, "ask "+a.EvidenceType.Titles[0].Text+" of "+a.Provider.Name()+" for "+strings.Join(rs, ", "))
	}
	return out
}

// Covers: B-020, B-021, B-043
func TestSolve(t *testing.T) {
	for _, tc := range []struct {
		name     string
		wishes   choice.Wishes
		change   func(*choicetest.Directory)
		want     []string
		complete bool
	}{
		{
			name: "nothing is known of the person", wishes: wishes(),
			want: []string{"requirement birth : country", "requirement age : country", "requirement degree : country"},
		},
		{
			name: "everything in another way", wishes: wishes(otherwise("birth"), otherwise("age"), otherwise("degree")), complete: true,
			want: []string{"requirement birth : otherwise", "requirement age : otherwise", "requirement degree : otherwise"},
		},
		{
			name: "the only option and the only authority are taken", wishes: wishes(in("FI", "birth"), otherwise("age"), otherwise("degree")), complete: true,
			want: []string{
				"requirement birth FI: ready", "requirement age : otherwise", "requirement degree : otherwise",
				"evidence certificate: ready, 1 services, 0 questions", "ask certificate of register for birth",
			},
		},
		{
			name: "among several options the person chooses, and learns which asks for nothing new", wishes: wishes(in("FI", "birth"), in("FI", "age"), otherwise("degree")),
			want: []string{
				"requirement birth FI: ready", "requirement age FI: option adds [0 1]", "requirement degree : otherwise",
				"evidence certificate: ready, 1 services, 0 questions", "ask certificate of register for birth",
			},
		},
		{
			name: "one evidence for two requirements is asked for once", wishes: wishes(in("FI", "birth"), taking("age", "certificate"), otherwise("degree")), complete: true,
			want: []string{
				"requirement birth FI: ready", "requirement age FI: ready adds [0 1]", "requirement degree : otherwise",
				"evidence certificate: ready, 1 services, 0 questions", "ask certificate of register for birth, age",
			},
		},
		{
			name: "an option of two evidence types needs both", wishes: wishes(otherwise("birth"), otherwise("age"), taking("degree", "parts")), complete: true,
			want: []string{
				"requirement birth : otherwise", "requirement age : otherwise", "requirement degree FI: ready adds [1 2]",
				"evidence transcript: ready, 1 services, 0 questions", "evidence enrolment: ready, 1 services, 0 questions",
				"ask transcript of university for degree", "ask enrolment of university for degree",
			},
		},
		{
			name: "half of an option is nothing", wishes: wishes(otherwise("birth"), otherwise("age"), taking("degree", "parts")), complete: true,
			change: func(d *choicetest.Directory) { d.Services[at(kind("enrolment").Classification, "FI")] = nil },
			want: []string{
				"requirement birth : otherwise", "requirement age : otherwise", "requirement degree FI: unavailable adds [1 2]",
				"evidence transcript: ready, 1 services, 0 questions", "evidence enrolment: unavailable, 0 services, 0 questions",
			},
		},
		{
			name: "the directory asks first", wishes: wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma")),
			want: []string{
				"requirement birth : otherwise", "requirement age : otherwise", "requirement degree FI: evidence adds [1 2]",
				"evidence diploma: questions, 0 services, 1 questions",
			},
		},
		{
			name: "after the answer two authorities fit", wishes: with(wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma")),
				about("diploma", choice.EvidenceWish{Answers: answered("north")})),
			want: []string{
				"requirement birth : otherwise", "requirement age : otherwise", "requirement degree FI: evidence adds [1 2]",
				"evidence diploma: service, 2 services, 0 questions",
			},
		},
		{
			name: "after the other answer one fits", wishes: with(wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma")),
				about("diploma", choice.EvidenceWish{Answers: answered("south")})), complete: true,
			want: []string{
				"requirement birth : otherwise", "requirement age : otherwise", "requirement degree FI: ready adds [1 2]",
				"evidence diploma: ready, 1 services, 0 questions", "ask diploma of board for degree",
			},
		},
		{
			name: "the person chose an authority", wishes: with(wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma")),
				about("diploma", choice.EvidenceWish{Answers: answered("north"), Service: choice.ServiceID(service("diploma", "archive"))})), complete: true,
			want: []string{
				"requirement birth : otherwise", "requirement age : otherwise", "requirement degree FI: ready adds [1 2]",
				"evidence diploma: ready, 2 services, 0 questions", "ask diploma of archive for degree",
			},
		},
		{
			name: "an authority that cannot be reached is not offered alone", wishes: wishes(in("FI", "birth"), otherwise("age"), otherwise("degree")), complete: true,
			change: func(d *choicetest.Directory) {
				d.Services[at(kind("certificate").Classification, "FI")][0].AccessPoint.ID = "unknown"
			},
			want: []string{
				"requirement birth FI: unavailable", "requirement age : otherwise", "requirement degree : otherwise",
				"evidence certificate: unavailable, 1 services, 0 questions",
			},
		},
		{
			name: "a country that has no such evidence", wishes: wishes(otherwise("birth"), in("LV", "age"), otherwise("degree")), complete: true,
			want: []string{"requirement birth : otherwise", "requirement age LV: unavailable", "requirement degree : otherwise"},
		},
		{
			name: "a country that declared nothing", wishes: wishes(in("LV", "birth"), otherwise("age"), otherwise("degree")), complete: true,
			want: []string{"requirement birth LV: unavailable", "requirement age : otherwise", "requirement degree : otherwise"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := directory()
			if tc.change != nil {
				tc.change(d)
			}
			p, flaws := plan(t, d, tc.wishes)
			if len(flaws) > 0 {
				t.Fatalf("flaws: %v", flaws)
			}
			if diff := cmp.Diff(tc.want, outline(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if p.Complete() != tc.complete {
				t.Errorf("complete: got %t", p.Complete())
			}
		})
	}
}

func with(w choice.Wishes, es ...choice.EvidenceWish) choice.Wishes {
	w.Evidence = es
	return w
}

func TestWishesThatCannotBeKept(t *testing.T) {
	diploma := wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma"))
	for _, tc := range []struct {
		name   string
		wishes choice.Wishes
		want   choice.Flaw
	}{
		{"a requirement of another procedure", wishes(in("FI", "wealth")), choice.Flaw{In: "requirements", Field: "requirement", Detail: "is none of the procedure"}},
		{"the portal's own country", wishes(in("AT", "birth")), choice.Flaw{In: "requirements", Field: "country", Detail: "is the portal's own: evidence crosses a border (Reg. 2018/1724 Art. 14(1))"}},
		{"twice", wishes(in("FI", "birth"), in("FI", "birth")), choice.Flaw{In: "requirements", Index: 1, Field: "requirement", Detail: "stands twice for one country"}},
		{"another way and a country", wishes(choice.RequirementWish{Requirement: requirement("birth").ID, Country: "FI", Otherwise: true}), choice.Flaw{In: "requirements", Field: "otherwise", Detail: "stands alone: what is given in another way is not asked for"}},
		{"an option that is not offered", wishes(taking("birth", "passport")), choice.Flaw{In: "requirements", Field: "option", Detail: "is none that the country offers for the requirement"}},
		{"evidence that nothing needs", with(wishes(in("FI", "birth")), about("passport", choice.EvidenceWish{})), choice.Flaw{In: "evidence", Field: "evidence_type", Detail: "is not needed for any requirement in this country"}},
		{"an answer that is no choice", with(diploma, about("diploma", choice.EvidenceWish{Answers: answered("west")})), choice.Flaw{In: "evidence", Field: "answers/0/value", Detail: "the value is not one of the choices"}},
		{"an authority that is not offered", with(diploma, about("diploma", choice.EvidenceWish{Answers: answered("south"), Service: choice.ServiceID(service("diploma", "archive"))})), choice.Flaw{In: "evidence", Field: "service", Detail: "is none of those that can be asked for this evidence"}},
		{"a form that is not there", with(diploma, about("diploma", choice.EvidenceWish{Answers: answered("south"), Formats: []string{"image/png"}})), choice.Flaw{In: "evidence", Field: "formats", Detail: "holds none in which the authority gives the evidence"}},
		{"an unknown supplement", with(diploma, about("diploma", choice.EvidenceWish{Associated: []string{"Summary"}})), choice.Flaw{In: "evidence", Field: "associated", Detail: "is not Annex, HumanReadableVersion or Translation (R-EDM-REQ-C119)"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, flaws := plan(t, directory(), tc.wishes)
			if diff := cmp.Diff([]choice.Flaw{tc.want}, flaws); diff != "" {
				t.Errorf("flaws (-want +got):\n%s", diff)
			}
			for _, f := range flaws {
				if strings.Contains(f.Detail, "west") {
					t.Error("a flaw repeats an answer")
				}
			}
		})
	}
}

// What an exchange stands on is recorded: each choice with what was offered and the
// answer that offered it.
func TestChoicesAreRecorded(t *testing.T) {
	w := with(wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma")),
		about("diploma", choice.EvidenceWish{
			Answers: answered("north"), Service: choice.ServiceID(service("diploma", "archive")),
			Formats: []string{"application/pdf"}, Languages: []string{"EN"}, Associated: []string{canon.RoleAnnex},
		}))
	p, flaws := plan(t, directory(), w)
	if len(flaws) > 0 || len(p.Asks) != 1 {
		t.Fatalf("flaws %v, asks %d", flaws, len(p.Asks))
	}
	a := p.Asks[0]
	var got []string
	for _, c := range a.Choices {
		got = append(got, fmt.Sprintf("%s of %d, person %t, asked %d, %s", c.What, len(c.Shown), c.Person, len(c.Asked), c.Answer.Signer))
		if !slices.Contains(c.Shown, c.Taken) {
			t.Errorf("%s: what was taken was not shown", c.What)
		}
		if c.Answer.Digest == "" || c.Answer.At.IsZero() || c.Answer.Edition == "" {
			t.Errorf("%s: the answer is not named: %+v", c.What, c.Answer)
		}
		if strings.Contains(fmt.Sprintf("%+v", c), "north") {
			t.Errorf("%s holds an answer of the person", c.What)
		}
	}
	const by = "CN=Common services (test)"
	want := []string{"requirement of 3, person false, asked 0, " + by, "option of 2, person true, asked 0, " + by, "service of 2, person true, asked 1, " + by}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("choices (-want +got):\n%s", diff)
	}
	wantForms := []canon.Distribution{{Format: "application/pdf", Languages: []string{"EN"}, Associated: []string{canon.RoleAnnex}}}
	if diff := cmp.Diff(wantForms, a.EvidenceType.Distributions); diff != "" {
		t.Errorf("forms (-want +got):\n%s", diff)
	}
	if len(a.Concepts) != 1 || a.Concepts[0].Values[0] != "north" || a.Country != "FI" || a.Provider.Country != "FI" {
		t.Errorf("the request lacks what the directory wants to see: %d concepts", len(a.Concepts))
	}
}

// The id of a plan is that of what the person asks for.
// Covers: B-019
func TestThePlanHasANameOfItsContent(t *testing.T) {
	base := with(wishes(otherwise("birth"), otherwise("age"), taking("degree", "diploma")), about("diploma", choice.EvidenceWish{Answers: answered("south")}))
	p, _ := plan(t, directory(), base)
	same, _ := plan(t, directory(), base)
	if p.ID != same.ID || p.ID == "" {
		t.Errorf("the same wishes give plans %q and %q", p.ID, same.ID)
	}
	other := with(base, about("diploma", choice.EvidenceWish{Answers: answered("north"), Service: choice.ServiceID(service("diploma", "archive"))}))
	if q, _ := plan(t, directory(), other); q.ID == p.ID {
		t.Error("another authority gives the same plan")
	}
	d := directory()
	d.Services[at(kind("diploma").Classification, "FI")][0].EvidenceType.ID = canon.DeriveUUID("new")
	if q, _ := plan(t, d, base); q.ID == p.ID {
		t.Error("another record of the directory gives the same plan")
	}
}

// Covers: B-089
func TestADirectoryThatDoesNotAnswer(t *testing.T) {
	down := canon.NewFault(canon.CodeDirectoryDown, errors.New("dial tcp"), "the service does not answer")
	t.Run("for one evidence type the others go on", func(t *testing.T) {
		d := directory()
		d.Faults = map[string]error{at(kind("certificate").Classification, "FI"): down}
		p, _ := plan(t, d, with(wishes(in("FI", "birth"), otherwise("age"), taking("degree", "diploma")), about("diploma", choice.EvidenceWish{Answers: answered("south")})))
		if r := p.Requirements[0]; r.Status != choice.Unavailable || r.Code != canon.CodeDirectoryDown || !r.Retryable {
			t.Errorf("birth: %s %s retryable %t", r.Status, r.Code, r.Retryable)
		}
		if len(p.Asks) != 1 || p.Requirements[2].Status != choice.Ready {
			t.Errorf("the degree cannot be asked for: %v", outline(p))
		}
	})
	t.Run("for the procedure there is no plan", func(t *testing.T) {
		d := directory()
		d.Faults = map[string]error{"T2": down}
		g, err := choice.NewGuide(choice.Config{Directory: d})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.Plan(t.Context(), wishes()); canon.AsFault(err).Code != canon.CodeDirectoryDown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an old answer is marked", func(t *testing.T) {
		d := directory()
		d.Stale = true
		if p, _ := plan(t, d, wishes()); !p.Stale {
			t.Error("the plan does not say that it is made of old answers")
		}
	})
}

// Each query is made once, and only what is needed.
func TestTheDirectoryIsAskedOnce(t *testing.T) {
	d := directory()
	plan(t, d, wishes(in("FI", "birth"), taking("age", "certificate"), otherwise("degree")))
	got := d.Asked()
	slices.Sort(got)
	want := []string{"T2", at(requirement("birth").ID, "FI"), at(requirement("age").ID, "FI"), at(kind("certificate").Classification, "FI")}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestAPersonWhoseIdentificationIsTooWeak(t *testing.T) {
	d := directory()
	d.Services[at(kind("certificate").Classification, "FI")][0].Assurance = "High"
	w := wishes(in("FI", "birth"), otherwise("age"), otherwise("degree"))
	w.Assurance = "Substantial"
	if p, _ := plan(t, d, w); p.Requirements[0].Status != choice.Unavailable || p.Requirements[0].Detail != "wants an identification of level High" {
		t.Errorf("got %s %q", p.Requirements[0].Status, p.Requirements[0].Detail)
	}
}

func TestAnswersAreNotPrinted(t *testing.T) {
	a := choice.Answer{Question: "q", Value: "secret-village"}
	if s := fmt.Sprintf("%v %+v %#v %s", a, []choice.Answer{a}, a, a); strings.Contains(s, "secret") {
		t.Errorf("printed: %s", s)
	}
}
