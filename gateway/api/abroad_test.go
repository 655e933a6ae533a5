package api

import (
	"encoding/json"
	"strings"
	"testing"

	"oncegate/schemas/canon"
)

// What people are called, where they live and how they are reached looks different
// abroad. It is taken as it is, and goes on as it was.
//
// Covers: B-071, B-076
func TestPersonsFromElsewhere(t *testing.T) {
	for _, tc := range []struct {
		name    string
		natural obj
	}{
		{"only what everybody has", obj{}},
		{"one name twice, no identifier", obj{"family_name": "Madonna", "given_name": "Madonna", "identifier": nil}},
		{"other letters", obj{"family_name": "Παπαδόπουλος", "given_name": "Ἀλέξανδρος", "non_latin": obj{"family_name": "Παπαδόπουλος"}}},
		{"particles and apostrophes", obj{"family_name": "O’Brien-van der Meer y García", "given_name": "Seán Þór"}},
		{"a foreign number", obj{"phone": "+356 2100 0000 ext. 5", "email": "ilze@example.lv"}},
		{"a national number", obj{"phone": "0043/1 23456"}},
		{"an address without street and postcode", obj{"address": obj{"country": "IE", "full": "The Old Mill, Co. Clare"}}},
		{"an Irish postcode", obj{"address": obj{"country": "IE", "post_code": "V95 N2F8", "city": "Inis"}}},
		{"a Maltese postcode", obj{"address": obj{"country": "MT", "post_code": "VLT 1117", "locator": "12/A", "street": "Triq ir-Repubblika"}}},
		{"nationalities", obj{"nationality": "LV", "other_nationalities": []any{"AR", "GB"}, "country_of_birth": "BR"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.open(key, request(func(b map[string]any) {
				p := b["subject"].(obj)["natural"].(obj)
				for k, v := range tc.natural {
					if p[k] = v; v == nil {
						delete(p, k)
					}
				}
			}))
			private, _ := w.sent()[0].Private.Get()
			data, err := json.Marshal(private.Subject.Natural)
			check0(t, err)
			for _, v := range tc.natural {
				if s, ok := v.(string); ok && !strings.Contains(string(data), s) {
					t.Errorf("%q is not in the request: %s", s, data)
				}
			}
			if a, ok := tc.natural["address"].(obj); ok && private.Subject.Natural.Address.Country != a["country"] {
				t.Errorf("address %+v", private.Subject.Natural.Address)
			}
		})
	}
}

// Before anybody is identified a portal can show which evidence there is, in which form
// and language, from whom, and how well one must be identified for it.
//
// Covers: B-068
func TestFormsAreKnownBeforehand(t *testing.T) {
	d := commonServices()
	s := serviceIn(birth, "births")
	s.Assurance = "Substantial"
	d.Services[birth+" LV"] = []canon.DataService{s}
	w := newWorld(t, planning(d))
	form := w.want(w.do("POST", "/api/v1/data-services", portalToken, obj{"evidence_type": birth, "country": "LV"}), 200).json(t)
	got := form["services"].([]any)[0].(obj)
	forms := got["distributions"].([]any)
	if got["assurance"] != "Substantial" || got["provider"].(obj)["id"].(obj)["id"] != "births" || len(forms) != 2 ||
		forms[0].(obj)["format"] != "application/xml" || forms[1].(obj)["languages"].([]any)[0] != "LV" {
		t.Errorf("service: %v", got)
	}
	if n := len(w.messages("")); n != 0 {
		t.Errorf("%d messages were written for a look", n)
	}
}
