package interop

import (
	"encoding/xml"
	"fmt"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

func thrice(p *pmode.Partner) {
	p.Retry = pmode.Retry{Attempts: 3, Initial: time.Millisecond, Max: time.Millisecond}
}

// TestLostReceipt: phase4 has our message but its receipt got lost. It answers the
// second attempt with an error of its own and no receipt, ever (c.1): the message
// must not count as failed, and phase4's consumer must get it once.
func TestLostReceipt(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{partner: thrice})
	r.lose = func(n int) bool { return n == 1 }
	d := r.send(t, documents(1)...)
	_, out := r.traffic()
	if d.Outcome != canon.DeliveryAcknowledged || d.Attempts != 2 {
		t.Errorf("delivery = %+v, want acknowledged with the second attempt\n%s", d, brief(out[len(out)-1].answer))
	}
	if d.Receipt != "" {
		t.Errorf("delivery has receipt %s, which phase4 never gave again", d.Receipt)
	}
	if got := r.station.received(t); len(got) != 1 {
		t.Errorf("phase4 handed on %d messages, want 1", len(got))
	}
	var errs struct {
		Codes []struct {
			Code string `xml:"errorCode,attr"`
		} `xml:"Header>Messaging>SignalMessage>Error"`
	}
	if err := xml.Unmarshal(out[1].answer, &errs); err != nil || len(errs.Codes) != 1 {
		t.Fatalf("phase4 answered the duplicate with %s (%v)", brief(out[1].answer), err)
	}
	t.Logf("phase4 answers a duplicate with %s", brief(out[1].answer))
}

// TestDuplicate: our receipt got lost, phase4 sends the same message again and gets
// a receipt for it again; our consumer gets it once (TA10).
func TestDuplicate(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	c := r.command(t, documents(2)...)
	for i := range 3 {
		if s := r.phase4Sends(t, c); s.Result != "SUCCESS" || s.Receipt != "valid" {
			t.Fatalf("attempt %d: phase4 says %s, receipt %s, errors %v\n%s", i+1, s.Result, s.Receipt, s.Errors, brief(s.Response))
		}
	}
	if in, _ := r.codec.taken(); len(in) != 1 {
		t.Errorf("we handed on %d messages, want 1", len(in))
	}
	// Byte for byte the same request, as a retry that kept its bytes.
	first, _ := r.traffic()
	if e := r.post(first[0].contentType, first[0].body); e.status != 200 || wording.FindString(string(e.answer)) != "<eb:Receipt>" {
		t.Errorf("the same bytes again: status %d, %s", e.status, brief(e.answer))
	}
	// The same MessageId with other content is no duplicate and gets no receipt.
	other := r.command(t, xmlDocument(7), pdfDocument(8))
	other["message"] = c["message"]
	if s := r.phase4Sends(t, other); s.Result != "AS4_ERROR_MESSAGE_RECEIVED" || len(s.Errors) != 1 {
		t.Errorf("other content under the same MessageId: phase4 says %s, errors %v", s.Result, s.Errors)
	}
	if in, _ := r.codec.taken(); len(in) != 1 {
		t.Errorf("we handed on %d messages, want 1", len(in))
	}
}

// TestTwoWay: two pushes in opposite directions make a two-way exchange (a.5).
func TestTwoWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{partner: func(p *pmode.Partner) {
		p.TwoWay = true
		p.Services[0].Replies = []string{reply}
	}})
	d := r.send(t, documents(1)...)
	if d.Outcome != canon.DeliveryAcknowledged {
		t.Fatalf("delivery = %+v", d)
	}
	c := r.command(t, documents(2)...)
	c["action"], c["ref_to"] = reply, d.AS4
	if s := r.phase4Sends(t, c); s.Result != "SUCCESS" || s.Receipt != "valid" {
		t.Fatalf("phase4 says %s, receipt %s, errors %v", s.Result, s.Receipt, s.Errors)
	}
	in, _ := r.codec.taken()
	if len(in) != 1 || in[0].Header.RefToMessageID != d.AS4 || in[0].Header.Action != reply {
		t.Errorf("we took %+v, want an answer to %s", in, d.AS4)
	}
	// The other way round: phase4 asks, we answer.
	c = r.command(t, documents(1)...)
	if s := r.phase4Sends(t, c); s.Result != "SUCCESS" {
		t.Fatalf("phase4 says %s, errors %v", s.Result, s.Errors)
	}
	m := r.message(fmt.Sprint(t.Name(), time.Now().UnixNano()), time.Now(), documents(2)...)
	r.codec.mu.Lock()
	r.codec.outbox[m.ID] = outgoing{action: reply, refTo: c["message"].(string), docs: documents(2)}
	r.codec.mu.Unlock()
	if d := r.handle(t, m); d.Outcome != canon.DeliveryAcknowledged {
		t.Errorf("delivery = %+v", d)
	}
	got := r.station.received(t)
	if last := got[len(got)-1]; last.RefTo != c["message"] || last.Action != reply {
		t.Errorf("phase4 took %+v, want an answer to %s", last, c["message"])
	}
	// An answer that names no message is not one.
	c = r.command(t, documents(2)...)
	c["action"] = reply
	if s := r.phase4Sends(t, c); s.Result != "AS4_ERROR_MESSAGE_RECEIVED" {
		t.Errorf("an answer without RefToMessageId: phase4 says %s, errors %v", s.Result, s.Errors)
	}
}

