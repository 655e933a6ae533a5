package xmldoc_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
)

// corpus returns every file below assets whose first bytes look like XML.
func corpus(t testing.TB) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(assets.Path(t, ""), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		head := make([]byte, 64)
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, _ := f.Read(head)
		if looksLikeXML(head[:n]) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func looksLikeXML(head []byte) bool {
	if bytes.HasPrefix(head, []byte("\xFF\xFE")) || bytes.HasPrefix(head, []byte("\xFE\xFF")) {
		return true
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("<"))
}

// xmllintCanonical returns what xmllint writes for each file, nil where it refuses. One
// run takes many files: a small document between them shows where each output ends.
func xmllintCanonical(t *testing.T, files []string, flag string) [][]byte {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint (package libxml2-utils) is not installed")
	}
	const mark = "<end-of-one-file></end-of-one-file>"
	between := filepath.Join(t.TempDir(), "between.xml")
	if err := os.WriteFile(between, []byte(mark), 0o600); err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, 0, len(files))
	for batch := range slices.Chunk(files, 64) {
		args := []string{"--nonet", flag}
		for _, f := range batch {
			args = append(args, f, between)
		}
		cmd := exec.Command(lint, args...)
		var wrote, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &wrote, &said
		_ = cmd.Run() // fails when it refuses any file of the batch
		parts := bytes.Split(wrote.Bytes(), []byte(mark))
		if len(parts) != len(batch)+1 {
			t.Fatalf("xmllint wrote %d documents for %d files", len(parts)-1, len(batch))
		}
		refused := map[string]bool{}
		for line := range strings.Lines(said.String()) {
			// xmllint only warns of an undeclared prefix; Namespaces in XML forbids it.
			if file, rest, ok := strings.Cut(line, ":"); ok && strings.Contains(rest, ": namespace error :") {
				refused[file] = true
			}
		}
		for i, f := range batch {
			if refused[f] || len(parts[i]) == 0 {
				out = append(out, nil)
				continue
			}
			out = append(out, parts[i])
		}
	}
	return out
}

func TestCanonicalEqualsXmllint(t *testing.T) {
	if testing.Short() {
		t.Skip("runs xmllint on every XML file of the assets")
	}
	files := corpus(t)
	for _, form := range []struct {
		flag string
		form xmldoc.C14N
	}{
		{"--exc-c14n", xmldoc.C14N{Comments: true}},
		{"--c14n", xmldoc.C14N{Comments: true, Inclusive: true}},
	} {
		t.Run(form.flag, func(t *testing.T) {
			want := xmllintCanonical(t, files, form.flag)
			equal, bothRefuse, doctype, weRefuse, lintRefuses := 0, 0, 0, 0, 0
			for i, file := range files {
				name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
				src, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				doc, err := xmldoc.ParseBytes(src, xmldoc.Limits{})
				var pe *xmldoc.ParseError
				switch {
				case errors.As(err, &pe) && pe.Reason == xmldoc.ReasonDoctype:
					doctype++
					continue
				case err != nil && want[i] == nil:
					bothRefuse++
					t.Logf("both refuse %s: %v", name, err)
					continue
				case err != nil:
					weRefuse++
					t.Errorf("%s: xmllint accepts, we refuse: %v", name, err)
					continue
				}
				var got bytes.Buffer
				if err := doc.Canonical(&got, form.form); err != nil {
					t.Fatal(err)
				}
				if want[i] == nil {
					lintRefuses++
					t.Logf("xmllint alone refuses %s", name)
					continue
				}
				if !bytes.Equal(got.Bytes(), want[i]) {
					at := 0
					for at < min(got.Len(), len(want[i])) && got.Bytes()[at] == want[i][at] {
						at++
					}
					t.Errorf("%s: differs at octet %d:\n got %q\nwant %q", name, at, around(got.Bytes(), at), around(want[i], at))
					continue
				}
				equal++
			}
			t.Logf("%d files: %d equal, %d refused for DOCTYPE, %d refused by both, %d refused by us alone, %d refused by xmllint alone",
				len(files), equal, doctype, bothRefuse, weRefuse, lintRefuses)
			if equal == 0 {
				t.Error("no file was compared")
			}
		})
	}
}

func around(b []byte, at int) []byte { return b[max(0, at-60):min(len(b), at+60)] }

// encodingTokens counts what encoding/xml sees, as a reading that owes us nothing.
func encodingTokens(src []byte) (elements int, err error) {
	d := xml.NewDecoder(bytes.NewReader(src))
	for {
		tok, err := d.Token()
		if tok == nil {
			if err.Error() == "EOF" {
				return elements, nil
			}
			return elements, err
		}
		if _, ok := tok.(xml.StartElement); ok {
			elements++
		}
	}
}

func TestCorpusElementsEqualEncodingXML(t *testing.T) {
	compared := 0
	for _, file := range corpus(t) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(src, xmldoc.Limits{})
		if err != nil {
			continue
		}
		want, err := encodingTokens([]byte(strings.TrimPrefix(doc.Source(), "\uFEFF")))
		if err != nil {
			t.Logf("%s: encoding/xml: %v", filepath.Base(file), err)
			continue
		}
		got := 0
		for range doc.Root().Descendants() {
			got++
		}
		if got != want {
			t.Errorf("%s: %d elements, encoding/xml says %d", file, got, want)
		}
		compared++
	}
	t.Logf("%d files compared", compared)
}
