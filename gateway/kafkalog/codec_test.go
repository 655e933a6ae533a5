package kafkalog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/schemas/canon"
)

func testCodec(t testing.TB) (*Codec, *payload.Keyring) {
	t.Helper()
	ring, err := payload.NewRing(payload.KEK{ID: "test", NotBefore: time.Unix(0, 0), Term: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Key: payload.Secret{1}})
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := payload.NewKeyring(payload.KeyringConfig{Keys: new(payloadtest.MemoryKeys), Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	codec, err := NewCodec(CodecConfig{Source: "urn:oncegate:test", Sealer: keyring})
	if err != nil {
		t.Fatal(err)
	}
	return codec, keyring
}

func TestEncodeWritesCloudEventsInBinaryMode(t *testing.T) {
	codec, _ := testCodec(t)
	m := opened(conversationID(1))
	r, err := codec.Encode(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, h := range r.Headers {
		got[h.Key] = string(h.Value)
	}
	id := string(m.Conversation)
	want := map[string]string{
		"ce_specversion": "1.0", "ce_id": string(m.ID), "ce_type": "preview.opened.v1", "ce_source": "urn:oncegate:test",
		"ce_time": "2026-03-04T05:06:07Z", "ce_subject": id, "ce_correlationid": id, "ce_partitionkey": id, "ce_causationid": string(m.Cause),
		"ce_dataschema": "https://schemas.oncegate.example/preview.opened.v1.json", "content-type": "application/json", "traceparent": m.Trace,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
	if string(r.Key) != id || r.Topic != "preview.opened.v1" || r.Partition != -1 {
		t.Errorf("key %s, topic %s, partition %d", r.Key, r.Topic, r.Partition)
	}
	all := append(bytes.Join([][]byte{r.Key, r.Value}, nil), fmt.Sprint(got)...)
	for _, secret := range []string{"Ilze", "rziņa", "32990000001", "1990-02-03"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("%q is on the log in clear", secret)
		}
	}
}

func TestDecodeOfEncodeIsTheMessage(t *testing.T) {
	codec, _ := testCodec(t)
	again := opened(conversationID(3))
	again.ReplayOf, again.Series = again.ID, 3
	for name, m := range map[string]canon.Message{"open": decision(conversationID(1), 5), "sealed": opened(conversationID(2)), "replayed": again} {
		r, err := codec.Encode(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Decode(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, got, cmp.Comparer(func(a, b canon.Sealed[canon.OpenedPrivate]) bool {
			x, xok := a.Get()
			y, yok := b.Get()
			return xok && yok && x.Subject.Matches(y.Subject)
		})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// Covers: B-049
func TestASealedBodyBelongsToItsMessage(t *testing.T) {
	codec, _ := testCodec(t)
	m := opened(conversationID(1))
	r, err := codec.Encode(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name, value string) *Record {
		moved := *r
		moved.Headers = append([]Header(nil), r.Headers...)
		for i := range moved.Headers {
			if moved.Headers[i].Key == name {
				moved.Headers[i].Value = []byte(value)
			}
		}
		return &moved
	}
	if _, err := codec.Decode(t.Context(), set(headerID, canon.DeriveUUID("other"))); canon.AsFault(err).Kind != canon.Invalid {
		t.Errorf("under another id: %v", err)
	}
	// A replay under a new id keeps the body.
	again := set(headerID, canon.DeriveUUID("other"))
	again.Headers = append(again.Headers, Header{headerReplayOf, []byte(m.ID)})
	if got, err := codec.Decode(t.Context(), again); err != nil || got.ReplayOf != m.ID {
		t.Errorf("replayed under a new id: %+v, %v", got, err)
	}
}

// Covers: B-034, B-047
func TestAForgottenConversationStaysReadableInItsOpenPart(t *testing.T) {
	codec, keyring := testCodec(t)
	m := opened(conversationID(1))
	r, err := codec.Encode(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.Forget(t.Context(), m.Conversation); err != nil {
		t.Fatal(err)
	}
	blind, err := NewCodec(CodecConfig{Source: "urn:oncegate:blind"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Codec{"forgotten": codec, "without keys": blind} {
		got, err := c.Decode(t.Context(), r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body := got.Body.(*canon.PreviewOpened)
		if !body.Private.Forgotten() || body.Exchange != m.Body.(*canon.PreviewOpened).Exchange {
			t.Errorf("%s: %+v", name, body)
		}
		// What stayed closed is written again as it is.
		if _, err := c.Encode(t.Context(), got); err != nil {
			t.Errorf("%s: writing again: %v", name, err)
		}
		if _, err := c.Encode(t.Context(), m); err == nil {
			t.Errorf("%s: a clear private part was written", name)
		}
	}
	if _, err := codec.Encode(t.Context(), m); canon.AsFault(err).Code != canon.CodePayloadForgotten {
		t.Errorf("sealing for a forgotten conversation: %v", err)
	}
}

func TestWhatIsNoMessageIsInvalid(t *testing.T) {
	codec, _ := testCodec(t)
	good, err := codec.Encode(t.Context(), decision(conversationID(1), 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Record){
		"tombstone":  func(r *Record) { r.Value = nil },
		"empty":      func(r *Record) { r.Value = []byte{} },
		"no JSON":    func(r *Record) { r.Value = []byte("<a/>") },
		"two values": func(r *Record) { r.Value = append(r.Value, "{}"...) },
		"unknown field": func(r *Record) {
			r.Value = []byte(`{"exchange":"` + canon.DeriveUUID("x") + `","decisions":[],"more":1}`)
		},
		"schema":                   func(r *Record) { r.Value = []byte(`{"decisions":[]}`) },
		"no headers":               func(r *Record) { r.Headers = nil },
		"no key":                   func(r *Record) { r.Key = nil },
		"key is no conversation":   func(r *Record) { r.Key = []byte("person 1990") },
		"other correlation":        func(r *Record) { replace(r, headerCorrelation, canon.DeriveUUID("x")) },
		"spec version":             func(r *Record) { replace(r, headerSpec, "0.3") },
		"content type":             func(r *Record) { replace(r, headerContent, "text/xml") },
		"id":                       func(r *Record) { replace(r, headerID, "1") },
		"id twice":                 func(r *Record) { r.Headers = append(r.Headers, Header{headerID, []byte(canon.DeriveUUID("x"))}) },
		"type":                     func(r *Record) { replace(r, headerType, "evidence.request.v9") },
		"time":                     func(r *Record) { replace(r, headerTime, "yesterday") },
		"long header":              func(r *Record) { replace(r, headerSource, strings.Repeat("x", 1<<20)) },
		"many headers":             func(r *Record) { r.Headers = append(r.Headers, make([]Header, 100)...) },
		"series of another tongue": func(r *Record) { r.Headers = append(r.Headers, Header{headerSeries, []byte("-1")}) },
		"replay of something odd":  func(r *Record) { r.Headers = append(r.Headers, Header{headerReplayOf, []byte("x")}) },
	} {
		r := *good
		r.Headers = append([]Header(nil), good.Headers...)
		r.Value = append([]byte(nil), good.Value...)
		spoil(&r)
		if m, err := codec.Decode(t.Context(), &r); canon.AsFault(err) == nil || canon.AsFault(err).Kind != canon.Invalid {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	broken := *good
	broken.Headers = append(append([]Header(nil), good.Headers...), Header{headerTrace, []byte("nonsense")})
	if m, err := codec.Decode(t.Context(), &broken); err != nil || m.Trace != "" {
		t.Errorf("a broken trace: %q, %v", m.Trace, err)
	}
}

func replace(r *Record, name, value string) {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			r.Headers[i].Value = []byte(value)
		}
	}
}

func TestWhatCannotBeAMessageIsNotWritten(t *testing.T) {
	codec, _ := testCodec(t)
	for name, spoil := range map[string]func(*canon.Message){
		"no id":           func(m *canon.Message) { m.ID = "" },
		"no conversation": func(m *canon.Message) { m.Conversation = "" },
		"a name as key":   func(m *canon.Message) { m.Conversation = "Ilze" },
		"no time":         func(m *canon.Message) { m.At = time.Time{} },
		"no body":         func(m *canon.Message) { m.Body = nil },
		"another kind":    func(m *canon.Message) { m.Kind = canon.KindAudit },
		"trace":           func(m *canon.Message) { m.Trace = "x" },
		"cause":           func(m *canon.Message) { m.Cause = "x" },
		"schema": func(m *canon.Message) {
			m.Body = &canon.ConsentDecision{Decisions: []canon.DocumentDecision{{Document: "x"}}}
		},
	} {
		m := decision(conversationID(1), 0)
		spoil(&m)
		if _, err := codec.Encode(t.Context(), m); canon.AsFault(err) == nil || canon.AsFault(err).Kind != canon.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCodecConfig(t *testing.T) {
	for _, source := range []string{"", "with space", strings.Repeat("x", 300)} {
		if _, err := NewCodec(CodecConfig{Source: source}); err == nil {
			t.Errorf("source %q was taken", source)
		}
	}
}

func TestPositionsAreWrittenAndRead(t *testing.T) {
	p := Position{"evidence.request.v1", 3, 77}
	if got, err := ParsePosition(p.String()); err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "a", "a/1", "/1/2", "a/x/2", "a/1/-2", "a/-1/2", "a/1/2/3", "a/99999999999/1"} {
		if p, err := ParsePosition(s); err == nil {
			t.Errorf("%q: %v", s, p)
		}
	}
}

func FuzzDecode(f *testing.F) {
	codec, _ := testCodec(f)
	for _, m := range []canon.Message{decision(conversationID(1), 0), opened(conversationID(1))} {
		r, err := codec.Encode(f.Context(), m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Key, r.Value, string(m.ID), string(m.Kind), "2026-03-04T05:06:07Z", string(m.ReplayOf))
	}
	f.Fuzz(func(t *testing.T, key, value []byte, id, kind, at, replay string) {
		r := &Record{Topic: kind, Key: key, Value: value, Headers: []Header{
			{headerSpec, []byte("1.0")}, {headerContent, []byte(mediaJSON)}, {headerID, []byte(id)}, {headerType, []byte(kind)}, {headerTime, []byte(at)},
		}}
		if replay != "" {
			r.Headers = append(r.Headers, Header{headerReplayOf, []byte(replay)})
		}
		m, err := codec.Decode(t.Context(), r)
		if err != nil {
			if k := canon.AsFault(err).Kind; k != canon.Invalid {
				t.Errorf("fault of kind %s: %v", k, err)
			}
			return
		}
		if _, err := codec.Encode(t.Context(), m); err != nil && !errors.Is(err, canon.ErrForgotten) {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
