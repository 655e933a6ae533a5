package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"oncegate/cmd/node"
	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/directory/lcm"
	"oncegate/connectors/directory/service"
	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/keystore"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

func directoryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "directory", Short: "Run, check, ask and feed an Evidence Broker and Data Service Directory",
		Long: `Work with the common services of the Once-Only Technical System: the Evidence
Broker (which evidence proves what) and the Data Service Directory (who issues it).
serve runs both over YAML data, for a Member State with its own instance or for a
test bed; query asks any instance; submit and withdraw feed one over LCM.`,
		Example: `  oncegate directory check deploy/directory
  oncegate directory serve -f deploy/directory-server.yaml
  oncegate directory query requirements --procedure T2 --country SI --url https://cs.example
  oncegate directory submit deploy/directory --country SI --part broker --to https://cs.example/eb/lcm --token-file token`,
	}
	c.AddCommand(directoryServe(), directoryCheck(), directoryQuery(), directorySubmit(), directoryWithdraw())
	return c
}

// A directoryFile configures `directory serve`. Names in it are relative to it.
type directoryFile struct {
	Data     string `yaml:"data"`      // YAML file or directory of them. Required
	Listen   string `yaml:"listen"`    // host:port. Default: 127.0.0.1:8443
	URL      string `yaml:"url"`       // https URL under which clients reach it. Default: https:// and listen
	TLS      keyRef `yaml:"tls"`       // Default: none; then url says what the proxy in front is
	Signing  keyRef `yaml:"signing"`   // who signs answers: EC P-256 or Ed25519. Required, unless unsigned
	Unsigned bool   `yaml:"unsigned"`  // answers carry no signature; for test beds
	MaxAge   string `yaml:"max_age"`   // how long clients may keep an answer. Default: 5m
	PModes   string `yaml:"pmodes"`    // agreements for submissions over AS4, taken at /as4. Default: none are taken
	Log      string `yaml:"log_level"` // debug, info, warn, error. Default: info

	Submitters []submitterFile `yaml:"submitters"` // who may submit data, and for whom. Default: nobody
}

type keyRef struct {
	Certificate  string `yaml:"certificate"`   // PEM; the chain may follow
	Key          string `yaml:"key"`           // PEM, file of its owner alone
	PKCS12       string `yaml:"pkcs12"`        // instead of both
	PasswordFile string `yaml:"password_file"` // of it
	Alias        string `yaml:"alias"`         // in it, where it holds several keys
}

type submitterFile struct {
	Country   string `yaml:"country"`    // whose data. Required
	TokenFile string `yaml:"token_file"` // bearer token of the plain HTTP way, for test beds
	Party     string `yaml:"party"`      // scheme::id of its access point, as in the P-Modes
}

func directoryServe() *cobra.Command {
	var file string
	var flags directoryFile
	c := &cobra.Command{
		Use:   "serve [DATA]",
		Short: "Serve an Evidence Broker and Data Service Directory over YAML data",
		Long: `Serve both common services over YAML data: a file of one Member State, or a
directory of such files. Answers come in the shapes of Common Services 2.0, 1.2 and
1.0 as Accept-Version asks, signed as TDD 3.6.2 says.

  URL/eb/rest/search, URL/dsd/rest/search     the queries
  URL/dsd/rest/codelists/CC/NAME              code lists of questions (Genericode)
  URL/eb/lcm, URL/dsd/lcm, URL/as4            submissions, where there are submitters
  URL/healthz, URL/readyz                     for operators

Changed files are loaded by themselves and on SIGHUP, all or nothing: with a fault
what was loaded before is served on, and the log has every fault.`,
		Example: `  oncegate directory serve -f deploy/directory-server.yaml
  oncegate directory serve deploy/directory --tls-cert cs.pem --tls-key cs.key --sign-cert sign.pem --sign-key sign.key
  oncegate directory serve data --listen 127.0.0.1:8080 --url https://cs.example --unsigned`,
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringVarP(&file, "file", "f", "", "settings of the service (YAML); flags go before it")
	f.StringVar(&flags.Listen, "listen", "", "host:port (default 127.0.0.1:8443)")
	f.StringVar(&flags.URL, "url", "", "https URL under which clients reach it (default: of --listen)")
	f.StringVar(&flags.TLS.Certificate, "tls-cert", "", "certificate of the TLS server")
	f.StringVar(&flags.TLS.Key, "tls-key", "", "its key")
	f.StringVar(&flags.Signing.Certificate, "sign-cert", "", "certificate that signs answers")
	f.StringVar(&flags.Signing.Key, "sign-key", "", "its key: EC P-256 or Ed25519")
	f.StringVar(&flags.Signing.PKCS12, "sign-pkcs12", "", "PKCS#12 store instead of both")
	f.StringVar(&flags.Signing.PasswordFile, "sign-password-file", "", "file with the store's password")
	f.BoolVar(&flags.Unsigned, "unsigned", false, "do not sign answers (test beds)")
	f.StringVar(&flags.MaxAge, "max-age", "", "how long clients may keep an answer (default 5m)")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, base, err := directorySettings(file, flags, args)
		if err != nil {
			return &codedError{exitUsage, err}
		}
		return serveDirectory(c, s, base)
	}
	return c
}

