// Command bench turns the raw output of benchmarks into the table of
// docs/performance.md. testdata/bench/bench.sh runs it.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	var about run
	flag.StringVar(&about.rounds, "rounds", "", "rounds that were measured")
	flag.StringVar(&about.exchanges, "exchanges", "", "exchanges that were measured")
	flag.StringVar(&about.load, "load", "", "load average before and after")
	flag.StringVar(&about.took, "took", "", "how long it took")
	flag.Parse()
	if err := tabulate(os.Stdout, flag.Arg(0), about); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A run is how the figures came about.
type run struct{ rounds, exchanges, load, took string }

func tabulate(w io.Writer, raw string, about run) error {
	f, err := os.Open(raw)
	if err != nil {
		return fmt.Errorf("reading the raw figures: %w", err)
	}
	defer f.Close()
	r, err := read(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", raw, err)
	}
	fmt.Fprintf(w, "\n%s, %d CPUs, %s, load average %s; %s rounds in %s.\n\n", r.cpu, runtime.NumCPU(), runtime.Version(), about.load, about.rounds, about.took)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| What\t| oncegate\t| beside\t| what beside\t| ratio\t| cmd\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	var missing []error
	for _, l := range lines() {
		cells, err := l.cells(r)
		switch {
		case errors.Is(err, errNotMeasured) && l.optional:
			cells = [3]string{"not measured", "", ""}
		case err != nil:
			missing = append(missing, err)
			continue
		}
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t| %c\t|\n", l.what, cells[0], cells[1], l.name, cells[2], l.command)
	}
	for _, name := range r.spans(onePerson) {
		l := line{ours: of(onePerson, name+"-p50-ms"), beside: of(eightPersons, name+"-p50-ms"), second: name + "-p99-ms"}
		cells, err := l.cells(r)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| eight persons at once\t|\t| g\t|\n", hop(name), cells[0], cells[1])
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	fmt.Fprintf(w, "\nCommands, each repeated in every round but g:\n%s", strings.ReplaceAll(commands, "EXCHANGES", about.exchanges))
	return errors.Join(missing...)
}

// figures are what was read: values by benchmark and unit, in the order of rounds.
type figures struct {
	cpu    string
	values map[key][]float64
}

type key struct{ bench, unit string }

// read takes the format that https://go.dev/design/14313-benchmark-format describes.
func read(r io.Reader) (*figures, error) {
	out := &figures{cpu: "unknown CPU", values: map[key][]float64{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if cpu, ok := strings.CutPrefix(s.Text(), "cpu: "); ok {
			out.cpu = cpu
		}
		f := strings.Fields(s.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := f[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
			name = name[:i] // GOMAXPROCS
		}
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return nil, fmt.Errorf("line %q: %w", s.Text(), err)
			}
			k := key{name, f[i+1]}
			out.values[k] = append(out.values[k], v)
		}
	}
	return out, s.Err()
}

// spans lists the hops that one benchmark measured, in the order of their numbers.
func (r *figures) spans(bench string) []string {
	var out []string
	for k := range r.values {
		if name, ok := strings.CutSuffix(k.unit, "-p50-ms"); ok && k.bench == bench {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// hop is what the table calls a hop: "02-border-request" is "border request".
func hop(name string) string {
	_, words, _ := strings.Cut(name, "-")
	if words == "person" {
		words = "whole exchange"
	}
	return strings.ReplaceAll(words, "-", " ") + ", p50 / p99, ms"
}
