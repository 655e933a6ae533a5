package redisstore

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/exchange"
)

var update = flag.Bool("update", false, "write the goldens")

// fields lists the JSON names and types that a value of the type is kept with.
func fields(b *strings.Builder, indent string, typ reflect.Type) {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return
	case typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Map:
		fields(b, indent, typ.Elem())
		return
	case typ.Kind() != reflect.Struct:
		return
	}
	for f := range typ.Fields() {
		if name := f.Tag.Get("json"); name != "" {
			name, _, _ = strings.Cut(name, ",")
			b.WriteString(indent + name + " " + f.Type.String() + "\n")
			fields(b, indent+"  ", f.Type)
		}
	}
}

// Where this test fails, the kept shape of a Conversation changed: give the
// constant shape its next value, then run with -update.
func TestShapeOfAConversationHasItsVersion(t *testing.T) {
	var b strings.Builder
	b.WriteString("shape " + shape + "\n")
	fields(&b, "", reflect.TypeFor[exchange.Conversation]())
	b.WriteString("private part\n")
	fields(&b, "  ", reflect.TypeFor[exchange.Private]())
	const golden = "testdata/shape.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the shape changed without its version: (-golden +now)\n%s", d)
	}
}
