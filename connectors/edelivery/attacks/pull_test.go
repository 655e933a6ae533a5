package attacks

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

const partnerMPC, otherMPC = "urn:mpc:ap-nl-01", "urn:mpc:ap-se-02"

// A holder is an access point whose partners fetch their messages.
type holder struct {
	*station
	t       testing.TB
	shelf   *edelivery.MemoryShelf
	message canon.Message // the one that lies there for AP_NL_01
}

func newHolder(t testing.TB, a agreement) *holder {
	t.Helper()
	k := a.keys
	h := &holder{station: &station{t: t}, t: t, shelf: edelivery.NewMemoryShelf(), message: outMessage("pulled")}
	env := &h.message.Body.(*canon.EvidenceRequest).Envelope
	env.From, env.To = participant(ourID), participant(partnerID)
	pulling := func(id, mpc string, encrypt identity) pmode.Partner {
		p := a.known(id, encrypt)
		p.MEP, p.MPC, p.URL = pmode.Pull, mpc, ""
		p.Retry.Expiry, p.Timeout = time.Hour, time.Minute
		return p
	}
	now := func() time.Time { return testNow }
	c := edelivery.Config{
		PModes: a.table(t, ourID, k.ours, k.decode, pulling(partnerID, partnerMPC, k.partnerDecode), pulling(otherID, otherMPC, k.otherDecode)),
		Codec:  outgoing(), Publish: h.publish, Remembered: edelivery.NewMemory(now), Now: now, Shelf: h.shelf, Refusals: 1 << 30,
		Unsent: func(context.Context, func(canon.Message) error) error { return nil },
		Logger: slog.New(slog.NewTextHandler(locked{h.station}, nil)),
	}
	h.receiver = must(edelivery.NewReceiver(c))
	if out, err := must(edelivery.NewSender(c)).Handle(context.Background(), h.message); err != nil || len(out) != 0 {
		t.Fatalf("laying the message on the shelf: %v, %v", out, err)
	}
	return h
}

// request makes a signed pull request.
func request(t testing.TB, a agreement, by identity, mpc string, edits ...func(*ebms.Signal)) []byte {
	t.Helper()
	sig := &ebms.Signal{Timestamp: testNow, MessageID: "pull@ap-nl-01.example.org"}
	for _, e := range edits {
		e(sig)
	}
	sealed, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return ebms.AppendPullRequest(nil, sig, mpc, id), nil }, MessageID: sig.MessageID,
		Profile: a.keys.profile, Sign: by.signing(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sealed.Envelope
}

func (h *holder) ask(envelope []byte) *httptest.ResponseRecorder {
	return h.post("application/soap+xml; charset=UTF-8", envelope)
}

func (h *holder) taken() int {
	h.t.Helper()
	s, err := h.shelf.Find(context.Background(), h.message.ID)
	if err != nil || s == nil {
		h.t.Fatalf("the message is gone from the shelf: %v", err)
	}
	return s.Taken
}

// Only the partner of a partition fetches from it, once with each request.
func TestPullRequests(t *testing.T) {
	t.Parallel()
	for _, under := range []string{"1.15", "2.0"} {
		a := agreements()[under]
		k := a.keys
		good := func(edits ...func(*ebms.Signal)) []byte { return request(t, a, k.partner, partnerMPC, edits...) }
		for _, c := range []struct {
			name   string
			body   []byte
			status int
			code   ebms.Code
			reason string
		}{
			{"not signed", unsigned(good()), 200, ebms.FailedAuthentication, "not signed"},
			{"of another partner", request(t, a, k.other, partnerMPC), 200, ebms.FailedAuthentication, "not one of this partner"},
			{"of ourselves", request(t, a, k.ours, partnerMPC), 200, ebms.FailedAuthentication, "not one of this partner"},
			{"of a stranger under the partner's certificate", request(t, a, identity{cert: k.partner.cert, key: k.mallory}, partnerMPC), 200, ebms.FailedAuthentication, "signature-invalid"},
			{"for the partition of another partner", request(t, a, k.partner, otherMPC), 200, ebms.FailedAuthentication, "not one of this partner"},
			{"for the partition of nobody", request(t, a, k.partner, "urn:mpc:none"), 200, ebms.ProcessingModeMismatch, "no agreement for this partition"},
			{"for no partition", request(t, a, k.partner, ""), 200, ebms.ProcessingModeMismatch, "no agreement for this partition"},
			{"for another partition, changed afterwards", bytes.ReplaceAll(request(t, a, k.partner, otherMPC), []byte(otherMPC), []byte(partnerMPC)), 200, ebms.FailedAuthentication, "digest-mismatch"},
			{"of an hour ago", good(func(s *ebms.Signal) { s.Timestamp = testNow.Add(-time.Hour) }), 200, ebms.ValueInconsistent, "Timestamp is outside"},
			{"of the next hour", good(func(s *ebms.Signal) { s.Timestamp = testNow.Add(time.Hour) }), 200, ebms.ValueInconsistent, "Timestamp is outside"},
			{"with a DOCTYPE", bytes.Replace(good(), []byte("<S12:Envelope "), []byte("<!DOCTYPE x><S12:Envelope "), 1), 400, ebms.InvalidHeader, "doctype"},
			{"in a wrapper, an unsigned one in its place", []byte(func() string {
				b := string(request(t, a, k.partner, otherMPC))
				i, j := strings.Index(b, "<eb:Messaging "), strings.Index(b, "</eb:Messaging>")+len("</eb:Messaging>")
				f := string(ebms.AppendPullRequest(nil, &ebms.Signal{Timestamp: testNow, MessageID: "f@x"}, partnerMPC, "other"))
				return b[:i] + wrap(b[i:j]) + f + b[j:]
			}()), 200, ebms.FailedAuthentication, "Messaging is not signed"},
		} {
			t.Run(under+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				h := newHolder(t, a)
				rec := h.ask(c.body)
				h.wantRefused(rec, c.status, c.code, c.reason)
				if strings.Contains(rec.Header().Get("Content-Type"), "multipart") || h.taken() != 0 {
					t.Error("a message was handed out")
				}
				if rec := h.ask(good()); !strings.Contains(rec.Header().Get("Content-Type"), "multipart") || h.taken() != 1 {
					t.Errorf("the partner itself gets nothing: %d %s", rec.Code, rec.Body)
				}
			})
		}
		t.Run(under+"/played back", func(t *testing.T) {
			t.Parallel()
			h := newHolder(t, a)
			if rec := h.ask(good()); rec.Code != http.StatusOK || h.taken() != 1 {
				t.Fatalf("the partner gets nothing: %d %s", rec.Code, rec.Body)
			}
			rec := h.ask(good())
			h.wantRefused(rec, 200, ebms.ValueInconsistent, "MessageId was used before")
			if h.taken() != 1 {
				t.Error("the message was handed out again")
			}
		})
	}
}

