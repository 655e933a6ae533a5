package routing_test

import (
	"slices"
	"testing"

	"oncegate/gateway/routing"
)

func TestRegistersAreThoseThatRoutesLeadTo(t *testing.T) {
	const births = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV::births"
	provide := func(name, register, class string) routing.Provide {
		return routing.Provide{Name: name, Procedures: []string{"T2"}, EvidenceType: class, Provider: births, Register: register}
	}
	table, err := routing.NewTable(routing.Config{
		Country: "LV", AccessPoint: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV::ap",
		Partners: []routing.Partner{{Country: "NL", AccessPoint: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:NL::ap"}},
		Provide:  []routing.Provide{provide("b", "lv-births", "https://sr.example/b"), provide("c", "lv-births", "https://sr.example/c"), provide("a", "lv-address", "https://sr.example/a")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := table.Registers(), []string{"lv-address", "lv-births"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
