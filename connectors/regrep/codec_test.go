package regrep

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/regrep/rim"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

func TestRefusalOfAnUnreadableRequest(t *testing.T) {
	c := newCodec(t)
	for _, tt := range []struct {
		name                     string
		change                   func(*edelivery.Incoming)
		wantRequest              canon.RequestID
		wantRequester, wantGiver canon.Agent
		wantDetail               string
	}{
		{"the document can be read but for one rule", func(in *edelivery.Incoming) {
			in.Parts[0] = attachment("d", MediaType, []byte(dropSlot("Procedure")(t, golden(t, "request-second"))))
		}, canon.RequestID(uuidURN + id(6)), university, register, "R-EDM-REQ-S007: A request names exactly one procedure"},
		{"the requester cannot be read", func(in *edelivery.Incoming) {
			in.Parts[0] = attachment("d", MediaType, []byte(dropSlot("EvidenceRequester")(t, golden(t, "request-second"))))
		}, canon.RequestID(uuidURN + id(6)), c.named(university.ID), register, "R-EDM-REQ-S012: A request names who asks"},
		{"not XML", func(in *edelivery.Incoming) {
			in.Parts[0] = attachment("d", MediaType, []byte("<query:QueryRequest"))
		}, "", c.named(university.ID), support, "xml: "},
		{"neither document nor properties", func(in *edelivery.Incoming) {
			in.Parts[0] = attachment("d", MediaType, nil)
			in.Header.Properties = nil
		}, "", canon.Agent{}, support, "xml: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := incoming(ActionRequest, []byte(golden(t, "request-second")))
			tt.change(&in)
			m := decodeOne(t, c, in, nil)
			p, ok := m.Body.(*canon.EvidenceRefusal)
			if !ok {
				t.Fatalf("got %T", m.Body)
			}
			if p.Leg != canon.LegOut || p.From != pointFI || p.To != pointNL || p.ErrorCode != codeInvalid || p.Code != canon.CodeRequestInvalid {
				t.Errorf("got %+v", p)
			}
			if p.Request != tt.wantRequest || !strings.HasPrefix(p.Detail, tt.wantDetail) {
				t.Errorf("got request %q, detail %q", p.Request, p.Detail)
			}
			if d := cmp.Diff(tt.wantRequester, p.Requester); d != "" {
				t.Errorf("requester (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.wantGiver, p.Provider); d != "" {
				t.Errorf("provider (-want +got):\n%s", d)
			}
			if err := publishable(m); err != nil {
				t.Error(err)
			}
			out, ok, err := c.Encode(t.Context(), m, nil)
			if err != nil || !ok {
				t.Fatalf("Encode: ok %v, %v", ok, err)
			}
			if back := decodeOne(t, c, carry(out, &canon.Envelope{From: pointFI, To: pointNL}), nil).Body.(*canon.EvidenceRefusal); back.Request != tt.wantRequest || !strings.HasPrefix(p.Detail, back.Detail) || strings.Contains(back.Detail, " ") {
				t.Errorf("the peer reads request %q, detail %q", back.Request, back.Detail)
			}
		})
	}
}