// Whoever fetched a message proves it: nobody else's word takes it from the shelf.
func TestForgedReceiptsForPulledMessages(t *testing.T) {
	t.Parallel()
	a := agreements()["1.15"]
	k := a.keys
	for _, c := range []struct {
		name string
		say  func(s sentLetter) []byte
		code ebms.Code // of the answer; none for an error, which is not answered
	}{
		{"a receipt that is not signed", func(s sentLetter) []byte { return unsigned(s.receipt(k.partner, s.references...)) }, ebms.InvalidReceipt},
		{"a receipt of another partner's", func(s sentLetter) []byte { return s.receipt(k.other, s.references...) }, ebms.InvalidReceipt},
		{"a receipt of our own", func(s sentLetter) []byte { return s.receipt(k.ours, s.references...) }, ebms.InvalidReceipt},
		{"a receipt of a stranger's under the partner's certificate", func(s sentLetter) []byte {
			return s.receipt(identity{cert: k.partner.cert, key: k.mallory}, s.references...)
		}, ebms.InvalidReceipt},
		{"a receipt with a reference missing", func(s sentLetter) []byte { return s.receipt(k.partner, s.references[1:]...) }, ebms.InvalidReceipt},
		{"a receipt with a reference more", func(s sentLetter) []byte {
			more := strings.Replace(string(s.references[0]), `URI="#`, `URI="#more`, 1)
			return s.receipt(k.partner, append(s.references, []byte(more))...)
		}, ebms.InvalidReceipt},
		{"a receipt with no references", func(s sentLetter) []byte { return s.receipt(k.partner) }, ebms.InvalidReceipt},
		{"a receipt for a message that is not there", func(s sentLetter) []byte {
			s.id = canon.DeriveUUID("none") + s.id[strings.Index(s.id, "@"):]
			return s.receipt(k.partner, s.references...)
		}, ""},
		{"an error that is not signed", func(s sentLetter) []byte { return unsigned(s.failure(k.partner, ebms.Other)) }, ""},
		{"an error of another partner's", func(s sentLetter) []byte { return s.failure(k.other, ebms.Other) }, ""},
		{"a duplicate by a stranger's word", func(s sentLetter) []byte { return unsigned(s.failure(k.partner, ebms.DuplicateDetected)) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHolder(t, a)
			rec := h.ask(request(t, a, k.partner, partnerMPC))
			s := sentOf(t, a, unpack(t, rec.Header().Get("Content-Type"), rec.Body.Bytes()).envelope)
			answer := h.ask(c.say(s))
			if got := errorOf(answer.Body.Bytes()); got != c.code {
				t.Errorf("answer is %d %s, want %q", answer.Code, got, c.code)
			}
			if _, _, published, _ := h.heard(); len(published) > 1 || len(published) == 1 && published[0].Kind != canon.KindAudit {
				t.Errorf("something was published: %v", published)
			}
			h.taken() // it is there still
			if answer := h.ask(s.receipt(k.partner, s.references...)); answer.Code != http.StatusAccepted {
				t.Errorf("the partner's receipt is answered with %d %s", answer.Code, answer.Body)
			}
			_, _, published, _ := h.heard()
			acknowledged := false
			for _, m := range published {
				d, ok := m.Body.(*canon.DeliveryReceipt)
				acknowledged = acknowledged || ok && d.Outcome == canon.DeliveryAcknowledged
			}
			if !acknowledged {
				t.Error("the partner's receipt does not count")
			}
		})
	}
}
