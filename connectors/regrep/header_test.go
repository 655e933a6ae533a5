package regrep

import (
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// The header that the access point makes of a message of ours is judged by the rules
// of its edition before it leaves: parties, service and properties may come from an
// agreement that is wrong.
func TestTheHeaderOfAMessageOfOursIsJudged(t *testing.T) {
	c := newCodec(t)
	for _, ed := range editions {
		s := new(store)
		for name, body := range older(ed, s) {
			t.Run(ed.name+"/"+name, func(t *testing.T) {
				out, ok, err := c.Encode(t.Context(), message(body), s)
				if err != nil || !ok {
					t.Skipf("not written in this edition: %v", err)
				}
				h := carry(out, canon.EnvelopeOf(body)).Header
				if err := out.Check(&h); err != nil {
					t.Fatalf("a sound header: %v", err)
				}
				for what, spoil := range map[string]func(*ebms.UserMessage){
					"service":    func(h *ebms.UserMessage) { h.Service.Value = "LifecycleManager" },
					"session":    func(h *ebms.UserMessage) { h.ConversationID = "1" },
					"properties": func(h *ebms.UserMessage) { h.Properties = h.Properties[:1] },
				} {
					bad := h
					spoil(&bad)
					if err := out.Check(&bad); err == nil || !strings.Contains(err.Error(), "ebMS") && !strings.Contains(err.Error(), "TDD") {
						t.Errorf("%s: got %v, want the rule that it breaks", what, err)
					}
				}
			})
		}
	}
}
