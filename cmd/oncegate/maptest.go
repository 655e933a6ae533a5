package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"oncegate/connectors/register"
	"oncegate/mapping"
)

func mapCommand() *cobra.Command {
	c := &cobra.Command{Use: "map", Short: "Work with the mapping language", Example: "  oncegate map test my-register.maptest"}
	c.AddCommand(&cobra.Command{
		Use: "test PATH…", Short: "Run .maptest files: a mapping, inputs, and what must come of them",
		Long:    "Run .maptest files, or all of them below a directory. Exit code 3 means a case failed.",
		Example: "  oncegate map test mapping/testdata\n  oncegate map test my-register.maptest",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			files, err := mapTests(args)
			if err != nil {
				return usagef("%w", err)
			}
			failed, ran := 0, 0
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					return fmt.Errorf("reading test: %w", err)
				}
				results, err := mapping.RunTests(f, text, register.Codec())
				if err != nil {
					return &codedError{exitFindings, err}
				}
				for _, r := range results {
					ran++
					word := "ok  "
					if r.Err != nil {
						word = "FAIL"
						failed++
					}
					fmt.Fprintf(c.OutOrStdout(), "%s %s:%d %s\n", word, f, r.Line, r.Name)
					if r.Err != nil {
						fmt.Fprintln(c.OutOrStdout(), r.Err)
					}
				}
			}
			if ran == 0 {
				return usagef("no .maptest file in %v", args)
			}
			if failed > 0 {
				return findings("%d of %d cases failed", failed, ran)
			}
			return nil
		},
	})
	return c
}

// mapTests lists the .maptest files among and below the given paths.
func mapTests(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		err := filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (name == p || filepath.Ext(name) == ".maptest") {
				out = append(out, name)
			}
			return err
		})
		if err != nil {
			return nil, errors.Unwrap(err)
		}
	}
	return out, nil
}
