package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// A server is one listener with its handler.
type server struct {
	name string
	http *http.Server
	ln   net.Listener
}

// listen opens the socket at once, so that a taken port is an error of start-up.
func listen(name, addr string, conf *tls.Config, h http.Handler, log *slog.Logger) (*server, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", name, err)
	}
	if conf != nil {
		conf.NextProtos = []string{"h2", "http/1.1"}
		ln = tls.NewListener(ln, conf)
	}
	return &server{name: name, ln: ln, http: &http.Server{
		Handler: h,
		// Against slow clients (as4.md i.8). How large a request may be is bounded by
		// the rooms.
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       exchangeTimeout(name),
		WriteTimeout:      exchangeTimeout(name), // from the end of the head; long polls extend it themselves
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// exchangeTimeout leaves an AS4 message the time to come in.
func exchangeTimeout(name string) time.Duration {
	if name == RoleEDelivery {
		return 15 * time.Minute
	}
	return 2 * time.Minute
}

// serve runs until ctx ends, then lets what is under way finish for a while.
func (s *server) serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", s.name, err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.http.Close()
	}
	if err := <-failed; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", s.name, err)
	}
	return nil
}

// buildMonitor serves health and metrics on a listener of their own: a process
// without role web has no API to show them.
func (n *Node) buildMonitor(context.Context) error {
	if n.cfg.Monitor == (ServerConfig{}) {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", n.metricsHandler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := n.Ready(r.Context()); err != nil {
			n.log.Warn("not ready", "error", err)
			http.Error(w, "log or memory does not answer", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return n.serve("monitor", n.cfg.Monitor, mux)
}
