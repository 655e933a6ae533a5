package main

import (
	"bytes"
	"errors"
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

// figures are MB/s by engine and document, in the order of the rounds.
type figures struct {
	raw    bytes.Buffer // in the format of Go benchmarks
	values map[string][]float64
}

func (f *figures) add(e engine, d document, count int, cpu time.Duration) {
	rate := float64(count*len(d.text)) / 1e6 / cpu.Seconds()
	key := e.name + "/" + d.name
	f.values[key] = append(f.values[key], rate)
	fmt.Fprintf(&f.raw, "BenchmarkMapping/%s/%s %d %d ns/op %.2f MB/s", d.name, e.name, count, cpu.Nanoseconds()/int64(count), rate)
	if e.records {
		fmt.Fprintf(&f.raw, " %.0f records/s", float64(count*d.persons)/cpu.Seconds())
	}
	f.raw.WriteByte('\n')
}

// report writes the table, and the section of the page where one is named.
func (f *figures) report(o options, engines []engine, docs []document, took time.Duration) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %d CPUs, %s, load average before %s; %d rounds in %s.\n\n", figure.Processor(), runtime.NumCPU(), runtime.Version(), o.load, o.rounds, took.Round(time.Second))
	t := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "| A core does")
	for _, d := range docs {
		fmt.Fprintf(t, "\t| %s: MB/s\t| records/s\t| oncegate is", d.name)
	}
	fmt.Fprintln(t, "\t|")
	fmt.Fprint(t, "|---"+strings.Repeat("\t|---\t|---\t|---", len(docs))+"\t|\n")
	for _, e := range engines {
		fmt.Fprintf(t, "| %s", e.title)
		for _, d := range docs {
			v := f.values[e.name+"/"+d.name]
			records, ratio := "", ""
			if e.records {
				records = strconv.FormatFloat(figure.Median(v)*1e6/float64(len(d.text))*float64(d.persons), 'f', 0, 64)
			}
			if e.name != engines[0].name {
				var r []float64
				for i, ours := range f.values[engines[0].name+"/"+d.name] {
					r = append(r, ours/v[i])
				}
				ratio = fmt.Sprintf("%sx as fast (%s to %s)", figure.Short(figure.Median(r)), figure.Short(slices.Min(r)), figure.Short(slices.Max(r)))
			}
			fmt.Fprintf(t, "\t| %s\t| %s\t| %s", figure.Short(figure.Median(v)), records, ratio)
		}
		fmt.Fprintln(t, "\t|")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := io.Copy(os.Stdout, bytes.NewReader(b.Bytes())); err != nil {
		return err
	}
	if o.docs == "" {
		return nil
	}
	return rewrite(o.docs, b.Bytes())
}

const (
	sectionBegin = "<!-- bench-mapping begins: written by make bench-mapping -->\n"
	sectionEnd   = "<!-- bench-mapping ends -->\n"
)

func rewrite(file string, table []byte) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(sectionBegin))
	_, after, found := bytes.Cut(rest, []byte(sectionEnd))
	if !ok || !found {
		return errors.New("the page has no section of this bench")
	}
	return os.WriteFile(file, slices.Concat(before, []byte(sectionBegin), table, []byte(sectionEnd), after), 0o644)
}