func TestOneMessageHasOneID(t *testing.T) {
	c := newCodec(t)
	in := incoming(ActionRequest, []byte(golden(t, "request-second")))
	first, again := decodeOne(t, c, in, nil), decodeOne(t, c, in, nil)
	if first.ID != again.ID {
		t.Errorf("the same message has ids %s and %s", first.ID, again.ID)
	}
	if want := canon.InboundConversation(pointNL, exchangeID); first.Conversation != want {
		t.Errorf("conversation: got %s, want %s", first.Conversation, want)
	}
	in.Header.MessageID = "another@c2.example.nl"
	if m := decodeOne(t, c, in, nil); m.ID == first.ID {
		t.Error("two messages have one id")
	}
	in.Header.MessageID, in.Header.From.ID = "6f3b1d52-4a18-4a2e-9b5d-6d2f9c1a7e10@c2.example.nl", pointFI
	if m := decodeOne(t, c, in, nil); m.ID == first.ID || m.Conversation == first.Conversation {
		t.Error("another sender steps into the exchange")
	}
	answer := incoming(ActionException, []byte(golden(t, "refusal-timeout")))
	answer.Header.Properties[2].Value = strings.ToUpper(exchangeID)
	m := decodeOne(t, c, answer, nil)
	if m.Conversation != exchangeID || canon.EnvelopeOf(m.Body).Exchange != exchangeID {
		t.Errorf("our exchange comes back as %s", m.Conversation)
	}
	broken := incoming(ActionRequest, []byte("<a/>"))
	if a, b := decodeOne(t, c, broken, nil), decodeOne(t, c, broken, nil); a.ID != b.ID || a.ID == first.ID ||
		a.Body.(*canon.EvidenceRefusal).Response != b.Body.(*canon.EvidenceRefusal).Response {
		t.Error("a refusal is not the same twice")
	}
}

