package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/lcm"
	"oncegate/connectors/directory/service"
	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/keystore"
	"oncegate/schemas/codes"
)

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

func absolutes(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, absolute(n))
	}
	return out
}

// submitFlags say what is submitted, how, and to whom.
type submitFlags struct {
	country, part, edition string
	to, token              string
	ca                     []string
	pmodes, partner        string
	listen                 string
	sender, recipient      string
	timeout                time.Duration
	dry                    bool
}

func (s *submitFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.country, "country", "", "whose data: two letters; Greece is EL")
	f.StringVar(&s.part, "part", "", "which service: broker or directory")
	f.StringVar(&s.edition, "edition", string(answers.Edition20), "shape of the data: oots-cs:v2.0, v1.2 or v1.0")
	f.BoolVarP(&s.dry, "dry-run", "n", false, "print the submission and send nothing")
	f.StringVar(&s.to, "to", "", "plain HTTP (test beds): URL of the service's LCM interface, https://.../eb/lcm")
	f.StringVar(&s.token, "token-file", "", "file with the bearer token, of its owner alone; with --to")
	f.StringSliceVar(&s.ca, "ca", nil, "PEM file: who vouches for the TLS server; with --to")
	f.StringVar(&s.pmodes, "pmodes", "", "AS4: P-Mode file with the agreement for service LifecycleManager")
	f.StringVar(&s.partner, "partner", "", "name of the partner in it that runs the common services")
	f.StringVar(&s.listen, "listen", "127.0.0.1:8444", "where the answer over AS4 comes in, as the partner knows our address")
	f.StringVar(&s.sender, "original-sender", "", "scheme::id of who submits (default: our access point)")
	f.StringVar(&s.recipient, "final-recipient", "", "scheme::id of the service (default: EB or DSD of the partner)")
	f.DurationVar(&s.timeout, "timeout", time.Minute, "how long to wait for the answer")
	_ = c.RegisterFlagCompletionFunc("part", cobra.FixedCompletions([]string{"broker", "directory"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("edition", cobra.FixedCompletions([]string{"oots-cs:v2.0", "oots-cs:v1.2", "oots-cs:v1.0"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("pmodes", "yaml", "yml")
	_ = c.MarkFlagFilename("token-file")
}

// submission makes the submission of YAML data.
func (s *submitFlags) submission(data string) (lcm.Submission, error) {
	part := service.Part(s.part)
	if part != service.PartBroker && part != service.PartDirectory {
		return lcm.Submission{}, usagef("--part is broker or directory")
	}
	if s.country == "" {
		return lcm.Submission{}, usagef("--country is required")
	}
	files, err := service.ReadFiles(data)
	if err != nil {
		return lcm.Submission{}, &codedError{exitUsage, err}
	}
	base := "https://directory.example"
	if at := strings.TrimSuffix(strings.TrimSuffix(s.to, lcm.PathBroker), lcm.PathDirectory); strings.HasPrefix(at, "https://") {
		base = at // code lists of questions are where they are served
	}
	cat, faults := service.Loader{Lists: codes.Default(), Base: base}.Check(files)
	if cat == nil {
		return lcm.Submission{}, &codedError{exitFindings, service.Join(faults)}
	}
	m, ok := cat.Member(s.country)
	if !ok {
		return lcm.Submission{}, usagef("%s has no data of %s", data, s.country)
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return lcm.Submission{}, err
	}
	random[6], random[8] = random[6]&0x0f|0x40, random[8]&0x3f|0x80 // UUID version 4
	h := hex.EncodeToString(random[:])
	id := "urn:uuid:" + strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	return lcm.FromMember(m, part, id, cat), nil
}

// send writes a submission, sends it and tells what came of it.
func (s *submitFlags) send(c *cobra.Command, sub lcm.Submission, out *printer) error {
	doc, err := lcm.Write(sub, answers.Edition(s.edition))
	if err != nil {
		return &codedError{exitUsage, err}
	}
	if s.dry {
		_, err := c.OutOrStdout().Write(doc)
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), s.timeout)
	defer cancel()
	var res lcm.Response
	switch {
	case s.to != "" && s.pmodes == "":
		res, err = s.overHTTP(ctx, doc)
	case s.pmodes != "" && s.to == "":
		res, err = s.overAS4(ctx, c, doc)
	default:
		return usagef("name --to URL (plain HTTP) or --pmodes FILE with --partner NAME (AS4)")
	}
	if err != nil {
		return err
	}
	view := struct {
		Accepted bool     `json:"accepted"`
		Request  string   `json:"request"`
		Objects  int      `json:"objects"`
		Faults   []string `json:"faults,omitempty"`
	}{res.OK(), sub.ID, len(sub.Objects), nil}
	for _, f := range res.Faults {
		view.Faults = append(view.Faults, f.Error())
	}
	if err := out.print(c.OutOrStdout(), view, nil, func(add func(...any)) {
		if res.OK() {
			add(fmt.Sprintf("accepted: %d objects, %d associations, request %s", len(sub.Objects), len(sub.Associations), sub.ID))
		}
		for _, f := range view.Faults {
			add(f)
		}
	}); err != nil {
		return err
	}
	if !res.OK() {
		return findings("the submission was refused; what was submitted before stays")
	}
	return nil
}

func (s *submitFlags) overHTTP(ctx context.Context, doc []byte) (lcm.Response, error) {
	if s.token == "" {
		return lcm.Response{}, usagef("--token-file is required with --to")
	}
	token, err := besideFile("x").Secret(absolute(s.token))
	if err != nil {
		return lcm.Response{}, &codedError{exitUsage, fmt.Errorf("--token-file: %w", err)}
	}
	var roots *x509.CertPool
	for _, name := range s.ca {
		data, err := os.ReadFile(name)
		if err != nil {
			return lcm.Response{}, &codedError{exitUsage, fmt.Errorf("--ca: %w", err)}
		}
		certs, err := keystore.Certificates(data)
		if err != nil {
			return lcm.Response{}, &codedError{exitUsage, fmt.Errorf("--ca %s: %w", name, err)}
		}
		if roots == nil {
			roots = x509.NewCertPool()
		}
		for _, cert := range certs {
			roots.AddCert(cert)
		}
	}
	if !strings.HasPrefix(s.to, "https://") {
		return lcm.Response{}, usagef("--to is not an https address: the token would travel in clear")
	}
	client := lcm.Client{URL: s.to, Token: strings.TrimSpace(string(token)), HTTP: edelivery.Client(edelivery.ClientTLS(roots, nil))}
	return client.Submit(ctx, doc)
}

func (s *submitFlags) overAS4(ctx context.Context, c *cobra.Command, doc []byte) (_ lcm.Response, err error) {
	table, err := (&target{}).pmodes(c, s.pmodes)
	if err != nil {
		return lcm.Response{}, err
	}
	partner, ok := table.Named(s.partner)
	if !ok {
		return lcm.Response{}, usagef("--partner: %s has no partner %q", s.pmodes, s.partner)
	}
	e := lcm.Errand{To: partner.Party.ID, OriginalSender: table.Own().Party.ID, FinalRecipient: partner.Party.ID}
	e.FinalRecipient.ID = map[string]string{"broker": "EB", "directory": "DSD"}[s.part]
	if s.sender != "" {
		if e.OriginalSender, ok = service.ParseParticipant(s.sender); !ok {
			return lcm.Response{}, usagef("--original-sender is not scheme::id")
		}
	}
	if s.recipient != "" {
		if e.FinalRecipient, ok = service.ParseParticipant(s.recipient); !ok {
			return lcm.Response{}, usagef("--final-recipient is not scheme::id")
		}
	}
	peer, err := lcm.NewPeer(lcm.PeerConfig{AS4: edelivery.Config{PModes: table}})
	if err != nil {
		return lcm.Response{}, err
	}
	ln, err := net.Listen("tcp", s.listen)
	if err != nil {
		return lcm.Response{}, fmt.Errorf("listening for the answer: %w", err)
	}
	srv := &http.Server{Handler: peer, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, MaxHeaderBytes: 32 << 10}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	defer func() {
		err = errors.Join(err, srv.Close())
		<-done
	}()
	return peer.Submit(ctx, e, doc)
}

func directorySubmit() *cobra.Command {
	c := &cobra.Command{
		Use:   "submit DATA",
		Short: "Submit a Member State's data to the common services (LCM)",
		Long: `Submit what a Member State tells one service, from YAML data. A submission replaces
everything that the Member State told that service before: what is not in it any more
is withdrawn. Real common services take it over AS4 (service LifecycleManager); plain
HTTP with a token is for test beds. Exit code 3 means that it was refused.`,
		Example: `  oncegate directory submit deploy/directory --country SI --part broker --dry-run
  oncegate directory submit deploy/directory --country SI --part directory --to https://cs.example/dsd/lcm --token-file token
  oncegate directory submit deploy/directory --country SI --part broker --pmodes pmodes.yaml --partner common-services --listen 0.0.0.0:8444`,
		Args: cobra.ExactArgs(1),
	}
	var s submitFlags
	s.add(c)
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		sub, err := s.submission(args[0])
		if err != nil {
			return err
		}
		return s.send(c, sub, out)
	}
	return c
}

func directoryWithdraw() *cobra.Command {
	c := &cobra.Command{
		Use:   "withdraw DATA",
		Short: "Withdraw objects of a Member State from the common services (LCM)",
		Long: `Withdraw objects: submit the data without them, and without what ties them to
others. Objects are named by their identifiers: a classification, a requirement, the
UUID of a service, a list or a procedure, or scheme::id of a provider. --all withdraws
everything that the Member State told the service; DATA then says only whose it is.`,
		Example: `  oncegate directory withdraw deploy/directory --country ES --part directory --object 2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02 --to https://cs.example/dsd/lcm --token-file token
  oncegate directory withdraw deploy/directory --country ES --part broker --all --to https://cs.example/eb/lcm --token-file token`,
		Args: cobra.ExactArgs(1),
	}
	var s submitFlags
	var objects []string
	var all bool
	s.add(c)
	c.Flags().StringArrayVar(&objects, "object", nil, "identifier of an object to withdraw; may be repeated")
	c.Flags().BoolVar(&all, "all", false, "withdraw everything")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if all == (len(objects) > 0) {
			return usagef("name --object ID, or --all")
		}
		sub, err := s.submission(args[0])
		if err != nil {
			return err
		}
		if all {
			sub.Objects, sub.Associations = nil, nil
		} else {
			var missing []string
			if sub, missing = sub.Without(objects...); len(missing) > 0 {
				return usagef("the data has no object %s", strings.Join(missing, ", "))
			}
		}
		return s.send(c, sub, out)
	}
	return c
}
