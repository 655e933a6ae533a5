package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"oncegate/gateway/exchange"
)

// otherMethod makes of a preview that is opened with a link one of a provider that wants
// another method: ours always says GET.
func (s *stage) otherMethod(resp *http.Response) error {
	s.mu.Lock()
	method := s.method
	s.mu.Unlock()
	if method == "" || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Request.URL.Path, "/api/v1/evidence-requests/") || strings.Contains(resp.Request.URL.Path, "/evidence/") {
		return nil
	}
	var said map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return err
	}
	if said["preview_available"] == true {
		said["preview_method"] = method
	}
	if link, ok := said["preview_url"].(string); ok {
		location, query, _ := strings.Cut(link, "?")
		fields, err := url.ParseQuery(query)
		if err != nil {
			return err
		}
		said = map[string]any{
			"preview_url": location, "preview_method": method,
			"preview_form": map[string]any{"returnurl": fields.Get("returnurl"), "returnmethod": fields.Get("returnmethod")},
		}
	}
	data, err := json.Marshal(said)
	if err != nil {
		return err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	resp.Header.Del("Content-Length")
	return nil
}

// otherMethods plays what a portal does with them.
func (s *stage) otherMethods(t *testing.T) {
	want := func(method string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.method = method
	}
	t.Run("opened with a form", func(t *testing.T) {
		want(http.MethodPost)
		res := s.play(t, Script{Register: "residence", Decline: true})
		if res.Outcome != "declined" || !slices.Contains(res.Steps, "sent the form that the provider wants") || !slices.Contains(res.Steps, "came back to the portal") {
			t.Errorf("outcome %q %q\nsteps: %q", res.Outcome, res.Code, res.Steps)
		}
	})
	t.Run("opened as no page can", func(t *testing.T) {
		want(http.MethodPut)
		res, err := s.Play(s.ctx, Script{Register: "residence", Decline: true})
		if err == nil || !strings.Contains(err.Error(), "preview-method-put") {
			t.Errorf("got %v, want the reason\nsteps: %q", err, res.Steps)
		}
		c, err := s.Node(Slovenia).Exchanges().Get(s.ctx, res.Exchange)
		if err != nil || c.Phase != exchange.PreviewOffered || c.Second != "" {
			t.Errorf("a preview that nobody can visit was opened: %v, %v", c, err)
		}
	})
}
