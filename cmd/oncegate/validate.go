package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/connectors/rulecheck"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// maxValidated is the largest file that is judged.
const maxValidated = 32 << 20

// A validation is the report on one file.
type validation struct {
	File     string              `json:"file"`
	Document string              `json:"document,omitempty"` // kind of document; empty for what is not known
	Edition  string              `json:"edition,omitempty"`
	Fatal    int                 `json:"fatal"`
	Others   int                 `json:"others"` // warnings, cautions, notes
	Findings []rulecheck.Finding `json:"findings"`
}

// A validator judges files one after the other.
type validator struct {
	edition string
	kind    canon.Kind
	against []byte // a request, or nothing
}

func validateCommand() *cobra.Command {
	var v validator
	var kind, against string
	c := &cobra.Command{
		Use: "validate FILE...", Short: "Judge messages and answers by structure and by every business rule",
		Long: `Judge documents of the Once-Only Technical System by their structure and by every
business rule of their edition: evidence requests, responses and exceptions (EDM
1.0, 1.1, 1.2, 2.0), headers of ebMS messages, answers of Evidence Broker and Data
Service Directory, submissions to them, and canonical messages in JSON, such as
register records. What a file is, is told by its content; in a directory all .xml
and .json files are judged and what is none of these is passed over. A dash reads
standard input.

Findings have a place, a rule, its meaning and a remedy, and never show a value of
the document. With --against an answer is also compared with its request.

Exit code 0: nothing fatal. 3: something fatal. 2: wrong words, or a file that
cannot be read.`,
		Example: `  oncegate validate request.xml
  oncegate validate response.xml --against request.xml
  oncegate validate testdata/ -o json
  oncegate validate - --kind register.record.v1 < records.json`,
		Args: cobra.MinimumNArgs(1),
	}
	fl := c.Flags()
	fl.StringVar(&against, "against", "", "file of the request that the answers belong to")
	fl.StringVar(&v.edition, "edition", "", "judge by the rules of this edition alone, whatever a document says: 1.0, 1.2 or 2.0")
	fl.StringVar(&kind, "kind", "", "kind of JSON documents; told by name or content where it is not given")
	_ = c.MarkFlagFilename("against", "xml")
	_ = c.RegisterFlagCompletionFunc("edition", cobra.FixedCompletions(rules.Editions(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("kind", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return kindNames(), cobra.ShellCompDirectiveNoFileComp
	})
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"xml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if v.edition != "" && !slices.Contains(rules.Editions(), v.edition) {
			return usagef("--edition %q: want one of %s", v.edition, strings.Join(rules.Editions(), ", "))
		}
		if v.kind = canon.Kind(kind); kind != "" && !slices.Contains(kindNames(), kind) {
			return usagef("--kind %q: want one of %s", kind, strings.Join(kindNames(), ", "))
		}
		if against != "" {
			text, err := readValidated(c, against)
			if err != nil {
				return err
			}
			v.against = text
		}
		return v.run(c, out, args)
	}
	return c
}

