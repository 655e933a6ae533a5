package ebms

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

func full() *UserMessage {
	return &UserMessage{
		MPC:       "urn:mpc",
		Timestamp: time.Date(2026, 9, 14, 9, 31, 7, 5_000_000, time.UTC),
		MessageID: "6f3b@c2.example.nl", RefToMessageID: "first@c3.example.fi",
		From:      Party{canon.Participant{Scheme: "urn:type", ID: "AP <&> \"NL\""}, "http://role/a"},
		To:        Party{canon.Participant{Scheme: Untyped, ID: "urn:party:FI"}, "http://role/b"},
		Agreement: Agreement{"agreement", "urn:agreements", "pm-1"},
		Service:   Service{"QueryManager", "urn:services"}, Action: "ExecuteQueryRequest", ConversationID: "2c6f",
		Properties: []Property{{"originalSender", "urn:t", "C1"}, {"empty", "", ""}},
		Parts: []PartInfo{
			{"a/b@x", []Property{{PropertyMimeType, "", "application/pdf"}, {PropertyCompressionType, "", CompressionGzip}}},
			{"b&'(c)@x", []Property{{PropertyMimeType, "", "text/xml"}, {PropertyCharacterSet, "", "utf-8"}}},
		},
	}
}

func parse(t *testing.T, b []byte) xmldoc.Element {
	t.Helper()
	d, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return d.Root()
}

func TestWhatIsWrittenIsReadBackAndIsCanonical(t *testing.T) {
	least := full()
	least.MPC, least.RefToMessageID, least.Agreement, least.Properties, least.Parts = "", "", Agreement{}, nil, nil
	for _, want := range []*UserMessage{full(), least} {
		b, err := AppendUserMessage(nil, want, "id-1")
		if err != nil {
			t.Fatal(err)
		}
		e := parse(t, b)
		m, err := Read(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.User); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if c := e.AppendCanonical(nil, xmldoc.C14N{}); string(c) != string(b) {
			t.Errorf("not canonical:\n%s\n%s", b, c)
		}
		if !strings.Contains(string(b), "<eb:PartyId>urn:party:FI<") { // ebMS3 5.2.2.4
			t.Errorf("the untyped PartyId is not written as such:\n%s", b)
		}
		if !strings.Contains(string(b), "<eb:Timestamp>2026-09-14T09:31:07.005Z</eb:Timestamp>") {
			t.Error("Timestamp without exactly three fraction digits")
		}
	}
}

func TestWholeSecondHasThreeFractionDigits(t *testing.T) {
	m := full()
	m.Timestamp = time.Date(2026, 9, 14, 11, 31, 7, 0, time.FixedZone("", 7200))
	b, err := AppendUserMessage(nil, m, "i")
	if err != nil || !strings.Contains(string(b), ">2026-09-14T09:31:07.000Z<") {
		t.Errorf("%v %s", err, b)
	}
}

func TestSignalsAreReadBackAndCanonical(t *testing.T) {
	sig := &Signal{Timestamp: time.Date(2026, 9, 14, 9, 31, 7, 0, time.UTC), MessageID: "s@x", RefToMessageID: "m@x"}
	ref := `<ds:Reference xmlns:ds="` + DSNamespace + `" URI="#a"><ds:DigestMethod Algorithm="x"></ds:DigestMethod><ds:DigestValue>QUJD
RA==</ds:DigestValue></ds:Reference>`
	e := parse(t, AppendReceipt(nil, sig, [][]byte{[]byte(ref)}, "i"))
	m, err := Read(e)
	if err != nil {
		t.Fatal(err)
	}
	want := *sig
	want.Receipt = &Receipt{References: []Reference{{"#a", "QUJDRA=="}}}
	if diff := cmp.Diff(&want, m.Signal); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	for _, code := range Codes() {
		b := AppendError(nil, sig, Errorf(code, "a < b"), "i")
		e := parse(t, b)
		m, err := Read(e)
		if err != nil {
			t.Fatal(err)
		}
		entry, _ := code.Entry()
		want := []SignalError{{Code: code, Severity: entry.Severity, RefTo: "m@x", Description: "a < b"}}
		if diff := cmp.Diff(want, m.Signal.Errors); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		if c := e.AppendCanonical(nil, xmldoc.C14N{}); string(c) != string(b) {
			t.Errorf("not canonical:\n%s\n%s", b, c)
		}
		if !m.Signal.Answers("m@x") || m.Signal.Answers("n@x") {
			t.Error("answers the wrong message")
		}
	}
	m, err = Read(parse(t, AppendError(nil, sig, Errorf("EBMS:9999", ""), "i")))
	if err != nil || m.Signal.Errors[0].Code != Other {
		t.Errorf("a code that is not in the table is written as %v, %v", m.Signal, err)
	}
}