func TestAttachments(t *testing.T) {
	small := newCodec(t, func(c *Config) { c.MaxEvidence, c.MaxMessage = 100, 200 })
	big := func(n int, size int64) edelivery.Part {
		p := attachment(id(n)+"@gate.example.fi", "application/pdf", make([]byte, n))
		p.Size = size
		p.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(strings.Repeat("x", 101))), nil }
		return p
	}
	medium := func(n int) edelivery.Part {
		return attachment(id(n)+"@gate.example.fi", "application/pdf", make([]byte, 90))
	}
	good := attachments()
	xml := attachment(id(8)+"@gate.example.fi", "application/xml", make([]byte, 90))
	for _, tt := range []struct {
		name  string
		codec *Codec
		parts []edelivery.Part
		want  string
	}{
		{"all there, in another order", nil, []edelivery.Part{good[2], good[0], good[1]}, ""},
		{"the document is last", nil, good, ""},
		{"one is missing", nil, good[:2], "names no part"},
		{"one is not named", nil, append(attachments(), attachment("x@y", "application/pdf", nil)), "named by no RepositoryItemRef"},
		{"two have one id", nil, append(attachments(), good[0]), "no two by the same"},
		{"media type is not the Format", nil, []edelivery.Part{attachment(id(8)+"@gate.example.fi", "application/pdf", nil), good[1], good[2]}, "is not the Format"},
		{"media type of a supplement is not in the list", nil, []edelivery.Part{good[0], attachment(id(9)+"@gate.example.fi", "text/html", nil), good[2]}, "R-EDM-RESP-C023"},
		{"media type with a parameter", nil, []edelivery.Part{attachment(id(8)+"@gate.example.fi", "application/xml; charset=UTF-8", nil), good[1], good[2]}, ""},
		{"one says that it is too large", small, []edelivery.Part{good[0], good[1], big(10, 101)}, "an evidence has more than 100 bytes"},
		{"one is too large and does not say so", small, []edelivery.Part{good[0], good[1], big(10, -1)}, "more bytes than allowed"},
		{"together too large", small, []edelivery.Part{xml, medium(9), medium(10)}, "the message has more than 200 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.codec
			if c == nil {
				c = newCodec(t)
			}
			s := new(store)
			in := incoming(ActionResponse, []byte(golden(t, "response-delivered")), tt.parts...)
			if tt.codec != nil {
				in.Parts[0].Size = 0 // the limits are about evidence here
			}
			if tt.name == "the document is last" {
				in.Parts = append(in.Parts[1:], in.Parts[0])
			}
			ms, err := c.Decode(t.Context(), in, s)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range ms[0].Body.(*canon.EvidenceResponse).Documents {
					if d.Payload.Digest == "" || strings.Contains(d.Payload.MediaType, ";") {
						t.Errorf("document %s: got payload %+v", d.ID, d.Payload)
					}
				}
				return
			}
			f, ok := errors.AsType[*canon.Fault](err)
			if !ok || f.Code != canon.CodeResponseInvalid || f.Kind != canon.Invalid || !strings.Contains(f.Detail, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestFailuresAroundUsAreNotThePeersFault: no refusal may blame a peer for our disk.
func TestFailuresAroundUsAreNotThePeersFault(t *testing.T) {
	c := newCodec(t)
	down := canon.NewFault(canon.CodePayloadUnavailable, nil, "down")
	_, err := c.Decode(t.Context(), incoming(ActionResponse, []byte(golden(t, "response-delivered")), attachments()...), &store{fail: down})
	if f, ok := errors.AsType[*canon.Fault](err); !ok || f.Code != canon.CodePayloadUnavailable {
		t.Errorf("store down: got %v", err)
	}
	broken := errors.New("disk")
	in := incoming(ActionRequest, nil)
	in.Parts[0].Open = func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil }
	if _, err := c.Decode(t.Context(), in, nil); !errors.Is(err, broken) {
		t.Errorf("read error: got %v", err)
	}
	in.Parts[0].Open = func() (io.ReadCloser, error) { return nil, broken }
	if _, err := c.Decode(t.Context(), in, nil); !errors.Is(err, broken) {
		t.Errorf("open error: got %v", err)
	}
	in.Header.Action = "SubmitObjects"
	if _, err := c.Decode(t.Context(), in, nil); canon.AsFault(err).Code != canon.CodeMessageInvalid {
		t.Errorf("another action: got %v", err)
	}
}

func TestHostileDocuments(t *testing.T) {
	for _, file := range []string{"request-full", "1.2/request-first", "1.0/request-first"} {
		t.Run(file, func(t *testing.T) { hostile(t, golden(t, file)) })
	}
}

func hostile(t *testing.T, doc string) {
	c := newCodec(t, func(c *Config) { c.MaxDocument = 1 << 20 })
	for name, bad := range map[string]string{
		"doctype":           "<!DOCTYPE a [<!ENTITY b 'c'>]>" + doc,
		"entity":            strings.Replace(doc, "Maija", "&lol;", 1),
		"two roots":         doc + "<a/>",
		"huge":              strings.Replace(doc, "Maija", strings.Repeat("a", 1<<20), 1),
		"deep":              strings.Replace(doc, "Maija", strings.Repeat("<a>", 10000), 1),
		"undeclared prefix": strings.Replace(doc, "xmlns:rim=", "xmlns:rom=", 1),
		"default namespace": strings.Replace(doc, "<query:QueryRequest ", `<QueryRequest xmlns="urn:other" `, 1),
		"other namespace":   strings.Replace(doc, rim.SpaceSDG, "http://data.europa.eu/p5s", 1),
		"other rim":         strings.Replace(doc, rim.SpaceRIM, rim.SpaceRIM+"0", 1),
		"nul":               strings.Replace(doc, "Maija", "Mai\x00ja", 1),
		"not UTF-8":         strings.Replace(doc, "Maija", "Mai\xffja", 1),
		"empty":             "",
		"wrong prefix":      strings.Replace(doc, `xsi:type="rim:Bool`, `xsi:type="sdg:Bool`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			got := verdict(t, c, incoming(ActionRequest, []byte(bad)))
			rule, text, ok := strings.Cut(got, ": ")
			if !ok || rule == "" || text == "" {
				t.Errorf("got %q, want a named rule", got)
			}
			if strings.Contains(got, "Maija") || strings.Contains(got, "010190") {
				t.Errorf("the detail names the person: %q", got)
			}
		})
	}
	for n := range len(doc) - 2 { // the last line break and ">" aside
		if n%7 == 0 && verdict(t, c, incoming(ActionRequest, []byte(doc[:n]))) == "" {
			t.Fatalf("a document cut off after %d bytes was accepted", n)
		}
	}
	// The default namespace is as good as a prefix.
	plain := strings.NewReplacer("<rim:", "<", "</rim:", "</", "xmlns:rim=", "xmlns=", `"rim:`, `"`).Replace(doc)
	if got := verdict(t, c, incoming(ActionRequest, []byte(plain))); got != "" {
		t.Errorf("default namespace for rim: got %q", got)
	}
}

