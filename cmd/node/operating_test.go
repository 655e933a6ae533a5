package node

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"oncegate/schemas/canon"
)

var update = flag.Bool("update", false, "write the generated sections of docs/operating.md")

// section compares one generated section of the operating guide, or writes it.
func section(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join(repo, "docs", "operating.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open, end := "<!-- generated: "+name+" -->\n", "<!-- end -->"
	head, rest, ok := strings.Cut(string(data), open)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section %q", path, name)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+open+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("docs/operating.md, section %s, is not current: go test ./cmd/node -update\n(-want +got):\n%s", name, diff)
	}
}

func TestTheGuideListsEveryCode(t *testing.T) {
	codes := canon.Codes()
	slices.Sort(codes)
	var b strings.Builder
	b.WriteString("| code | kind | next step |\n|---|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c, c.Kind(), c.NextStep())
	}
	section(t, "codes", b.String())
}

func TestTheGuideAndTheSampleExplainEveryKey(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(repo, "deploy", "oncegate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	said := explained(string(data))
	var b strings.Builder
	b.WriteString("| key | meaning |\n|---|---|\n")
	known := map[string]bool{}
	for _, key := range keysOf(reflect.TypeFor[Config](), "") {
		known[key] = true
		text, ok := said[key]
		if !ok {
			t.Errorf("deploy/oncegate.yaml does not name %s", key)
		}
		if text != "" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", key, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text))
		}
	}
	for key, text := range said {
		if !known[key] && text != "" {
			t.Errorf("deploy/oncegate.yaml explains %s, which is no key", key)
		}
	}
	section(t, "configuration", b.String())
}

// keysOf lists the keys of the configuration as the guide writes them:
// section.key, list[].key, registers.NAME.key.
func keysOf(t reflect.Type, at string) []string {
	var out []string
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			out = append(out, keysOf(f.Type, at)...)
			continue
		case tag == "":
			continue
		}
		key, typ := at+tag, f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		out = append(out, key)
		switch {
		case typ.Kind() == reflect.Struct && typ.String() != "time.Time":
			out = append(out, keysOf(typ, key+".")...)
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
			out = append(out, keysOf(typ.Elem(), key+"[].")...)
		case typ.Kind() == reflect.Map && typ.Elem().Kind() == reflect.Struct:
			out = append(out, keysOf(typ.Elem(), key+".NAME.")...)
		}
	}
	return out
}

// aKey is a line that names a key, perhaps one that is commented out.
var aKey = regexp.MustCompile(`^( *)(# ( *))?(- )?([a-z_0-9]+):( +[^#]*?)?(?: +# (.*))?$`)

// explained reads what the sample says about each key: the comment behind it or,
// where there is none, the comment above it.
func explained(text string) map[string]string {
	out := map[string]string{}
	type level struct {
		indent int
		path   string
	}
	stack := []level{{-1, ""}}
	var above []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		m := aKey.FindStringSubmatch(line)
		if m == nil {
			if c, ok := strings.CutPrefix(strings.TrimSpace(line), "# "); ok {
				above = append(above, c)
			} else {
				above = nil
			}
			continue
		}
		indent, item := len(m[1])+len(m[3]), m[4] != ""
		for stack[len(stack)-1].indent >= indent {
			stack = stack[:len(stack)-1]
		}
		at := stack[len(stack)-1].path
		if item {
			at += "[]"
			stack = append(stack, level{indent, at})
			indent += 2
		}
		key := m[5]
		if at == "registers" {
			key = "NAME"
		}
		path := strings.TrimPrefix(at+"."+key, ".")
		stack = append(stack, level{indent, path})
		out[path] = cmp.Or(strings.TrimSpace(m[7]), strings.Join(above, " "))
		above = nil
	}
	return out
}
