// Command mapping measures the mapping language: from the bytes of a register's XML
// to the JSON of the record, beside a bare token pass of encoding/xml and a parse of
// etree, which make no record, and beside the same mapping in XSLT, run by libxslt
// and by Saxon. testdata/bench/mapping.sh builds and runs it (`make bench-mapping`).
//
// Everything is measured by CPU time of one thread: of this process (GOMAXPROCS=1,
// the collector included), of xsltproc, of the thread of the JVM that transforms (its
// collector and its compiler are not counted).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

type options struct {
	dir, out, xsltproc, saxon, docs, load string
	rounds                                int
	slice, warm                           time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.dir, "dir", ".", "directory of rules.yaml and rules.xsl")
	flag.StringVar(&o.out, "out", "", "directory for documents and raw figures")
	flag.StringVar(&o.xsltproc, "xsltproc", "", "the program xsltproc; left out when empty")
	flag.StringVar(&o.saxon, "saxon", "", "directory of the Java peer; left out when empty")
	flag.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	flag.StringVar(&o.load, "load", "unknown", "load average before the run")
	flag.IntVar(&o.rounds, "rounds", 7, "rounds")
	flag.DurationVar(&o.slice, "slice", 300*time.Millisecond, "time of one measurement")
	flag.DurationVar(&o.warm, "warm", 10*time.Second, "time to warm the JVM up, for each document")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench-mapping:", err)
		os.Exit(1)
	}
}

// A document is one input with what is needed to speak of it.
type document struct {
	name    string
	text    []byte
	file    string
	persons int
}

// An engine does the work of one column count times and says what CPU time it took.
type engine struct {
	name    string // of the raw figures
	title   string // of the table
	records bool   // makes the record
	measure func(ctx context.Context, doc int, slice time.Duration) (count int, cpu time.Duration, err error)
}

func run(ctx context.Context, o options) error {
	runtime.GOMAXPROCS(1)
	started := time.Now()
	var docs []document
	for _, size := range []int{50 << 10, 1 << 20} {
		d := document{name: map[int]string{50 << 10: "50KB", 1 << 20: "1MB"}[size]}
		d.text, d.persons = extract(size)
		d.file = filepath.Join(o.out, "extract-"+d.name+".xml")
		if err := os.WriteFile(d.file, d.text, 0o600); err != nil {
			return fmt.Errorf("writing a document: %w", err)
		}
		docs = append(docs, d)
	}
	here, check, err := ours(o.dir, docs)
	if err != nil {
		return err
	}
	engines := here
	if o.xsltproc != "" {
		e, err := libxslt(ctx, o, docs, check)
		if err != nil {
			return fmt.Errorf("xsltproc: %w", err)
		}
		engines = append(engines, e)
	}
	if o.saxon != "" {
		e, done, err := saxon(ctx, o, docs, check)
		if err != nil {
			return fmt.Errorf("saxon: %w", err)
		}
		defer done()
		engines = append(engines, e)
	}
	fmt.Fprintf(os.Stderr, "bench-mapping: %d engines make the same records\n", makers(engines))
	f := &figures{values: map[string][]float64{}}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "bench-mapping: round %d of %d\n", round+1, o.rounds)
		for i := range docs {
			for _, e := range engines {
				runtime.GC()
				count, cpu, err := e.measure(ctx, i, o.slice)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", e.name, docs[i].name, err)
				}
				f.add(e, docs[i], count, cpu)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(o.out, "mapping.txt"), f.raw.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the raw figures: %w", err)
	}
	return f.report(o, engines, docs, time.Since(started))
}

func makers(engines []engine) (n int) {
	for _, e := range engines {
		if e.records {
			n++
		}
	}
	return n
}
