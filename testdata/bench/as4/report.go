package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// The section of the page is what stands between these two.
const (
	sectionBegins = "<!-- bench-as4 begins: written by make bench-as4 -->\n"
	sectionEnds   = "<!-- bench-as4 ends -->\n"
)

// A tally is the table under construction.
type tally struct{ rows [][]string }

func (t *tally) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *tally) write(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	for _, r := range t.rows {
		fmt.Fprintf(tw, "| %s\t|\n", strings.Join(r, "\t| "))
	}
	return tw.Flush()
}

func (d *driver) report(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %d CPUs, %s, load average before the run %s; %d rounds of %d messages in %.0fs.\n\n",
		processor(), runtime.NumCPU(), runtime.Version(), d.o.load, d.o.rounds, d.o.messages, time.Since(d.started).Seconds())
	t := &tally{}
	t.add("What", "oncegate", "beside", "what beside", "ratio")
	t.add("---", "---", "---", "---", "---")
	d.rivalRows(t)
	d.boundRows(t)
	d.largeRows(t)
	d.crowdRows(t)
	if err := t.write(&b); err != nil {
		return err
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	if d.o.docs == "" {
		return nil
	}
	page, err := os.ReadFile(d.o.docs)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), sectionBegins)
	_, after, ok2 := strings.Cut(rest, sectionEnds)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no section for bench-as4", d.o.docs)
	}
	return os.WriteFile(d.o.docs, []byte(before+sectionBegins+"\n"+b.String()+"\n"+sectionEnds+after), 0o644)
}

// rivalRows compare processes.
func (d *driver) rivalRows(t *tally) {
	for _, p := range profiles() {
		for _, way := range []string{"receive", "send"} {
			row := func(what, of, beside, name string, connections int, unit func(rate) float64) {
				a := values(d.rates[measurement{of, way, p, connections}], unit)
				b := values(d.rates[measurement{beside, way, p, connections}], unit)
				switch {
				case len(a) == 0:
				case len(b) > 0:
					t.add(what, short(median(a)), short(median(b)), name, spread(a, b))
				case of == ours:
					t.add(what, short(median(a)), "not measured", name, "")
				}
			}
			what := way + ", profile " + p.name
			// With one connection the CPU time of a message hardly differs.
			row(what+", messages per CPU second", ours, theirs, theirs, 8, perCPU)
			row(what+", messages a second, 8 connections", ours, theirs, theirs, 8, perWall)
			row(what+", messages a second, 1 connection", ours, theirs, theirs, 1, perWall)
			row(what+", with OpenSSL, messages per CPU second", oursOpenSSL, theirs, theirs, 8, perCPU)
			row(what+", with OpenSSL, messages per CPU second", oursOpenSSL, ours, "the default build", 8, perCPU)
		}
	}
	if peak, ok := d.peaks[theirs]; ok {
		t.add("peak memory of the process, MB", short(d.peaks[ours]), short(peak), theirs, fmt.Sprintf("1/%.1f of it", peak/d.peaks[ours]))
	}
}

func perCPU(r rate) float64  { return r.perCPU }
func perWall(r rate) float64 { return r.perWall }

// boundRows compare with cryptography.
func (d *driver) boundRows(t *tally) {
	for _, provider := range []string{"", "openssl"} {
		for _, p := range profiles() {
			for _, way := range []string{"receive", "send"} {
				var whole, bare, part []float64
				for _, s := range d.shares[provider] {
					if s.Profile == p.name && s.Way == way {
						whole, bare, part = append(whole, 1e6/s.Whole), append(bare, 1e6/s.Bare), append(part, 100*s.Bare/s.Whole)
					}
				}
				if len(part) == 0 {
					continue
				}
				what := fmt.Sprintf("%s, profile %s, without HTTP, messages per CPU second", way, p.name)
				if provider != "" {
					what += ", with OpenSSL"
				}
				t.add(what, short(median(whole)), short(median(bare)), "bare cryptography of the message",
					fmt.Sprintf("%.0f %% of the bound (%.0f to %.0f)", median(part), slices.Min(part), slices.Max(part)))
			}
		}
	}
	if us, ok := d.rsa[theirs]; ok {
		for _, way := range []struct {
			name       string
			operations float64
		}{{"receive", 2}, {"send", 1}} {
			m := measurement{theirs, way.name, rsa115, 8}
			have := median(values(d.rates[m], perCPU))
			bound := 1e6 / us / way.operations
			t.add(fmt.Sprintf("phase4, %s, profile 1.15, messages per CPU second", way.name), short(have), short(bound), "bare RSA with the private key in its JVM",
				fmt.Sprintf("%.0f %% of the bound", 100*have/bound))
		}
	}
}

// largeRows say what a large payload took.
func (d *driver) largeRows(t *tally) {
	size := fmt.Sprintf("%d MiB", d.o.large>>20)
	for _, b := range d.big {
		t.add(fmt.Sprintf("payload of %s, %s, from end to end, MB/s", size, b.what), short(b.mbps), "", "", "")
		t.add(fmt.Sprintf("payload of %s, %s, CPU time of sender / receiver, s", size, b.what), short(b.cpu[0])+" / "+short(b.cpu[1]), "", "", "")
		t.add(fmt.Sprintf("payload of %s, %s, peak anonymous memory of sender / receiver, MB", size, b.what), short(b.anon[0])+" / "+short(b.anon[1]), "", "", "")
		t.add(fmt.Sprintf("payload of %s, %s, peak resident memory with mapped files, MB", size, b.what), short(b.resident[0])+" / "+short(b.resident[1]), "", "", "")
	}
}

func (d *driver) crowdRows(t *tally) {
	c := d.crowd
	if c == nil {
		return
	}
	n := strconv.Itoa(c.Partners) + " partners, "
	t.add(n+"reading the file and as many certificates, s", short(c.Load), "", "", "")
	t.add(n+"agreement of an incoming message, ns", short(c.Match), "", "", "")
	t.add(n+"agreement to send, ns", short(c.Outbound), "", "", "")
	t.add(n+"memory, MB", short(c.Heap), "", "", "")
}

func values(rs []rate, of func(rate) float64) []float64 {
	out := make([]float64, len(rs))
	for i, r := range rs {
		out[i] = of(r)
	}
	return out
}

// spread is the median of the ratios of the rounds, with the least and the greatest.
func spread(a, b []float64) string {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i]/b[i])
	}
	if len(ratios) == 0 {
		return ""
	}
	return fmt.Sprintf("%sx as many (%s to %s)", short(median(ratios)), short(slices.Min(ratios)), short(slices.Max(ratios)))
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// short writes three digits.
func short(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