// run judges all files and prints their reports as they come; other formats are
// printed at the end.
func (v *validator) run(c *cobra.Command, out *printer, args []string) error {
	files, err := validatedFiles(args)
	if err != nil {
		return err
	}
	reports := []validation{}
	fatal, broken, passed := 0, 0, 0
	progress := newProgress(c.ErrOrStderr(), len(files))
	for _, f := range files {
		text, err := readValidated(c, f.name)
		if err != nil {
			return err
		}
		rep := v.judge(f.name, text)
		if rep.Document == "" && f.found {
			passed++
			continue
		}
		if rep.Fatal > 0 {
			broken++
			fatal += rep.Fatal
		}
		if out.format == "table" {
			printValidation(c.OutOrStdout(), rep)
		} else {
			reports = append(reports, rep)
		}
		progress.step()
	}
	progress.done()
	if out.format != "table" {
		if err := out.print(c.OutOrStdout(), reports, nil, nil); err != nil {
			return err
		}
	} else if len(files) > 1 {
		fmt.Fprintf(c.OutOrStdout(), "%d documents, %d with fatal findings", len(files)-passed, broken)
		if passed > 0 {
			fmt.Fprintf(c.OutOrStdout(), "; %d other files passed over", passed)
		}
		fmt.Fprintln(c.OutOrStdout())
	}
	if fatal > 0 {
		return findings("%s in %s", many(fatal, "fatal finding"), many(broken, "document"))
	}
	return nil
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// A validatedFile is to be judged; found says that a walk came upon it.
type validatedFile struct {
	name  string
	found bool
}

// validatedFiles lists the files among the arguments and below directories.
func validatedFiles(args []string) ([]validatedFile, error) {
	var out []validatedFile
	for _, a := range args {
		if a == "-" {
			out = append(out, validatedFile{name: a})
			continue
		}
		st, err := os.Stat(a)
		if err != nil {
			return nil, usagef("%w", err)
		}
		if !st.IsDir() {
			out = append(out, validatedFile{name: a})
			continue
		}
		err = filepath.WalkDir(a, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && slices.Contains([]string{".xml", ".json"}, strings.ToLower(filepath.Ext(name))) {
				out = append(out, validatedFile{name, true})
			}
			return err
		})
		if err != nil {
			return nil, usagef("%w", err)
		}
	}
	if len(out) == 0 {
		return nil, usagef("there is no .xml and no .json file in %s", strings.Join(args, ", "))
	}
	return out, nil
}

func readValidated(c *cobra.Command, name string) ([]byte, error) {
	r := c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("%w", err)
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxValidated+1))
	if err != nil {
		return nil, usagef("reading %s: %w", name, err)
	}
	if len(text) > maxValidated {
		return nil, usagef("%s: larger than %d MB", name, maxValidated>>20)
	}
	return text, nil
}

// printValidation writes one report for people and for editors, which jump to
// file:line:column.
func printValidation(w io.Writer, rep validation) {
	what := rep.Document
	if what == "" {
		what = "unknown document"
	}
	if rep.Edition != "" {
		what += " " + rep.Edition
	}
	verdict := "ok"
	if rep.Fatal > 0 {
		verdict = many(rep.Fatal, "fatal finding")
	}
	if rep.Others > 0 {
		verdict += fmt.Sprintf(", %d to look at", rep.Others)
	}
	fmt.Fprintf(w, "%s: %s: %s\n", printable(rep.File), what, verdict)
	for _, f := range rep.Findings {
		place := printable(rep.File)
		if f.Line > 0 {
			place += fmt.Sprintf(":%d:%d", f.Line, f.Column)
		}
		fmt.Fprintf(w, "%s: %s: ", place, f.Severity)
		if f.Rule != "" {
			fmt.Fprintf(w, "%s: ", printable(f.Rule))
		}
		fmt.Fprintln(w, printable(f.Meaning))
		if f.Path != "" {
			fmt.Fprintf(w, "    at      %s\n", printable(f.Path))
		}
		if f.Remedy != "" {
			fmt.Fprintf(w, "    remedy  %s\n", printable(f.Remedy))
		}
	}
}

// A progress tells on standard error how far many files are. It is quiet where
// nobody watches.
type progress struct {
	w           io.Writer
	at, of, per int
}

func newProgress(w io.Writer, of int) *progress {
	p := &progress{w: w, of: of, per: 100}
	if f, ok := w.(*os.File); !ok || of < 2*p.per {
		p.w = nil
	} else if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		p.w = nil
	}
	return p
}

func (p *progress) step() {
	if p.at++; p.w != nil && p.at%p.per == 0 {
		fmt.Fprintf(p.w, "\r%d of %d files", p.at, p.of)
	}
}

func (p *progress) done() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
