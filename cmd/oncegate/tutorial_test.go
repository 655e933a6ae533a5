package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const tutorialFile = "../../docs/adding-a-register.md"

var tutorialBlock = regexp.MustCompile("(?ms)^<!-- (file: (\\S+)|deployment: (\\S+)|run|mistake: (.*?) -> (.*?)) -->\n```\\w*\n(.*?)^```$")

// The page is followed from top to bottom in an empty directory: its files are
// written, its commands typed, its outputs compared.
func TestTutorialCanBeFollowed(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(tutorialFile))
	if err != nil {
		t.Skipf("the documentation is not here: %v", err)
	}
	t.Chdir(t.TempDir())
	ran := 0
	for _, m := range tutorialBlock.FindAllStringSubmatch(string(text), -1) {
		body := m[6]
		switch {
		case m[2] != "":
			writeFile(t, filepath.Join("registers", filepath.FromSlash(m[2])), body)
		case m[3] != "":
			writeFile(t, m[3], body)
			writeFile(t, "wrap-1.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
			ok(t, "config", "validate", "-c", m[3])
		case m[4] != "":
			name := filepath.Join("registers", "lv-residence", "register.yaml")
			good, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			bad := strings.Replace(string(good), m[4], m[5], 1)
			if bad == string(good) {
				t.Errorf("the file has no %s", m[4])
			}
			writeFile(t, name, bad)
			follow(t, body)
			writeFile(t, name, string(good))
			ran++
		default:
			follow(t, body)
			ran++
		}
	}
	schema, err := os.ReadFile(filepath.Join("registers", "lv-residence", "register.schema.json"))
	if err != nil || !bytes.Contains(schema, []byte(`"$schema"`)) {
		t.Errorf("editors find no schema beside register.yaml: %v", err)
	}
	if ran < 5 {
		t.Errorf("the page has %d commands that run", ran)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// follow types one command. What is shown holds ... where much stands, or what differs
// from run to run.
func follow(t *testing.T, shown string) {
	t.Helper()
	command, want, _ := strings.Cut(shown, "\n")
	words, is := strings.CutPrefix(command, "$ bin/oncegate ")
	if !is {
		t.Fatalf("no command: %s", command)
	}
	var screen bytes.Buffer
	run(strings.Fields(words), strings.NewReader(""), &screen, &screen)
	pattern := regexp.QuoteMeta(unpadded(want))
	pattern = strings.ReplaceAll(pattern, "\n\\.\\.\\.\n", "\n(?s:.*?\n)?")
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, ".*")
	if have := unpadded(screen.String()); !regexp.MustCompile("^" + pattern + "$").MatchString(have) {
		t.Errorf("%s\nprints\n%s\nthe page shows\n%s", command, have, want)
	}
}

// unpadded takes off the spaces at the ends of lines, which nobody sees, and those
// that only make columns.
func unpadded(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}
