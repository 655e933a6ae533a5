package exchangelog_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/exchangelog"
	"oncegate/schemas/canon"
)

var now = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)

func key(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func recipient(id string, k *ecdh.PrivateKey, from, until time.Time) exchangelog.Recipient {
	return exchangelog.Recipient{ID: id, Key: k.PublicKey(), From: from, Until: until}
}

func recorder(t *testing.T, rs ...exchangelog.Recipient) *exchangelog.Recorder {
	t.Helper()
	r, err := exchangelog.New(rs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func transfer(document string) exchangelog.Transfer {
	party := func(id string) canon.Participant { return canon.Participant{Scheme: "urn:x", ID: id} }
	return exchangelog.Transfer{
		Direction: canon.MessageIn, Action: "ExecuteQueryRequest", AS4: "1@nl", From: party("ap-nl"), To: party("ap-lv"),
		Message: canon.Message{
			ID: canon.MessageID(canon.DeriveUUID("m")), Kind: canon.KindEvidenceRequest, Conversation: canon.ConversationID(canon.DeriveUUID("c")), At: now,
			Body: &canon.EvidenceRequest{
				Envelope: canon.Envelope{Exchange: "e", Session: "s", Specification: "oots-edm:v2.0", Requester: canon.Agent{ID: party("university")}, Provider: canon.Agent{ID: party("births")}},
				Request:  "urn:uuid:5f0c2f5e-7f0b-4d0e-9a53-2d9a4f1f7b01", Procedure: "T2", EvidenceType: canon.EvidenceType{Classification: "https://sr.example/birth"},
			},
		},
		Parts:    []canon.RecordedPart{{ID: "1@nl.example", MediaType: "application/x-ebrs+xml", Size: int64(len(document))}},
		Document: []byte(document),
	}
}

func one(t *testing.T, r *exchangelog.Recorder, tr exchangelog.Transfer, at time.Time) canon.Message {
	t.Helper()
	ms, err := r.Record(tr, at)
	if err != nil || len(ms) != 1 {
		t.Fatalf("got %d messages, %v", len(ms), err)
	}
	return ms[0]
}

// The writer's keys do not open what it wrote; the record's key does, and only for
// that record.
func TestARecordIsReadWithItsKeyAlone(t *testing.T) {
	const document = "<query:QueryRequest>Ozola</query:QueryRequest>"
	k := key(t)
	r := recorder(t, recipient("log-1", k, now, now.Add(time.Hour)))
	m := one(t, r, transfer(document), now)
	if got, err := exchangelog.Open(m, k); err != nil || string(got) != document {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := exchangelog.Open(m, key(t)); err == nil {
		t.Error("another key opens it")
	}
	moved := m
	moved.ID = canon.MessageID(canon.DeriveUUID("another"))
	if _, err := exchangelog.Open(moved, k); err == nil {
		t.Error("it opens under the name of another record")
	}
	body, err := canon.MarshalBody(m.Body, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(body, []byte("Ozola")) {
		t.Error("the record holds the document in clear")
	}
	rec := m.Body.(*canon.ExchangeRecord)
	if rec.Procedure != "T2" || rec.Requester.ID != "university" || rec.Request == "" || rec.Exchange != "e" || rec.Sealed.Key != "log-1" {
		t.Errorf("the open part is not that of the message: %+v", rec)
	}
	if m.Conversation != transfer("").Message.Conversation || m.Cause != transfer("").Message.ID {
		t.Error("the record does not follow from its message")
	}
	if again := one(t, r, transfer(document), now.Add(time.Minute)); again.ID != m.ID {
		t.Error("made again it is another record")
	}
}

func TestWhatBelongsToNoExchangeIsNotRecorded(t *testing.T) {
	tr := transfer("x")
	tr.Message.Body = &canon.AuditEvent{}
	ms, err := recorder(t, recipient("log-1", key(t), now, now.Add(time.Hour))).Record(tr, now)
	if err != nil || len(ms) != 0 {
		t.Errorf("got %v, %v", ms, err)
	}
}

func TestTheKeyOfTheTimeIsUsed(t *testing.T) {
	old, young := key(t), key(t)
	day := 24 * time.Hour
	r := recorder(t, recipient("old", old, now, now.Add(10*day)), recipient("young", young, now.Add(9*day), now.Add(20*day)))
	for _, tc := range []struct {
		at   time.Time
		want string
	}{{now, "old"}, {now.Add(9 * day), "young"}, {now.Add(19 * day), "young"}} {
		if got := one(t, r, transfer("x"), tc.at).Body.(*canon.ExchangeRecord).Sealed.Key; got != tc.want {
			t.Errorf("at %v: got key %s, want %s", tc.at, got, tc.want)
		}
	}
	if _, err := r.Record(transfer("x"), now.Add(20*day)); canon.AsFault(err).Kind != canon.Internal {
		t.Errorf("no key is valid: got %v, want a fault that stops the work", err)
	}
}

func TestADocumentThatDoesNotFitIsRefused(t *testing.T) {
	noise := make([]byte, exchangelog.MaxSealed+1)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	_, err := recorder(t, recipient("log-1", key(t), now, now.Add(time.Hour))).Record(transfer(string(noise)), now)
	if canon.AsFault(err).Kind != canon.Invalid {
		t.Errorf("got %v, want an invalid message", err)
	}
}

func TestFaultsOfKeysAreReportedAtOnce(t *testing.T) {
	_, err := exchangelog.New([]exchangelog.Recipient{{ID: "a b"}, recipient("k", key(t), now, now), recipient("k", key(t), now, now.Add(1))})
	for _, want := range []string{`"a b"`, "no public key", "until is not after from", "used twice"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := exchangelog.New(nil); err == nil {
		t.Error("no key is enough")
	}
}

func TestKeysInPEM(t *testing.T) {
	k := key(t)
	pub, err := x509.MarshalPKIXPublicKey(k.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	pubPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})
	privPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv})
	if got, err := exchangelog.ParsePublicKey(pubPEM); err != nil || !got.Equal(k.PublicKey()) {
		t.Errorf("public key: %v", err)
	}
	if got, err := exchangelog.ParsePrivateKey(privPEM); err != nil || !got.Equal(k) {
		t.Errorf("private key: %v", err)
	}
	if _, err := exchangelog.ParsePublicKey(privPEM); err == nil {
		t.Error("a private key is taken for a public one")
	}
	if _, err := exchangelog.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("SECRET")})); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
}

func TestUntilWhenRecordsCanBeSealed(t *testing.T) {
	day := 24 * time.Hour
	k := key(t)
	r := recorder(t, recipient("a", k, now, now.Add(2*day)), recipient("b", k, now.Add(day), now.Add(5*day)), recipient("late", k, now.Add(6*day), now.Add(9*day)))
	if got, err := r.Until(now); err != nil || !got.Equal(now.Add(5*day)) {
		t.Errorf("got %v, %v; want the end of b: there is a gap after it", got, err)
	}
	if _, err := r.Until(now.Add(5 * day)); err == nil {
		t.Error("in the gap: got no error")
	}
}