func TestEncodeRefuses(t *testing.T) {
	c := newCodec(t, func(c *Config) { c.MaxEvidence = 1000 })
	s := new(store)
	request := func(f func(*canon.EvidenceRequest)) canon.Body { q := requestSample(); f(q); return q }
	response := func(f func(*canon.EvidenceResponse)) canon.Body { p := responseSample(s); f(p); return p }
	for _, tt := range []struct {
		name string
		body canon.Body
		want string
	}{
		{"another version", request(func(q *canon.EvidenceRequest) { q.Specification = "oots-edm:v3.0" }), "version"},
		{"session is no UUID", request(func(q *canon.EvidenceRequest) { q.Session = "1" }), "UUID"},
		{"no private part", request(func(q *canon.EvidenceRequest) { q.Private = canon.Sealed[canon.RequestPrivate]{} }), "private"},
		{"nobody asked about", request(func(q *canon.EvidenceRequest) { q.Private = canon.Clear(canon.RequestPrivate{}) }), "R-EDM-REQ-S016"},
		{"second step without location", request(func(q *canon.EvidenceRequest) { q.Step = canon.StepPreview }), "R-EDM-REQ-S051"},
		{"control character", request(func(q *canon.EvidenceRequest) { q.Provider.Names = []canon.Text{{Lang: "EN", Text: "a\x01b"}} }), "sdg:Name"},
		{"unknown procedure", request(func(q *canon.EvidenceRequest) { q.Procedure = "Q9" }), "R-EDM-REQ-C003"},
		{"delivered without documents", response(func(p *canon.EvidenceResponse) { p.Documents = nil }), "status"},
		{"deferred without a date", response(func(p *canon.EvidenceResponse) { p.Documents, p.Status = nil, canon.StatusDeferred }), "status"},
		{"declined with documents", response(func(p *canon.EvidenceResponse) { p.Status = canon.StatusDeclined }), "status"},
		{"media type", response(func(p *canon.EvidenceResponse) { p.Documents[1].Payload.MediaType = "text/html" }), "media type"},
		{"too large", response(func(p *canon.EvidenceResponse) { p.Documents[1].Payload.Size = 1001 }), "1000 bytes"},
		{"supplement of nothing", response(func(p *canon.EvidenceResponse) { p.Documents[1].For = id(99) }), "supplements no main"},
		{"supplements in a circle", response(func(p *canon.EvidenceResponse) { p.Documents[1].For = id(10) }), "supplements no main"},
		{"nothing about whom", response(func(p *canon.EvidenceResponse) { p.Private = canon.Sealed[canon.ResponsePrivate]{} }), "private"},
		{"no date of issue", response(func(p *canon.EvidenceResponse) { p.Documents[0].IssuedOn = "" }), "R-EDM-RESP-C016"},
		{"one id twice", response(func(p *canon.EvidenceResponse) { p.Documents[1].ID = id(8) }), ""},
		{"document id is the response id", response(func(p *canon.EvidenceResponse) { p.Response = id(8) }), "one Content-ID"},
		{"unknown error code", refusalSample("EDM:ERR:0009", ""), "EDMErrorCodes"},
		{"preview location is not https", func() canon.Body {
			p := previewSample()
			p.Private = canon.Clear(canon.PreviewPrivate{Location: "javascript:alert(1)"})
			return p
		}(), "R-EDM-ERR-C019"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, ok, err := c.Encode(t.Context(), message(tt.body), s)
			f, isFault := errors.AsType[*canon.Fault](err)
			if ok || !isFault || f.Kind != canon.Invalid || !strings.Contains(f.Detail, tt.want) {
				t.Errorf("got ok %v, %v", ok, err)
			}
		})
	}
}

