package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzBodies: a body that is accepted has one meaning, whatever it is for: reading its
// normal form gives the same.
func FuzzBodies(f *testing.F) {
	b, err := compileBodies()
	if err != nil {
		f.Fatal(err)
	}
	for i, good := range []any{
		obj{"return_url": "https://portal.example.at/back"}, obj{"reason": "asked by the partner"},
		obj{"evidence_type": degree, "country": "LV", "answers": answers("both")},
		obj{"procedure": "T2", "session": session, "requirements": []any{wish(needBirth, "LV"), otherwise(needAge)}},
		asking(obj{"procedure": "T2", "requirements": []any{wish(needBirth, "LV")}}),
	} {
		data, err := json.Marshal(good)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), data)
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		var read func([]byte) ([]byte, error)
		switch which % 5 {
		case 0:
			read = func(data []byte) ([]byte, error) { return decode(b.preview, data, new(previewBody)) }
		case 1:
			read = func(data []byte) ([]byte, error) { return decode(b.resend, data, new(map[string]any)) }
		case 2:
			read = func(data []byte) ([]byte, error) { return decode(b.services, data, new(servicesBody)) }
		case 3:
			read = func(data []byte) ([]byte, error) { return decode(b.plan, data, new(planBody)) }
		case 4:
			read = func(data []byte) ([]byte, error) { return decode(b.session, data, new(sessionBody)) }
		}
		normal, err := read(data)
		if err != nil {
			return
		}
		if twice, err := read(normal); err != nil || !bytes.Equal(normal, twice) {
			t.Fatalf("the normal form is not stable: %v", err)
		}
	})
}

// FuzzPlan: whatever a portal sends, planning answers, and no fault of it is ours.
func FuzzPlan(f *testing.F) {
	w := newWorld(f, planning(commonServices()))
	targets := []string{"/api/v1/plans", "/api/v1/data-services"}
	for i, bodies := range [][]any{{
		obj{"procedure": "T2"},
		obj{"procedure": "T2", "requirements": []any{wish(needBirth, "LV"), otherwise(needAge), wish(needDegree, "LV")}},
		obj{"procedure": "T2", "session": session, "requirements": []any{wish(needDegree, "LV"), wish(needDegree, "LV")},
			"evidence": []any{obj{"evidence_type": degree, "country": "LV", "answers": answers("both"), "provider": obj{"scheme": scheme + "LV", "id": "south"}}}},
	}, {
		obj{"evidence_type": degree, "country": "LV"},
		obj{"evidence_type": degree, "country": "LV", "answers": answers("both")},
	}} {
		for _, b := range bodies {
			data, err := json.Marshal(b)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), data)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		r := httptest.NewRequest("POST", targets[int(which)%len(targets)], bytes.NewReader(data))
		r.Header.Set("Authorization", "Bearer "+portalToken)
		r.Header.Set("Content-Type", "application/json")
		got := httptest.NewRecorder()
		w.api.ServeHTTP(got, r)
		if got.Code >= http.StatusInternalServerError || !json.Valid(got.Body.Bytes()) {
			t.Fatalf("got %d %s", got.Code, got.Body)
		}
	})
}
