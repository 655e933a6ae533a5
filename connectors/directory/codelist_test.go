package directory

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
)

const listHead = `<gc:CodeList xmlns:gc="http://docs.oasis-open.org/codelist/ns/genericode/1.0/"><Identification><ShortName>x</ShortName></Identification><ColumnSet>
<Column Id="code" Use="required"><ShortName>Code</ShortName><Data Type="string"/></Column>
<Column Id="name-Value" Use="optional"><ShortName>Name</ShortName><Data Type="string" Lang="Value"/></Column>
<Column Id="name-fr" Use="optional"><ShortName>Nom</ShortName><Data Type="string"/></Column>
<Column Id="note" Use="optional"><ShortName>Note</ShortName><Data Type="string"/></Column>
<Key Id="k"><ShortName>K</ShortName><ColumnRef Ref="code"/></Key></ColumnSet><SimpleCodeList>`

func listRow(code, name string) string {
	return `<Row><Value ColumnRef="code"><SimpleValue>` + code + `</SimpleValue></Value><Value ColumnRef="name-Value"><SimpleValue>` + name + `</SimpleValue></Value>` +
		`<Value ColumnRef="name-fr"><SimpleValue>` + name + `-fr</SimpleValue></Value><Value ColumnRef="note"/></Row>`
}

const listTail = `</SimpleCodeList></gc:CodeList>`

func TestReadGenericode(t *testing.T) {
	got, err := ReadGenericode([]byte(listHead + listRow(" A ", "first") + listRow("B", "second") + listRow("A", "again") + listTail))
	if err != nil {
		t.Fatal(err)
	}
	want := []canon.Choosable{
		{Value: "A", Names: []canon.Text{{Lang: "EN", Text: "first"}, {Lang: "FR", Text: "first-fr"}}},
		{Value: "B", Names: []canon.Text{{Lang: "EN", Text: "second"}, {Lang: "FR", Text: "second-fr"}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for name, doc := range map[string]string{
		"not XML":         "A,B",
		"another root":    "<CodeList/>",
		"no columns":      `<gc:CodeList xmlns:gc="http://docs.oasis-open.org/codelist/ns/genericode/1.0/"><Identification/><SimpleCodeList/></gc:CodeList>`,
		"no rows":         listHead + listTail,
		"a row of no key": listHead + `<Row><Value ColumnRef="note"><SimpleValue>x</SimpleValue></Value></Row>` + listTail,
		"something else":  listHead + listRow("A", "x") + `<Other/>` + listTail,
	} {
		if got, err := ReadGenericode([]byte(doc)); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestPublishedLists reads the lists that the Commission publishes.
func TestPublishedLists(t *testing.T) {
	n := 0
	dir := filepath.Join(assets.Path(t, "oots"), "tdd-1.0-artefacts", "codelists")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".gc" || filepath.Base(path) == "EDMErrorCodes-CodeList.gc" { // not well-formed as published
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		list, err := ReadGenericode(b)
		if named := filepath.Base(path) != "NutsCodes.gc"; err != nil || len(list) == 0 || named && len(list[0].Names) == 0 {
			t.Errorf("%s: %d values, %v", filepath.Base(path), len(list), err)
		}
		n++
		return nil
	})
	if err != nil || n < 10 {
		t.Errorf("%d lists, %v", n, err)
	}
}

// TestChoices: the list of a question is fetched with the limits of an answer; without
// it there is no question.
func TestChoices(t *testing.T) {
	r := newRig(t)
	question := func(url string) []byte {
		return r.write(t, answers.Answer{Edition: answers.Edition20, Exceptions: []answers.Exception{{Type: answers.NotFound, Code: additionalInput,
			Concepts: []answers.Concept{{ID: region, Type: "codelist", ValueExpression: url, Descriptions: []canon.Text{{Lang: "EN", Text: "Which?"}}}}}}})
	}
	for _, tt := range []struct {
		name, url, list string
		code            canon.Code
		n               int
	}{
		{"a list", "https://HOST/list", listHead + listRow("A", "x") + listTail, "", 1},
		{"not https", "http://HOST/list", listHead + listRow("A", "x") + listTail, canon.CodeDirectoryAnswer, 0},
		{"no address", "", "", canon.CodeDirectoryAnswer, 0},
		{"no list", "https://HOST/list", "<a/>", canon.CodeDirectoryAnswer, 0},
		{"not there", "https://HOST/gone", "", canon.CodeDirectoryDown, 0},
		{"too large", "https://HOST/list", strings.Repeat(" ", maxList+1), canon.CodeDirectoryAnswer, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := question(strings.Replace(tt.url, "HOST", r.server.Listener.Addr().String(), 1))
			s := r.signer(t)
			r.set(func(w http.ResponseWriter, req *http.Request) {
				switch req.URL.Path {
				case "/list":
					_, _ = w.Write([]byte(tt.list))
				case "/dsd/rest/search":
					if err := s.Sign(w.Header(), body); err != nil {
						t.Error(err)
					}
					_, _ = w.Write(body)
				default:
					http.NotFound(w, req)
				}
			})
			a, err := r.client(t).DataServices(bg, canon.DataServicesQuery{Country: "ES", Classification: livesES})
			if tt.code != "" {
				fault(t, err, tt.code, "")
				return
			}
			if err != nil || len(a.Questions) != 1 || len(a.Questions[0].Choices) != tt.n {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
}

func FuzzReadGenericode(f *testing.F) {
	f.Add([]byte(listHead + listRow("A", "x") + listTail))
	f.Add([]byte(listHead + listTail))
	f.Fuzz(func(t *testing.T, doc []byte) {
		list, err := ReadGenericode(doc)
		seen := map[string]bool{}
		for _, c := range list {
			if c.Value == "" || seen[c.Value] {
				t.Fatalf("value %q is empty or there twice", c.Value)
			}
			seen[c.Value] = true
		}
		if err == nil && len(list) == 0 {
			t.Fatal("an empty list is read")
		}
	})
}
