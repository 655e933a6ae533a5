package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/revocation"
	"oncegate/connectors/edelivery/wssec"
)

// Bounds of the files of P-Modes. A CRL may be far larger than a certificate.
const (
	maxPModes = 64 << 20
	maxNamed  = 1 << 20
	maxCRL    = 32 << 20
)

// PModes returns the loader of a P-Mode file, which reads what the file names:
// names are relative to it, and secrets are files of their owner alone.
func PModes(file string, store *revocation.Store) pmode.Loader {
	dir := filepath.Dir(file)
	l := pmode.Loader{
		File:   file,
		Public: func(name string) ([]byte, error) { return readBounded(beside(dir, name), maxNamed, false) },
		Secret: func(name string) ([]byte, error) { return readBounded(beside(dir, name), maxNamed, true) },
		Now:    time.Now(),
	}
	if store != nil {
		l.Revocation = func(p revocation.Policy) (wssec.Revocation, error) {
			p.CRL = slices.Clone(p.CRL)
			for i, name := range p.CRL {
				if !strings.Contains(name, "://") {
					p.CRL[i] = beside(dir, name)
				}
			}
			c, err := store.Checker(p)
			if err != nil || c == nil {
				return nil, err
			}
			return c, nil
		}
	}
	return l
}

// RevocationStore returns the store of the CRLs and answers that the P-Modes and
// discovery of one process share. With private it asks responders in private networks.
func RevocationStore(log *slog.Logger, private bool) (*revocation.Store, error) {
	return revocation.New(revocation.Config{
		Read: func(name string) ([]byte, error) { return readBounded(name, maxCRL, false) },
		Rand: rand.Reader, Logger: log, Private: private,
	})
}

func beside(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// readBounded reads a file, and refuses a secret that others may read.
func readBounded(path string, most int64, secret bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if secret {
		if err := private(path, st); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return data, err
}

// loadPModes reads the P-Mode file once, with every fault.
func (c *Config) loadPModes() (*pmode.Table, error) {
	path := c.path(c.EDelivery.PModes)
	store, err := RevocationStore(slog.New(slog.DiscardHandler), c.EDelivery.Revocation.Private)
	if err != nil {
		return nil, err
	}
	data, err := readBounded(path, maxPModes, false)
	if err != nil {
		return nil, fmt.Errorf("reading P-Modes: %w", err)
	}
	t, faults := PModes(path, store).Check(context.Background(), data)
	var es []error
	for _, f := range faults {
		if !f.Warning {
			es = append(es, f)
		}
	}
	return t, errors.Join(es...)
}

// livePModes loads the P-Modes and keeps them as their files are: changes are seen
// within seconds, and at once on SIGHUP. The caller owns the watch, which ends
// with its context.
func (n *Node) livePModes(ctx context.Context, store *revocation.Store) (live *pmode.Live, watch func(context.Context) error, err error) {
	loaded := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gateway_as4_pmodes_loaded_timestamp_seconds", Help: "When the P-Modes in force were loaded.",
	})
	partners := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gateway_as4_pmodes_partners", Help: "Agreements in force.",
	})
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_as4_pmodes_reloads_total", Help: "Attempts to load P-Modes, by outcome: loaded or refused.",
	}, []string{"outcome"})
	for _, m := range []prometheus.Collector{loaded, partners, attempts} {
		if err := n.reg.Register(m); err != nil {
			return nil, nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	path := n.cfg.path(n.cfg.EDelivery.PModes)
	conf := pmode.LiveConfig{
		Loader: PModes(path, store), Logger: n.log,
		Read: func(name string) ([]byte, error) { return readBounded(name, maxPModes, false) },
		Observe: func(t *pmode.Table, err error) {
			if err != nil {
				attempts.WithLabelValues("refused").Inc()
				return
			}
			attempts.WithLabelValues("loaded").Inc()
			loaded.SetToCurrentTime()
			partners.Set(float64(len(t.Partners())))
		},
	}
	if h := n.cfg.EDelivery.PModesHistory; h != "" {
		conf.History = n.cfg.path(h)
	}
	if live, err = pmode.NewLive(ctx, conf); err != nil {
		return nil, nil, err
	}
	return live, func(ctx context.Context) error {
		if !n.opt.Embedded { // what runs in a terminal ends with it
			defer n.hangup(ctx, "P-Modes have faults; those in force stay", live.Reload)()
		}
		return live.Watch(ctx)
	}, nil
}

// hangup loads something again on SIGHUP, until the returned function ends it.
func (n *Node) hangup(ctx context.Context, refused string, reload func(context.Context) error) (end func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				if err := reload(ctx); err != nil {
					n.log.ErrorContext(ctx, refused, "error", err)
				}
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}

// PModesFile returns the path of the P-Mode file; empty where none is named.
func (c *Config) PModesFile() string {
	if c.EDelivery.PModes == "" {
		return ""
	}
	return c.path(c.EDelivery.PModes)
}
