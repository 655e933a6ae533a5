package sandbox

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"oncegate/gateway/api"
)

// TestRequesterForgetsAtItsTerm: a portal that never closes its request does not
// keep evidence here for ever, and the legal record says when it went.
//
// Covers: B-014, B-041
func TestRequesterForgetsAtItsTerm(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, _ := watched(t, ctx, func(c *Config) {
		c.Edit = func(member string) map[string]any {
			if member != Slovenia {
				return nil
			}
			return obj{"retention": obj{"delivered": "2s"}, "timeouts": obj{"poll": "100ms"}}
		}
	})
	si := l.Node(Slovenia)
	_, theirs := vaultOf(t, ctx, l, Slovenia)
	res, err := l.Play(ctx, Script{Register: "births"})
	if err != nil || res.Outcome != "delivered" {
		t.Fatalf("outcome %q, %v\nsteps: %q", res.Outcome, err, res.Steps)
	}
	until(ctx, t, "the end of the evidence", func() (bool, error) {
		open, closed, _, err := sealedOf(ctx, si, theirs, res.Exchange)
		return open == 0 && closed > 0, err
	})
	forgotten := func(h api.Hop) bool { return h.Step == "exchange.forgotten" }
	until(ctx, t, "its entry in the legal record", func() (bool, error) {
		hops, err := si.Timeline(ctx, res.Exchange)
		return slices.ContainsFunc(hops, forgotten), err
	})
	// The portal still sees how the exchange ended, and that the evidence is gone.
	for path, want := range map[string]int{"": http.StatusOK, "/evidence/" + document(t, ctx, l, res): http.StatusGone} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.si.API+"/api/v1/evidence-requests/"+string(res.Exchange)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+l.si.Token)
		resp, err := l.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s answers %s, want %d", path, resp.Status, want)
		}
	}
	// Losing the memory does not bring it back, nor does it end twice.
	if err := si.Forget(ctx); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "the recovery", func() (bool, error) {
		c, err := si.Exchanges().Get(ctx, res.Exchange)
		return err == nil && c.Spent(), err
	})
	hops, err := si.Timeline(ctx, res.Exchange)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, h := range hops {
		if forgotten(h) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("recorded %d times as forgotten, want once", n)
	}
}

func document(t *testing.T, ctx context.Context, l *Landscape, res *Result) string {
	t.Helper()
	c, err := l.Node(Slovenia).Exchanges().Get(ctx, res.Exchange)
	if err != nil || len(c.Documents) == 0 {
		t.Fatalf("no document: %v", err)
	}
	return c.Documents[0].ID
}