// TestPing: a message of the test service is processed to its end, acknowledged and
// not handed on (TA16, TA17).
func TestPing(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	c := r.command(t, documents(1)...)
	c["service"], c["service_type"], c["action"] = testService, nil, testAction
	if s := r.phase4Sends(t, c); s.Result != "SUCCESS" || s.Receipt != "valid" {
		t.Fatalf("phase4 says %s, receipt %s, errors %v", s.Result, s.Receipt, s.Errors)
	}
	if in, _ := r.codec.taken(); len(in) != 0 {
		t.Errorf("we handed on %d test messages", len(in))
	}
	// Ours to phase4, which does not hand it on either.
	report, err := r.sender.Ping(t.Context(), "phase4")
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK || report.Answer.Kind != "receipt" || report.Answer.References != 2 {
		t.Errorf("ping = %+v, problem %+v", report, report.Problem)
	}
	if got := r.station.received(t); len(got) != 0 {
		t.Errorf("phase4 took %+v", got)
	}
}

// TestPull: phase4 fetches our messages, one after the other, and posts its receipts
// (One-Way/Pull, a.5). The other direction has no test: phase4 does not sign what it
// hands out.
func TestPull(t *testing.T) {
	t.Parallel()
	const partition = "urn:mpc:ap-fi-03"
	shelf := edelivery.NewMemoryShelf()
	r := newRig(t, setup{
		partner: func(p *pmode.Partner) { p.MEP, p.MPC, p.URL = pmode.Pull, partition, "" },
		config:  func(c *edelivery.Config) { c.Shelf = shelf },
	})
	docs := documents(3)
	var ids []canon.MessageID
	for i := range 2 {
		m := r.message(fmt.Sprint(t.Name(), i, time.Now().UnixNano()), time.Now(), docs...)
		ids = append(ids, m.ID)
		if got, err := r.sender.Handle(t.Context(), m); err != nil || len(got) != 0 {
			t.Fatalf("laying out = %v, %v", got, err)
		}
	}
	pull := object{"do": "pull", "station": r.station.ID, "url": r.server.URL, "mpc": partition, "from": theirID.ID, "to": ourID.ID}
	for range ids {
		var got struct {
			sent
			Message string
			Posted  int `json:"receipt_status"`
		}
		r.station.peer.ask(t, pull, &got)
		if got.Message == "" || got.Posted/100 != 2 {
			in, _ := r.traffic()
			t.Fatalf("phase4 pulled %q, posting its receipt gave %d, errors %v, %s\n%s", got.Message, got.Posted, got.Errors, got.Exception, brief(in[len(in)-1].answer))
		}
	}
	var got sent
	r.station.peer.ask(t, pull, &got)
	if len(got.Errors) != 1 || got.Errors[0].Code != "EBMS:0006" {
		t.Errorf("with nothing left phase4 gets errors %v, %s", got.Errors, got.Exception)
	}
	messages := r.station.received(t)
	if len(messages) != len(ids) {
		t.Fatalf("phase4 took %d messages, want %d", len(messages), len(ids))
	}
	for i, m := range messages {
		if len(m.Parts) != len(docs) || m.Parts[0].SHA256 != docs[0].digest() || !m.Signed || !m.Decrypted {
			t.Errorf("message %d = %+v", i, m)
		}
	}
	acknowledged := map[canon.MessageID]bool{}
	for _, m := range r.published() {
		if d, ok := m.Body.(*canon.DeliveryReceipt); ok && d.Outcome == canon.DeliveryAcknowledged && d.Receipt != "" {
			acknowledged[d.Of] = true
		}
	}
	for _, id := range ids {
		if !acknowledged[id] {
			t.Errorf("message %s has no receipt", id)
		}
	}
}
