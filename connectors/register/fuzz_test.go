package register_test

import (
	"encoding/json"
	"io/fs"
	"testing"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/connectors/xmldoc"
)

// FuzzReply feeds any reply to every register: there is always an outcome, and
// what is found is JSON and XML.
func FuzzReply(f *testing.F) {
	files, err := fs.Glob(registers.FS, "*/testdata/*.reply.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(200, sample(f, file))
	}
	defs, err := register.Load(registers.FS)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		for name, d := range defs {
			record, evidence, err := d.Try(status, text)
			if err != nil {
				continue
			}
			if !json.Valid(record) {
				t.Errorf("%s: the record is no JSON", name)
			}
			if _, err := xmldoc.ParseBytes(evidence, xmldoc.Limits{}); err != nil {
				t.Errorf("%s: the evidence is no XML: %v", name, err)
			}
		}
	})
}
