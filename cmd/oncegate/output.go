package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// A printer writes one result as a table, as JSON or as YAML.
type printer struct {
	format string
}

// outputFlag adds -o to a command.
func outputFlag(c *cobra.Command) *printer {
	p := &printer{}
	c.Flags().StringVarP(&p.format, "output", "o", "table", "output format: table, json or yaml")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	pre := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		switch p.format {
		case "table", "json", "yaml":
		default:
			return usagef("unknown output format %q: want table, json or yaml", p.format)
		}
		if pre != nil {
			return pre(c, args)
		}
		return nil
	}
	return p
}

// print writes v, or the table that rows makes. YAML goes through the JSON
// form, so that both have the same field names.
func (p *printer) print(w io.Writer, v any, header []string, rows func(add func(cells ...any))) error {
	switch p.format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "yaml":
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encoding output: %w", err)
		}
		var n yaml.Node
		if err := yaml.Unmarshal(data, &n); err != nil {
			return fmt.Errorf("encoding output: %w", err)
		}
		blockStyle(&n)
		enc := yaml.NewEncoder(w)
		enc.SetIndent(2)
		if err := enc.Encode(&n); err != nil {
			return fmt.Errorf("encoding output: %w", err)
		}
		return enc.Close()
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(header) > 0 {
		fmt.Fprintln(tw, strings.Join(header, "\t"))
	}
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	return tw.Flush()
}

// blockStyle turns the flow style that JSON parses to into plain YAML.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		blockStyle(c)
	}
}
