package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/connectors/register/draft"
)

func connectorNew(f *connectorFlags) *cobra.Command {
	conf := draft.Config{}
	var from string
	c := &cobra.Command{
		Use: "new NAME", Short: "Begin a register: a folder with comments and an invented sample, which passes its tests",
		Long: `Write the folder of a new register: register.yaml with comments, and samples about an
invented person. It passes connector test at once; change it piece by piece.

With --from REPLY the rules are drafted from the elements of a reply of your register:
all of them, into a record of its own, with comments that name fields of the canonical
record. The reply becomes the sample: it must be about nobody who exists.`,
		Example: `  oncegate connector new lv-births --transport soap12 --record birth --country LV
  oncegate connector new my-addresses --transport rest-json --record residence --dir ./registers
  oncegate connector new my-births --transport soap11 --record birth --from reply.xml`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
	}
	fl := c.Flags()
	fl.StringVar(&conf.Transport, "transport", "", "how it is asked: "+strings.Join(draft.Transports(), ", ")+". Required")
	fl.StringVar(&conf.Record, "record", "", "type of its canonical record: "+strings.Join(draft.Records(), ", ")+". Required")
	fl.StringVar(&conf.Country, "country", "", "country of the register, two letters (default: XX, to be replaced)")
	fl.StringVar(&from, "from", "", "a reply to draft rules from, as it comes over the wire: XML, JSON, or rows as XML")
	_ = c.RegisterFlagCompletionFunc("transport", cobra.FixedCompletions(draft.Transports(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("record", cobra.FixedCompletions(draft.Records(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("from", "xml", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		conf.Name = args[0]
		if from != "" {
			text, err := readValidated(c, from)
			if err != nil {
				return err
			}
			conf.From = text
		}
		files, err := draft.Files(conf)
		if err != nil {
			return usagef("%w", err)
		}
		parent := f.dir
		if parent == "" {
			parent = "."
		}
		dir := filepath.Join(parent, conf.Name)
		if _, err := os.Lstat(dir); err == nil {
			return usagef("%s is there already", dir)
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return fmt.Errorf("making the folder: %w", err)
			}
			if err := os.WriteFile(file, files[name], 0o644); err != nil {
				return fmt.Errorf("writing the folder: %w", err)
			}
		}
		r, err := openFolder(dir)
		if err != nil {
			return rulesError(c, err)
		}
		if err := r.update(c); err != nil {
			return err
		}
		for _, s := range r.def.Samples() {
			if s.Err != nil {
				return findings("%s was written, but its sample %s %s fails: %s", dir, s.Case, s.Check, rendered(s.Err))
			}
		}
		w := c.OutOrStdout()
		fmt.Fprintf(w, "%s is there and passes its tests.\n", dir)
		if from != "" {
			fmt.Fprintln(w, "Its sample is a copy of "+from+": see that it is about nobody who exists.")
		}
		fmt.Fprintf(w, "Next:  edit %s\n       oncegate connector check %s --dir %s\n", filepath.Join(dir, "register.yaml"), conf.Name, parent)
		return nil
	}
	return c
}
