package schemas_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// bodies has one value of every kind and, where it has one, of its private part.
var bodies = map[canon.Kind]struct {
	body    canon.Body
	private any
}{
	canon.KindEvidenceRequest:  {&canon.EvidenceRequest{}, canon.RequestPrivate{}},
	canon.KindPreviewRequired:  {&canon.PreviewRequired{}, canon.PreviewPrivate{}},
	canon.KindEvidenceResponse: {&canon.EvidenceResponse{}, canon.ResponsePrivate{}},
	canon.KindEvidenceRefusal:  {&canon.EvidenceRefusal{}, nil},
	canon.KindPreviewOpened:    {&canon.PreviewOpened{}, canon.OpenedPrivate{}},
	canon.KindRegisterQuery:    {&canon.RegisterQuery{}, canon.QueryPrivate{}},
	canon.KindRegisterRecord:   {&canon.RegisterRecord{}, nil},
	canon.KindConsentDecision:  {&canon.ConsentDecision{}, nil},
	canon.KindDeliveryReceipt:  {&canon.DeliveryReceipt{}, nil},
	canon.KindExchangeNotice:   {&canon.ExchangeNotice{}, nil},
	canon.KindDeadline:         {&canon.Deadline{}, nil},
	canon.KindAudit:            {&canon.AuditEvent{}, nil},
	canon.KindRoute:            {&canon.Route{}, nil},
	canon.KindWithdrawal:       {&canon.Withdrawal{}, nil},
	canon.KindExchangeRecord:   {&canon.ExchangeRecord{}, nil},
}

// TestNoDrift: a schema has the fields of the Go type, down to the last struct,
// and wants those that Go always writes.
func TestNoDrift(t *testing.T) {
	var parts map[string]any
	if err := json.Unmarshal(schemas.Parts(), &parts); err != nil {
		t.Fatal(err)
	}
	for _, k := range canon.Kinds() {
		b, ok := bodies[k]
		if !ok {
			t.Errorf("%s: no body is listed here", k)
			continue
		}
		d := drift{t: t, defs: parts["$defs"].(map[string]any)}
		d.compare(string(k), reflect.TypeOf(b.body).Elem(), parse(t, schemas.Document(k)))
		if has := schemas.PrivateDocument(k) != nil; has != (b.private != nil) {
			t.Errorf("%s: schema of a private part: %v, Go type: %v", k, has, b.private != nil)
		}
		if b.private != nil {
			d.compare(string(k)+" private", reflect.TypeOf(b.private), parse(t, schemas.PrivateDocument(k)))
		}
	}
}

func parse(t *testing.T, doc []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(doc, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

type drift struct {
	t    *testing.T
	defs map[string]any
}

func (d *drift) resolve(schema map[string]any) map[string]any {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		next, ok := d.defs[name].(map[string]any)
		if !ok {
			d.t.Fatalf("reference to %s, which is not there", ref)
		}
		schema = next
	}
}

// stricter are fields that Go may leave out for the sake of another kind.
var stricter = []string{"requester"}

func (d *drift) compare(at string, typ reflect.Type, schema map[string]any) {
	schema = d.resolve(schema)
	switch {
	case strings.HasPrefix(typ.Name(), "Sealed["):
		typ = reflect.TypeFor[canon.Box]()
	case typ == reflect.TypeFor[[]byte](), typ.PkgPath() == "time":
		return
	}
	switch typ.Kind() {
	case reflect.Pointer:
		d.compare(at, typ.Elem(), schema)
	case reflect.Slice:
		items, ok := schema["items"].(map[string]any)
		if !ok {
			d.t.Errorf("%s: no items", at)
			return
		}
		if _, ok := schema["maxItems"]; !ok {
			d.t.Errorf("%s: no bound of items", at)
		}
		d.compare(at+"[]", typ.Elem(), items)
	case reflect.Map:
		if _, ok := schema["maxProperties"]; !ok {
			d.t.Errorf("%s: no bound of properties", at)
		}
		if schema["additionalProperties"] != false {
			d.t.Errorf("%s: names are not restricted", at)
		}
		for _, p := range schema["patternProperties"].(map[string]any) {
			d.compare(at+"{}", typ.Elem(), p.(map[string]any))
		}
	case reflect.String:
		d.bounded(at, schema)
	case reflect.Struct:
		d.compareStruct(at, typ, schema)
	}
}

// bounded: every string has a largest length, by itself or by its pattern.
func (d *drift) bounded(at string, schema map[string]any) {
	_, length := schema["maxLength"]
	_, enum := schema["enum"]
	pattern, _ := schema["pattern"].(string)
	if !length && !enum && (!strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") || strings.ContainsAny(pattern, "*")) {
		d.t.Errorf("%s: no bound of length", at)
	}
}

func (d *drift) compareStruct(at string, typ reflect.Type, schema map[string]any) {
	if schema["additionalProperties"] != false {
		d.t.Errorf("%s: additionalProperties is not false", at)
	}
	props, _ := schema["properties"].(map[string]any)
	var required []string
	list, _ := schema["required"].([]any)
	for _, r := range list {
		required = append(required, r.(string))
	}
	seen := make(map[string]bool)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Anonymous {
				walk(f.Type)
				continue
			}
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			seen[name] = true
			p, ok := props[name].(map[string]any)
			if !ok {
				d.t.Errorf("%s: field %s is not in the schema", at, name)
				continue
			}
			always := options == ""
			if in := slices.Contains(required, name); in != always && !(in && slices.Contains(stricter, name)) {
				d.t.Errorf("%s: field %s: Go always writes it: %v, required: %v", at, name, always, in)
			}
			d.compare(at+"."+name, f.Type, p)
		}
	}
	walk(typ)
	for name := range props {
		if !seen[name] {
			d.t.Errorf("%s: property %s is not in Go", at, name)
		}
	}
}
