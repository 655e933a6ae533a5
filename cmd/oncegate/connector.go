package main

import (
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
)

func connectorCommand() *cobra.Command {
	c := &cobra.Command{Use: "connector", Short: "Work with registers: folders of register.yaml and samples", Example: "  oncegate connector list\n  oncegate connector test births"}
	var dir string
	c.PersistentFlags().StringVar(&dir, "dir", "", "directory of registers (default: the built-in ones)")
	_ = c.MarkPersistentFlagDirname("dir")
	source := func() fs.FS {
		if dir != "" {
			return os.DirFS(dir)
		}
		return registers.FS
	}
	test := &cobra.Command{
		Use: "test [NAME…]", Short: "Run the samples of registers: query out, reply in, faults named, evidence made",
		Long:    "Run the samples in the testdata folder of each register. Faults are printed as file:line:column with a caret. Exit code 3 means something failed.",
		Example: "  oncegate connector test\n  oncegate connector test births\n  oncegate connector test --dir /etc/oncegate/registers lv-births",
		RunE: func(c *cobra.Command, args []string) error {
			failed, err := register.Check(c.OutOrStdout(), source(), args...)
			if err != nil {
				return &codedError{exitFindings, err}
			}
			if failed > 0 {
				return findings("%d samples failed", failed)
			}
			return nil
		},
	}
	list := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List registers", Example: "  oncegate connector list -o json", Args: cobra.NoArgs}
	out := outputFlag(list)
	list.RunE = func(c *cobra.Command, _ []string) error {
		defs, err := register.Load(source())
		if err != nil {
			return &codedError{exitFindings, err}
		}
		type view struct {
			Name         string `json:"name"`
			Version      string `json:"version"`
			Title        string `json:"title"`
			Country      string `json:"country"`
			About        string `json:"about"`
			Transport    string `json:"transport"`
			EvidenceType string `json:"evidenceType"`
		}
		var views []view
		for _, name := range slices.Sorted(maps.Keys(defs)) {
			d := defs[name]
			views = append(views, view{d.Name, d.Version, d.Title, d.Country, string(d.About), d.Transport, d.EvidenceType.Classification})
		}
		return out.print(c.OutOrStdout(), views, []string{"REGISTER", "TITLE", "COUNTRY", "ABOUT", "TRANSPORT"}, func(add func(...any)) {
			for _, v := range views {
				add(v.Name, v.Title, v.Country, v.About, v.Transport)
			}
		})
	}
	c.AddCommand(list, test)
	return c
}
