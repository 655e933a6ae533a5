package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

// BenchmarkExchange lets persons go through whole exchanges, one after the other
// or eight at once, over all registers of the landscape. Everything is in this
// one process: both Member States with their embedded logs and memories, the
// registers, the eID, the portal and the browsers of the persons.
//
// Persons do not read: they press the button as soon as the page shows it, and
// reload waiting pages every 25 ms, so an exchange costs what the machines cost.
func BenchmarkExchange(b *testing.B) {
	for _, persons := range []int{1, 8} {
		b.Run("persons="+strconv.Itoa(persons), func(b *testing.B) { benchmarkExchange(b, persons) })
	}
}

func benchmarkExchange(b *testing.B, persons int) {
	forgetPeak(b)
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	l, err := Start(ctx, Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}()
	registers := []string{"births", "residence", "companies"}
	play := func(n int) (canon.ConversationID, error) {
		res, err := l.Play(ctx, Script{Register: registers[n%len(registers)]})
		if err != nil {
			return "", fmt.Errorf("%w\nsteps: %q", err, res.Steps)
		}
		if res.Outcome != "delivered" || len(res.Evidence) == 0 {
			return "", fmt.Errorf("outcome %q with %d bytes, want delivered evidence", res.Outcome, len(res.Evidence))
		}
		return res.Exchange, nil
	}
	for n := range registers { // connections, templates, rules: once
		if _, err := play(n); err != nil {
			b.Fatal(err)
		}
	}

	ids, took := make([]canon.ConversationID, b.N), make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range persons {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= b.N {
					return
				}
				start := time.Now()
				id, err := play(n)
				if err != nil {
					b.Error(err)
					return
				}
				ids[n], took[n] = id, time.Since(start)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if b.Failed() {
		return
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
	b.ReportMetric(peak(b), "peak-MB") // before the time lines are read
	spans := map[string][]time.Duration{"00-person": took}
	for _, id := range ids {
		rep := &Report{Requester: id}
		if err := l.settle(ctx, rep); err != nil {
			b.Fatal(err)
		}
		for name, d := range hopsOf(rep.Hops) {
			spans[name] = append(spans[name], d...)
		}
	}
	for name, all := range spans {
		slices.Sort(all)
		for _, p := range []int{50, 99} {
			b.ReportMetric(float64(all[(len(all)*p+99)/100-1])/float64(time.Millisecond), fmt.Sprintf("%s-p%d-ms", name, p))
		}
	}
}

// benchHops names the hops of a delivered exchange in their order. A hop is the
// time from the message that caused it to the message itself, both by the log; for
// what came over the border, from the message on the sender's log.
var benchHops = map[string]string{
	"SI evidence.request.v1 out first":           "01-SI-request",
	"ES evidence.request.v1 in first":            "02-border-request",
	"ES evidence.preview.v1 out":                 "03-ES-preview-offer",
	"SI evidence.preview.v1 in":                  "04-border-preview-offer",
	"SI exchange.notice.v1 preview-offered":      "05-SI-notice-offer",
	"SI evidence.request.v1 out after-preview":   "06-SI-second-request",
	"ES evidence.request.v1 in after-preview":    "07-border-second-request",
	"ES register.query.v1":                       "08-ES-register-query",
	"ES register.record.v1":                      "09-ES-register-record",
	"ES evidence.response.v1 out":                "10-ES-answer",
	"SI evidence.response.v1 in":                 "11-border-answer",
	"SI exchange.notice.v1 delivered":            "12-SI-notice-delivered",
	"SI delivery.receipt.v1 evidence.request.v1": "13-receipt", "ES delivery.receipt.v1 evidence.preview.v1": "13-receipt", "ES delivery.receipt.v1 evidence.response.v1": "13-receipt",
}

func hopsOf(hops []Hop) map[string][]time.Duration {
	written := map[canon.MessageID]time.Time{}
	for _, h := range hops {
		written[h.Message] = h.At
	}
	out := map[string][]time.Duration{}
	for _, h := range hops {
		step := h.Step
		switch h.Kind {
		case canon.KindRegisterQuery, canon.KindRegisterRecord:
			step = "" // whichever register it was
		case canon.KindExchangeNotice:
			step = h.Outcome
		}
		name, ok := benchHops[strings.TrimSpace(h.Country+" "+string(h.Kind)+" "+step)]
		if !ok {
			continue // what persons did, and audit
		}
		cause := h.Cause
		if cause == "" { // it came over the border: the sender's message names it
			id, _, _ := strings.Cut(h.AS4, "@")
			cause = canon.MessageID(id)
		}
		if at, ok := written[cause]; ok {
			out[name] = append(out[name], max(0, h.At.Sub(at)))
		}
	}
	return out
}

// forgetPeak sets the peak of the resident memory back to what is resident now.
func forgetPeak(b *testing.B) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Logf("the peak is that of the whole process: %v", err)
	}
}

// peak is the most memory that was resident, in MB (10^6 bytes).
func peak(b *testing.B) float64 {
	kb, err := peakKB()
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) * 1024 / 1e6
}

func peakKB() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the peak of memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")))
		}
	}
	return 0, errors.New("this system does not say the peak of memory")
}
