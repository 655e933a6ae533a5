package xsd_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xsd"
	"oncegate/schemas/assets"
)

const dsig = "http://www.w3.org/2000/09/xmldsig#"

// TestBuiltinSignatureSchema: our own text of the schema of XML Signature says of every
// signature among the assets, as published and changed, what that of W3C says.
func TestBuiltinSignatureSchema(t *testing.T) {
	driver := head + `<xs:import namespace="` + dsig + `"/></xs:schema>`
	load := func(catalog map[string]string, fsys string) *xsd.Schema {
		dir := t.TempDir()
		for name, text := range map[string]string{"a.xsd": driver, "w3c.xsd": fsys} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := xsd.Compile(xsd.Config{FS: os.DirFS(dir), Root: "a.xsd", Catalog: catalog})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	theirs := load(map[string]string{dsig: "w3c.xsd"}, string(assets.Read(t, "as4/santuario/xsd/xmldsig-core-schema.xsd")))
	driver = strings.Replace(driver, `"/>`, `" schemaLocation="http://www.w3.org/TR/xmldsig-core/xmldsig-core-schema.xsd"/>`, 1)
	own := load(nil, "<none/>")
	r := rand.New(rand.NewPCG(3, 5))
	files, err := filepath.Glob(assets.Path(t, "as4") + "/*/*/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	compared, valid := 0, 0
	for _, file := range append(files, assets.Path(t, "registers/ewp-elmo-transcript-of-records-signed.xml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			continue
		}
		for e := range doc.Root().Descendants() {
			if !e.Is(xmldoc.Name{Space: dsig, Local: "Signature"}) {
				continue
			}
			alone, err := xmldoc.ParseBytes(e.AppendCanonical(nil, xmldoc.C14N{}), xmldoc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				tree := treeOf(alone.Root())
				did := "as published"
				if i > 0 {
					did = change(tree, r)
				}
				var b strings.Builder
				tree.write(&b)
				one, why := validate(own, []byte(b.String()))
				other, because := validate(theirs, []byte(b.String()))
				if one != other {
					t.Errorf("%s, %s: ours %t %s, W3C's %t %s", filepath.Base(file), did, one, why, other, because)
				}
				compared++
				if one {
					valid++
				}
			}
		}
	}
	t.Logf("%d signatures compared, %d of them valid", compared, valid)
	if valid == 0 || valid == compared {
		t.Error("the signatures are all valid or none is")
	}
}
