package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// A ran is what one run of the binary gave.
type ran struct {
	code     int
	out, err string
}

// cli runs the binary's main with the given words.
func cli(t testing.TB, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(args, strings.NewReader(""), &out, &errs)
	return ran{code, out.String(), errs.String()}
}

// ok runs the words, wants exit code 0, and returns what was printed.
func ok(t testing.TB, args ...string) string {
	t.Helper()
	r := cli(t, args...)
	if r.code != exitOK {
		t.Fatalf("oncegate %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// parsed runs the words with -o json and -o yaml, compares the two, and reads the
// JSON into v.
func parsed(t testing.TB, v any, args ...string) {
	t.Helper()
	asJSON := ok(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(asJSON), v); err != nil {
		t.Fatalf("oncegate %s -o json: %v\n%s", strings.Join(args, " "), err, asJSON)
	}
	var a, b any
	if err := yaml.Unmarshal([]byte(asJSON), &a); err != nil {
		t.Fatal(err)
	}
	asYAML := ok(t, append(args, "-o", "yaml")...)
	if err := yaml.Unmarshal([]byte(asYAML), &b); err != nil {
		t.Fatalf("oncegate %s -o yaml: %v\n%s", strings.Join(args, " "), err, asYAML)
	}
	if strings.HasPrefix(strings.TrimSpace(asYAML), "{") {
		t.Errorf("oncegate %s -o yaml prints JSON", strings.Join(args, " "))
	}
	checkNames(t, strings.Join(args, " "), a)
	checkNames(t, strings.Join(args, " "), b)
}

var (
	fieldName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
	dataName  = regexp.MustCompile(`^[a-z0-9_.-]+$`) // keys that are data: header names, reasons
)

// checkNames wants field names in lower camel case.
func checkNames(t testing.TB, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			if !fieldName.MatchString(k) && !dataName.MatchString(k) {
				t.Errorf("oncegate %s: field %q is not in lower camel case", where, k)
			}
			checkNames(t, where, sub)
		}
	case []any:
		for _, sub := range v {
			checkNames(t, where, sub)
		}
	}
}

// commands returns every command but those that cobra adds itself.
func commands(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, s := range c.Commands() {
		if s.Name() != "help" && s.Name() != "completion" {
			out = append(out, commands(s)...)
		}
	}
	return out
}

// words splits an example as a shell would, as far as examples go.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

func TestEveryCommandHasExamplesThatExist(t *testing.T) {
	for _, c := range commands(newRoot()) {
		t.Run(strings.ReplaceAll(c.CommandPath(), " ", "_"), func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("short text %q", c.Short)
			}
			if c.Example == "" {
				t.Fatal("has no example")
			}
			for _, line := range strings.Split(c.Example, "\n") {
				text, _, _ := strings.Cut(strings.TrimPrefix(line, "  "), "  ") // what it does may follow
				args := words(text)
				if len(args) < 2 || args[0] != "oncegate" {
					t.Errorf("%q is no example", line)
					continue
				}
				found, rest, err := newRoot().Find(args[1:])
				if err != nil {
					t.Errorf("%q: %v", line, err)
					continue
				}
				if !strings.HasPrefix(found.CommandPath(), c.CommandPath()) {
					t.Errorf("%q is an example of %q", line, found.CommandPath())
				}
				if err := found.ParseFlags(rest); err != nil {
					t.Errorf("%q: %v", line, err)
				} else if err := found.ValidateArgs(found.Flags().Args()); err != nil {
					t.Errorf("%q: %v", line, err)
				}
			}
		})
	}
}

func TestHelpPrints(t *testing.T) {
	for _, c := range commands(newRoot()) {
		path := strings.Fields(c.CommandPath())[1:]
		out := ok(t, append(slices.Clone(path), "--help")...)
		if !strings.Contains(out, "Usage:") || !strings.Contains(out, "Examples:") {
			t.Errorf("help of %q:\n%s", path, out)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%v --%s says nothing", path, f.Name)
			}
		})
		if r := cli(t, append([]string{"help"}, path...)...); r.code != exitOK || r.out == "" {
			t.Errorf("help %v: exit %d", path, r.code)
		}
	}
}

