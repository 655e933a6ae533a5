package register_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"testing"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// population is a reply of the population register with many earlier
// addresses, about size bytes long.
func population(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<ResidenceReply xmlns="urn:example:population:2" asOf="20260511">
  <Person number="test-00042-op" status="A">
    <Names>
      <N k="fore">Oskar</N>
      <N k="sur">Prøveland</N>
    </Names>
    <BornOn year="1981" month="11" day="02"/>
    <Addresses>
      <Address kind="P" from="20190501">
        <Street>Avenida del Ensayo</Street><House>31 B</House><Post code="08999">Villaprueba</Post>
      </Address>
`)
	for i := 0; b.Len() < size-80; i++ {
		fmt.Fprintf(&b, `      <Address kind="T" from="2005%02d00" until="20110630" country="DK">
        <Street>Prøvegade</Street><House>%d, 2. tv.</House><Post code="9999">Eksempelby</Post>
      </Address>
`, i%12+1, i)
	}
	b.WriteString("    </Addresses>\n    <Household members=\"3\"/>\n  </Person>\n</ResidenceReply>\n")
	return b.Bytes()
}

// BenchmarkReply is the way of a reply from bytes to record, evidence included,
// beside a bare pass of encoding/xml over the same bytes.
func BenchmarkReply(b *testing.B) {
	defs, err := register.Load(registers.FS)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{50 << 10, 1 << 20} {
		text := population(size)
		name := fmt.Sprintf("%dKB", size>>10)
		b.Run(name+"/record-and-evidence", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := defs["residence"].Try(200, text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-xml-tokens", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				d := xml.NewDecoder(bytes.NewReader(text))
				for {
					if _, err := d.Token(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

const benchRules = `apiVersion: oncegate/v1
kind: Mapping
name: bench
direction: xml-to-value
prefixes: {"": "urn:example:population:2"}
code_lists: {dwelling: {P: permanent, T: temporary}}
rules:
  - {to: familyName, from: "ResidenceReply/Person/Names/N[@k = 'sur']", required: true}
  - to: history[]
    each: "ResidenceReply/Person/Addresses/Address[@until]"
    rules:
      - {to: kind, from: "@kind", lookup: dwelling}
      - {to: from, from: "partial-date(@from, 'YYYYMMDD')"}
      - {to: until, from: "partial-date(@until, 'YYYYMMDD')"}
      - {to: line, from: "concat(Street, ' ', House)"}
      - {to: postCode, from: Post/@code}
      - {to: city, from: Post}
      - {to: country, from: "coalesce(@country, 'ES')"}
`

// BenchmarkMapping is that way in stages: the parser, the tree that rules read,
// the rules, the record as JSON; and all of them together.
func BenchmarkMapping(b *testing.B) {
	p, err := mapping.Compile("bench", []byte(benchRules))
	if err != nil {
		b.Fatal(err)
	}
	text := population(1 << 20)
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	record := func(doc *xmldoc.Document) *mapping.Record {
		reading, err := p.Read(register.Node(doc.Root()))
		if err != nil {
			b.Fatal(err)
		}
		defer reading.Close()
		rec, _, err := reading.Record(nil)
		if err != nil {
			b.Fatal(err)
		}
		return rec
	}
	made := record(doc)
	stage := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	parse := func() *xmldoc.Document {
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		return doc
	}
	stage("parse", func() { parse() })
	stage("load", func() {
		reading, err := p.Read(register.Node(doc.Root()))
		if err != nil {
			b.Fatal(err)
		}
		reading.Close()
	})
	stage("load-and-rules", func() { record(doc) })
	stage("json", func() { made.AppendJSON(nil) })
	stage("value", func() { made.Value() })
	stage("all", func() { record(parse()).AppendJSON(nil) })
}
