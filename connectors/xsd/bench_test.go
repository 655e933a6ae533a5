package xsd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
)

const benchSchema = head + `
<xs:simpleType name="code"><xs:restriction base="xs:string"><xs:pattern value="[A-Z]{2}[0-9]{6}"/></xs:restriction></xs:simpleType>
<xs:simpleType name="name"><xs:restriction base="xs:token"><xs:minLength value="1"/><xs:maxLength value="100"/></xs:restriction></xs:simpleType>
<xs:simpleType name="sex"><xs:restriction base="xs:string"><xs:enumeration value="M"/><xs:enumeration value="F"/><xs:enumeration value="X"/></xs:restriction></xs:simpleType>
<xs:complexType name="person"><xs:sequence>
<xs:element name="family" type="name"/><xs:element name="given" type="name" maxOccurs="5"/><xs:element name="born" type="xs:date"/><xs:element name="sex" type="sex" minOccurs="0"/>
<xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="street" type="name"/><xs:element name="since" type="xs:gYearMonth"/><xs:element name="amount"><xs:complexType><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="currency" type="xs:NCName" use="required"/></xs:extension></xs:simpleContent></xs:complexType></xs:element></xs:choice>
</xs:sequence><xs:attribute name="id" type="code" use="required"/><xs:attribute name="status" default="valid"/></xs:complexType>
<xs:element name="register"><xs:complexType><xs:sequence><xs:element name="person" type="person" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>`

func benchDocument(size int) []byte {
	var b strings.Builder
	b.WriteString(`<register xmlns="urn:t">` + "\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `  <person id="LV%06d"><family>Paraugs</family><given>Anna</given><given>Marija</given><born>1970-02-05</born><sex>F</sex>
    <street>Parauga iela 8</street><since>1999-06</since><amount currency="EUR">1250.75</amount></person>`+"\n", i%1_000_000)
	}
	b.WriteString("</register>\n")
	return []byte(b.String())
}

// BenchmarkValidate is the time of the validation alone: the document is parsed, the
// schema compiled. That of libxml2 is what xmllint --timing says about itself.
func BenchmarkValidate(b *testing.B) {
	schema, err := compile("a.xsd", benchSchema)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{50 << 10, 1 << 20} {
		text := benchDocument(size)
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("%dKB", size>>10)
		b.Run(name+"/xsd", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if found := schema.Validate(doc.Root()); len(found) > 0 {
					b.Fatal(found)
				}
			}
		})
		b.Run(name+"/parse-and-xsd", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
				if err != nil || len(schema.Validate(doc.Root())) > 0 {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/libxml2", func(b *testing.B) {
			if _, err := exec.LookPath("xmllint"); err != nil {
				b.Skip("xmllint is not installed")
			}
			dir := b.TempDir()
			s, d := filepath.Join(dir, "a.xsd"), filepath.Join(dir, "a.xml")
			if os.WriteFile(s, []byte(benchSchema), 0o600) != nil || os.WriteFile(d, text, 0o600) != nil {
				b.Fatal("writing")
			}
			took := regexp.MustCompile(`Validating [^\n]*took ([0-9.]+) ms|Validating took ([0-9.]+) ms`)
			total, runs := 0.0, 0
			for range 20 {
				out, _ := exec.Command("xmllint", "--noout", "--timing", "--schema", s, d).CombinedOutput()
				m := took.FindStringSubmatch(string(out))
				if m == nil {
					b.Skipf("xmllint says no time: %s", out)
				}
				ms, _ := strconv.ParseFloat(m[1]+m[2], 64)
				total, runs = total+ms, runs+1
			}
			b.ReportMetric(total/float64(runs)*1e6, "ns/op")
			b.ReportMetric(float64(len(text))/1e6/(total/float64(runs)/1e3), "MB/s")
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compile("a.xsd", benchSchema); err != nil {
			b.Fatal(err)
		}
	}
}
