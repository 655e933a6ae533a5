package regrep

import (
	"oncegate/connectors/xmldoc"
)

// edm20 is EDM 2.0 (TDD 2.0.0 and 2.0.1; both say oots-edm:v2.0).
type edm20 struct {
	procedures map[string]bool
}

var _ edition = (*edm20)(nil)

const specification20 = "oots-edm:v2.0"

func (*edm20) specification() string { return specification20 }

// R-EDM-ebMS-018, -019.
func (*edm20) properties() []string {
	return []string{"originalSender", "finalRecipient", propertyExchange, propertySpecification}
}

func (d *edm20) procedure(code string) bool { return d.procedures[code] }

func (*edm20) reader(family string) *reader {
	r := &reader{family: family}
	if family == familyRequest {
		r.minLength = "C092"
	}
	return r
}

// Families of rules.
const (
	familyRequest  = "R-EDM-REQ-"
	familyResponse = "R-EDM-RESP-"
	familyError    = "R-EDM-ERR-"
)

// identifier reads a bare UUID.
func (r *reader) identifier(v xmldoc.Element, rule, what string) string {
	s := r.string(v)
	if !v.IsZero() && r.bad == nil && !uuid(s) {
		r.fail(v, rule, what+" is not a UUID")
	}
	return s
}
