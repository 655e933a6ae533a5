package register

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/schemas/assets"
	"oncegate/schemas/records"
)

// The folders of testdata/assets were written from the documentation alone, one for
// each file of shared/assets/registers. What their rules make is compared whole with
// a record built here of values that encoding/xml finds by their place.

// An element is a node of the oracle: it knows local names alone.
type element struct {
	name string
	attr map[string]string
	text string // of the element itself
	kids []*element
}

func readElement(d *xml.Decoder, start xml.StartElement) (*element, error) {
	e := &element{name: start.Name.Local, attr: map[string]string{}}
	for _, a := range start.Attr {
		e.attr[a.Name.Local] = a.Value
	}
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			kid, err := readElement(d, t)
			if err != nil {
				return nil, err
			}
			e.kids = append(e.kids, kid)
		case xml.CharData:
			e.text += string(t)
		case xml.EndElement:
			e.text = strings.TrimSpace(e.text)
			return e, nil
		}
	}
}

// at finds the one element at a path of local names; the oracle is broken where there
// is none.
func (e *element) at(t *testing.T, path string) *element {
	t.Helper()
	all := e.all(path)
	if len(all) != 1 {
		t.Fatalf("the asset has %d elements %s/%s, want 1", len(all), e.name, path)
	}
	return all[0]
}

func (e *element) all(path string) []*element {
	found := []*element{e}
	for step := range strings.SplitSeq(path, "/") {
		var next []*element
		for _, f := range found {
			for _, k := range f.kids {
				if k.name == step {
					next = append(next, k)
				}
			}
		}
		found = next
	}
	return found
}

// An is says what a record is; empty texts and lists are left out, as in a record.
type is map[string]any

func (m is) plain() map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if p := plainValue(v); p != nil {
			out[k] = p
		}
	}
	return out
}

func plainValue(v any) any {
	switch v := v.(type) {
	case is:
		if p := v.plain(); len(p) > 0 {
			return p
		}
		return nil
	case []any:
		var out []any
		for _, x := range v {
			if p := plainValue(x); p != nil {
				out = append(out, p)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// an assetCase is one file, and what the record must be. What of the file is left
// unread on purpose stands in the folder's register.yaml, with the reason.
type assetCase struct {
	file string
	want func(t *testing.T, root *element) is
}

func assetCases() map[string]assetCase {
	return map[string]assetCase{
		"it-birth":        {"it-ansc-birth-nascita.xml", italianBirth},
		"it-marriage":     {"it-ansc-marriage-matrimonio.xml", italianMarriage},
		"it-mismatch":     {"it-ansc-mismatch-discordanza.xml", italianMismatch},
		"nl-kvk":          {"nl-kvk-company-registration.xml", dutchCompany},
		"de4a-birth":      {"de4a-birth-evidence-1.7.xml", de4aBirth},
		"de4a-domicile":   {"de4a-domicile-registration-1.7.xml", de4aDomicile},
		"elmo-transcript": {"ewp-elmo-transcript-of-records-signed.xml", elmoTranscript},
	}
}

func TestEveryAssetHasAFolder(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(assets.Path(t, "registers"), "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, f := range files {
		want = append(want, filepath.Base(f))
	}
	for _, c := range assetCases() {
		have = append(have, c.file)
	}
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("assets and cases differ (-assets +cases):\n%s", diff)
	}
}

// Every file of assets/registers can be mapped by a folder alone: the whole record,
// nothing of the file overlooked.
func TestAssetsAreMapped(t *testing.T) {
	folder := os.DirFS("testdata/assets")
	defs, err := Load(folder)
	if err != nil {
		t.Fatalf("loading:\n%v", err)
	}
	names, err := fs.Glob(folder, "*")
	if err != nil {
		t.Fatal(err)
	}
	cases := assetCases()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(cases)), names); diff != "" {
		t.Fatalf("cases and folders differ (-cases +folders):\n%s", diff)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d, text := defs[name], assets.Read(t, "registers/"+tc.file)
			root := oracle(t, text)
			record, evidence, err := d.Try(200, text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := mapping.DecodeJSON(record)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.want(t, root).plain()
			if diff := cmp.Diff(any(want), got); diff != "" {
				t.Errorf("record (-oracle +rules):\n%s", diff)
			}
			if err := records.Validate(want["kind"].(string), record); err != nil {
				t.Errorf("the record breaks its schema: %v", err)
			}
			if _, err := xmldoc.ParseBytes(evidence, xmldoc.Limits{}); err != nil {
				t.Errorf("the evidence: %v", err)
			}
			checkUnread(t, d, text)
		})
	}
}

func oracle(t *testing.T, text []byte) *element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			t.Fatal("the asset has no element")
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := tok.(xml.StartElement); ok {
			root, err := readElement(d, start)
			if err != nil {
				t.Fatal(err)
			}
			return root
		}
	}
}

// checkUnread wants every part of the file to be read by a rule or named under
// reply.unread, and nothing there that is read or not in the file.
func checkUnread(t *testing.T, d *Definition, text []byte) {
	t.Helper()
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := mapping.NewCoverage(d.reply.record)
	reading, err := c.Read(Node(doc.Root()))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := reading.Run(d.reply.hits); err != nil {
		t.Fatal(err)
	}
	reading.Close()
	report := c.Report()
	for _, u := range report.Unread {
		t.Errorf("%s is read by no rule and not named as unread on purpose", u.Path)
	}
	for _, m := range report.Stale() {
		t.Errorf("line %d: %s (%s) is not unread, or not there", m.Line, m.Path, m.Why)
	}
}
