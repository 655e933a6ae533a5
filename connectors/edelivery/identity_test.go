package edelivery

import (
	"reflect"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
)

// Every word of the header makes another message, but for its id, which is the key,
// and its Timestamp.
func TestIdentityHasEveryFieldOfTheHeader(t *testing.T) {
	t.Parallel()
	make := func() *inbound {
		return &inbound{
			header: &ebms.UserMessage{
				Properties: []ebms.Property{{Name: "a"}},
				Parts:      []ebms.PartInfo{{ID: "p", Properties: []ebms.Property{{Name: "b"}}}, {ID: "q"}},
			},
			opened: &wssec.Opened{Parts: []wssec.ClearPart{{Digest: "1"}, {Digest: "2"}}},
		}
	}
	seen := map[string]string{make().identity(): "nothing"}
	var walk func(path string, at func(*inbound) reflect.Value)
	walk = func(path string, at func(*inbound) reflect.Value) {
		switch v := at(make()); v.Kind() {
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range v.NumField() {
				name := v.Type().Field(i).Name
				if path == "" && name == "MessageID" {
					continue
				}
				walk(path+"."+name, func(in *inbound) reflect.Value { return at(in).Field(i) })
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(path, func(in *inbound) reflect.Value { return at(in).Index(i) })
			}
		case reflect.String:
			in := make()
			at(in).SetString(at(in).String() + "x")
			id := in.identity()
			if other, ok := seen[id]; ok {
				t.Errorf("a change of %s looks like a change of %s", path, other)
			}
			seen[id] = path
		default:
			t.Errorf("%s is a %s, which this test cannot change", path, v.Kind())
		}
	}
	walk("", func(in *inbound) reflect.Value { return reflect.ValueOf(in.header).Elem() })
	in := make()
	in.opened.Parts[1].Digest += "x"
	if other, ok := seen[in.identity()]; ok {
		t.Errorf("another part looks like a change of %s", other)
	}
	for _, ps := range [][]ebms.Property{nil, {{Name: "a"}, {}}, {{Name: "a", Type: "1 x"}}, {{Name: "a", Value: "1 x"}}} {
		in := make()
		in.header.Properties = ps
		id := in.identity()
		if other, ok := seen[id]; ok {
			t.Errorf("properties %v look like a change of %s", ps, other)
		}
		seen[id] = "Properties"
	}
}
