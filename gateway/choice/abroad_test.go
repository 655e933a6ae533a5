package choice_test

import (
	"testing"

	"oncegate/gateway/choice"
)

// The directory of one Member State that names an authority of another leads nobody
// there, nor does it bring the exemptions of that Member State.
//
// Covers: B-007
func TestADirectoryNamesAuthoritiesOfItsOwnMemberState(t *testing.T) {
	d := directory()
	k := at(kind("certificate").Classification, "FI")
	d.Services[k][0].Provider.Country = "SE"
	p, _ := plan(t, d, wishes(in("FI", "birth"), otherwise("age"), otherwise("degree")))
	if len(p.Asks) != 0 || p.Evidence[0].Status != choice.Unavailable || p.Evidence[0].Services[0].Obstacle == "" {
		t.Errorf("got %+v", p.Evidence)
	}
	d.Services[k][0].Provider.Country = "FI"
	if p, _ = plan(t, d, wishes(in("FI", "birth"), otherwise("age"), otherwise("degree"))); len(p.Asks) != 1 {
		t.Errorf("got %+v", p.Evidence)
	}
}