func TestEncodeLeavesOtherMessagesAlone(t *testing.T) {
	c := newCodec(t)
	q := requestSample()
	q.Leg = canon.LegPortal
	for _, b := range []canon.Body{q, &canon.Deadline{}, &canon.AuditEvent{}} {
		if _, ok, err := c.Encode(t.Context(), message(b), nil); ok || err != nil {
			t.Errorf("%s: ok %v, %v", b.Kind(), ok, err)
		}
	}
}

func TestEncodeCompletesTheProvider(t *testing.T) {
	c := newCodec(t)
	s := new(store)
	p := responseSample(s)
	p.Provider.Country, p.Documents[0].Issuer = "", canon.Agent{}
	out, _, err := c.Encode(t.Context(), message(p), s)
	if err != nil {
		t.Fatal(err)
	}
	got := decodeOne(t, c, carry(out, &p.Envelope), s).Body.(*canon.EvidenceResponse)
	if got.Provider.Country != "FI" || got.Documents[0].Issuer.ID != p.Provider.ID || p.Provider.Country != "" {
		t.Errorf("got country %q, issuer %v", got.Provider.Country, got.Documents[0].Issuer.ID)
	}
}

func TestConfig(t *testing.T) {
	_, err := New(Config{MaxEvidence: -1})
	for _, want := range []string{"identifier", "name", "country", "contentDomain", "limit"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word on %s", err, want)
		}
	}
	overlay := fstest.MapFS{"Procedures.json": {Data: []byte(`[{"code": "Z1", "name": "Example", "lifeEvent": "Example", "basis": {"kind": "directive", "act": "Directive 2005/36/EC"}}]`)}}
	lists, err := codes.Load(codes.Default(), overlay)
	if err != nil {
		t.Fatal(err)
	}
	c := newCodec(t, func(c *Config) { c.Lists = lists })
	if got := verdict(t, c, incoming(ActionRequest, []byte(strings.Replace(golden(t, "request-second"), ">T2<", ">Z1<", 1)))); got != "" {
		t.Errorf("a procedure of the configuration: got %q", got)
	}
}

func TestLocation(t *testing.T) {
	for s, want := range map[string]bool{
		"https://a.example/p?x=1&y=2": true, "https://a.example:8443/": true, "https://[::1]/p": true,
		"http://a.example/": false, "HTTPS://a.example/": false, "javascript:alert(1)": false, "https://": false, "https:///p": false,
		"https://a.example/#f": false, "https://u:p@a.example/": false, "https://a.example/ b": false, `https://a.example\@b`: false,
		"": false, "//a.example/": false, "https://a.example/ä": false, "https://a.example/" + strings.Repeat("a", 2048): false,
	} {
		if got := Location(s); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
}

func TestWhatAPeerWritesFreelyIsNotKept(t *testing.T) {
	c := newCodec(t)
	body := refusalSample(codeInvalid, "R-EDM-REQ-C043: Aino Virtanen, born 2007-04-11, is unknown to OG-REG-0001")
	out, ok, err := c.Encode(t.Context(), canon.Message{ID: canon.MessageID(canon.DeriveUUID("x")), Kind: canon.KindEvidenceRefusal, Conversation: canon.ConversationID(body.Exchange), At: body.IssuedAt, Body: body}, nil)
	if err != nil || !ok {
		t.Fatalf("Encode: ok %v, %v", ok, err)
	}
	back := decodeOne(t, c, carry(out, &canon.Envelope{From: pointFI, To: pointNL}), nil).Body.(*canon.EvidenceRefusal)
	if want := "R-EDM-REQ-C043 OG-REG-0001"; back.Detail != want {
		t.Errorf("got detail %q, want %q", back.Detail, want)
	}
}
