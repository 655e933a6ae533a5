package main

import (
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/gateway/exchangelog"
	"oncegate/schemas/canon"
)

func exchangeExport(t *target) *cobra.Command {
	var reason, dir string
	var keys []string
	c := &cobra.Command{
		Use: "export ID", Short: "Export what the law wants kept of one exchange: its messages and its legal record",
		Long: `Export what the law wants kept of one exchange (IR 2022/1463 Art. 17): the record of
every message with the message document, and the audit events with the signed receipts.
Without --key the documents stay sealed. ID is the exchange, its ExchangeId or ebMS
ConversationId, an AS4 MessageId, or the id of a request, an answer or an evidence.
The documents name the person: the export, its reason and your login are entered in the
legal record before anything is read. Give a directory, and documents are written there
as files that only you may read; else they are part of the JSON on standard output.`,
		Example: "  oncegate exchange export 4f6b2c1e-… --reason \"audit 2026/17\" --key log-1.key\n" +
			"  oncegate exchange export 4f6b2c1e-… --reason \"audit 2026/17\" --key log-1.key --to export/",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&reason, "reason", "", "why; audited, names no person. Required")
	c.Flags().StringArrayVar(&keys, "key", nil, "private key of the exchange log in PEM; may be repeated")
	c.Flags().StringVar(&dir, "to", "", "directory for exchange.json and one XML file a message")
	c.RunE = func(c *cobra.Command, args []string) error {
		if strings.TrimSpace(reason) == "" {
			return &codedError{exitRefused, errors.New("an export needs --reason: it is audited")}
		}
		open, err := opener(keys)
		if err != nil {
			return &codedError{exitUsage, err}
		}
		return t.with(c, func(n *node.Node) error {
			id, err := findRecorded(c, n, args[0])
			if err != nil {
				return err
			}
			x, err := n.ExportExchange(c.Context(), id, actor(), reason, open)
			if err != nil {
				return err
			}
			if dir != "" {
				return writeExport(c, dir, x)
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(x)
		})
	}
	return c
}

// opener reads the keys. Nil leaves documents sealed.
func opener(files []string) (func(canon.Message) ([]byte, error), error) {
	var keys []*ecdh.PrivateKey
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("reading --key: %w", err)
		}
		k, err := exchangelog.ParsePrivateKey(data)
		if err != nil {
			return nil, fmt.Errorf("reading --key %s: %w", f, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return func(m canon.Message) (document []byte, err error) {
		for _, k := range keys {
			if document, err = exchangelog.Open(m, k); err == nil {
				return document, nil
			}
		}
		return nil, err
	}, nil
}

// findRecorded names the conversation; the records know it longer than the memory.
func findRecorded(c *cobra.Command, n *node.Node, id string) (canon.ConversationID, error) {
	found, err := n.FindRecorded(c.Context(), id)
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return n.Find(c.Context(), id)
	case 1:
		return found[0], nil
	}
	list := make([]string, len(found))
	for i, f := range found {
		list[i] = string(f)
	}
	return "", &codedError{exitRefused, fmt.Errorf("%s stands in %d exchanges; export each: %s", id, len(found), strings.Join(list, " "))}
}

func writeExport(c *cobra.Command, dir string, x *node.Export) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	for i := range x.Records {
		r := &x.Records[i]
		if len(r.Document) == 0 {
			continue
		}
		name := strconv.Itoa(i+1) + "-" + string(r.Record.Direction) + "-" + fileName(r.Record.Action) + ".xml"
		if err := os.WriteFile(filepath.Join(dir, name), r.Document, 0o600); err != nil {
			return fmt.Errorf("writing document: %w", err)
		}
		r.XML = "" // it has a file
	}
	data, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding export: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "exchange.json"), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing export: %w", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "%d messages and %d events of exchange %s written to %s at %s\n",
		len(x.Records), len(x.Events), x.Conversation, dir, time.Now().UTC().Format(time.RFC3339))
	return nil
}

// fileName keeps what a peer wrote out of paths.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s[:min(len(s), 40)])
}
