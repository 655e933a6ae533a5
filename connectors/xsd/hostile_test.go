package xsd_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xsd"
)

const head = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">`

func compile(files ...string) (*xsd.Schema, error) {
	fsys := fstest.MapFS{}
	for i := 0; i+1 < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return xsd.Compile(xsd.Config{FS: fsys, Root: files[0]})
}

func doubling(n int, first, each string) string {
	var b strings.Builder
	b.WriteString(head + first)
	for i := 1; i <= n; i++ {
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(each, "%N", fmt.Sprint(i)), "%M", fmt.Sprint(i-1)))
	}
	b.WriteString("</xs:schema>")
	return b.String()
}

// No schema and no document costs more than its size allows: each of these would take
// hours where the work were not bounded.
func TestHostile(t *testing.T) {
	xml := func(n int) string { return `<r xmlns="urn:t">` + strings.Repeat("<a/>", n) + "</r>" }
	for _, c := range []struct {
		name, schema, doc string
		fault             string
		rule              string
	}{
		{"groups that double", doubling(40, `<xs:group name="g0"><xs:sequence><xs:element name="a" minOccurs="0" type="xs:string"/></xs:sequence></xs:group>`,
			`<xs:group name="g%N"><xs:sequence><xs:group ref="g%M"/><xs:group ref="g%M"/></xs:sequence></xs:group>`+
				`<xs:complexType name="t%N"><xs:group ref="g%N"/></xs:complexType>`), "", "too large", ""},
		{"empty groups that double", doubling(40, `<xs:group name="g0"><xs:sequence/></xs:group>`,
			`<xs:group name="g%N"><xs:sequence><xs:group ref="g%M"/><xs:group ref="g%M"/></xs:sequence></xs:group>`) +
			"", "", "", ""},
		{"unions that double", doubling(40, `<xs:simpleType name="u0"><xs:restriction base="xs:int"/></xs:simpleType>`,
			`<xs:simpleType name="u%N"><xs:union memberTypes="u%M u%M"/></xs:simpleType>`), "", "a union of more than", ""},
		{"a long chain of types", doubling(5000, `<xs:complexType name="t0"><xs:sequence/></xs:complexType>`,
			`<xs:complexType name="t%N"><xs:complexContent><xs:extension base="t%M"><xs:sequence><xs:element name="e%N"/></xs:sequence><xs:attribute name="a%N"/></xs:extension></xs:complexContent></xs:complexType>`), "", "derivations", ""},
		{"a choice of very many", head + `<xs:element name="r"><xs:complexType><xs:choice maxOccurs="unbounded">` +
			func() string {
				var b strings.Builder
				for i := range 5000 {
					fmt.Fprintf(&b, `<xs:element name="e%d" type="xs:int"/>`, i)
				}
				return b.String()
			}() + `</xs:choice></xs:complexType></xs:element></xs:schema>`, "", "too large", ""},
		{"maxOccurs of a billion", head + `<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="a" type="xs:string" minOccurs="3" maxOccurs="2000000000"/></xs:sequence></xs:complexType></xs:element></xs:schema>`, xml(100_000), "", ""},
		{"counters that multiply", head + `<xs:element name="r"><xs:complexType><xs:sequence minOccurs="9" maxOccurs="30000"><xs:sequence minOccurs="2" maxOccurs="30000"><xs:element name="a" type="xs:string" maxOccurs="30000"/></xs:sequence></xs:sequence></xs:complexType></xs:element></xs:schema>`, xml(50_000), "", "cvc-complex-type.2.4"},
		{"a pattern that repeats repetitions", head + `<xs:simpleType name="s"><xs:restriction base="xs:string"><xs:pattern value="(((x{900}){900}){900}|y)*"/></xs:restriction></xs:simpleType></xs:schema>`, "", "pattern cannot be read", ""},
		{"a pattern that backtracks elsewhere", head + `<xs:element name="r"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="((a|aa)+)+b"/></xs:restriction></xs:simpleType></xs:element></xs:schema>`,
			`<r xmlns="urn:t">` + strings.Repeat("a", 1<<20) + `</r>`, "", "cvc-pattern-valid"},
		{"parentheses", head + `<xs:simpleType name="s"><xs:restriction base="xs:string"><xs:pattern value="` + strings.Repeat("(", 60000) + `"/></xs:restriction></xs:simpleType></xs:schema>`, "", "pattern cannot be read", ""},
		{"keys at every level", head + `<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="a" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:attribute name="k"/></xs:complexType><xs:key name="k"><xs:selector xpath="."/><xs:field xpath="@k"/></xs:key></xs:element></xs:sequence></xs:complexType>` +
			`<xs:keyref name="f" refer="k"><xs:selector xpath="a|.//a"/><xs:field xpath="@k"/></xs:keyref></xs:element></xs:schema>`, xml(20_000), "", "cvc-identity-constraint.4.2.1"},
		{"numbers of a million digits", head + `<xs:element name="r"><xs:simpleType><xs:restriction base="xs:decimal"><xs:maxInclusive value="5"/></xs:restriction></xs:simpleType></xs:element></xs:schema>`,
			`<r xmlns="urn:t">` + strings.Repeat("9", 1<<20) + `</r>`, "", "cvc-maxInclusive-valid"},
		{"an endless year", head + `<xs:element name="r" type="xs:dateTime"/></xs:schema>`, `<r xmlns="urn:t">` + strings.Repeat("9", 1<<20) + `-01-01T00:00:00</r>`, "", "cvc-datatype-valid.1.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			schema, err := compile("a.xsd", c.schema)
			switch {
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Fatalf("got %v, want a fault with %q", err, c.fault)
			case c.fault == "" && err != nil:
				t.Fatal(err)
			case c.doc != "":
				doc, err := xmldoc.ParseBytes([]byte(c.doc), xmldoc.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				found := schema.Validate(doc.Root())
				if (len(found) > 0) != (c.rule != "") || len(found) > 0 && !strings.HasPrefix(found[0].Rule, c.rule) {
					t.Errorf("got %v, want %q", found, c.rule)
				}
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// What a schema refers to is found in the folder, in the catalog or not at all.
func TestNothingIsFetched(t *testing.T) {
	importing := func(attrs string) string { return head + "<xs:import " + attrs + "/></xs:schema>" }
	other := `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:u"/>`
	for _, c := range []struct {
		name, schema string
		catalog      map[string]string
		fault        string
	}{
		{"beside it", importing(`namespace="urn:u" schemaLocation="sub/u.xsd"`), nil, ""},
		{"on the network", importing(`namespace="urn:u" schemaLocation="https://127.0.0.1:1/u.xsd"`), nil, `a.xsd:1:125: namespace "urn:u" at "https://127.0.0.1:1/u.xsd" is not in the folder, and nothing is fetched`},
		{"on the network, catalog by address", importing(`namespace="urn:u" schemaLocation="https://127.0.0.1:1/u.xsd"`), map[string]string{"https://127.0.0.1:1/u.xsd": "sub/u.xsd"}, ""},
		{"catalog by namespace", importing(`namespace="urn:u"`), map[string]string{"urn:u": "sub/u.xsd"}, ""},
		{"outside the folder", importing(`namespace="urn:u" schemaLocation="../u.xsd"`), nil, "is not in the folder"},
		{"a path of the machine", importing(`namespace="urn:u" schemaLocation="/etc/passwd"`), nil, "is not in the folder"},
		{"a file of the machine", importing(`namespace="urn:u" schemaLocation="file:///etc/passwd"`), nil, "is not in the folder"},
		{"catalog out of the folder", importing(`namespace="urn:u"`), map[string]string{"urn:u": "../../etc/passwd"}, "which is not in the folder"},
		{"another namespace", importing(`namespace="urn:w" schemaLocation="sub/u.xsd"`), nil, `has the target namespace "urn:u", want "urn:w"`},
		{"xml: is built in", importing(`namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://www.w3.org/2001/xml.xsd"`), nil, ""},
		{"signatures are built in", importing(`namespace="http://www.w3.org/2000/09/xmldsig#" schemaLocation="xmldsig-core-schema.xsd"`), nil, ""},
		{"no schema", importing(`namespace="urn:u" schemaLocation="sub/text.xsd"`), nil, "no schema document"},
		{"a DOCTYPE", importing(`namespace="urn:u" schemaLocation="sub/dtd.xsd"`), nil, "sub/dtd.xsd:1:1: doctype"},
		{"redefine", head + `<xs:redefine schemaLocation="sub/u.xsd"/></xs:schema>`, nil, "xs:redefine is not read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := fstest.MapFS{"a.xsd": {Data: []byte(c.schema)}, "sub/u.xsd": {Data: []byte(other)}, "sub/text.xsd": {Data: []byte("<a/>")},
				"sub/dtd.xsd": {Data: []byte(`<!DOCTYPE schema [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + other)}}
			_, err := xsd.Compile(xsd.Config{FS: fsys, Root: "a.xsd", Catalog: c.catalog})
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("got %v, want %q", err, c.fault)
			}
		})
	}
}

// Findings name places and rules, never content.
func TestFindingsQuoteNothing(t *testing.T) {
	schema, err := compile("a.xsd", head+`<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="d" type="xs:date" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="n" type="xs:int"/></xs:complexType></xs:element></xs:schema>`)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := xmldoc.ParseBytes([]byte("<r xmlns='urn:t' n='Secret-1'>Secret-2\n<d>Secret-3</d><d>2024-13-01</d></r>"), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range schema.Validate(doc.Root()) {
		all = append(all, f.String())
	}
	got := strings.Join(all, "\n")
	const want = `/r (1:1): cvc-datatype-valid.1.2.1: attribute "n": the value is no xs:integer
/r (1:1): cvc-complex-type.2.3: text may not stand between the elements
/r/d[1] (2:1): cvc-datatype-valid.1.2.1: the value is no xs:date
/r/d[2] (2:16): cvc-datatype-valid.1.2.1: the value is no xs:date`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Names of a document do not flood a log.
func TestPathsAreShort(t *testing.T) {
	schema, err := compile("a.xsd", head+`<xs:element name="r"/><xs:element name="d" type="xs:date"/></xs:schema>`)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("n", 1000)
	doc, err := xmldoc.ParseBytes([]byte("<r xmlns='urn:t'>"+strings.Repeat("<"+name+">", 50)+"<d>x</d>"+strings.Repeat("</"+name+">", 50)+"</r>"), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	found := schema.Validate(doc.Root())
	if len(found) != 1 || len(found[0].String()) > 600 || !strings.HasSuffix(found[0].Path, "/d") {
		t.Errorf("got %v", found)
	}
}

// FuzzCompile: no schema document makes Compile panic or take long, and what it accepts
// validates without panic.
func FuzzCompile(f *testing.F) {
	for _, one := range features(f) {
		for _, text := range one.files {
			f.Add([]byte(text), []byte(`<r xmlns="urn:t"><a/></r>`))
		}
	}
	f.Fuzz(func(t *testing.T, schema, doc []byte) {
		s, err := compile("a.xsd", string(schema), "b.xsd", head+"</xs:schema>")
		if err != nil {
			return
		}
		if d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{MaxNodes: 10_000}); err == nil {
			s.Validate(d.Root())
		}
	})
}

// FuzzValidate: no document makes Validate panic.
func FuzzValidate(f *testing.F) {
	var schemas []*xsd.Schema
	for _, one := range features(f) {
		if s, err := one.compile(); err == nil {
			schemas = append(schemas, s)
		}
		for _, d := range one.docs {
			f.Add([]byte(d.text))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		doc, err := xmldoc.ParseBytes(in, xmldoc.Limits{MaxNodes: 10_000})
		if err != nil {
			return
		}
		for _, s := range schemas {
			s.Validate(doc.Root())
		}
	})
}