// directorySettings joins file and flags. base is the file that names in the
// settings are relative to.
func directorySettings(file string, flags directoryFile, args []string) (s directoryFile, base string, err error) {
	base = "directory-server.yaml" // names in flags are relative to where we are
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return s, "", err
		}
		if err := strictYAML(data, &s); err != nil {
			return s, "", fmt.Errorf("%s: %w", file, err)
		}
		base = file
		if s.Data != "" && !filepath.IsAbs(s.Data) {
			s.Data = filepath.Join(filepath.Dir(file), s.Data)
		}
	}
	set := func(to *string, from string, named bool) {
		if from == "" {
			return
		}
		if named { // by a flag: relative to where we are
			if abs, err := filepath.Abs(from); err == nil {
				from = abs
			}
		}
		*to = from
	}
	set(&s.Listen, flags.Listen, false)
	set(&s.URL, flags.URL, false)
	set(&s.MaxAge, flags.MaxAge, false)
	set(&s.TLS.Certificate, flags.TLS.Certificate, true)
	set(&s.TLS.Key, flags.TLS.Key, true)
	if flags.Signing.PKCS12 != "" || flags.Signing.Certificate != "" {
		s.Signing = keyRef{}
	}
	set(&s.Signing.Certificate, flags.Signing.Certificate, true)
	set(&s.Signing.Key, flags.Signing.Key, true)
	set(&s.Signing.PKCS12, flags.Signing.PKCS12, true)
	set(&s.Signing.PasswordFile, flags.Signing.PasswordFile, true)
	s.Unsigned = s.Unsigned || flags.Unsigned
	if len(args) > 0 {
		s.Data = args[0]
	}
	if s.Listen == "" {
		s.Listen = "127.0.0.1:8443"
	}
	if s.MaxAge == "" {
		s.MaxAge = "5m"
	}
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	need(s.Data != "", "no data: name a YAML file or a directory of them")
	need(s.Signing != keyRef{} || s.Unsigned, "nobody signs: name --sign-cert and --sign-key, or say --unsigned in a test bed")
	need(s.TLS != keyRef{} || s.URL != "", "no TLS: name --tls-cert and --tls-key, or with --url the https address of the proxy in front")
	need(s.URL == "" || strings.HasPrefix(s.URL, "https://"), "url is not an https address")
	_, ageErr := time.ParseDuration(s.MaxAge)
	need(ageErr == nil, "max_age is not a duration such as 5m")
	for _, m := range s.Submitters {
		need(codes.Default().Has("OOTSCountries", m.Country), fmt.Sprintf("submitters: %q is not a country", m.Country))
		need(m.TokenFile != "" || m.Party != "", fmt.Sprintf("submitters: %s has neither token_file nor party", m.Country))
		need(m.Party == "" || s.PModes != "", fmt.Sprintf("submitters: %s has a party, and there are no pmodes", m.Country))
	}
	return s, base, errors.Join(errs...)
}

// entry opens a certificate of ours with its key.
func (k keyRef) entry(ctx context.Context, base string) (keystore.Entry, error) {
	ref := keystore.Ref{Certificate: k.Certificate, Key: k.Key}
	if k.PKCS12 != "" {
		ref = keystore.Ref{PKCS12: &keystore.PKCS12{File: k.PKCS12, PasswordFile: k.PasswordFile, Alias: k.Alias}}
	}
	return keystore.Open(ctx, ref, besideFile(base))
}

