package interop

import (
	"fmt"
	"testing"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

func TestWeSend(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3, 28} {
		for _, signOnly := range []bool{false, true} {
			for _, plain := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d parts, sign only=%v, plain=%v", n, signOnly, plain), func(t *testing.T) {
					t.Parallel()
					r := newRig(t, setup{signOnly: signOnly, partner: func(p *pmode.Partner) { p.Plain = plain }})
					docs := documents(n)
					weSend(t, r, docs)
				})
			}
		}
	}
}

// weSend checks that phase4 takes the documents as they are and that we take its
// receipt.
func weSend(t *testing.T, r *rig, docs []document) {
	t.Helper()
	d := r.send(t, docs...)
	if d.Outcome != canon.DeliveryAcknowledged || d.Attempts != 1 || d.Error != "" {
		_, out := r.traffic()
		t.Fatalf("delivery = %+v, want acknowledged at once\n%s", d, brief(out[len(out)-1].answer))
	}
	got := r.station.received(t)
	if len(got) != 1 {
		t.Fatalf("phase4 took %d messages, want 1", len(got))
	}
	m := got[0]
	if m.Message != d.AS4 || m.From != ourID.ID || m.To != theirID.ID || m.Service != service.Value || m.Action != action || m.Conversation != conversation || !m.Signed {
		t.Errorf("phase4 took %+v", m)
	}
	if m.Decrypted != (!r.setup.signOnly && len(docs) > 0) {
		t.Errorf("phase4 says decrypted=%v", m.Decrypted)
	}
	if len(m.Parts) != len(docs) {
		t.Fatalf("phase4 took %d parts, want %d", len(m.Parts), len(docs))
	}
	for i, p := range m.Parts {
		if p.SHA256 != docs[i].digest() || p.Type != docs[i].mediaType || p.ID != docs[i].id {
			t.Errorf("phase4 took part %d as %+v, want %s of type %s with digest %s", i, p, docs[i].id, docs[i].mediaType, docs[i].digest())
		}
	}
}

func TestPhase4Sends(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3, 28} {
		for _, signOnly := range []bool{false, true} {
			for _, plain := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d parts, sign only=%v, plain=%v", n, signOnly, plain), func(t *testing.T) {
					t.Parallel()
					r := newRig(t, setup{signOnly: signOnly})
					docs := documents(n)
					for i := range docs {
						docs[i].plain = plain
					}
					phase4Sends(t, r, docs)
				})
			}
		}
	}
}

// phase4Sends checks that we take what phase4 sends as it is, and that phase4
// takes our receipt.
func phase4Sends(t *testing.T, r *rig, docs []document) {
	t.Helper()
	c := r.command(t, docs...)
	s := r.phase4Sends(t, c)
	if s.Result != "SUCCESS" || s.Receipt != "valid" || s.Status != 200 || s.ReceiptFor != c["message"] {
		t.Fatalf("phase4 says %s, receipt %s for %s, errors %v, %s, status %d\n%s", s.Result, s.Receipt, s.ReceiptFor, s.Errors, s.Exception, s.Status, brief(s.Response))
	}
	in, parts := r.codec.taken()
	if len(in) != 1 {
		t.Fatalf("we took %d messages, want 1", len(in))
	}
	h := in[0].Header
	if h.MessageID != c["message"] || h.From.ID != theirID || h.To.ID != ourID || h.Service != service || h.Action != action || h.ConversationID != conversation {
		t.Errorf("we took %+v", h)
	}
	if v, _ := h.Property("finalRecipient"); v != "C1 <&>" {
		t.Errorf("finalRecipient = %q", v)
	}
	if len(parts[0]) != len(docs) {
		t.Fatalf("we took %d parts, want %d", len(parts[0]), len(docs))
	}
	for i, p := range parts[0] {
		if p.digest() != docs[i].digest() || p.mediaType != docs[i].mediaType || p.id != docs[i].id || p.charset != docs[i].charset {
			t.Errorf("we took part %d as %s %s %s %q, want %s %s %s %q", i, p.id, p.mediaType, p.charset, p.content, docs[i].id, docs[i].mediaType, docs[i].charset, docs[i].content)
		}
	}
}
