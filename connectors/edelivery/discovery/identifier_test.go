package discovery_test

import (
	"strings"
	"testing"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// The vectors of the specification (e.1), which agree with the EC's zone files.
func TestQueryNameVectors(t *testing.T) {
	urn := func(s string) discovery.Identifier {
		return discovery.Identifier{Value: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:" + s}
	}
	for _, tt := range []struct {
		id   discovery.Identifier
		want string
	}{
		{peppolID("0088:test01"), "LMHBM64R2VOF2IJIOGG2FXVWGYE42GF3CT7UF6EMOEWDS7ID3I2A.iso6523-actorid-upis"},
		{peppolID("0088:TEST01"), "LMHBM64R2VOF2IJIOGG2FXVWGYE42GF3CT7UF6EMOEWDS7ID3I2A.iso6523-actorid-upis"},
		{urn("0088:test01"), "NTPFMJWLL2HIEYCKLIBVAJLW2SJXZQGFD7P53PN75FYF5GHUWSCQ"},
		{peppolID("0088:test02"), "PUTEUP6A7HSJKCCIAOPTTGURPR5JO253IYZGAMRE2MZNUZMIA7JA.iso6523-actorid-upis"},
		{peppolID("9914:test01"), "GBDLL6QCELDM5JLQCWGP5CONIVXDP6BV2NZWWWI6BY5SFMNUYN7A.iso6523-actorid-upis"},
		{peppolID("9915:test"), "EH5BOAVAKTMBGZYH2A63DZ4QOV33FVP5NSDVQKLUCFRAAYOODW6A.iso6523-actorid-upis"},
		{urn("0060:1234567890128"), "4444WYPIXHSTJGGABKB7QMG63KJNR7IFMXRALGPORDXI6ZF64HUA"},
		{discovery.Identifier{Value: "abc"}, "XJ4BNP4PAHH6UQKBIDPF3LRCEOYAGYNDSYLXVHFUCD7WD4QACWWQ"},
	} {
		if got, err := discovery.QueryName(tt.id, "acc.edelivery.tech.ec.europa.eu."); err != nil || got != tt.want+".acc.edelivery.tech.ec.europa.eu" {
			t.Errorf("%s: got %s, %v", tt.id, got, err)
		}
	}
	for _, id := range []discovery.Identifier{{Scheme: "a scheme", Value: "x"}, {Scheme: strings.Repeat("x", 64), Value: "x"}} {
		if got, err := discovery.QueryName(id, zone); err == nil {
			t.Errorf("%s: got %s", id, got)
		}
	}
}

func TestParseIdentifier(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want discovery.Identifier
	}{
		{"iso6523-actorid-upis::0088:test01", peppolID("0088:test01")},
		{"urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01", discovery.Identifier{Value: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01"}},
		{"urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088::test01", discovery.Identifier{Value: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01"}},
		{"busdox-docid-qns::urn:a::B##c::2.1", discovery.Identifier{Scheme: "busdox-docid-qns", Value: "urn:a::B##c::2.1"}},
		{"urn:a::B##c::2.1", discovery.Identifier{Value: "urn:a::B##c::2.1"}},
		{"urn::epsos##services:extended:epsos::107", discovery.Identifier{Value: "urn::epsos##services:extended:epsos::107"}},
		{"bdx:noprocess", discovery.Identifier{Value: "bdx:noprocess"}},
	} {
		if got, err := discovery.ParseIdentifier(tt.in); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v", tt.in, got, err)
		}
	}
	for _, in := range []string{"", "scheme::", "a b", "a\nb", strings.Repeat("x", 501)} {
		if got, err := discovery.ParseIdentifier(in); err == nil {
			t.Errorf("%.20q: got %+v", in, got)
		}
	}
}

func TestParticipant(t *testing.T) {
	for _, tt := range []struct {
		in   canon.Participant
		want discovery.Identifier
	}{
		{canon.Participant{Scheme: "urn:cef.eu:names:identifier:EAS:0088", ID: "test01"}, peppolID("0088:test01")},
		{canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088", ID: "test01"}, discovery.Identifier{Value: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01"}},
		{canon.Participant{Scheme: ebms.Untyped, ID: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01"}, discovery.Identifier{Value: "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088:test01"}},
		{canon.Participant{Scheme: "ehealth-actorid-qns", ID: "urn:example:ncpb"}, discovery.Identifier{Scheme: "ehealth-actorid-qns", Value: "urn:example:ncpb"}},
	} {
		if got := discovery.Participant(tt.in); got != tt.want {
			t.Errorf("%s: got %+v", tt.in, got)
		}
	}
}
