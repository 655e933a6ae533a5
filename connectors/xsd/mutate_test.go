package xsd_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
)

// tag is an element that can be changed.
type tag struct {
	name  string // as written
	attrs []string
	kids  []any // *tag, or escaped text
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#9;", "\r", "&#13;")

func treeOf(e xmldoc.Element) *tag {
	local := e.Name().Local
	out := &tag{name: local}
	if e.Prefix() != "" {
		out.name = e.Prefix() + ":" + local
	}
	for ns := range e.Declared() {
		if ns.Prefix == "" {
			out.attrs = append(out.attrs, `xmlns="`+escaper.Replace(ns.URI)+`"`)
		} else {
			out.attrs = append(out.attrs, "xmlns:"+ns.Prefix+`="`+escaper.Replace(ns.URI)+`"`)
		}
	}
	for a := range e.Attrs() {
		name := a.Name.Local
		if a.Prefix != "" {
			name = a.Prefix + ":" + name
		}
		out.attrs = append(out.attrs, name+`="`+escaper.Replace(a.Value)+`"`)
	}
	for n := e.Node().FirstChild(); !n.IsZero(); n = n.NextSibling() {
		if kid, ok := n.Element(); ok {
			out.kids = append(out.kids, treeOf(kid))
		} else if n.Kind() == xmldoc.KindText {
			out.kids = append(out.kids, escaper.Replace(n.Value()))
		}
	}
	return out
}

func (t *tag) write(b *strings.Builder) {
	b.WriteString("<" + t.name)
	for _, a := range t.attrs {
		b.WriteString(" " + a)
	}
	b.WriteString(">")
	for _, k := range t.kids {
		if kid, ok := k.(*tag); ok {
			kid.write(b)
		} else {
			b.WriteString(k.(string))
		}
	}
	b.WriteString("</" + t.name + ">")
}

func (t *tag) all() []*tag {
	out := []*tag{t}
	for _, k := range t.kids {
		if kid, ok := k.(*tag); ok {
			out = append(out, kid.all()...)
		}
	}
	return out
}

// badValues are tried in the place of text and attribute values.
var badValues = []string{"", " ", "x", "0", "1", "-1", "true", "2024-02-30", "2024-02-29", "2023-02-29", "2024-02-29Z", "2024-02-29T24:00:00", "2024-02-29T23:59:60",
	"12:00:00.5+14:00", "--02-29", "1e3", "INF", "+5", "00012", "12.50", "AB", "ab cd", "P1Y", "P1M2DT3H", "PT", "QUJD", "QUI=", "QUI", "0AF", "0aF0", "urn:x:y", "http://a b/%zz",
	"99999999999999999999", "\u00e4\u00f6", "a:b", "_id1", strings.Repeat("A", 40), strings.Repeat("7", 300), "EN", "en", "xx-YY"}

// change makes one change that may or may not break a schema, and says which.
func change(t *tag, r *rand.Rand) string {
	every := t.all()
	at := every[r.IntN(len(every))]
	pick := func() (int, bool) {
		var tags []int
		for i, k := range at.kids {
			if _, ok := k.(*tag); ok {
				tags = append(tags, i)
			}
		}
		if len(tags) == 0 {
			return 0, false
		}
		return tags[r.IntN(len(tags))], true
	}
	plain := func() []int {
		var out []int
		for i, a := range at.attrs {
			if !strings.HasPrefix(a, "xmlns") {
				out = append(out, i)
			}
		}
		return out
	}
	switch r.IntN(13) {
	case 0:
		if i, ok := pick(); ok {
			at.kids = slices.Delete(at.kids, i, i+1)
			return "remove a child of " + at.name
		}
	case 1:
		if i, ok := pick(); ok {
			at.kids = slices.Insert(at.kids, i, at.kids[i])
			return "repeat a child of " + at.name
		}
	case 2:
		if i, ok := pick(); ok {
			j, _ := pick()
			at.kids[i], at.kids[j] = at.kids[j], at.kids[i]
			return "swap children of " + at.name
		}
	case 3:
		if i, ok := pick(); ok {
			kid := *at.kids[i].(*tag)
			kid.name += "X"
			at.kids[i] = &kid
			return "rename " + kid.name
		}
	case 4, 5, 6:
		if len(at.kids) == 1 {
			if _, isTag := at.kids[0].(*tag); !isTag {
				at.kids[0] = escaper.Replace(badValues[r.IntN(len(badValues))])
				return "text of " + at.name
			}
		}
	case 7:
		if a := plain(); len(a) > 0 {
			at.attrs = slices.Delete(at.attrs, a[0], a[0]+1)
			return "remove an attribute of " + at.name
		}
	case 8:
		if a := plain(); len(a) > 0 {
			i := a[r.IntN(len(a))]
			name, _, _ := strings.Cut(at.attrs[i], "=")
			at.attrs[i] = name + `="` + escaper.Replace(badValues[r.IntN(len(badValues))]) + `"`
			return "value of " + name
		}
	case 9:
		at.attrs = append(at.attrs, `unknown="1"`)
		return "add an attribute to " + at.name
	case 10:
		at.kids = append(at.kids, "stray")
		return "text after the content of " + at.name
	case 11:
		if slices.ContainsFunc(at.attrs, func(a string) bool { return strings.HasPrefix(a, "xsi:") }) {
			return "" // twice would not be well-formed
		}
		at.attrs = append(at.attrs, fmt.Sprintf(`xmlns:xsi9="http://www.w3.org/2001/XMLSchema-instance" xsi9:%s`,
			[]string{`nil="true"`, `nil="false"`, `type="nonsense"`, `schemaLocation="urn:x http://127.0.0.1:9/x.xsd"`}[r.IntN(4)]))
		return "xsi on " + at.name
	default:
		if i, ok := pick(); ok {
			other := every[r.IntN(len(every))]
			if all := other.all(); len(all) < 50 && !slices.Contains(all, at) {
				at.kids[i] = other
				return "put " + other.name + " into " + at.name
			}
		}
	}
	return ""
}

// TestMutationsAgree takes documents of real schemas, as published and changed in
// hundreds of ways, and wants the verdict that xmllint and Xerces give.
func TestMutationsAgree(t *testing.T) {
	many := 60
	if raceOn {
		many = 5 // the engine has no goroutines; the others take their time
	}
	list := groups(t)
	what := make([][]string, len(list))
	var suits []suit
	for i := range list {
		list[i].suit, what[i] = mutated(t, list[i].suit, many)
		suits = append(suits, list[i].suit)
	}
	java := xerces(t, suits...)
	for i, g := range list {
		t.Run(g.name, func(t *testing.T) { compareVerdicts(t, g.suit, what[i], java[i]) })
	}
}

// mutated adds many changed documents for each of a suit.
func mutated(t *testing.T, s suit, many int) (out suit, what []string) {
	t.Helper()
	dir := t.TempDir()
	out = suit{root: s.root, catalog: s.catalog}
	r := rand.New(rand.NewPCG(7, 11))
	for n, file := range s.docs {
		out.docs, what = append(out.docs, file), append(what, "as published")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			continue
		}
		for i := 0; i < many; {
			tree := treeOf(doc.Root())
			did := change(tree, r)
			if did == "" {
				continue
			}
			if r.IntN(3) == 0 {
				did += ", " + change(tree, r)
			}
			i++
			var b strings.Builder
			tree.write(&b)
			if strings.Count(b.String(), "xsi9:") > 1 || b.Len() > 1<<20 {
				continue
			}
			name := filepath.Join(dir, fmt.Sprintf("%d-%d.xml", n, i))
			if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			out.docs, what = append(out.docs, name), append(what, did)
		}
	}
	return out, what
}

