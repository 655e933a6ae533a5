package jsonxml

import (
	"strings"
	"testing"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
)

func TestDocument(t *testing.T) {
	for _, tc := range []struct{ name, json, want string }{
		{"members are elements", `{"name":"Ana","born":"1994-03-17"}`, `<json><name>Ana</name><born>1994-03-17</born></json>`},
		{"arrays repeat", `{"given":["Ana","Eva"]}`, `<json><given>Ana</given><given>Eva</given></json>`},
		{"arrays of objects", `{"p":[{"a":1},{"a":2}]}`, `<json><p><a>1</a></p><p><a>2</a></p></json>`},
		{"arrays in arrays", `{"m":[[1,2],[3]]}`, `<json><m><item>1</item><item>2</item></m><m><item>3</item></m></json>`},
		{"array at the root", `[{"a":1},[2],3]`, `<json><item><a>1</a></item><item><item>2</item></item><item>3</item></json>`},
		{"null is nothing", `{"a":null,"b":[null,1]}`, `<json><b>1</b></json>`},
		{"digits stay", `{"n":12345678901234567890.10,"e":1e-7,"t":true}`, `<json><n>12345678901234567890.10</n><e>1e-7</e><t>true</t></json>`},
		{"names", `{"first name":"a","1st":"b","":"c","x:y":"d","_x0041_":"e"}`,
			`<json><first_x0020_name>a</first_x0020_name><_x0031_st>b</_x0031_st><_x0000_>c</_x0000_><x_x003A_y>d</x_x003A_y><_x005F_x0041_>e</_x005F_x0041_></json>`},
		{"markup", `{"a":"<b>&\r"}`, `<json><a>&lt;b&gt;&amp;&#xD;</a></json>`},
		{"surrogates", `"\ud83d\ude00 \\ud83d"`, "<json>\U0001F600 \\ud83d</json>"},
		{"scalar", `"x"`, `<json>x</json>`},
		{"nothing", `null`, `<json></json>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Document("json", []byte(tc.json))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if _, err := xmldoc.ParseBytes(got, xmldoc.Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, tc := range []struct{ name, json, want string }{
		{"object", `{"a":1}`, `<!><c><a>1</a></c>`},
		{"array", `[1,{"a":2},[3]]`, `<!><c>1</c><c><a>2</a></c><c><item>3</item></c>`},
		{"null", `null`, `<!>`},
		{"empty", `[]`, `<!>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Append([]byte("<!>"), "c", []byte(tc.json))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, doc := range map[string]string{
		"empty": "", "cut": `{"a":`, "two": `{} {}`, "comma": `[1,]`, "twice": `{"a":1,"a":2}`, "control": `"\u0001"`,
		"bytes": "\"\xff\"", "half": `"\ud83d"`, "halves": `"\ude00\ud83d"`, "half and escape": `"\ud83d\n"`, "deep": strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"grows": `{"` + strings.Repeat("n", 1000) + `":[` + strings.Repeat("1,", 100_000) + `1]}`,
	} {
		if got, err := Document("json", []byte(doc)); err == nil {
			t.Errorf("%s: got %.80s, want an error", name, got)
		}
	}
}

// What is refused is refused without its content.
func FuzzDocument(f *testing.F) {
	f.Add(`{"a":[1,{"b":null}],"c d":"x"}`)
	f.Add(`[[[]]]`)
	f.Fuzz(func(t *testing.T, doc string) {
		got, err := Document("json", []byte(doc))
		if err != nil {
			return
		}
		if _, err := xmldoc.ParseBytes(got, xmldoc.Limits{MaxName: 65535, MaxNodes: 1 << 24}); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "", "_x0041_", "_x", "ä ö", "1", "\x00", "_x10FFFF_", "_x0000 ", "a_xb", "_xD800_"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			return
		}
		n := Name(s)
		if !xmldoc.ValidNCName(n) {
			t.Fatalf("%q gives %q", s, n)
		}
		if back := Text(n); back != s {
			t.Fatalf("%q gives %q gives %q", s, n, back)
		}
	})
}
