package api

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/exchange"
)

func TestTheWayToAPreview(t *testing.T) {
	const back = "https://p.example/r?a=1"
	form := &returnForm{URL: back, Method: "GET"}
	for _, tc := range []struct {
		spec, location, method string
		want                   opening
	}{
		{"oots-edm:v2.0", "https://x.example/p", "", opening{URL: "https://x.example/p"}},
		{"oots-edm:v2.0", "https://x.example/p", "POST", opening{URL: "https://x.example/p"}},
		{"oots-edm:v1.2", "https://x.example/p", "", opening{URL: "https://x.example/p?returnurl=https%3A%2F%2Fp.example%2Fr%3Fa%3D1&returnmethod=GET"}},
		{"oots-edm:v1.0", "https://x.example/p?t=1", "", opening{URL: "https://x.example/p?t=1&returnurl=https%3A%2F%2Fp.example%2Fr%3Fa%3D1&returnmethod=GET"}},
		{"oots-edm:v1.2", "https://x.example/p?t=1", "POST", opening{URL: "https://x.example/p?t=1", Method: "POST", Form: form}},
		{"oots-edm:v1.0", "https://x.example/p", "PUT", opening{URL: "https://x.example/p", Method: "PUT", Form: form}},
	} {
		got := wayTo(tc.spec, &exchange.Private{PreviewLocation: tc.location, PreviewMethod: tc.method}, back)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.spec, tc.method, diff)
		}
	}
}

// Up to EDM 1.2 the provider may want another method than GET (TDD 4.9): the portal
// knows before it opens the preview, and then what to send.
// Covers: B-055
func TestAPreviewThatIsNotOpenedWithALink(t *testing.T) {
	const location, back = "https://preview.example.lv/p/5f3c", "https://portal.example.at/back/2"
	link := location + "?returnurl=" + url.QueryEscape(back) + "&returnmethod=GET"
	with := func(method string) map[string]any {
		return map[string]any{
			"preview_url": location, "preview_method": method,
			"preview_form": map[string]any{"returnurl": back, "returnmethod": "GET"},
		}
	}
	for _, tc := range []struct {
		spec, method string
		early        any
		want         map[string]any
	}{
		{"oots-edm:v1.2", "POST", "POST", with("POST")},
		{"oots-edm:v1.0", "PUT", "PUT", with("PUT")},
		{"oots-edm:v1.2", "GET", nil, map[string]any{"preview_url": link}},
		{"oots-edm:v1.2", "", nil, map[string]any{"preview_url": link}},
		{"oots-edm:v2.0", "POST", nil, map[string]any{"preview_url": location}},
	} {
		t.Run(tc.spec+" "+tc.method, func(t *testing.T) {
			w := newWorld(t)
			id := w.open(key, request(nil))
			w.set(id, func(c *exchange.Conversation) { c.Specification = tc.spec })
			w.offer(id, tc.method)
			if s := w.state(id); s["preview_available"] != true || s["preview_method"] != tc.early {
				t.Errorf("before: %v with %v, want %v", s["preview_available"], s["preview_method"], tc.early)
			}
			for range 2 { // the second one comes in state continued
				a := w.want(w.do("POST", path(id, "preview"), portalToken, map[string]any{"return_url": back}), 200)
				if diff := cmp.Diff(tc.want, a.json(t)); diff != "" {
					t.Errorf("opening (-want +got):\n%s", diff)
				}
			}
			if s := w.state(id); s["preview_method"] != nil {
				t.Errorf("afterwards there is nothing to open, with %v", s["preview_method"])
			}
		})
	}
}
