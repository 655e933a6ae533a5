package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/mapping"
	"oncegate/schemas/records"
)

// ruleSet is what an argument RULES means: a register, or one mapping file.
type ruleSet struct {
	place  string               // as faults name it
	def    *register.Definition // nil for a mapping
	prog   *mapping.Program     // of a mapping
	text   []byte               // of a mapping
	folder fs.FS                // of a register; nil for a mapping
	dir    string               // of a register on disk; empty for a built-in one
}

// maxRulesFile is the largest file of rules that is read.
const maxRulesFile = 4 << 20

var kindRegister = regexp.MustCompile(`(?m)^kind:\s*Register\b`)

// openRules finds the folder of a register, a mapping file, or a register by its name,
// in dir or among the built-in ones. Errors are faults of the rules, or usage errors.
func openRules(arg, dir string) (*ruleSet, error) {
	st, err := os.Stat(arg)
	switch {
	case err == nil && st.IsDir():
		return openFolder(arg)
	case err == nil && filepath.Base(arg) == register.DefinitionFile:
		return openFolder(filepath.Dir(arg))
	case err == nil:
		return openMapping(arg)
	case dir != "":
		if strings.ContainsAny(arg, `/\`) {
			return nil, usagef("%w", err)
		}
		return openFolder(filepath.Join(dir, arg))
	case strings.ContainsAny(arg, "/.\\"):
		return nil, usagef("%w", err)
	}
	folder, err := fs.Sub(registers.FS, arg)
	if err == nil {
		_, err = fs.Stat(folder, register.DefinitionFile)
	}
	if err != nil {
		return nil, usagef("there is no file, folder or built-in register %q; built in are %s", arg, strings.Join(builtIn(), ", "))
	}
	def, err := register.Open(folder, arg, arg)
	return &ruleSet{place: arg, def: def, folder: folder}, err
}

func openFolder(dir string) (*ruleSet, error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, register.DefinitionFile)); err != nil {
		return nil, usagef("%s is not the folder of a register: %w", dir, err)
	}
	folder := os.DirFS(whole)
	def, err := register.Open(folder, filepath.Base(whole), filepath.ToSlash(dir))
	return &ruleSet{place: dir, def: def, folder: folder, dir: dir}, err
}

func openMapping(file string) (*ruleSet, error) {
	st, err := os.Stat(file)
	if err == nil && st.Size() > maxRulesFile {
		return nil, usagef("%s: larger than %d MB", file, maxRulesFile>>20)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if kindRegister.Match(text) {
		def, err := register.Parse(file, text)
		return &ruleSet{place: file, def: def}, err
	}
	prog, err := mapping.Compile(file, text)
	return &ruleSet{place: file, prog: prog, text: text}, err
}

// rulesError shows faults of rules with their carets; usage errors stay what they are.
func rulesError(c *cobra.Command, err error) error {
	if _, ok := errors.AsType[*codedError](err); ok {
		return err
	}
	return faulty(c, err)
}

// builtIn are the names of the built-in registers.
func builtIn() []string {
	var out []string
	files, _ := fs.Glob(registers.FS, "*/"+register.DefinitionFile) // the pattern is sound
	for _, f := range files {
		out = append(out, path.Dir(f))
	}
	return out
}

// completeRules completes names of built-in registers, and files.
func completeRules(ext ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if strings.ContainsAny(begun, "/.") {
			return append([]string{"yaml", "yml"}, ext...), cobra.ShellCompDirectiveFilterFileExt
		}
		return builtIn(), cobra.ShellCompDirectiveDefault
	}
}

// lint says what is doubtful in the rules.
func (r *ruleSet) lint(record string) ([]mapping.Finding, error) {
	if r.def != nil {
		return r.def.Lint(), nil
	}
	var known func(string) bool
	if record != "" {
		known = func(path string) bool { return records.Known(record, path) }
	}
	return mapping.Lint(r.place, r.text, known)
}

// samplesAt is the folder of samples that a directory means: its own, that of the
// register's folder in it, or that of a recorder's directory.
func samplesAt(dir, name string) (fs.FS, error) {
	for _, d := range []string{filepath.Join(dir, name, "testdata"), filepath.Join(dir, "testdata"), dir} {
		if st, err := os.Stat(d); err == nil && st.IsDir() {
			return os.DirFS(d), nil
		}
	}
	return nil, usagef("there is no directory %s", dir)
}

// filesBelow lists the files of a kind in a directory.
func filesBelow(dir string, ext ...string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && slices.Contains(ext, strings.ToLower(filepath.Ext(name))) {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		return nil, usagef("%w", err)
	}
	if len(out) == 0 {
		return nil, usagef("there is no %s file in %s", strings.Join(ext, " and no "), dir)
	}
	return out, nil
}
