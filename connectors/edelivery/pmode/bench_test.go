package pmode

import (
	"fmt"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

const many = 10_000

// crowd is a file with ten thousand partners, each with a file of its own
// certificate.
func crowd() []byte {
	var b strings.Builder
	b.WriteString(good[:strings.Index(good, "partners:")] + "partners:\n")
	for i := range many {
		fmt.Fprintf(&b, `  - name: partner-%[1]d
    party: {id: AP_%[1]d, type: "urn:t"}
    url: https://ap-%[1]d.example/as4
    signing: {pinned: [p/%[1]d.pem]}
    encryption: [p/%[1]d.pem]
    retry: {attempts: 4, initial: 2s, factor: 1.5, max: 10s}
    agreement: {value: "urn:agreement"}
`, i)
	}
	return []byte(b.String())
}

func crowdFile(name string) ([]byte, error) {
	if strings.HasPrefix(name, "p/") {
		name = "fi.pem"
	}
	return readFile(name)
}

func BenchmarkLoad10000Partners(b *testing.B) {
	data := crowd()
	for b.Loop() {
		if _, err := Load("pmodes.yaml", data, crowdFile); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatch10000Partners(b *testing.B) {
	t, err := Load("pmodes.yaml", crowd(), crowdFile)
	if err != nil {
		b.Fatal(err)
	}
	h := &ebms.UserMessage{From: ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "AP_7777"}, Role: OOTSRole}, To: t.Own().Party,
		Agreement: ebms.Agreement{Value: "urn:agreement"}, Service: ebms.Service{Value: OOTSService, Type: OOTSServiceType}, Action: "ExecuteQueryRequest"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Match(h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOutbound10000Partners(b *testing.B) {
	t, err := Load("pmodes.yaml", crowd(), crowdFile)
	if err != nil {
		b.Fatal(err)
	}
	to := canon.Participant{Scheme: "urn:t", ID: "AP_7777"}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := t.Outbound(to, "ExecuteQueryRequest"); err != nil {
			b.Fatal(err)
		}
	}
}
