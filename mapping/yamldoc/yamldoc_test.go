package yamldoc

import (
	"strings"
	"testing"
)

func TestFilesThatAreRefusedWhole(t *testing.T) {
	for _, tc := range []struct{ rule, text, want string }{
		{"empty", "", "f:1:1: the file is empty"},
		{"broken", "a: [1\nb: 2\n", "f:1:1:"},
		{"two documents", "a: 1\n---\nb: 2\n", "a second document begins here"},
		{"anchors", "a: &x {b: 1}\nc: *x\n", "f:1:4: anchors and aliases are not part of the language"},
		{"a key twice", "a: 1\nb: 2\na: 3\n", `f:3:1: key "a" stands twice, first in line 1`},
		{"a key that is no word", "[a]: 1\n", "a key must be a plain word"},
		{"bytes that are no text", "a: \xff\n", "f: the file is not UTF-8"},
		{"too large", "a: " + strings.Repeat("x", maxBytes), "f: the file is larger than"},
		{"too deep", "a: " + strings.Repeat("[", 80) + strings.Repeat("]", 80), "nested deeper than"},
	} {
		doc, v := Parse("f", []byte(tc.text))
		if err := doc.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.rule, err, tc.want)
		}
		v.Fields("a") // must not fall over
		v.Items()
	}
}

func TestValuesSayWhereTheyAreWrong(t *testing.T) {
	doc, v := Parse("f", []byte("\ufeffn: x\nb: maybe\nw: purple\nt: 10\nlist: text\nmap: [1]\ndur: soon\nkey: null\n"))
	f := v.Fields("n", "b", "w", "t", "list", "map", "dur", "key", "absent")
	f["n"].Int(0, 10)
	f["b"].Bool()
	f["w"].Word("red", "green")
	f["list"].Items()
	f["map"].Entries()
	f["dur"].Duration()
	f["map"].Text()
	f["absent"].RequiredText(v, "absent")
	f["key"].RequiredText(v, "key")
	want := []string{
		`1:1: missing key "absent"`, `1:1: missing key "key"`,
		"1:4: want a whole number from 0 to 10", "2:4: want true or false", "3:4: want one of red, green",
		"5:7: want a list, have a text", "6:6: want a map of keys and values, have a list", "6:6: want a text, have a list",
		"7:6: want a duration such as 10s or 2m",
	}
	got := strings.Split(doc.Err().Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d faults, want %d:\n%s", len(got), len(want), doc.Err())
	}
	for i := range want {
		if g := strings.TrimPrefix(got[i], "f:"); g != want[i] {
			t.Errorf("got %s, want %s", g, want[i])
		}
	}
	if got := f["t"].Text(); got != "10" {
		t.Errorf("text: got %q", got)
	}
}

func TestCaretsPointIntoTexts(t *testing.T) {
	for _, tc := range []struct {
		yaml   string
		offset int
		want   int // column
	}{
		{"k: abc", 1, 5},
		{"k: 'a''b'", 2, 8}, // past the doubled quote
		{`k: "a\"b"`, 2, 8}, // past the escape
		{"k: \"äöü\"", 4, 7},
		{"k: |\n  abc\n", 1, 4}, // a block: its start
		{"k: abc", 99, 7},
	} {
		_, v := Parse("f", []byte(tc.yaml))
		e := v.Fields("k")["k"].ErrorAt(tc.offset, "here")
		if e.Col != tc.want {
			t.Errorf("%s at %d: got column %d, want %d", tc.yaml, tc.offset, e.Col, tc.want)
		}
	}
	e := &Error{File: "f", Line: 3, Col: 4, Msg: "m", Text: "\ta:b"}
	if got, want := e.Render(), "f:3:4: m\n    3 | \ta:b\n      | \t  ^\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a: {b: [1, 'x', \"y\"]}\n"), 3)
	f.Add([]byte("? [a]\n: b\n"), 0)
	f.Add([]byte("a: |\n  x\n  y\n"), 2)
	f.Fuzz(func(t *testing.T, text []byte, offset int) {
		doc, v := Parse("f", text)
		var walk func(v Value)
		walk = func(v Value) {
			v.ErrorAt(max(offset, 0), "m").Render()
			switch {
			case v.IsMap():
				for _, e := range v.Entries() {
					walk(e.Value)
				}
			case v.IsList():
				for _, item := range v.Items() {
					walk(item)
				}
			}
		}
		walk(v)
		if err := doc.Err(); err != nil {
			_ = err.Error()
		}
	})
}