func TestCodeThatIsNoneIsOther(t *testing.T) {
	b := AppendError(nil, &Signal{Timestamp: time.Unix(0, 0), MessageID: "s@x"}, Errorf(Other, ""), "i")
	for _, code := range []string{"EBMS:12345", "EBMS:12a4", "0004", "x"} {
		m, err := Read(parse(t, []byte(strings.Replace(string(b), `"EBMS:0004"`, `"`+code+`"`, 1))))
		if err != nil || m.Signal.Errors[0].Code != Other {
			t.Errorf("%s: %+v, %v", code, m.Signal, err)
		}
	}
}

func TestRulesOfTheHeader(t *testing.T) {
	b, err := AppendUserMessage(nil, full(), "i")
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	between := func(start, end string) string {
		i := strings.Index(good, start)
		return good[i : i+strings.Index(good[i:], end)+len(end)]
	}
	user := between("<eb:UserMessage", "</eb:UserMessage>")
	from := between("<eb:From>", "</eb:From>")
	id := between("<eb:PartyId", "</eb:PartyId>")
	part := between("<eb:PartInfo ", "</eb:PartInfo>")
	for _, tt := range []struct {
		name, old, new string
		want           Code
	}{
		{"two user messages", user, user + user, ValueInconsistent},
		{"user message and signal", "</eb:Messaging>", "<eb:SignalMessage/></eb:Messaging>", ValueInconsistent},
		{"two signals", user, "<eb:SignalMessage/><eb:SignalMessage/>", ValueInconsistent},
		{"nothing", user, "", InvalidHeader},
		{"unknown unit", user, user + "<eb:Other/>", InvalidHeader},
		{"no MessageInfo", between("<eb:MessageInfo>", "</eb:MessageInfo>"), "", InvalidHeader},
		{"no MessageId", between("<eb:MessageId>", "</eb:MessageId>"), "", InvalidHeader},
		{"empty MessageId", between("<eb:MessageId>", "</eb:MessageId>"), "<eb:MessageId> </eb:MessageId>", InvalidHeader},
		{"MessageId with blanks", ">6f3b@c2.example.nl<", ">6f3b @c2<", InvalidHeader},
		{"MessageId too long", ">6f3b@c2.example.nl<", ">" + strings.Repeat("a", 256) + "<", InvalidHeader},
		{"imaginary Timestamp", "2026-09-14T09", "2026-13-41T09", InvalidHeader},
		{"elements in text", ">6f3b@c2.example.nl<", "><x/>6f3b<", InvalidHeader},
		{"no From", from, "", InvalidHeader},
		{"no To", between("<eb:To>", "</eb:To>"), "", InvalidHeader},
		{"no PartyId", id, "", InvalidHeader},
		{"empty PartyId", id, `<eb:PartyId type="x"/>`, InvalidHeader},
		{"two PartyIds", id, id + id, ValueInconsistent},
		{"untyped PartyId that is no URI", ">urn:party:FI<", ">FI<", ValueInconsistent},
		{"PartyId with the type of none", ` type="urn:type"`, ` type="` + Untyped + `"`, ValueInconsistent},
		{"no Role", between("<eb:Role>", "</eb:Role>"), "", InvalidHeader},
		{"no Service", between("<eb:Service", "</eb:Service>"), "", InvalidHeader},
		{"untyped Service that is no URI", ` type="urn:services"`, "", ValueInconsistent},
		{"no Action", between("<eb:Action>", "</eb:Action>"), "", InvalidHeader},
		{"no ConversationId", between("<eb:ConversationId>", "</eb:ConversationId>"), "", InvalidHeader},
		{"wrong order", "<eb:PartyInfo>", "<eb:PayloadInfo/><eb:PartyInfo>", InvalidHeader},
		{"unknown element", "</eb:CollaborationInfo>", "<eb:Extra/></eb:CollaborationInfo>", InvalidHeader},
		{"property without a name", ` name="empty"`, "", InvalidHeader},
		{"property twice", ` name="empty"`, ` name="originalSender"`, ValueInconsistent},
		{"property too long", ">C1<", ">" + strings.Repeat("a", 1025) + "<", InvalidHeader},
		{"two PartInfo for one part", part, part + part, ValueInconsistent},
		{"payload in the Body", `href="cid:`, `href="#`, ValueInconsistent},
		{"no href", ` href="cid:`, ` x="cid:`, ValueInconsistent},
		{"external payload", `href="cid:`, `href="https://`, ExternalPayloadError},
		{"broken cid", `href="cid:`, `href="cid:%`, ValueInconsistent},
		{"no MimeType", ">application/pdf<", "> <", ValueInconsistent},
		{"other compression", ">application/gzip<", ">application/rar<", ValueInconsistent},
		{"bad CharacterSet", ">utf-8<", ">!utf-8<", ValueInconsistent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(good, tt.old) {
				t.Fatalf("no %q", tt.old)
			}
			_, err := Read(parse(t, []byte(strings.Replace(good, tt.old, tt.new, 1))))
			var e *Error
			if !errors.As(err, &e) || e.Code != tt.want {
				t.Errorf("err = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPartsAndPartInfoAreTheSameSet(t *testing.T) {
	m := full()
	for _, tt := range []struct {
		ids  []string
		want Code
	}{
		{[]string{m.Parts[1].ID, m.Parts[0].ID}, ""},
		{[]string{m.Parts[0].ID}, ExternalPayloadError},
		{nil, ExternalPayloadError},
		{[]string{m.Parts[0].ID, m.Parts[1].ID, "c@x"}, ExternalPayloadError},
		{[]string{m.Parts[0].ID, "c@x"}, ValueInconsistent},
	} {
		err := m.CheckParts(tt.ids)
		var e *Error
		if errors.As(err, &e); (tt.want == "") != (err == nil) || err != nil && e.Code != tt.want {
			t.Errorf("%v: %v, want %q", tt.ids, err, tt.want)
		}
	}
}

func TestValuesThatCannotBeWritten(t *testing.T) {
	for name, spoil := range map[string]func(*UserMessage){
		"control character": func(m *UserMessage) { m.Action = "a\x00" },
		"property":          func(m *UserMessage) { m.Properties[0].Value = "\ufffe" },
		"nameless property": func(m *UserMessage) { m.Properties[0].Name = "" },
		"part id":           func(m *UserMessage) { m.Parts[0].ID = "a b" },
		"untyped no URI":    func(m *UserMessage) { m.From.ID.Scheme = Untyped },
		"too long":          func(m *UserMessage) { m.ConversationID = strings.Repeat("x", 2000) },
	} {
		m := full()
		spoil(m)
		if b, err := AppendUserMessage(nil, m, "i"); err == nil {
			t.Errorf("%s: written: %s", name, b)
		}
	}
}

func FuzzRead(f *testing.F) {
	b, err := AppendUserMessage(nil, full(), "i")
	if err != nil {
		f.Fatal(err)
	}
	sig := &Signal{Timestamp: time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC), MessageID: "s@x", RefToMessageID: "m@x"}
	f.Add(b)
	f.Add(AppendError(nil, sig, Errorf(Other, "detail"), "i"))
	f.Add(AppendPullRequest(nil, sig, "urn:mpc:a", "i"))
	f.Add(AppendReceipt(nil, sig, [][]byte{[]byte(`<ds:Reference xmlns:ds="` + DSNamespace + `" URI="#a"><ds:DigestValue>QQ==</ds:DigestValue></ds:Reference>`)}, "i"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := xmldoc.ParseBytes(b, xmldoc.Limits{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		m, err := Read(d.Root())
		var e *Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("error without a code: %v", err)
			}
			return
		}
		if m.User == nil {
			return
		}
		out, err := AppendUserMessage(nil, m.User, "i")
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := Read(parse(t, out))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		m.User.Timestamp = m.User.Timestamp.Truncate(time.Millisecond) // what is written has three fraction digits
		if diff := cmp.Diff(m.User, again.User); diff != "" {
			t.Fatalf("differs (-read +written and read):\n%s", diff)
		}
	})
}

func BenchmarkReadUserMessage(b *testing.B) {
	raw, err := AppendUserMessage(nil, full(), "i")
	if err != nil {
		b.Fatal(err)
	}
	d, err := xmldoc.ParseBytes(raw, xmldoc.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(d.Root()); err != nil {
			b.Fatal(err)
		}
	}
}
