package routing_test

import (
	"strings"
	"testing"

	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// A person of a wallet is let in on either side where the configuration says so, and
// refused for that reason alone where it does not.
// Covers: B-055
func TestWallets(t *testing.T) {
	for set, want := range map[string]routing.Reason{"": routing.NoWallet, routing.WalletsRefuse: routing.NoWallet, routing.WalletsAccept: ""} {
		table := agreeing(t, func(c *routing.Config) { c.Wallets = set })
		table.Learn(offered().Message(day))
		if _, why := table.Ask(forDiploma(func(q *routing.Query) { q.Wallet = true })); why != want {
			t.Errorf("wallets %q, asking: %q, want %q", set, why, want)
		}
		q := routing.Query{
			Procedure: "T2", EvidenceType: "https://sr.example/birth", Assurance: "High", Peer: party("urn:x:NL::ap-nl"), At: day, Wallet: true,
			Requester: canon.Agent{ID: party("urn:x:NL::university"), Country: "NL"}, Provider: canon.Agent{ID: party("urn:x:LV::births")},
		}
		if _, why := table.Provide(q); why != want {
			t.Errorf("wallets %q, providing: %q, want %q", set, why, want)
		}
	}
	if _, err := routing.NewTable(config(t, func(c *routing.Config) { c.Wallets = "yes" })); err == nil || !strings.Contains(err.Error(), `wallets "yes"`) {
		t.Errorf("another value: %v", err)
	}
}
