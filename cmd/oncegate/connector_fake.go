package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"oncegate/connectors/register"
	"oncegate/connectors/register/pgfake"
)

// fakeOptions are the flags of connector fake.
type fakeOptions struct {
	listen, cert, key string
	fail              int
	delay             time.Duration
}

func connectorFake(f *connectorFlags) *cobra.Command {
	var o fakeOptions
	c := &cobra.Command{
		Use: "fake NAME", Short: "Answer in a register's place, out of its samples",
		Long: `Answer in a register's place, for tests and training: the person of a sample gets the
sample's reply, anybody else gets "not found". Registers over HTTP are played over
http on a loopback address, or over https with --cert and --key; registers in a
database are played as a PostgreSQL. What to paste into oncegate.yaml is printed.
Credentials are not looked at. Ctrl-C ends it.`,
		Example: `  oncegate connector fake births
  oncegate connector fake tax --listen 127.0.0.1:5433
  oncegate connector fake births --fail 3 --delay 2s`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: f.complete,
	}
	fl := c.Flags()
	fl.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to listen on")
	fl.StringVar(&o.cert, "cert", "", "certificate chain (PEM), for https")
	fl.StringVar(&o.key, "key", "", "its key (PEM)")
	fl.IntVar(&o.fail, "fail", 0, "so many calls at the beginning are answered as if it were down")
	fl.DurationVar(&o.delay, "delay", 0, "how long each answer waits")
	_ = c.MarkFlagFilename("cert", "pem", "crt")
	_ = c.MarkFlagFilename("key", "pem", "key")
	c.RunE = func(c *cobra.Command, args []string) error {
		host, _, err := net.SplitHostPort(o.listen)
		switch {
		case err != nil:
			return usagef("--listen: %w", err)
		case (o.cert == "") != (o.key == ""):
			return usagef("--cert and --key go together")
		case o.fail < 0 || o.delay < 0:
			return usagef("--fail and --delay: want no negative number")
		case o.cert == "" && !loopbackHost(host):
			return usagef("--listen %s: without --cert a fake listens on a loopback address alone", o.listen)
		}
		sets, err := f.open(c, args)
		if err != nil {
			return err
		}
		return play(c, sets[0], o)
	}
	return c
}

func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// play answers until the command ends.
func play(c *cobra.Command, r *ruleSet, o fakeOptions) error {
	d := r.def
	if slices.Contains([]string{"files", "kafka"}, d.Transport) {
		return usagef("%s is asked over %s: that cannot be played here", d.Name, d.Transport)
	}
	fake, err := register.NewFake(d)
	if err != nil {
		return &codedError{exitFindings, err}
	}
	fake.Fail(o.fail)
	fake.Delay(o.delay)
	ln, err := new(net.ListenConfig).Listen(c.Context(), "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer ln.Close()
	scheme := "http"
	if d.Transport == "sql" {
		scheme = "postgres"
	} else if o.cert != "" {
		scheme = "https"
	}
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%s answers at %s://%s. For oncegate.yaml:\n\nregisters:\n  %s:\n    url: %s://%s", d.Title, scheme, ln.Addr(), d.Name, scheme, ln.Addr())
	switch {
	case scheme == "postgres":
		fmt.Fprint(w, "/register\n    user: anybody\n    password_file: any-file")
	case scheme == "https":
		fmt.Fprint(w, "\n    ca: ca-of-the-certificate.pem")
	}
	if d.OfXRoad() {
		fmt.Fprintf(w, "\n    xroad: {client: %s/GOV/10000000/test}", d.Country)
	}
	fmt.Fprint(w, "\n\nIt knows: ")
	cases, err := d.Cases()
	if err != nil {
		return err
	}
	for _, s := range cases {
		if s.Query != nil && s.Reply != nil {
			fmt.Fprint(w, s.Name, " ")
		}
	}
	fmt.Fprintln(w, "(samples with a query). Ctrl-C ends it.")
	if scheme == "postgres" {
		conf, err := fake.Database("", "")
		if err != nil {
			return err
		}
		return endedWith(c.Context(), pgfake.Serve(c.Context(), ln, conf))
	}
	server := &http.Server{
		Handler: fake, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 32 << 10, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it would quote what callers send
	}
	stop := context.AfterFunc(c.Context(), func() { server.Close() })
	defer stop()
	if o.cert != "" {
		return endedWith(c.Context(), server.ServeTLS(ln, o.cert, o.key))
	}
	return endedWith(c.Context(), server.Serve(ln))
}

// endedWith is no error where the end was asked for.
func endedWith(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