// besideFile reads files that are named relative to another one.
type besideFile string

func (b besideFile) Public(name string) ([]byte, error) {
	return node.PModes(string(b), nil).Public(name)
}

func (b besideFile) Secret(name string) ([]byte, error) {
	return node.PModes(string(b), nil).Secret(name)
}

func serveDirectory(c *cobra.Command, s directoryFile, base string) error {
	ctx := c.Context()
	level := slog.LevelInfo
	if s.Log != "" {
		if err := level.UnmarshalText([]byte(s.Log)); err != nil {
			return usagef("log_level: %w", err)
		}
	}
	log := newLogger(c.ErrOrStderr(), level, "")
	ln, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer ln.Close()
	url := strings.TrimSuffix(s.URL, "/")
	if url == "" {
		url = "https://" + ln.Addr().String()
	}
	src, err := service.Open(service.SourceConfig{Loader: service.Loader{Lists: codes.Default(), Base: url}, Path: s.Data, Logger: log})
	if err != nil {
		return &codedError{exitFindings, err}
	}
	age, err := time.ParseDuration(s.MaxAge)
	if err != nil {
		return usagef("max_age: %w", err)
	}
	conf := service.Config{Source: src, Logger: log, MaxAge: age, Extra: map[string]http.Handler{}}
	if !s.Unsigned {
		e, err := s.Signing.entry(ctx, base)
		if err != nil {
			return &codedError{exitUsage, fmt.Errorf("signing: %w", err)}
		}
		key, ok := e.Signer()
		if !ok {
			return usagef("signing: the key does not sign")
		}
		if conf.Signer, err = httpsig.NewSigner(key, append([]*x509.Certificate{e.Certificate}, e.Chain...), time.Now); err != nil {
			return &codedError{exitUsage, fmt.Errorf("signing: %w", err)}
		}
	}
	work, err := takeSubmissions(c, s, base, src, &conf, log)
	if err != nil {
		return &codedError{exitUsage, err}
	}
	h, err := service.New(conf)
	if err != nil {
		return err
	}
	serving := ln
	if s.TLS != (keyRef{}) {
		e, err := s.TLS.entry(ctx, base)
		if err != nil {
			return &codedError{exitUsage, fmt.Errorf("tls: %w", err)}
		}
		cert := tls.Certificate{Certificate: [][]byte{e.Certificate.Raw}, PrivateKey: e.Key, Leaf: e.Certificate}
		for _, i := range e.Chain {
			cert.Certificate = append(cert.Certificate, i.Raw)
		}
		t := edelivery.ServerTLS(cert, nil)
		t.NextProtos = []string{"h2", "http/1.1"}
		serving = tls.NewListener(ln, t)
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return src.Watch(ctx) })
	g.Go(func() error { return reloadOnSignal(ctx, src, log) })
	if work != nil {
		g.Go(func() error { return work(ctx) })
	}
	g.Go(func() error {
		if err := srv.Serve(serving); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return srv.Shutdown(grace)
	})
	members, requirements, services := src.Catalogue().Size()
	fmt.Fprintf(c.OutOrStdout(), "evidence broker         %s/eb/rest/search\ndata service directory  %s/dsd/rest/search\n", url, url)
	fmt.Fprintf(c.OutOrStdout(), "listening on %s: %d member states, %d requirements, %d data services\n", ln.Addr(), members, requirements, services)
	return g.Wait()
}

func reloadOnSignal(ctx context.Context, src *service.Source, log *slog.Logger) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			if err := src.Reload(); err != nil {
				log.ErrorContext(ctx, "directory data has faults; what was loaded before stays", slog.Any("error", err))
				continue
			}
			log.InfoContext(ctx, "directory data loaded again")
		}
	}
}

