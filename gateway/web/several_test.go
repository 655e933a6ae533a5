package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// severalDocuments are two pieces of evidence, the first with an annex and a
// translation, out of order.
func severalDocuments(w *world, id canon.ConversationID) []canon.Document {
	one := oneDocument(w, id)[0]
	other := one
	other.ID, other.Titles = canon.DeriveUUID("other"), []canon.Text{{Lang: "EN", Text: "Second certificate"}}
	with := func(name, role string) canon.Document {
		return canon.Document{
			ID: canon.DeriveUUID(name), Role: role, For: one.ID, Classification: birth, Titles: []canon.Text{{Lang: "EN", Text: name}},
			Payload: w.put(id, "application/pdf", "%PDF-1.7 "+name),
		}
	}
	return []canon.Document{with("Supplement", canon.RoleAnnex), one, other, with("In English", canon.RoleTranslation)}
}

// What goes with an evidence stands under it and is decided on its own: a document
// that is refused among others that are sent.
// Covers: B-033
func TestWhatGoesWithAnEvidenceStandsUnderIt(t *testing.T) {
	w := newWorld(t)
	w.docs = severalDocuments
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	page := b.identify(location).want(t, 200,
		"You decide on each document on its own", "Document 1:", "Document 4:", "(annex)", "(translation)",
		"These belong to document 1. If you do not send document 1, they are not sent either.", "Belongs to document 1;")
	var order []int
	for _, title := range []string{"Birth certificate</span>", "Supplement</span>", "In English</span>", "Second certificate</span>"} {
		order = append(order, strings.Index(page.body, title))
	}
	for i, at := range order {
		if at < 0 || i > 0 && at < order[i-1] {
			t.Errorf("documents stand at %v", order)
		}
	}
	// Files are numbered as the page numbers them.
	if got := b.get(location+"/document/"+canon.DeriveUUID("In English")).want(t, 200).Header.Get("Content-Disposition"); got != `attachment; filename="evidence-3.pdf"` {
		t.Errorf("file: %s", got)
	}
	form := url.Values{"csrf": {page.csrf(t)}, "action": {"decide"}}
	for name, answer := range map[string]string{d1: "approve", canon.DeriveUUID("Supplement"): "approve", canon.DeriveUUID("other"): "decline"} {
		form.Set("document-"+name, answer)
	}
	b.post(location+"/decision", form).want(t, http.StatusUnprocessableEntity, `href="#approve-3"`, `id="missing-3"`)
	form.Set("document-"+canon.DeriveUUID("In English"), "decline")
	b.post(location+"/decision", form).want(t, 200, "Your decision is recorded")
	said := map[string]bool{}
	for _, d := range w.conversation(id).Decisions {
		said[d.Document] = d.Approved
	}
	if !said[d1] || !said[canon.DeriveUUID("Supplement")] || said[canon.DeriveUUID("other")] || said[canon.DeriveUUID("In English")] {
		t.Errorf("decisions: %v", said)
	}
}

// Covers: B-015
func TestEvidenceThatIsNotReadyYet(t *testing.T) {
	for lang, says := range map[string]string{
		"en": "Your evidence will be ready on", "de": "Ihr Nachweis wird bereitliegen am", "fr": "Votre justificatif sera prêt le",
		"es": "Su justificante estará listo el", "sl": "Vaše dokazilo bo pripravljeno",
	} {
		w := newWorld(t)
		w.found = canon.RecordDeferred
		id, location := w.ask()
		w.askAgain(id, back1)
		b := w.browser()
		b.lang = lang
		b.identify(location).want(t, 200, says, `<time datetime="2026-09-24T09:00:00Z">2026-09-24 09:00 UTC</time>`, "portal.example.at").wantNot(t, "Fiktiva")
		if c := w.conversation(id); c.Outcome != exchange.Deferred {
			t.Errorf("outcome: %s", c.Outcome)
		}
	}
}

// Who acts for the person may see and decide; nobody else may.
// Covers: B-023
func TestARepresentativeDecides(t *testing.T) {
	acting := func(r *canon.EvidenceRequest) {
		p, _ := r.Private.Get()
		p.Representative = canon.Representative{Natural: &canon.NaturalPerson{
			Assurance: "High", FamilyName: "Vertreterin", GivenName: "Anna", BirthDate: "1970-01-01", Identifier: "LV/AT/0077",
			Attributes: []canon.Attribute{{Name: canon.PowerName, URI: canon.PowerURI, Value: canon.PowerAll}},
		}}
	}
	w := newWorld(t)
	id, location := w.ask(acting)
	w.askAgain(id, back1)
	w.eid.is("LV/AT/0002", "Fiktivs", "Jānis", "1980-01-01")
	w.browser().identify(location).want(t, http.StatusForbidden)
	w.eid.is("LV/AT/0077", "Vertreterin", "Anna", "1970-01-01")
	w.browser().identify(location).want(t, 200, "Send nothing")
	if c := w.conversation(id); c.Phase != exchange.Held {
		t.Errorf("phase: %s", c.Phase)
	}
}
