package web

import (
	"net/http"
	"slices"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

type decisionForm struct {
	choice map[string]string // document id -> approve, decline, or empty
	reason string
}

// decide takes the decision. Only the recorded "approve" releases (B-029);
// refusing everything is one button, and no answer is preselected.
func (p *Preview) decide(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	id, s, ok, err := p.person(r, c)
	if !ok { // the session has ended: begin again
		return p.toBeginning(w, r, c, err)
	}
	if err := r.ParseForm(); err != nil {
		return canon.NewFault(canon.CodeBadInput, nil, "the form cannot be read")
	}
	if !same(s.CSRF, r.PostForm.Get("csrf")) {
		return canon.NewFault(canon.CodeForbidden, nil, "the form is not of this session")
	}
	// Deciding twice is deciding once: the first stands, and is shown.
	if s.Decided || c.Phase != exchange.Held || p.late(c) {
		http.Redirect(w, r, p.address(c), http.StatusSeeOther)
		return nil
	}
	form := decisionForm{choice: map[string]string{}, reason: r.PostForm.Get("reason")}
	refuseAll := r.PostForm.Get("action") == "refuse-all"
	body := &canon.ConsentDecision{Exchange: c.Exchange}
	complete, declined := true, false
	for _, d := range c.Documents {
		v := r.PostForm.Get("document-" + d.ID)
		if refuseAll {
			v = "decline"
		}
		form.choice[d.ID] = v
		complete = complete && (v == "approve" || v == "decline")
		declined = declined || v == "decline"
		body.Decisions = append(body.Decisions, canon.DocumentDecision{Document: d.ID, Approved: v == "approve"})
	}
	if !complete {
		return p.evidence(w, r, c, s, http.StatusUnprocessableEntity, &form)
	}
	if _, err := p.publish(r.Context(), c.ID, "decision", body); err != nil {
		return err
	}
	if declined && slices.Contains(declineReasons, form.reason) {
		// For our own record; the requester gets the status alone (B-035).
		if err := p.audit(r.Context(), c, "decision.reasoned", form.reason, nil); err != nil {
			return err
		}
	}
	s.Decided = true
	if err := p.cfg.Sessions.Put(r.Context(), id, s); err != nil {
		// The decision stands; without its session the page only shows less.
		p.cfg.Log.Warn("keeping a session", "conversation", c.ID, "error", err)
	}
	http.Redirect(w, r, p.address(c, "done"), http.StatusSeeOther)
	return nil
}

type donePage struct {
	frame
	Heading  string // key
	Text     string // key
	Ready    moment // when evidence that is not ready yet will be
	Outcomes []outcome
	Back     string
	BackHost string
	Pending  bool   // the requester has not said yet where to return to
	Stay     string // address of this page without the timer
	Seconds  int
}

type outcome struct {
	Title    phrase
	Approved bool
}

// returnDelay is how long the last page stays before it leads back.
const returnDelay = 10

// done says what was recorded and leads back to the requester.
func (p *Preview) done(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	_, s, ok, err := p.person(r, c)
	if !ok {
		return p.toBeginning(w, r, c, err)
	}
	switch {
	case c.Phase == exchange.Held && s.Decided:
		return p.waiting(w, r, c, "recording")
	case c.Phase == exchange.Held, c.Phase == exchange.Querying, c.Phase == exchange.PreviewOffered:
		http.Redirect(w, r, p.address(c), http.StatusSeeOther)
		return nil
	}
	self := p.address(c, "done")
	end := c.Phase
	if !end.Final() {
		end = c.Outcome
	}
	page := donePage{Heading: "done.refused.title", Text: "done.refused.text", Back: p.back(c), Seconds: returnDelay}
	switch end {
	case exchange.Delivered, exchange.Declined, "":
		page.Heading, page.Text = "done.title", "done.text"
	case exchange.Deferred:
		page.Heading, page.Text, page.Ready = "deferred.title", "deferred.text", at(c.AvailableAt)
	case exchange.Withdrawn:
		page.Heading, page.Text = "withdrawn.title", "withdrawn.text"
	case exchange.ExpiredP:
		page.Heading, page.Text = "expired.title", "expired.text"
	case exchange.Failed:
		page.Heading, page.Text = "done.failed.title", "done.failed.text"
	}
	switch c.Code {
	case canon.CodeEvidenceNotFound, canon.CodeEvidenceAmbiguous:
		page.Heading, page.Text = "done.none.title", "done.none.text"
	}
	page.frame = p.frame(r, page.Heading, self)
	page.BackHost = hostOf(page.Back)
	for _, d := range c.Decisions {
		i := slices.IndexFunc(c.Documents, func(o canon.Document) bool { return o.ID == d.Document })
		if i < 0 {
			continue
		}
		title := page.language.pick(c.Documents[i].Titles)
		if title.Text == "" {
			title = page.language.pick(c.EvidenceType.Titles)
		}
		page.Outcomes = append(page.Outcomes, outcome{Title: title, Approved: d.Approved})
	}
	page.Pending = page.Back == "" && !c.Phase.Final()
	if r.URL.Query().Get("stay") == "" {
		switch {
		case page.Back != "":
			w.Header().Set("Refresh", "10; url="+page.Back)
			page.Stay = self + "?stay=1"
		case page.Pending:
			w.Header().Set("Refresh", "3; url="+self)
			page.Stay = self + "?stay=1"
		}
	}
	return p.pages.write(w, http.StatusOK, "done", page.Lang, page)
}
