package canon_test

import (
	"testing"
	"time"

	"oncegate/schemas/canon"
)

func route() *canon.Route {
	return &canon.Route{
		EvidenceType: canon.EvidenceType{ID: "e", Classification: "https://sr.example/birth"},
		Provider:     canon.Agent{ID: canon.Participant{Scheme: "urn:x", ID: "registry"}}, Country: "LV",
		AccessPoint: canon.Participant{Scheme: "urn:x", ID: "ap"}, Specifications: []string{"oots-edm:v2.0"},
	}
}

// What says one thing of a route stands under one key, whatever it says; the id
// is derived, so the same word twice is the same message.
func TestRouteKey(t *testing.T) {
	at := time.Date(2026, 9, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	a, b := route(), route()
	b.Withdrawn, b.Specifications, b.Assurance = true, nil, "High"
	if a.Key() != b.Key() || !canon.ValidUUID(string(a.Key())) {
		t.Errorf("keys %s and %s, want one UUID", a.Key(), b.Key())
	}
	for name, change := range map[string]func(*canon.Route){
		"evidence type": func(r *canon.Route) { r.EvidenceType.ID = "f" },
		"provider":      func(r *canon.Route) { r.Provider.ID.ID = "other" },
		"access point":  func(r *canon.Route) { r.AccessPoint.ID = "other" },
	} {
		c := route()
		change(c)
		if c.Key() == a.Key() {
			t.Errorf("another %s has the same key", name)
		}
	}
	m, again, later := a.Message(at), a.Message(at), b.Message(at.Add(time.Second))
	if m.ID != again.ID || m.ID == later.ID || m.Conversation != later.Conversation {
		t.Errorf("ids %s %s %s in %s %s", m.ID, again.ID, later.ID, m.Conversation, later.Conversation)
	}
	if m.Kind != canon.KindRoute || m.Cause != "" || m.At.Location() != time.UTC {
		t.Errorf("message %+v", m)
	}
}

func TestRouteValidAt(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 9, d, 0, 0, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		from, until time.Time
		withdrawn   bool
		at          time.Time
		want        bool
	}{
		"always":          {at: day(1), want: true},
		"not yet":         {from: day(2), at: day(1)},
		"from its day":    {from: day(2), at: day(2), want: true},
		"until its day":   {until: day(2), at: day(2).Add(-time.Second), want: true},
		"no more":         {until: day(2), at: day(2)},
		"withdrawn":       {withdrawn: true, at: day(1)},
		"within its days": {from: day(1), until: day(3), at: day(2), want: true},
	} {
		r := route()
		r.ValidFrom, r.ValidUntil, r.Withdrawn = tc.from, tc.until, tc.withdrawn
		if r.ValidAt(tc.at) != tc.want {
			t.Errorf("%s: valid %v, want %v", name, !tc.want, tc.want)
		}
	}
}
