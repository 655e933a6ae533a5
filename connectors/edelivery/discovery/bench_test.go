package discovery_test

import (
	"context"
	"testing"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// A look-up whose answers are remembered: what every message after the first costs.
func BenchmarkResolveRemembered(b *testing.B) {
	r := newRig(b)
	r.serve(path1, signed(b, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer))
	res := r.resolver(b, nil)
	for b.Loop() {
		if _, _, err := res.Resolve(context.Background(), asked, "Ask"); err != nil {
			b.Fatal(err)
		}
	}
}

// A look-up with its DNS question, TLS connection kept, document and signature.
func BenchmarkResolveAnew(b *testing.B) {
	r := newRig(b)
	r.serve(path1, signed(b, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer))
	res := r.resolver(b, nil)
	document := discovery.Identifier{Scheme: docScheme, Value: docValue}
	for b.Loop() {
		if _, err := res.Explain(context.Background(), peppolID(participant), document, discovery.Identifier{}); err != nil {
			b.Fatal(err)
		}
	}
}

// What a header of an unknown sender costs before anything is verified.
func BenchmarkInboundUnknown(b *testing.B) {
	r := newRig(b)
	service := ebms.Service{Value: procValue, Type: procScheme}
	res := r.resolver(b, func(c *discovery.Config) {
		c.Transports[0].Receive = true
		c.Transports[0].Partner.Services = append(c.Transports[0].Partner.Services, pmodeService(service, "Ask"))
	})
	h := &ebms.UserMessage{From: ebms.Party{Role: r.own.Own().Party.Role}, To: r.own.Own().Party, Service: service, Action: "Ask"}
	n := 0
	for b.Loop() {
		n++
		h.From.ID = canon.Participant{Scheme: partyType, ID: "AP_" + string(rune('A'+n%26)) + string(rune('A'+n/26%26)) + string(rune('A'+n/676%26)) + string(rune('A'+n/17576%26))}
		if _, err := res.Inbound(h); err != nil {
			b.Fatal(err)
		}
	}
}
