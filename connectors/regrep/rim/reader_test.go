package rim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

const spaces = ` xmlns:query="` + rim.SpaceQuery + `" xmlns:rim="` + rim.SpaceRIM + `" xmlns:rs="` + rim.SpaceRS +
	`" xmlns:sdg="` + rim.SpaceSDG + `" xmlns:xsi="` + rim.SpaceXSI + `"`

func parse(t testing.TB, doc string) xmldoc.Element {
	t.Helper()
	d, err := xmldoc.ParseBytes([]byte(doc), xmldoc.Limits{})
	if err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return d.Root()
}

// slot makes the document of one slot.
func slot(value string) string {
	return `<query:QueryRequest` + spaces + `><rim:Slot name="S">` + value + `</rim:Slot></query:QueryRequest>`
}

// TestSlotValues: what every type of value gives, and what is no such value.
func TestSlotValues(t *testing.T) {
	read := map[string]func(*rim.Reader, xmldoc.Element) any{
		"string":        func(r *rim.Reader, v xmldoc.Element) any { return r.String(v) },
		"identifier":    func(r *rim.Reader, v xmldoc.Element) any { return r.Identifier(v) },
		"boolean":       func(r *rim.Reader, v xmldoc.Element) any { return r.Boolean(v) },
		"time":          func(r *rim.Reader, v xmldoc.Element) any { return r.DateTime(v) },
		"international": func(r *rim.Reader, v xmldoc.Element) any { return r.International(v) },
		"any":           func(r *rim.Reader, v xmldoc.Element) any { return r.Text(r.Any(v, rim.SDG("Title"))) },
		"collection": func(r *rim.Reader, v xmldoc.Element) any {
			var out []string
			for e := range r.Collection(v, rim.SDG("Title")) {
				out = append(out, r.Text(e))
			}
			return strings.Join(out, " ")
		},
	}
	value := func(typ, content string) string {
		return `<rim:SlotValue xsi:type="rim:` + typ + `">` + content + `</rim:SlotValue>`
	}
	element := `<rim:Element xsi:type="rim:AnyValueType"><sdg:Title>a</sdg:Title></rim:Element>`
	for _, tt := range []struct {
		name, as, doc string
		want          any
		fault         string
	}{
		{"padded string", "string", value("StringValueType", "<rim:Value>\n a\tb </rim:Value>"), "a b", ""},
		{"another type", "string", value("BooleanValueType", "<rim:Value>a</rim:Value>"), "", "is not a StringValueType"},
		{"prefix of another namespace", "string", `<rim:SlotValue xsi:type="sdg:StringValueType"><rim:Value>a</rim:Value></rim:SlotValue>`, "", "is not a StringValueType"},
		{"default namespace", "string", `<SlotValue xmlns="` + rim.SpaceRIM + `" xsi:type="StringValueType"><Value>a</Value></SlotValue>`, "a", ""},
		{"no value", "string", value("StringValueType", ""), "", "lacks Value"},
		{"two values", "string", value("StringValueType", "<rim:Value>a</rim:Value><rim:Value>a</rim:Value>"), "", "does not belong there"},
		{"elements in a string", "string", value("StringValueType", "<rim:Value><rim:Value/></rim:Value>"), "", "holds elements"},
		{"too long", "string", value("StringValueType", "<rim:Value>"+strings.Repeat("ä", rim.MaxText+1)+"</rim:Value>"), "", "too long"},
		{"identifier", "identifier", value("StringValueType", "<rim:Value>9be524c1-6efe-417a-974c-088f54f0bcae</rim:Value>"), "9be524c1-6efe-417a-974c-088f54f0bcae", ""},
		{"no identifier", "identifier", value("StringValueType", "<rim:Value>9be524c1</rim:Value>"), "", "is not a UUID"},
		{"one", "boolean", value("BooleanValueType", "<rim:Value>1</rim:Value>"), true, ""},
		{"false", "boolean", value("BooleanValueType", "<rim:Value> false </rim:Value>"), false, ""},
		{"no boolean", "boolean", value("BooleanValueType", "<rim:Value>yes</rim:Value>"), false, "is not a boolean"},
		{"time with a zone", "time", value("DateTimeValueType", "<rim:Value>2026-01-02T03:04:05.5+02:00</rim:Value>"), time.Date(2026, 1, 2, 1, 4, 5, 5e8, time.UTC), ""},
		{"time without a zone", "time", value("DateTimeValueType", "<rim:Value>2026-01-02T03:04:05</rim:Value>"), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ""},
		{"no time", "time", value("DateTimeValueType", "<rim:Value>2026-02-30T03:04:05Z</rim:Value>"), time.Time{}, "not a time"},
		{"languages", "international", value("InternationalStringValueType", `<rim:Value><rim:LocalizedString xml:lang="fi" value="a"/><rim:LocalizedString value="b"/></rim:Value>`),
			[]canon.Text{{Lang: "FI", Text: "a"}, {Lang: "EN", Text: "b"}}, ""},
		{"no language", "international", value("InternationalStringValueType", `<rim:Value><rim:LocalizedString xml:lang="x-1" value="a"/></rim:Value>`), nil, "not a language code"},
		{"any", "any", value("AnyValueType", "<sdg:Title>a</sdg:Title>"), "a", ""},
		{"another element", "any", value("AnyValueType", "<sdg:Name>a</sdg:Name>"), "", "lacks Title"},
		{"collection", "collection", value("CollectionValueType", element+element), "a a", ""},
		{"collection of other things", "collection", value("CollectionValueType", element+`<rim:Element xsi:type="rim:StringValueType"><rim:Value>a</rim:Value></rim:Element>`), "", "is not a AnyValueType"},
		{"large collection", "collection", value("CollectionValueType", strings.Repeat(element, rim.Many+1)), "", "too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := new(rim.Reader)
			s := r.Sequence(parse(t, slot(tt.doc)))
			slots := r.Slots(&s)
			s.End()
			got := read[tt.as](r, slots.Get("S"))
			err := r.Err()
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) || !strings.Contains(err.Error(), "/query:QueryRequest/rim:Slot/") {
					t.Errorf("got %v, want a fault with %q and a path", err, tt.fault)
				}
				return
			}
			if d := cmp.Diff(tt.want, got); err != nil || d != "" {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

func TestSlotsStandOnce(t *testing.T) {
	for doc, want := range map[string]string{
		`<rim:Slot name="a"><rim:SlotValue/></rim:Slot><rim:Slot name=" a"><rim:SlotValue/></rim:Slot>`: "twice",
		`<rim:Slot name="a"/>`:                                           "lacks SlotValue",
		`<rim:Slot><rim:SlotValue/></rim:Slot>`:                          "lacks its attribute name",
		"<rim:Slot name='a'><rim:SlotValue/></rim:Slot><rim:Other/>":     "does not belong there",
		"<rim:Slot name='a'><rim:SlotValue/><rim:SlotValue/></rim:Slot>": "does not belong there",
		"<rim:Slot name='a'><rim:SlotValue/></rim:Slot><rs:Exception/><rim:Slot name='b'><rim:SlotValue/></rim:Slot>":             "does not belong there",
		"<rim:Slot name='a'><rim:SlotValue/></rim:Slot><rim:Slot name='b'><rim:SlotValue><rim:Value/></rim:SlotValue></rim:Slot>": "",
	} {
		r := new(rim.Reader)
		s := r.Sequence(parse(t, "<query:QueryRequest"+spaces+">"+doc+"</query:QueryRequest>"))
		r.Slots(&s)
		s.End()
		if err := r.Err(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", doc, err, want)
		}
	}
}

var authority = canon.Agent{
	ID:      canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", ID: "FI-1"},
	Names:   []canon.Text{{Lang: "EN", Text: "Example & Co"}, {Lang: "FI", Text: "Esimerkki"}},
	Country: "FI",
	Address: canon.Address{Full: "Näytekuja 1", Locator: "1", PostCode: "00100", City: "Näyttelä", Street: "Näytekuja", Region: "FI1B1"},
}

// TestWrittenIsRead: the reader takes what the writer makes.
func TestWrittenIsRead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	w := new(rim.Writer)
	w.Root("query:QueryResponse", "requestId", "urn:uuid:1", "status", "")
	w.String("Text", "a<b&\"c\"")
	w.Boolean("Yes", true)
	w.DateTime("At", at)
	w.International("Words", authority.Names)
	w.Slot("Agents", rim.TypeCollection, func() {
		w.Element(func() { w.Agent("sdg:Agent", authority, "EP") })
	})
	w.Slot("Agent", rim.TypeAny, func() { w.Agent("sdg:Agent", authority, "") })
	w.OpenException(rim.Exception{Type: rim.Query("QueryExceptionType"), Code: "EDM:ERR:0008", Message: "m", Severity: rim.SeverityError})
	w.DateTime("Timestamp", at)
	w.Close("rs:Exception")
	w.Close("query:QueryResponse")
	doc, err := w.Done()
	if err != nil {
		t.Fatal(err)
	}
	root := parse(t, string(doc))
	if _, ok := root.Attr(rim.Plain("status")); ok {
		t.Error("an empty attribute was written")
	}
	r := new(rim.Reader)
	s := r.Sequence(root)
	slots := r.Slots(&s)
	e := s.One(rim.RS("Exception"))
	s.End()
	if got := r.String(slots.Get("Text")); got != `a<b&"c"` || !r.Boolean(slots.Get("Yes")) || !r.DateTime(slots.Get("At")).Equal(at) || slots.Has("none") {
		t.Errorf("got %q", got)
	}
	if d := cmp.Diff(authority.Names, r.International(slots.Get("Words"))); d != "" {
		t.Error(d)
	}
	for c := range r.Collection(slots.Get("Agents"), rim.SDG("Agent")) {
		a, class := r.Agent(c)
		if class != "EP" || a.Address.IsZero() || a.Country != "FI" || fmt.Sprint(a.ID) != fmt.Sprint(authority.ID) || a.Address != authority.Address {
			t.Errorf("got class %q, address %t", class, a.Address == authority.Address)
		}
	}
	if a, class := r.Agent(r.Any(slots.Get("Agent"), rim.SDG("Agent"))); class != "" || a.Country != "" {
		t.Errorf("got %q, %q", class, a.Country)
	}
	x, in := r.Exception(e)
	if d := cmp.Diff(rim.Exception{Type: rim.Query("QueryExceptionType"), Code: "EDM:ERR:0008", Message: "m", Severity: rim.SeverityError}, x); d != "" || !in.Has("Timestamp") {
		t.Error(d)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestWriterRefusesWhatXMLCannotHold(t *testing.T) {
	w := new(rim.Writer)
	w.Root("query:QueryRequest")
	w.Leaf("sdg:Name", "a\x01")
	w.Close("query:QueryRequest")
	if _, err := w.Done(); err == nil || !strings.Contains(err.Error(), "sdg:Name") || strings.Contains(err.Error(), "\x01") {
		t.Errorf("got %v", err)
	}
}

func TestForms(t *testing.T) {
	for s, want := range map[string]bool{"9BE524c1-6efe-417a-974c-088f54f0bcae": true, "9be524c1-6efe-417a-974c-088f54f0bca": false,
		"9be524c1-6efe-417a-974c-088f54f0bcag": false, "9be524c106efe-417a-974c-088f54f0bcae": false} {
		if rim.IsUUID(s) != want || rim.IsURN("urn:uuid:"+s) != want || rim.IsURN(s) {
			t.Errorf("%s: not %v", s, want)
		}
	}
	for s, want := range map[string]string{"a": "a", "": "", " a ": "a", "a  b": "a b", "a\r\n\tb": "a b", "a\u00a0": "a\u00a0"} {
		if got := rim.Collapse(s); got != want {
			t.Errorf("%q: got %q", s, got)
		}
	}
}

// FuzzRead: no document makes the reader do more than find a fault.
func FuzzRead(f *testing.F) {
	f.Add(slot(`<rim:SlotValue xsi:type="rim:CollectionValueType"><rim:Element xsi:type="rim:AnyValueType"><sdg:Agent><sdg:Identifier schemeID="urn:x">1</sdg:Identifier><sdg:Name lang="EN">a</sdg:Name></sdg:Agent></rim:Element></rim:SlotValue>`))
	f.Add(`<query:QueryResponse` + spaces + `><rs:Exception xsi:type="rs:X" code="c"/></query:QueryResponse>`)
	f.Fuzz(func(t *testing.T, doc string) {
		d, err := xmldoc.ParseBytes([]byte(doc), xmldoc.Limits{})
		if err != nil {
			return
		}
		r := new(rim.Reader)
		s := r.Sequence(d.Root())
		slots := r.Slots(&s)
		for e := range s.Many(rim.RS("Exception"), 0, rim.Many) {
			r.Exception(e)
		}
		s.End()
		for e := range r.Collection(slots.Get("S"), rim.SDG("Agent")) {
			if a, _ := r.Agent(e); !r.Failed() && (a.ID.Scheme == "" || a.ID.ID == "" || len(a.Names) == 0) {
				t.Errorf("an agent without a name was read")
			}
		}
		if err := r.Err(); err != nil && err.Error() == "" {
			t.Error("a fault says nothing")
		}
	})
}
