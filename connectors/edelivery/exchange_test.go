package edelivery

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

func withToken(tok wssec.Token) rigOption {
	return func(_ *rig, a, b *pmode.Partner, _ *Config) { a.Token, b.Token = tok, tok }
}

func plainParts(_ *rig, a, b *pmode.Partner, _ *Config) { a.Plain, b.Plain = true, true }

func TestExchange(t *testing.T) {
	t.Parallel()
	for _, tok := range []wssec.Token{wssec.TokenBST, wssec.TokenSKI, wssec.TokenIssuerSerial} {
		for _, n := range []int{0, 1, 3, 28} {
			for _, plain := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d parts plain=%v", tok, n, plain), func(t *testing.T) {
					t.Parallel()
					opts := []rigOption{withToken(tok)}
					if plain {
						opts = append(opts, plainParts)
					}
					r := newRig(t, opts...)
					var docs []document
					var want []string
					for i := range n {
						d := pdfDocument(i)
						if i == 0 {
							d = xmlDocument(i)
						}
						docs, want = append(docs, d), append(want, d.content)
					}
					m := r.message(t.Name(), docs...)
					got, err := r.sender.Handle(context.Background(), m)
					if err != nil {
						t.Fatal(err)
					}
					sent, answers := r.traffic()
					receipt := got[0].Body.(*canon.DeliveryReceipt)
					if receipt.Outcome != canon.DeliveryAcknowledged || receipt.Receipt != digestOf(answers[0]) || receipt.Attempts != 1 {
						t.Errorf("delivery = %+v, want acknowledged at once with the digest of the receipt", receipt)
					}
					if diff := cmp.Diff([][]string{want}, r.codec.inbox); diff != "" {
						t.Errorf("content (-want +got):\n%s", diff)
					}
					in := r.codec.decoded[0]
					if v, _ := in.Header.Property(ebms.PropertyFinalRecipient); v != "C4 <&>" || in.Header.From.ID != requesterID || in.Header.MessageID != receipt.AS4 {
						t.Errorf("header = %+v", in.Header)
					}
					for i, p := range in.Parts {
						if p.ID != docs[i].id || p.MediaType != docs[i].mediaType {
							t.Errorf("part %d = %s %s, want %s %s", i, p.ID, p.MediaType, docs[i].id, docs[i].mediaType)
						}
					}
					if len(r.topic.of(canon.KindEvidenceRequest)) != 1 || len(r.topic.of(canon.KindAudit)) != 1 {
						t.Errorf("published %d messages, want one request and one audit event", len(r.topic.got))
					}
					for _, secret := range append(want, "Example") {
						if strings.Contains(string(sent[0]), secret) {
							t.Errorf("content is in clear on the wire")
						}
					}
				})
			}
		}
	}
}
