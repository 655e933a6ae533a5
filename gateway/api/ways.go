package api

import (
	"net/http"
	"time"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// What operators see of the common services: the routes that were learned from
// them, and how they answer.

// DirectoryHealth is how one of the common services answers for one country.
type DirectoryHealth struct {
	Service  string     // eb, dsd
	Country  string     // whose instance is asked
	Source   string     // its address, where it is known
	Asked    time.Time  // last
	Answered time.Time  // last; zero: never
	Stale    bool       // old answers are used, because there is no new one
	Code     canon.Code // of the last failure since then
}

// wayView is components/schemas/Route.
type wayView struct {
	ID             canon.ConversationID `json:"id"`
	EvidenceType   string               `json:"evidence_type"`
	Titles         []canon.Text         `json:"titles"`
	Procedures     []string             `json:"procedures,omitempty"`
	Requirements   []string             `json:"requirements,omitempty"`
	Provider       party                `json:"provider"`
	Country        string               `json:"country"`
	AccessPoint    string               `json:"access_point"`
	Specifications []string             `json:"specifications"`
	Specification  string               `json:"specification,omitempty"`
	Assurance      string               `json:"assurance,omitempty"`
	ValidFrom      time.Time            `json:"valid_from,omitzero"`
	ValidUntil     time.Time            `json:"valid_until,omitzero"`
	Since          time.Time            `json:"since"`
	Usable         bool                 `json:"usable"`
	Obstacle       string               `json:"obstacle,omitempty"`
	HiddenBy       string               `json:"hidden_by,omitempty"`
	Provenance     canon.Provenance     `json:"provenance"`
}

func wayOf(l routing.Learned) wayView {
	r := l.Route
	return wayView{
		ID: l.Key, EvidenceType: r.EvidenceType.Classification, Titles: listed(r.EvidenceType.Titles), Procedures: r.Procedures, Requirements: r.Requirements,
		Provider: party{r.Provider.ID.String(), r.Provider.Name()}, Country: r.Country, AccessPoint: r.AccessPoint.String(),
		Specifications: listed(r.Specifications), Specification: l.Specification, Assurance: r.Assurance,
		ValidFrom: r.ValidFrom.UTC(), ValidUntil: r.ValidUntil.UTC(), Since: l.Since.UTC(),
		Usable: l.Usable(), Obstacle: string(l.Why), HiddenBy: l.HiddenBy, Provenance: r.Provenance,
	}
}

// listWays lists the routes of the directory and says of each whether it can be used.
func (a *API) listWays(w http.ResponseWriter, _ *http.Request, _ credential) error {
	page := struct {
		Routes []wayView `json:"routes"`
	}{[]wayView{}}
	for _, l := range a.cfg.Routes(a.cfg.Now()) {
		page.Routes = append(page.Routes, wayOf(l))
	}
	return a.reply(w, http.StatusOK, page)
}

// healthView is components/schemas/DirectoryInstance.
type healthView struct {
	Service    string     `json:"service"`
	Country    string     `json:"country"`
	Source     string     `json:"source,omitempty"`
	AskedAt    time.Time  `json:"asked_at,omitzero"`
	AnsweredAt time.Time  `json:"answered_at,omitzero"`
	AgeSeconds *int64     `json:"age_seconds,omitempty"`
	Stale      bool       `json:"stale"`
	Code       canon.Code `json:"code,omitempty"`
	NextStep   string     `json:"next_step,omitempty"`
}

// getDirectory tells how the common services answer, and how old their answers are.
func (a *API) getDirectory(w http.ResponseWriter, _ *http.Request, _ credential) error {
	now := a.cfg.Now()
	out := struct {
		Configured bool         `json:"configured"`
		Instances  []healthView `json:"instances"`
	}{a.cfg.Guide != nil, []healthView{}}
	for _, h := range a.cfg.Health(now) {
		v := healthView{Service: h.Service, Country: h.Country, Source: h.Source, AskedAt: h.Asked.UTC(), AnsweredAt: h.Answered.UTC(), Stale: h.Stale, Code: h.Code, NextStep: h.Code.NextStep()}
		if !h.Answered.IsZero() {
			age := max(int64(now.Sub(h.Answered)/time.Second), 0)
			v.AgeSeconds = &age
		}
		out.Instances = append(out.Instances, v)
	}
	return a.reply(w, http.StatusOK, out)
}
