package consent

import (
	"time"

	"oncegate/schemas/canon"
)

// A Grant is one explicit request of one person for one case (Reg. 2018/1724
// Art. 14(3)(a), 14(4), 14(7)), or the provision that stands in for it. It
// names the requester's record of the act, never the person.
type Grant struct {
	Reference    string            // the requester's own record of who asked, how and in which words; empty on the provider's side
	Exemption    string            // the provision that allows the exchange without the person's request
	At           time.Time         // when the person asked; zero on the provider's side
	Procedure    string            // what for
	EvidenceType string            // what: the classification
	Requester    canon.Participant // who will have it
	Provider     canon.Participant // who gives it
}

// Covers reports whether a request stays within the grant. Where it does not,
// what names the part that was changed: changing one makes the grant void and
// the person has to ask again. A part that the request leaves unset is covered.
func (g Grant) Covers(r *canon.EvidenceRequest) (what string, ok bool) {
	switch {
	case r.Procedure != "" && r.Procedure != g.Procedure:
		return "procedure", false
	case r.EvidenceType.Classification != "" && r.EvidenceType.Classification != g.EvidenceType:
		return "evidence type", false
	case !r.Requester.ID.IsZero() && r.Requester.ID != g.Requester:
		return "requester", false
	case !r.Provider.ID.IsZero() && r.Provider.ID != g.Provider:
		return "provider", false
	}
	return "", true
}

// granted returns the grant that a first request stands on.
func granted(r *canon.EvidenceRequest, exemption string) Grant {
	g := Grant{
		Exemption:    exemption,
		Procedure:    r.Procedure,
		EvidenceType: r.EvidenceType.Classification,
		Requester:    r.Requester.ID,
		Provider:     r.Provider.ID,
	}
	if exemption == "" {
		g.Reference, g.At = r.ExplicitRequest.Reference, r.ExplicitRequest.At
	}
	return g
}
