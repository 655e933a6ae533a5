package rulecheck

import "testing"
import "oncegate/schemas/rules"

func TestZZ(t *testing.T) {
	for _, e := range rules.Editions() {
		s, err := Rules(rules.EDMRequest, e, nil)
		t.Log(e, s != nil, err)
	}
}
