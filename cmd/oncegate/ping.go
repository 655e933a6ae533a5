package main

import (
	"fmt"
	"io"
	"log/slog"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery"
)

func pingCommand(t *target) *cobra.Command {
	var to, payload, mediaType string
	c := &cobra.Command{
		Use: "ping --to PARTNER", Short: "Send a test message to a partner and explain the round trip",
		Long: `Send a message of the eDelivery test service to a partner, signed as the P-Mode says,
and explain what happened: name, connection, TLS, answer, receipt, certificates. The
partner processes it and delivers nothing; no exchange is touched, and neither Kafka nor
Redis is needed. Where something fails, symptom, cause and remedy are told, with our
values to compare. Exit code 3 means that no receipt came that holds.`,
		Example: "  oncegate message ping --to ap-fi -c oncegate.yaml\n  oncegate message ping --to ap-fi --payload sample.pdf\n  oncegate message ping --to ap-fi -o json",
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "name of the partner in the P-Modes (required)")
	f.StringVar(&payload, "payload", "", "file to send along, which also tests compression and encryption; nothing personal")
	f.StringVar(&mediaType, "media-type", "", "media type of the payload (default: by the name of the file)")
	_ = c.MarkFlagFilename("payload")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if to == "" {
			return usagef("--to is required: the name of a partner\nsee '%s --help'", c.CommandPath())
		}
		var parts []edelivery.Part
		if payload != "" {
			part, err := payloadPart(payload, mediaType)
			if err != nil {
				return &codedError{exitUsage, err}
			}
			parts = append(parts, part)
		}
		cfg, err := node.Load(t.config)
		if err != nil {
			return &codedError{exitUsage, err}
		}
		report, err := cfg.Ping(c.Context(), newLogger(c.ErrOrStderr(), slog.LevelError, "text"), to, parts...)
		if err != nil {
			return err
		}
		if err := out.print(c.OutOrStdout(), report, nil, func(add func(...any)) { pingRows(report, add) }); err != nil {
			return err
		}
		if !report.OK {
			return findings("no receipt that holds: %s", report.Problem.Symptom)
		}
		return nil
	}
	return c
}

// payloadPart sends a file along.
func payloadPart(path, mediaType string) (edelivery.Part, error) {
	st, err := os.Stat(path)
	if err != nil {
		return edelivery.Part{}, fmt.Errorf("--payload: %w", err)
	}
	if !st.Mode().IsRegular() {
		return edelivery.Part{}, fmt.Errorf("--payload: %s is not a file", path)
	}
	if mediaType == "" {
		mediaType, _, _ = strings.Cut(mime.TypeByExtension(filepath.Ext(path)), ";")
	}
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	return edelivery.Part{
		ID: "payload@ping.oncegate", MediaType: mediaType, Size: st.Size(),
		Open: func() (io.ReadCloser, error) { return os.Open(path) },
	}, nil
}

// pingRows tells the round trip in the order in which it went.
func pingRows(r edelivery.PingReport, add func(...any)) {
	took := func(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
	typed := func(value, kind string) string {
		if kind != "" {
			value += " (" + kind + ")"
		}
		return value
	}
	add("partner", r.Partner+" at "+r.URL)
	m := r.PMode
	add("message", r.MessageID)
	add("from", typed(m.From, m.FromType)+", role "+m.FromRole)
	add("to", typed(m.To, m.ToType)+", role "+m.ToRole)
	if m.Agreement != "" {
		add("agreement", typed(m.Agreement, m.AgreementType))
	}
	if m.MPC != "" {
		add("partition", m.MPC)
	}
	add("service", m.Service+" action "+m.Action)
	add("security", fmt.Sprintf("%s, profile %s, tokens %s/%s", m.Security, m.Profile, m.SignToken, m.EncryptToken))
	for _, s := range r.Steps {
		verdict := took(s.Took)
		if !s.OK {
			verdict = "failed after " + verdict
		}
		add(s.Name, strings.TrimSpace(verdict+"  "+printable(s.Detail)))
	}
	if r.TLS != nil && r.TLS.Server.Subject != "" {
		add("server", certificateLine(r.TLS.Server))
	}
	if r.Status != 0 {
		add("HTTP", fmt.Sprintf("status %d, %d bytes", r.Status, r.Answer.Bytes))
	}
	switch r.Answer.Kind {
	case "receipt":
		add("receipt", fmt.Sprintf("%d references, signed by %s", r.Answer.References, orNobody(r.Answer.Signer)))
	case "error":
		add("error", strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Answer.Code, r.Answer.Meaning, printable(r.Answer.Text)))+", signed by "+orNobody(r.Answer.Signer))
	}
	for _, k := range r.Keys {
		add(k.Use, certificateLine(k))
	}
	if r.Problem == nil {
		add("verdict", "the receipt holds: signed by the partner, for just this message")
		return
	}
	add("verdict", "PROBLEM: "+r.Problem.Symptom)
	add("cause", r.Problem.Cause)
	add("remedy", r.Problem.Remedy)
	for _, line := range r.Problem.Compare {
		add("compare", printable(line))
	}
	if r.Problem.Detail != "" {
		add("detail", printable(r.Problem.Detail))
	}
}

func orNobody(signer string) string {
	if signer == "" {
		return "nobody we know"
	}
	return printable(signer)
}

func certificateLine(c edelivery.PingCertificate) string {
	left := fmt.Sprintf("%d days left", c.DaysLeft)
	if c.DaysLeft < 0 {
		left = "EXPIRED"
	}
	return fmt.Sprintf("%s, until %s (%s)", printable(c.Subject), c.NotAfter.Format(time.DateOnly), left)
}
