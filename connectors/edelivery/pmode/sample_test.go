package pmode

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func sample(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "pmodes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func anyFile(name string) ([]byte, error) {
	if strings.HasSuffix(name, ".key") {
		return readFile("own-key.pem")
	}
	return readFile("own.pem")
}

// keys are those that the loader reads, out of its own source.
func keys(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"load.go", "keys.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isFields(lit.Type) {
				return true
			}
			for _, e := range lit.Elts {
				s, err := strconv.Unquote(e.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s)
			}
			return true
		})
	}
	return out
}

func isFields(e ast.Expr) bool {
	m, ok := e.(*ast.MapType)
	if !ok {
		return false
	}
	id, ok := m.Value.(*ast.Ident)
	return ok && id.Name == "field"
}

func TestTheSampleLoadsAndExplainsEveryKey(t *testing.T) {
	text := sample(t)
	if _, err := Load("pmodes.yaml", []byte(text), anyFile); err != nil {
		t.Error(err)
	}
	all := keys(t)
	if len(all) < 60 {
		t.Fatalf("only %d keys found in the source: %q", len(all), all)
	}
	for _, k := range all {
		if !regexp.MustCompile(`(?m)(^|[ {])` + regexp.QuoteMeta(k) + `:( |$)`).MatchString(text) {
			t.Errorf("deploy/pmodes.yaml does not name %s", k)
		}
	}
}

var commented = regexp.MustCompile(`(?m)^( *)# ([a-z_]+:|  +[-a-z])`)

// What is commented out is right too: every remark that is a setting is taken in,
// in turn, and the loader knows all of its words.
func TestWhatTheSampleHasCommentedOutIsKnown(t *testing.T) {
	lines := strings.Split(sample(t), "\n")
	for i, l := range lines {
		if m := commented.FindStringSubmatch(l); m != nil {
			lines[i] = strings.Replace(l, "# ", "", 1)
		}
	}
	// Settings that stand in the sample with and without a remark: once is enough.
	text := strings.Join(lines, "\n")
	_, err := Load("pmodes.yaml", []byte(text), anyFile)
	if err == nil {
		return
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.Contains(line, "not YAML") || strings.Contains(line, "unknown key") || strings.Contains(line, "want ") && !strings.Contains(line, "want one of: certificate") {
			t.Error(line)
		}
	}
}