func TestWrongWordsAreUsageErrors(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "missing.yaml")
	for _, args := range [][]string{
		{"bogus"}, {"--bogus"}, {"demo", "--bogus"}, {"demo", "extra"}, {"demo", "--register", "none"}, {"demo", "--fault", "none"},
		{"demo", "--not-found", "--decline"}, {"exchange", "bogus"}, {"exchange", "get"}, {"exchange", "get", "a", "b"},
		{"topic", "consume"}, {"version", "-o", "xml"}, {"connector", "list", "-o", "xml"}, {"map", "test"}, {"map", "test", t.TempDir()},
		{"map", "test", broken}, {"replay", "plan", "-c", broken}, {"replay", "plan", "--topic", "evidence.request.v1", "--from-time", "yesterday", "-c", broken},
		{"exchange", "list", "-c", broken}, {"serve", "-c", broken}, {"serve", "--data", "x"}, {"topic", "list", "-c", broken}, {"completion", "bogus"},
	} {
		if r := cli(t, args...); r.code != exitUsage {
			t.Errorf("oncegate %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.code, exitUsage, r.out, r.err)
		} else if r.err == "" || r.out != "" {
			t.Errorf("oncegate %s: says %q on standard error and %q on standard output", strings.Join(args, " "), r.err, r.out)
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	var v struct{ Version, Go, Platform string }
	parsed(t, &v, "version")
	if v.Version == "" || v.Go == "" || v.Platform == "" {
		t.Errorf("version %+v", v)
	}
	if out := ok(t, "--version"); !strings.Contains(out, v.Version) {
		t.Errorf("--version prints %q", out)
	}
	for shell, want := range map[string]string{"bash": "complete ", "zsh": "#compdef oncegate", "fish": "complete -c oncegate"} {
		if out := ok(t, "completion", shell); !strings.Contains(out, want) {
			t.Errorf("completion %s has no %q", shell, want)
		}
	}
	// What the scripts ask for.
	if out := ok(t, "__complete", "demo", "--fault", ""); !strings.Contains(out, "redis-lost") {
		t.Errorf("faults are not completed: %q", out)
	}
	if out := ok(t, "__complete", "topic", "consume", ""); !strings.Contains(out, "audit.v1") {
		t.Errorf("topics are not completed: %q", out)
	}
}

func TestConnectorVerbs(t *testing.T) {
	var list []struct{ Name, Version, Title, Country, About, Transport, EvidenceType string }
	parsed(t, &list, "connector", "list")
	if len(list) < 3 || list[0].Name == "" || list[0].EvidenceType == "" {
		t.Errorf("connectors %+v", list)
	}
	if out := ok(t, "connector", "list"); !strings.Contains(out, "births") {
		t.Errorf("list prints %q", out)
	}
	if out := ok(t, "connector", "test"); !strings.Contains(out, "births") || !strings.Contains(out, "companies") {
		t.Errorf("test prints %q", out)
	}
	ok(t, "connector", "test", "births")
	if r := cli(t, "connector", "test", "none"); r.code != exitFindings && r.code != exitUsage {
		t.Errorf("test of an unknown register: exit %d %s", r.code, r.err)
	}
	// A register of one's own, with a mistake in it.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "connectors", "registers"))); err != nil {
		t.Fatal(err)
	}
	ok(t, "connector", "test", "--dir", dir)
	sample := filepath.Join(dir, "births", "testdata", "found.record.json")
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sample, bytes.Replace(text, []byte("Villaprueba"), []byte("Elsewhere"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := cli(t, "connector", "test", "--dir", dir, "births"); r.code != exitFindings || !strings.Contains(r.out, "Elsewhere") {
		t.Errorf("a wrong sample: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

func TestMapVerbs(t *testing.T) {
	out := ok(t, "map", "test", filepath.Join("..", "..", "mapping", "testdata"))
	if !strings.Contains(out, "ok ") || strings.Contains(out, "FAIL") {
		t.Errorf("map test prints %q", out)
	}
	var tests []string
	err := filepath.WalkDir(filepath.Join("..", "..", "mapping", "testdata"), func(name string, _ os.DirEntry, err error) error {
		if filepath.Ext(name) == ".maptest" {
			tests = append(tests, name)
		}
		return err
	})
	if err != nil || len(tests) == 0 {
		t.Fatalf("%q, %v", tests, err)
	}
	bad := filepath.Join(t.TempDir(), "bad.maptest")
	if err := os.WriteFile(bad, []byte("this is no test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := cli(t, "map", "test", bad); r.code != exitFindings || !strings.Contains(r.err, "bad.maptest:") {
		t.Errorf("a broken file: exit %d %s", r.code, r.err)
	}
}

func TestDemoEndsDelivered(t *testing.T) {
	dir := t.TempDir()
	var rep struct {
		Outcome  string
		Evidence struct {
			Digest, File string
			Size         int
		}
		Hops    []struct{ Country, Topic string }
		Studies struct {
			Session   string
			Exchanges []struct {
				Outcome  string
				Received []struct{ Role string }
			}
		}
	}
	out := ok(t, "demo", "--json", "--out", dir)
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&rep); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Error("there is more than one document on standard output")
	}
	text, err := os.ReadFile(rep.Evidence.File)
	if rep.Outcome != "delivered" || err != nil || len(text) == 0 || len(text) != rep.Evidence.Size || !strings.HasPrefix(rep.Evidence.Digest, "sha256:") {
		t.Errorf("outcome %q, evidence %+v, %v", rep.Outcome, rep.Evidence, err)
	}
	sides := map[string]int{}
	for _, h := range rep.Hops {
		sides[h.Country]++
	}
	if sides["ES"] < 10 || sides["SI"] < 10 {
		t.Errorf("hops %v", sides)
	}
	var ends []string
	for _, x := range rep.Studies.Exchanges {
		ends = append(ends, fmt.Sprint(x.Outcome, len(x.Received)))
	}
	if got := strings.Join(ends, " "); got != "delivered1 deferred0 delivered2" || rep.Studies.Session == "" {
		t.Errorf("the procedure with two proofs ends %q", got)
	}
}
