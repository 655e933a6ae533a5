package canon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/schemas/canon"
)

const secret = "Testinen"

func person() canon.Subject {
	return canon.Subject{Natural: &canon.NaturalPerson{
		FamilyName: secret, GivenName: secret, BirthDate: "1990-01-31", Identifier: "FI/LV/" + secret, PlaceOfBirth: secret,
	}}
}

func company() canon.Subject {
	return canon.Subject{Legal: &canon.LegalPerson{Identifier: "FI/LV/" + secret, Name: secret}}
}

// xorSeal stands in for a key: it turns bytes over, so that clear text shows.
func xorSeal(plain []byte) (canon.Box, error) {
	return canon.Box{Key: "k1", Nonce: make([]byte, 12), Data: turned(plain)}, nil
}

func xorOpen(b canon.Box) ([]byte, error) { return turned(b.Data), nil }

func forgotten(canon.Box) ([]byte, error) {
	return nil, fmt.Errorf("looking for the key: %w", canon.ErrForgotten)
}

func turned(in []byte) []byte {
	out := bytes.Clone(in)
	for i := range out {
		out[i] ^= 0xff
	}
	return out
}

func query() *canon.RegisterQuery {
	return &canon.RegisterQuery{Register: "lv-births", Exchange: "e1", Private: canon.Clear(canon.QueryPrivate{Subject: person()})}
}

func TestAClearPartIsNeverMarshalled(t *testing.T) {
	s := canon.Clear(canon.QueryPrivate{Subject: person()})
	inStruct := struct {
		P canon.Sealed[canon.QueryPrivate]
	}{s}
	for name, v := range map[string]any{
		"alone": s, "by pointer": &s, "in a struct": inStruct, "in a body": query(), "in a list": []any{s}, "in a map": map[string]any{"p": s},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := json.Marshal(v)
			if !errors.Is(err, canon.ErrUnsealed) {
				t.Errorf("Marshal = %v, want ErrUnsealed", err)
			}
			if strings.Contains(string(out), secret) || err != nil && strings.Contains(err.Error(), secret) {
				t.Error("the person came out")
			}
		})
	}
}

func TestSealAndOpenABody(t *testing.T) {
	in := query()
	doc, err := canon.MarshalBody(in, xorSeal)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(doc, []byte(secret)) {
		t.Fatalf("the person is in the document: %s", doc)
	}
	if _, clear := in.Private.Get(); !clear {
		t.Error("sealing touched the caller's body")
	}
	back, err := canon.UnmarshalBody(in.Kind(), doc, xorOpen)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := back.(*canon.RegisterQuery).Private.Get()
	if !ok || got.Subject.Natural.FamilyName != secret {
		t.Errorf("the private part did not come back: %v", ok)
	}
}

func TestAForgottenPartStaysClosed(t *testing.T) {
	doc, err := canon.MarshalBody(query(), xorSeal)
	if err != nil {
		t.Fatal(err)
	}
	body, err := canon.UnmarshalBody(canon.KindRegisterQuery, doc, forgotten)
	if err != nil {
		t.Fatal(err)
	}
	q := body.(*canon.RegisterQuery)
	if _, ok := q.Private.Get(); ok || !q.Private.Forgotten() || q.Register != "lv-births" {
		t.Errorf("forgotten: %v, register %q", q.Private.Forgotten(), q.Register)
	}
	// It can be written again as it is, without any key.
	again, err := canon.MarshalBody(q, func([]byte) (canon.Box, error) { return canon.Box{}, errors.New("no key") })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(doc), string(again)); diff != "" {
		t.Errorf("written again (-want +got):\n%s", diff)
	}
}

func TestAnEmptyPartIsLeftOut(t *testing.T) {
	doc, err := canon.MarshalBody(&canon.PreviewOpened{Exchange: "e1"}, nil)
	if err != nil || string(doc) != `{"exchange":"e1"}` {
		t.Errorf("%s, %v", doc, err)
	}
	var s canon.Sealed[canon.QueryPrivate]
	if _, ok := s.Get(); ok || s.Forgotten() || !s.IsZero() {
		t.Error("the zero value holds something")
	}
}

