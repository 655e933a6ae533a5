package api

import (
	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// A proof is components/schemas/Proof: evidence that was exchanged through the system
// is deemed authentic for the requesting authority, and this is what that rests on. The
// digests of the documents tie it to their bytes, the exchange to both sides' records.
type proof struct {
	Provision       string            `json:"provision"`
	Procedure       string            `json:"procedure"`
	LegalBasis      string            `json:"legal_basis,omitempty"`
	ExplicitRequest *given            `json:"explicit_request,omitempty"`
	Exemption       string            `json:"exemption,omitempty"`
	Waived          string            `json:"waived,omitempty"`
	Requester       agentView         `json:"requester"`
	Provider        agentView         `json:"provider"`
	AccessPoint     canon.Participant `json:"access_point"`
	Specification   string            `json:"specification"`
	Exchange        canon.ExchangeID  `json:"exchange"`
	Request         canon.RequestID   `json:"request"`
}

type given struct {
	Reference string `json:"reference"`
	At        string `json:"at"`
}

const deemedAuthentic = "Regulation (EU) 2018/1724, Article 14(8)"

// proofOf returns nothing for evidence that did not come through the system: there is
// no mark without an exchange that ended well.
func proofOf(c *exchange.Conversation) *proof {
	if c.Phase != exchange.Delivered {
		return nil
	}
	p := &proof{
		Provision: deemedAuthentic, Procedure: c.Procedure, LegalBasis: c.LegalBasis, Exemption: c.ExplicitRequest.Exemption, Waived: c.Waived,
		Requester: agentOf(c.Requester), Provider: agentOf(c.Provider), AccessPoint: c.Peer,
		Specification: c.Specification, Exchange: c.Exchange, Request: c.First,
	}
	if c.Second != "" {
		p.Request = c.Second
	}
	if x := c.ExplicitRequest; x.Given {
		p.ExplicitRequest = &given{x.Reference, x.At.UTC().Format("2006-01-02T15:04:05Z")}
	}
	return p
}

// issuerOf returns the authority that issued a document, nil where it is not said.
func issuerOf(d canon.Document) *agentView {
	if d.Issuer.ID.IsZero() {
		return nil
	}
	v := agentOf(d.Issuer)
	return &v
}
