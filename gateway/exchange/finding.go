package exchange

import (
	"mime"
	"slices"
	"strings"

	"oncegate/schemas/canon"
)

// A Finding names in what an answer differs from what was asked for. Nothing of
// such an answer is delivered (Reg. 2018/1724 Art. 14(8)). Its words are stable.
type Finding string

// The findings.
const (
	FindingPerson    Finding = "person"        // about somebody else
	FindingType      Finding = "evidence-type" // of another type
	FindingProvider  Finding = "provider"      // of another authority
	FindingIssuer    Finding = "issuer"        // issued in another Member State than that of the provider
	FindingFormat    Finding = "format"        // in a form that was not asked for
	FindingIdentity  Finding = "identifiers"   // documents without an id of their own
	FindingStructure Finding = "structure"     // supplements of nothing, documents where there must be none, or none where there must be some
	FindingPreview   Finding = "preview"       // evidence without the preview that was asked for
)

// details are what a portal and the trail are told of a finding.
var details = map[Finding]string{
	FindingPerson:    "the evidence is about another person than the one asked for",
	FindingType:      "the answer holds a document that was not asked for (Reg. 2018/1724 Art. 14(8))",
	FindingProvider:  "the answer is of another authority than the one asked",
	FindingIssuer:    "a document was issued in another Member State than that of the provider",
	FindingFormat:    "the evidence has a format that was not asked for",
	FindingIdentity:  "two documents of the answer have the same identifier",
	FindingStructure: "the documents of the answer do not fit together or its status",
	FindingPreview:   "an answer without the preview that was asked for (Reg. 2018/1724 Art. 14(3)(f))",
}

// compare holds the documents of an answer against the request; empty means that
// they are what was asked for.
func (c *Conversation) compare(docs []canon.Document) Finding {
	ids := map[string]bool{}
	main, fit := 0, 0
	for _, d := range docs {
		if d.ID == "" || ids[d.ID] {
			return FindingIdentity
		}
		ids[d.ID] = true
		if d.Role != canon.RoleMain {
			continue
		}
		main++
		if c.wanted(d.Payload.MediaType) {
			fit++
		}
	}
	if main == 0 {
		return FindingStructure
	}
	for _, d := range docs {
		switch {
		case d.Role == canon.RoleMain && d.Classification != c.EvidenceType.Classification:
			return FindingType
		case d.Role != canon.RoleMain && d.For != "" && !supplements(docs, d):
			return FindingStructure
		case d.Issuer.Country != "" && c.Provider.Country != "" && d.Issuer.Country != c.Provider.Country:
			return FindingIssuer // B-051: the right authority, in the right territory
		}
	}
	// Up to EDM 1.2 an answer does not tell evidence and supplement apart.
	if fit == 0 || fit < main && !withoutExchangeID(c.Specification) {
		return FindingFormat
	}
	return ""
}

// above returns what a document supplements: its evidence last. It ends early where
// the chain does not lead to an evidence.
func above(docs []canon.Document, d canon.Document) (chain []canon.Document) {
	for d.For != "" && len(chain) < len(docs) { // a bound, should they name each other
		i := slices.IndexFunc(docs, func(o canon.Document) bool { return o.ID == d.For })
		if i < 0 {
			return chain
		}
		d = docs[i]
		chain = append(chain, d)
	}
	return chain
}

// supplements reports that a document belongs, by way of others or not, to an
// evidence of the same answer.
func supplements(docs []canon.Document, d canon.Document) bool {
	chain := above(docs, d)
	return len(chain) > 0 && chain[len(chain)-1].Role == canon.RoleMain && chain[len(chain)-1].For == ""
}

// inWantedForm leaves out evidence in a form that was not asked for, with its
// supplements; unwanted says that there was some.
func (c *Conversation) inWantedForm(docs []canon.Document) (fit []canon.Document, unwanted bool) {
	out := map[string]bool{}
	for _, d := range docs {
		if d.Role == canon.RoleMain && !c.wanted(d.Payload.MediaType) {
			out[d.ID] = true
		}
	}
	for _, d := range docs {
		if !out[d.ID] && !slices.ContainsFunc(above(docs, d), func(o canon.Document) bool { return out[o.ID] }) {
			fit = append(fit, d)
		}
	}
	return fit, len(out) > 0
}

// wanted reports whether evidence may have this form; a request that names none
// takes any (up to EDM 1.2). How supplements look is their provider's choice.
func (c *Conversation) wanted(mediaType string) bool {
	got := essence(mediaType)
	return len(c.EvidenceType.Distributions) == 0 || slices.ContainsFunc(c.EvidenceType.Distributions, func(d canon.Distribution) bool {
		return essence(d.Format) == got
	})
}

// essence is a media type without its parameters.
func essence(s string) string {
	if t, _, err := mime.ParseMediaType(s); err == nil {
		return t
	}
	return strings.ToLower(s)
}
