package xsd_test

import (
	"sync"
	"testing"

	"oncegate/connectors/xmldoc"
)

// One schema serves many documents at a time.
func TestConcurrentUse(t *testing.T) {
	schema, err := compile("a.xsd", benchSchema)
	if err != nil {
		t.Fatal(err)
	}
	text := benchDocument(20 << 10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
			if err != nil {
				t.Error(err)
				return
			}
			if found := schema.Validate(doc.Root()); len(found) > 0 {
				t.Error(found)
			}
		})
	}
	wg.Wait()
}