func TestFailuresOfTheKeyAreReported(t *testing.T) {
	broken := errors.New("store is down")
	if _, err := canon.MarshalBody(query(), func([]byte) (canon.Box, error) { return canon.Box{}, broken }); !errors.Is(err, broken) {
		t.Errorf("MarshalBody = %v", err)
	}
	doc, err := canon.MarshalBody(query(), xorSeal)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := canon.UnmarshalBody(canon.KindRegisterQuery, doc, func(canon.Box) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("UnmarshalBody = %v", err)
	}
	_, err = canon.UnmarshalBody(canon.KindRegisterQuery, doc, func(canon.Box) ([]byte, error) {
		return []byte(`{"subject":{},"` + secret + `x":1}`), nil
	})
	if err == nil {
		t.Error("an unknown field in the private part was taken")
	}
}

func TestUnmarshalBodyIsStrict(t *testing.T) {
	const good = `{"timer":"T1","due":"2026-01-02T03:04:05Z"}`
	if _, err := canon.UnmarshalBody(canon.KindDeadline, []byte(good+" \n"), nil); err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"nothing":         ``,
		"not JSON":        `timer`,
		"cut":             good[:20],
		"unknown field":   `{"timer":"T1","due":"2026-01-02T03:04:05Z","x":1}`,
		"second value":    good + good,
		"rest":            good + ` x`,
		"stray bracket":   good + `}`,
		"stray list end":  good + `]`,
		"wrong type":      `{"timer":1}`,
		"list":            `[]`,
		"no time":         `{"timer":"T1","due":"soon"}`,
		"wrong envelope":  `"T1"`,
		"number for time": `{"due":17}`,
	}
	for name, doc := range bad {
		t.Run(name, func(t *testing.T) {
			if _, err := canon.UnmarshalBody(canon.KindDeadline, []byte(doc), nil); err == nil {
				t.Error("UnmarshalBody took it")
			}
		})
	}
	for name, doc := range map[string]string{
		"person in clear": `{"exchange":"e1","private":{"subject":{}}}`,
		"box of text":     `{"exchange":"e1","private":"x"}`,
		"bad base64":      `{"exchange":"e1","private":{"key":"k","nonce":"!","data":""}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := canon.UnmarshalBody(canon.KindPreviewOpened, []byte(doc), xorOpen); err == nil {
				t.Error("UnmarshalBody took it")
			}
		})
	}
	_, err := canon.UnmarshalBody("evidence.request.v9", []byte(good), nil)
	if f, ok := errors.AsType[*canon.Fault](err); !ok || f.Code != canon.CodeMessageInvalid {
		t.Errorf("unknown kind = %v, want %s", err, canon.CodeMessageInvalid)
	}
}

func TestMarshalSealedRefusesWhatItCannotCopy(t *testing.T) {
	for name, v := range map[string]any{"no pointer": canon.Deadline{}, "nil pointer": (*canon.Deadline)(nil), "no struct": new(int), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			if _, err := canon.MarshalSealed(v, xorSeal); err == nil {
				t.Error("MarshalSealed took it")
			}
		})
	}
}

// TestNothingPrintsAPerson covers every verb that asks a value (%p does not),
// every handler and every way a value is held.
//
// Covers: B-045, B-048
func TestNothingPrintsAPerson(t *testing.T) {
	p, c := person(), company()
	sealed := canon.Clear(canon.QueryPrivate{Subject: p})
	values := map[string]any{
		"subject": p, "pointer to subject": &p, "natural person": *p.Natural, "pointer to natural person": p.Natural,
		"company": c, "legal person": *c.Legal, "pointer to legal person": c.Legal,
		"private part": sealed, "pointer to private part": &sealed, "body": *query(), "pointer to body": query(),
		"message": canon.Message{Body: query()}, "query": canon.QueryPrivate{Subject: p}, "opened": canon.OpenedPrivate{Subject: c},
		"request":  canon.RequestPrivate{Subject: p, PreviewLocation: "https://x.example/" + secret, ReturnLocation: secret},
		"response": canon.ResponsePrivate{Subject: c}, "preview": &canon.PreviewPrivate{Location: "https://x.example/" + secret},
	}
	for name, v := range map[string]any{
		"representative": canon.Representative{Natural: p.Natural, Legal: c.Legal},
		"address":        canon.Address{Full: secret, Locator: secret, City: secret},
		"spellings":      canon.NonLatin{FamilyName: secret},
		"identifier":     canon.Identifier{Scheme: "VAT", ID: secret},
		"attribute":      canon.Attribute{Name: "IBAN", Value: secret},
		"answer":         canon.ConceptAnswer{ID: "1", Values: []string{secret}},
	} {
		values[name] = v
	}
	// slog's JSON handler encodes lists and maps as sealing does, so these are
	// safe with fmt and as text only.
	bare := map[string]any{"list": []canon.Subject{p, c}, "map": map[string]canon.Subject{"x": p}}
	for name, v := range values {
		t.Run(name, func(t *testing.T) { wantRedacted(t, v, asText, asJSON) })
	}
	for name, v := range bare {
		t.Run(name, func(t *testing.T) { wantRedacted(t, v, asText) })
	}
}

func asText(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }
func asJSON(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }

func wantRedacted(t *testing.T, v any, handlers ...func(io.Writer) slog.Handler) {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%20v", "%.1s"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	fmt.Fprintln(&out, v)
	fmt.Fprintln(&out, fmt.Errorf("with %v: %w", v, errors.New("x")))
	for _, h := range handlers {
		l := slog.New(h(&out))
		l.Info("x", "v", v)
		l.With("v", v).WithGroup("g").Info("x", slog.Group("in", "v", v))
	}
	hexed := fmt.Sprintf("%x", secret)
	for _, leak := range []string{secret, hexed, strings.ToUpper(hexed)} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("a person was printed: ...%s", out.String()[max(0, i-120):i+len(leak)])
		}
	}
}

func TestMatches(t *testing.T) {
	with := func(change func(*canon.NaturalPerson)) canon.Subject {
		n := *person().Natural
		change(&n)
		return canon.Subject{Natural: &n}
	}
	firm := func(id, name string) canon.Subject {
		return canon.Subject{Legal: &canon.LegalPerson{Identifier: id, Name: name}}
	}
	vat := func(name, id string) canon.Subject {
		return canon.Subject{Legal: &canon.LegalPerson{Name: name, Others: []canon.Identifier{{Scheme: "VAT", ID: id}}}}
	}
	tests := map[string]struct {
		a, b canon.Subject
		want bool
	}{
		"same":                 {person(), person(), true},
		"one has no id":        {person(), with(func(n *canon.NaturalPerson) { n.Identifier = "" }), true},
		"other id":             {person(), with(func(n *canon.NaturalPerson) { n.Identifier = "FI/LV/x" }), false},
		"other name, same id":  {person(), with(func(n *canon.NaturalPerson) { n.FamilyName = "x" }), false},
		"other given name":     {person(), with(func(n *canon.NaturalPerson) { n.GivenName = "x" }), false},
		"other date of birth":  {person(), with(func(n *canon.NaturalPerson) { n.BirthDate = "1990-02-01" }), false},
		"other place of birth": {person(), with(func(n *canon.NaturalPerson) { n.PlaceOfBirth = "x" }), true},
		"same company":         {firm("a", "b"), firm("a", "b"), true},
		"other company":        {firm("a", "b"), firm("c", "b"), false},
		"renamed company":      {firm("a", "b"), firm("a", "c"), false},
		"companies without id": {firm("", "b"), firm("", "b"), false},
		"same further number":  {vat("b", "1"), vat("b", "1"), true},
		"other further number": {vat("b", "1"), vat("b", "2"), false},
		"person and company":   {person(), company(), false},
		"nobody and nobody":    {canon.Subject{}, canon.Subject{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.a.Matches(tc.b) != tc.want || tc.b.Matches(tc.a) != tc.want {
				t.Errorf("Matches is not %v both ways", tc.want)
			}
		})
	}
}

// FuzzUnmarshalBody: whatever is decoded can be written and read again, and the
// second reading gives the same.
func FuzzUnmarshalBody(f *testing.F) {
	kinds := canon.Kinds()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, b := range []canon.Body{
		query(), &canon.Deadline{Timer: "T1", Due: at}, &canon.AuditEvent{Step: "a.b", Digests: map[string]string{"x": "y"}},
		&canon.EvidenceRequest{Envelope: canon.Envelope{IssuedAt: at}, Private: canon.Clear(canon.RequestPrivate{Subject: company()})},
		&canon.EvidenceResponse{Documents: []canon.Document{{ID: "d"}}}, &canon.ConsentDecision{Decisions: []canon.DocumentDecision{{Approved: true}}},
		&canon.Route{Procedures: []string{"T2"}, Country: "LV", ValidFrom: at}, &canon.ExchangeRecord{Action: "a", Sealed: canon.SealedDocument{Key: "k", Data: []byte("x")}},
	} {
		doc, err := canon.MarshalBody(b, xorSeal)
		if err != nil {
			f.Fatal(err)
		}
		for i, k := range kinds {
			if k == b.Kind() {
				f.Add(i, doc)
			}
		}
	}
	f.Fuzz(func(t *testing.T, i int, doc []byte) {
		kind := kinds[uint(i)%uint(len(kinds))]
		body, err := canon.UnmarshalBody(kind, doc, xorOpen)
		if err != nil {
			return
		}
		if body.Kind() != kind {
			t.Fatalf("body is %s, want %s", body.Kind(), kind)
		}
		again, err := canon.MarshalBody(body, xorSeal)
		if err != nil {
			t.Skip(err) // a time that RFC 3339 cannot say
		}
		back, err := canon.UnmarshalBody(kind, again, xorOpen)
		if err != nil {
			t.Fatalf("written and not readable: %v\n%s", err, again)
		}
		third, err := canon.MarshalBody(back, xorSeal)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("written twice it differs (%v):\n%s\n%s", err, again, third)
		}
	})
}

func TestEveryKindHasItsBody(t *testing.T) {
	for _, k := range canon.Kinds() {
		b, err := canon.UnmarshalBody(k, []byte("{}"), nil)
		if err != nil || b.Kind() != k {
			t.Errorf("%s: body %T, %v", k, b, err)
			continue
		}
		// At most one private part: the second would be written in clear, or not at all.
		n := 0
		typ := reflect.TypeOf(b).Elem()
		for i := range typ.NumField() {
			if strings.HasPrefix(typ.Field(i).Type.Name(), "Sealed[") {
				n++
			}
		}
		if n > 1 {
			t.Errorf("%s has %d private parts", k, n)
		}
		if e := canon.EnvelopeOf(b); (e != nil) != strings.HasPrefix(string(k), "evidence.") {
			t.Errorf("%s: envelope %v", k, e != nil)
		}
	}
}

// Covers: B-023
func TestScopeOfARepresentative(t *testing.T) {
	power := func(v string) []canon.Attribute {
		return []canon.Attribute{{Name: "IBAN", Value: "x"}, {Name: canon.PowerName, URI: canon.PowerURI, Value: v}}
	}
	r := canon.Representative{Natural: &canon.NaturalPerson{Attributes: power("X1, X2,")}, Legal: &canon.LegalPerson{Attributes: power(canon.PowerAll)}}
	if diff := cmp.Diff([]string{"X1", "X2", "ALL"}, r.Scope()); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	if got := (canon.Representative{}).Scope(); got != nil || r.IsZero() || !(canon.Representative{}).IsZero() {
		t.Errorf("got %v of nobody", got)
	}
}
