package edelivery

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// witness is a Recorder that reads the first part.
type witness struct {
	mu   sync.Mutex
	seen []Transfer
	read []string
	fail error
}

func (w *witness) Record(_ context.Context, t Transfer) ([]canon.Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return nil, w.fail
	}
	r, err := t.Parts[0].Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	w.seen, w.read = append(w.seen, t), append(w.read, string(b))
	return []canon.Message{canon.Follow(t.Message, "record "+string(t.Direction), testNow, &canon.ExchangeRecord{AS4: t.AS4})}, nil
}

func witnessed(w *witness) rigOption {
	return func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Recorder = w }
}

// Both sides record the message in clear, each before the other can count on it.
func TestBothSidesRecordTheMessage(t *testing.T) {
	t.Parallel()
	w := &witness{}
	r := newRig(t, witnessed(w))
	r.wire = func(rw http.ResponseWriter, req *http.Request, next http.Handler) {
		if got := r.topic.of(canon.KindExchangeRecord); len(got) != 1 {
			t.Errorf("%d records when the message leaves, want that of the sender", len(got))
		}
		next.ServeHTTP(rw, req)
	}
	doc := xmlDocument(0)
	m := r.message("m", doc)
	if _, err := r.sender.Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(w.seen) != 2 || w.read[0] != doc.content || w.read[1] != doc.content {
		t.Fatalf("recorded %d transfers: %q", len(w.seen), w.read)
	}
	out, in := w.seen[0], w.seen[1]
	if out.Direction != canon.MessageOut || in.Direction != canon.MessageIn || out.AS4 != in.AS4 || out.Message.ID != m.ID ||
		out.From != requesterID || out.To != providerID || in.From != requesterID || in.To != providerID || out.Action != in.Action {
		t.Errorf("got %+v and %+v", out, in)
	}
	if got := r.topic.of(canon.KindExchangeRecord); len(got) != 2 || got[1].Cause != in.Message.ID {
		t.Errorf("records on the log: %v", got)
	}
}

// What cannot be recorded is neither sent nor taken.
func TestWhatCannotBeRecordedDoesNotCross(t *testing.T) {
	t.Parallel()
	w := &witness{fail: canon.NewFault(canon.CodeInternal, nil, "no key")}
	r := newRig(t, witnessed(w))
	if _, err := r.sender.Handle(t.Context(), r.message("m", xmlDocument(0))); err == nil {
		t.Error("sent without a record")
	}
	if sent, _ := r.traffic(); len(sent) != 0 {
		t.Error("it went over the wire")
	}
	ct, body := r.letter(t, r.message("n", xmlDocument(0)))
	if rec := r.post(ct, body); rec.Code == 200 && len(r.topic.of(canon.KindEvidenceRequest)) != 0 {
		t.Error("taken without a record")
	}
	w.fail = nil
	if rec := r.post(ct, body); rec.Code != 200 || len(r.topic.of(canon.KindEvidenceRequest)) != 1 {
		t.Errorf("not taken once it can be recorded: %d", rec.Code)
	}
}
