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

	"oncegate/testdata/bench/figure"
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
		figure.Processor(), runtime.NumCPU(), runtime.Version(), d.o.load, d.o.rounds, d.o.messages, time.Since(d.started).Seconds())
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
					t.add(what, figure.Short(figure.Median(a)), figure.Short(figure.Median(b)), name, spread(a, b))
				case of == ours:
					t.add(what, figure.Short(figure.Median(a)), "not measured", name, "")
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
		t.add("peak memory of the process, MB", figure.Short(d.peaks[ours]), figure.Short(peak), theirs, fmt.Sprintf("1/%.1f of it", peak/d.peaks[ours]))
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
				t.add(what, figure.Short(figure.Median(whole)), figure.Short(figure.Median(bare)), "bare cryptography of the message",
					fmt.Sprintf("%.0f %% of the bound (%.0f to %.0f)", figure.Median(part), slices.Min(part), slices.Max(part)))
			}
		}
	}
	if us, ok := d.rsa[theirs]; ok {
		for _, way := range []struct {
			name       string
			operations float64
		}{{"receive", 2}, {"send", 1}} {
			m := measurement{theirs, way.name, rsa115, 8}
			have := figure.Median(values(d.rates[m], perCPU))
			bound := 1e6 / us / way.operations
			t.add(fmt.Sprintf("phase4, %s, profile 1.15, messages per CPU second", way.name), figure.Short(have), figure.Short(bound), "bare RSA with the private key in its JVM",
				fmt.Sprintf("%.0f %% of the bound", 100*have/bound))
		}
	}
}

// largeRows say what a large payload took.
func (d *driver) largeRows(t *tally) {
	size := fmt.Sprintf("%d MiB", d.o.large>>20)
	for _, b := range d.big {
		t.add(fmt.Sprintf("payload of %s, %s, from end to end, MB/s", size, b.what), figure.Short(b.mbps), "", "", "")
		t.add(fmt.Sprintf("payload of %s, %s, CPU time of sender / receiver, s", size, b.what), figure.Short(b.cpu[0])+" / "+figure.Short(b.cpu[1]), "", "", "")
		t.add(fmt.Sprintf("payload of %s, %s, peak anonymous memory of sender / receiver, MB", size, b.what), figure.Short(b.anon[0])+" / "+figure.Short(b.anon[1]), "", "", "")
		t.add(fmt.Sprintf("payload of %s, %s, peak resident memory with mapped files, MB", size, b.what), figure.Short(b.resident[0])+" / "+figure.Short(b.resident[1]), "", "", "")
	}
}

func (d *driver) crowdRows(t *tally) {
	c := d.crowd
	if c == nil {
		return
	}
	n := strconv.Itoa(c.Partners) + " partners, "
	t.add(n+"reading the file and as many certificates, s", figure.Short(c.Load), "", "", "")
	t.add(n+"agreement of an incoming message, ns", figure.Short(c.Match), "", "", "")
	t.add(n+"agreement to send, ns", figure.Short(c.Outbound), "", "", "")
	t.add(n+"memory, MB", figure.Short(c.Heap), "", "", "")
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
	return fmt.Sprintf("%sx as many (%s to %s)", figure.Short(figure.Median(ratios)), figure.Short(slices.Min(ratios)), figure.Short(slices.Max(ratios)))
}