// compareVerdicts wants that of the other two engines one at least agrees with us, and
// counts where only one does.
func compareVerdicts(t *testing.T, s suit, what []string, java verdict) {
	t.Helper()
	mine, lint := ours(t, s), xmllint(t, s)
	if mine.fault != "" || lint.fault != "" || java.fault != "" {
		t.Fatalf("the schema is refused: ours %q, xmllint %q, Xerces %q", mine.fault, lint.fault, java.fault)
	}
	alike, valid, lintAlone, javaAlone := 0, 0, 0, 0
	for i := range s.docs {
		m, l, j := mine.valid[i], lint.valid[i], java.valid[i]
		switch {
		case m == l && m == j:
			alike++
			if m {
				valid++
			}
		case m == j:
			lintAlone++
			t.Logf("xmllint alone says %t (%s): %s; ours: %s", l, what[i], lint.said[i], mine.said[i])
		case m == l:
			javaAlone++
			t.Logf("Xerces alone says %t (%s): %s; ours: %s", j, what[i], java.said[i], mine.said[i])
		default:
			t.Errorf("%s (%s): we alone say %t: %s\nxmllint: %s\nXerces: %s", filepath.Base(s.docs[i]), what[i], m, mine.said[i], lint.said[i], java.said[i])
		}
	}
	t.Logf("%d documents: %d alike (%d of them valid), %d xmllint alone, %d Xerces alone", len(s.docs), alike, valid, lintAlone, javaAlone)
	if valid == 0 || valid == alike {
		t.Error("the documents are all valid or none is")
	}
}