// takeSubmissions adds the ways of LCM that the settings open. work is nil where
// nothing runs beside the server.
func takeSubmissions(c *cobra.Command, s directoryFile, base string, src *service.Source, conf *service.Config, log *slog.Logger) (work func(context.Context) error, err error) {
	if len(s.Submitters) == 0 {
		return nil, nil
	}
	if st, err := os.Stat(s.Data); err != nil || !st.IsDir() {
		return nil, errors.New("submitters: the data is one file; submissions need a directory")
	}
	tokens := map[[sha256.Size]byte]string{}
	parties := map[canon.Participant]string{}
	for _, m := range s.Submitters {
		if m.TokenFile != "" {
			data, err := besideFile(base).Secret(m.TokenFile)
			if err != nil {
				return nil, fmt.Errorf("submitters: %s: %w", m.Country, err)
			}
			token := strings.TrimSpace(string(data))
			if len(token) < 16 {
				return nil, fmt.Errorf("submitters: the token of %s is shorter than 16 characters", m.Country)
			}
			tokens[sha256.Sum256([]byte(token))] = m.Country
		}
		if m.Party != "" {
			p, ok := service.ParseParticipant(m.Party)
			if !ok {
				return nil, fmt.Errorf("submitters: the party of %s is not scheme::id", m.Country)
			}
			parties[p] = m.Country
		}
	}
	server, err := lcm.NewServer(lcm.ServerConfig{Source: src, Logger: log, Submitter: func(r *http.Request) (string, bool) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(token))
		for want, country := range tokens {
			if ok && subtle.ConstantTimeCompare(want[:], sum[:]) == 1 {
				return country, true
			}
		}
		return "", false
	}})
	if err != nil {
		return nil, err
	}
	if len(tokens) > 0 {
		conf.Extra[lcm.PathBroker] = server.Handler(service.PartBroker)
		conf.Extra[lcm.PathDirectory] = server.Handler(service.PartDirectory)
	}
	if s.PModes == "" {
		return nil, nil
	}
	file := s.PModes
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(base), file)
	}
	table, err := (&target{}).pmodes(c, file)
	if err != nil {
		return nil, err
	}
	peer, err := lcm.NewPeer(lcm.PeerConfig{
		AS4: edelivery.Config{PModes: table, Logger: log}, Server: server, Logger: log,
		Submitter: func(p canon.Participant) (string, bool) { country, ok := parties[p]; return country, ok },
		PartOf:    partOfRecipient,
	})
	if err != nil {
		return nil, err
	}
	conf.Extra["/as4"] = peer
	return peer.Run, nil
}

// partOfRecipient reads which service an empty submission is for: the final
// recipient is called EB or DSD.
func partOfRecipient(p canon.Participant) (service.Part, bool) {
	switch p.ID {
	case "EB":
		return service.PartBroker, true
	case "DSD":
		return service.PartDirectory, true
	}
	return "", false
}

func directoryCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check DATA",
		Short: "Check the YAML data of a directory: references, ids, codes",
		Long: `Check a YAML file of one Member State, or a directory of such files, as a process
that serves would: unknown keys, ids that are none or stand twice, references to
nothing, codes that are in no list, data of other Member States. Every fault is told
at once with its place. Exit code 3 means that there are faults; warnings alone are 0.`,
		Example: "  oncegate directory check deploy/directory\n  oncegate directory check si.yaml -o json",
		Args:    cobra.ExactArgs(1),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		files, err := service.ReadFiles(args[0])
		if err != nil {
			return &codedError{exitUsage, err}
		}
		cat, faults := service.Loader{Lists: codes.Default(), Base: "https://directory.example"}.Check(files)
		view := struct {
			Sound  bool             `json:"sound"`
			Files  int              `json:"files"`
			Faults []*service.Fault `json:"faults"`
		}{cat != nil, len(files), faults}
		if view.Faults == nil {
			view.Faults = []*service.Fault{}
		}
		if out.format != "table" {
			if err := out.print(c.OutOrStdout(), view, nil, nil); err != nil {
				return err
			}
		}
		count := 0
		for _, f := range faults {
			kind := "fault"
			if f.Warning {
				kind = "warning"
			} else {
				count++
			}
			if out.format == "table" {
				fmt.Fprintf(c.OutOrStdout(), "%-7s  %s\n", kind, f.Error())
			}
		}
		if cat == nil {
			return findings("%d faults", count)
		}
		if out.format == "table" {
			members, requirements, services := cat.Size()
			fmt.Fprintf(c.OutOrStdout(), "sound: %d member states, %d requirements, %d data services\n", members, requirements, services)
		}
		return nil
	}
	return c
}
