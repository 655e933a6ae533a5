package node

import (
	"log/slog"
	"net/http"
	"testing"
	"time"
)

// A caller who sends the body of a request byte by byte holds a connection no
// longer than an honest slow one needs.
func TestNoListenerWaitsForeverForABody(t *testing.T) {
	for _, name := range []string{RoleEDelivery, RoleWeb, "api", "monitor"} {
		s, err := listen(name, "127.0.0.1:0", nil, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		s.ln.Close()
		if d := s.http.ReadTimeout; d <= 0 || d > 15*time.Minute || d < s.http.ReadHeaderTimeout {
			t.Errorf("%s: a request may take %v to come in", name, d)
		}
	}
}