// group is a published schema with documents for it.
type group struct {
	name string
	suit
}

func groups(t testing.TB) []group {
	t.Helper()
	at := func(name string) string {
		p, err := filepath.Abs(assets.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	glob := func(pattern string) []string {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(files))
		}
		return files
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	registers := at("registers")
	out := []group{{"it-ansc", suit{root: registers + "/xsd/it-ansc/predisposizioneAnagrafica.xsd", docs: glob(registers + "/it-ansc-*.xml")}}}

	// What ELMO imports from the network is not among the assets: our own shapes of it.
	xml, err := filepath.Abs("builtin/xml.xsd")
	if err != nil {
		t.Fatal(err)
	}
	dsig, _ := filepath.Abs("builtin/xmldsig.xsd")
	out = append(out, group{"elmo", suit{
		root: registers + "/xsd/elmo/schema.xsd",
		catalog: map[string]string{
			"http://www.w3.org/2001/03/xml.xsd": xml,
			"https://raw.githubusercontent.com/emrex-eu/elmo-schemas/v1/references/xmldsig-core-schema.xsd":        dsig,
			"https://raw.githubusercontent.com/emrex-eu/elmo-schemas/v1/references/EUROPASS_ISOCountries_V1.1.xsd": write("europass.xsd", europass),
			"https://raw.githubusercontent.com/erasmus-without-paper/ewp-specs-types-address/stable-v1/schema.xsd": write("address.xsd", address),
		},
		docs: []string{write("elmo.xml", elmoOf(t, glob(registers + "/ewp-elmo-*.xml")[0]))},
	}})
	out = append(out, group{"fi-vtj", suit{root: registers + "/xsd/fi-vtj/OPHREK.xsd", docs: []string{write("vtj.xml", vtj)}}})
	for _, edition := range []struct{ name, root, driver string }{
		{"oots-1.0", "oots/tdd-1.0-artefacts/xsd", "oots_driver_v1.0.0.xsd"},
		{"oots-2.0", "oots/xsd-reconstructed", "oots_driver_2.0-UNOFFICIAL.xsd"},
	} {
		root := at(edition.root)
		var imports strings.Builder
		catalog := map[string]string{}
		for _, i := range []struct{ space, file string }{
			{xmldoc.SpaceXML, "xml/xml.xsd"}, {"http://www.w3.org/1999/xlink", "xml/xlink.xsd"}, {"http://www.w3.org/2005/08/addressing", "xml/ws-addr.xsd"},
			{"urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0", "regrep4/rim.xsd"}, {"urn:oasis:names:tc:ebxml-regrep:xsd:rs:4.0", "regrep4/rs.xsd"},
			{"urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0", "regrep4/query.xsd"}, {"http://data.europa.eu/p4s", "sdg/" + edition.driver},
		} {
			fmt.Fprintf(&imports, "<xs:import namespace=%q schemaLocation=\"file://%s/%s\"/>\n", i.space, root, i.file)
			catalog[i.space] = root + "/" + i.file
		}
		for _, n := range []string{"rim", "rs", "query", "lcm", "spi"} {
			catalog["http://docs.oasis-open.org/regrep/regrep-core/v4.0/os/xsd/"+n+".xsd"] = root + "/regrep4/" + n + ".xsd"
		}
		catalog["http://www.w3.org/2001/xml.xsd"], catalog["http://www.w3.org/2009/01/xml.xsd"] = root+"/xml/xml.xsd", root+"/xml/xml.xsd"
		docs := glob(at("oots/own-examples") + "/re*-2.0*.xml")
		if edition.name == "oots-1.0" {
			docs = glob(at("oots/tdd-1.0-artefacts") + "/xml/EB/Complete*/*.xml")
		}
		out = append(out, group{edition.name, suit{
			root:    write(edition.name+".xsd", `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">`+imports.String()+`</xs:schema>`),
			catalog: catalog, docs: docs,
		}})
	}
	as4 := at("as4/phase4/xsd")
	driver := write("soap.xsd", fmt.Sprintf(`<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="file://%[2]s"/>
<xs:import namespace="http://www.w3.org/2003/05/soap-envelope" schemaLocation="file://%[1]s/soap12.xsd"/>
<xs:import namespace="http://schemas.xmlsoap.org/soap/envelope/" schemaLocation="file://%[1]s/soap11.xsd"/>
<xs:import namespace="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/" schemaLocation="file://%[1]s/ebms-header-3_0-200704.xsd"/>
</xs:schema>`, as4, xml))
	return append(out, group{"soap", suit{
		root: driver,
		catalog: map[string]string{
			"http://www.w3.org/2003/05/soap-envelope": as4 + "/soap12.xsd", "http://schemas.xmlsoap.org/soap/envelope/": as4 + "/soap11.xsd",
			"http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/": as4 + "/ebms-header-3_0-200704.xsd", "http://www.w3.org/2001/xml.xsd": xml, "http://www.w3.org/2001/03/xml.xsd": xml,
			xmldoc.SpaceXML: xml,
		},
		docs: glob(at("as4/phase4") + "/soap1*/*.xml"),
	}})
}

// elmoOf takes the document of ELMO out of the envelope that carries it.
func elmoOf(t testing.TB, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for e := range doc.Root().Descendants() {
		if e.Name().Local == "elmo" {
			return string(e.AppendCanonical(nil, xmldoc.C14N{}))
		}
	}
	t.Fatal("no elmo")
	return ""
}

const europass = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://europass.cedefop.europa.eu/Europass/V2.0" elementFormDefault="qualified">
<xs:simpleType name="countryCode"><xs:restriction base="xs:string"><xs:pattern value="[A-Z]{2}"/></xs:restriction></xs:simpleType>
</xs:schema>`

const address = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="https://github.com/erasmus-without-paper/ewp-specs-types-address/tree/stable-v1" elementFormDefault="qualified">
<xs:complexType name="FlexibleAddress"><xs:sequence>
<xs:element name="addressLine" type="xs:string" minOccurs="0" maxOccurs="4"/>
<xs:element name="postalCode" type="xs:string" minOccurs="0"/><xs:element name="locality" type="xs:string" minOccurs="0"/>
<xs:element name="country" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
</xs:schema>`

// vtj is an answer of the population register of Finland about nobody, in ISO-8859-1.
const vtj = `<?xml version="1.0" encoding="ISO-8859-1"?>
<VTJHenkiloVastaussanoma xmlns="http://xml.vrk.fi/schema/vtjkysely" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" sanomatunnus="X" versio="1.0" tietojenPoimintaaika="20260101120000">
  <Asiakasinfo><InfoS>01.01.2026 12:00</InfoS><InfoR>01.01.2026 12:00</InfoR><InfoE>01.01.2026 12:00</InfoE></Asiakasinfo>
  <Paluukoodi koodi="0001">Ei l` + "\xf6" + `ytynyt</Paluukoodi>
  <Hakuperusteet>
    <Henkilotunnus hakuperustePaluukoodi="0" hakuperusteTekstiS="Ei" hakuperusteTekstiR="Nej" hakuperusteTekstiE="No">010170-999X</Henkilotunnus>
    <SahkoinenAsiointitunnus hakuperustePaluukoodi="4" hakuperusteTekstiS="Ei" hakuperusteTekstiR="Nej" hakuperusteTekstiE="No"></SahkoinenAsiointitunnus>
  </Hakuperusteet>
</VTJHenkiloVastaussanoma>`
