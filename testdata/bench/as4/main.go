// Command as4 measures the AS4 access point: beside phase4, beside the bare
// cryptography of a message, with OpenSSL's RSA, with a payload of 1 GiB and with ten
// thousand partners. testdata/bench/as4.sh builds and runs it (`make bench-as4`).
//
// It is several programs in one: "run" makes keys and messages, starts the others as
// processes of their own, drives them and writes the table. Processes are measured from
// outside, by the clock of their CPU time and by /proc, all in the same way.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-as4:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want one of: run, serve, bound, partners")
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	var o options
	fs.StringVar(&o.dir, "dir", "", "directory of the keys")
	fs.StringVar(&o.as, "as", partyB, "serve: which of the two parties")
	fs.StringVar(&o.url, "url", "http://127.0.0.1:1/as4", "serve: where the other party listens")
	fs.StringVar(&o.provider, "provider", "", "serve, bound: who computes with RSA keys")
	fs.StringVar(&o.openssl, "openssl", "", "run: this program built with OpenSSL")
	fs.StringVar(&o.phase4, "phase4", "", "run: directory of the Java peer")
	fs.StringVar(&o.heap, "heap", "512m", "run: -Xmx of phase4's JVM")
	fs.StringVar(&o.java, "java", "", "run: source of the program that measures Java's RSA")
	fs.StringVar(&o.docs, "docs", "", "run: page whose section is written anew")
	fs.StringVar(&o.profile, "profile", "", "serve, bound: directory for profiles")
	fs.StringVar(&o.load, "load", "unknown", "run: load average before the run")
	fs.IntVar(&o.rounds, "rounds", 5, "run: rounds of the comparisons")
	fs.IntVar(&o.messages, "messages", 300, "run: messages of one measurement")
	fs.IntVar(&o.warm, "warm", 1500, "run: messages to warm the JVM up, each way and profile")
	fs.Int64Var(&o.large, "large", 1<<30, "run: bytes of the large payload; 0 leaves it out")
	fs.IntVar(&o.partners, "partners", 10_000, "run, partners: how many agreements; 0 leaves them out")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "run":
		return drive(ctx, o)
	case "serve":
		return serve(ctx, o)
	case "bound":
		return bound(ctx, o)
	case "partners":
		return partners(o)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

type options struct {
	dir, as, url, provider, openssl, phase4, heap, java, docs, profile, load string
	rounds, messages, warm, partners                                         int
	large                                                                    int64
}
