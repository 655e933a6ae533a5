package node

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/edelivery/pmode"
)

func TestTermsThatFollowEachOther(t *testing.T) {
	now := time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)
	c := func(from, to int) *x509.Certificate {
		return &x509.Certificate{NotBefore: now.AddDate(0, 0, from), NotAfter: now.AddDate(0, 0, to)}
	}
	for _, tt := range []struct {
		name string
		cs   []*x509.Certificate
		days int
	}{
		{"one", []*x509.Certificate{c(-1, 10)}, 10},
		{"a successor that overlaps", []*x509.Certificate{c(-1, 10), c(5, 400)}, 400},
		{"in any order, three", []*x509.Certificate{c(390, 800), c(5, 400), c(-1, 10)}, 800},
		{"a gap", []*x509.Certificate{c(-1, 10), c(11, 400)}, 10},
		{"one that has ended lies about", []*x509.Certificate{c(-90, -3), c(-10, 20)}, 20},
		{"all have ended", []*x509.Certificate{c(-90, -3), c(-90, -7)}, -3},
		{"the first is still to begin", []*x509.Certificate{c(2, 20)}, 0},
		{"ended, and the next is still to begin", []*x509.Certificate{c(-90, -3), c(2, 20)}, 0},
	} {
		if got := int(until(tt.cs, now).Sub(now) / day); got != tt.days {
			t.Errorf("%s: %d days, want %d", tt.name, got, tt.days)
		}
	}
}

func TestEndsAreLoggedAtThresholds(t *testing.T) {
	now := time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)
	own := term{ownHolder, useSign, "rsa"}
	all := map[term][]*x509.Certificate{own: {{NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, 70)}}}
	logged := map[term]said{}
	var got []int
	for hour := range 75 * 24 {
		at := now.Add(time.Duration(hour) * time.Hour)
		for _, n := range due(all, logged, at) {
			got = append(got, int(n.end.Sub(at)/day))
		}
	}
	// From the end on it is said every day, the end being what it was.
	if diff := cmp.Diff([]int{60, 30, 14, 7, 1, 0, -1, -2, -3, -4}, got); diff != "" {
		t.Errorf("days left when logged (-want +got):\n%s", diff)
	}
	at := now.AddDate(0, 0, 75)
	all[own] = append(all[own], &x509.Certificate{NotBefore: at, NotAfter: at.AddDate(1, 0, 0)})
	if n := due(all, logged, at); len(n) > 0 || len(logged) > 0 {
		t.Errorf("renewed, but logged: %v", n)
	}
}

func TestCertificatesFollowTheTable(t *testing.T) {
	cfg, err := Load(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	table, err := cfg.loadPModes()
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	e, err := registerCertificates(reg, cfg, table, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			got[strings.Join(values, " ")] = true
			if left := time.Duration(m.GetGauge().GetValue()) * time.Second; left < 179*day-time.Hour || left > 180*day {
				t.Errorf("%v ends in %s", values, left)
			}
		}
	}
	for _, want := range []string{"rsa own sign", "rsa own encrypt", "rsa spain sign", "rsa spain encrypt"} {
		if !got[want] {
			t.Errorf("no sample for %q among %v", want, got)
		}
	}
	for _, place := range []string{"edelivery", "api", "web"} {
		if _, ok := cfg.tlsFiles()[place]; ok && !got[place+" own tls"] {
			t.Errorf("no sample for the listener %s among %v", place, got)
		}
	}
	e.source = swapped{table}
	if n := len(e.terms()); n != len(got) {
		t.Errorf("%d terms, want %d", n, len(got))
	}
}

type swapped struct{ table *pmode.Table }

func (s swapped) Table() *pmode.Table { return s.table }

func TestWatchOfCertificates(t *testing.T) {
	cfg, err := Load(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	table, err := cfg.loadPModes()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		start := time.Now()
		e := &expiry{source: table, now: func() time.Time {
			// The certificates are of this day, the bubble's clock is not.
			return table.Own().Decrypt[0].Certificate.NotAfter.Add(-time.Hour + time.Since(start))
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.watch(ctx, slog.New(slog.NewTextHandler(&log, nil))) }()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "ends soon"); n < 2 {
			t.Errorf("%d warnings at the start: %s", n, log.String())
		}
		if !strings.Contains(log.String(), "level=ERROR msg=\"no certificate is valid\" holder=own use=encrypt detail=rsa") {
			t.Errorf("no error after the end: %s", log.String())
		}
	})
}
