package discovery

import (
	"fmt"
	"strings"

	"oncegate/schemas/canon"
)

// A Step is one step of a discovery.
type Step string

// The steps, in their order.
const (
	StepIdentifier  Step = "identifier"  // what is asked for can be asked
	StepDNS         Step = "dns"         // the zone names a publisher
	StepFetch       Step = "smp"         // the publisher answers
	StepDocument    Step = "document"    // with a document that can be read
	StepSignature   Step = "signature"   // that a trusted publisher signed
	StepRedirect    Step = "redirect"    // and that leads on at most once
	StepEndpoint    Step = "endpoint"    // to an endpoint of ours in kind, process and time
	StepCertificate Step = "certificate" // with a certificate of the domain
	StepAgreement   Step = "agreement"   // of which an agreement can be made
)

// A Verdict says what a failure means for who asked.
type Verdict string

// The verdicts.
const (
	Unregistered Verdict = "unregistered" // the answer is no: nobody or nothing of that name
	Refused      Verdict = "refused"      // the answer breaks a rule; asking again changes nothing soon
	Unreachable  Verdict = "unreachable"  // there is no answer now
)

// A Failure says at which step a discovery ended, where, which rule was broken, and
// what to do. It never holds content of a document but names of access points.
type Failure struct {
	Step    Step
	Verdict Verdict
	Where   string // the DNS name or URL that was asked
	Rule    string
	Remedy  string
	Err     error // the cause, for the log
}

// Error returns step, place, rule, cause and remedy in one line.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "discovery: %s: ", f.Step)
	if f.Where != "" {
		fmt.Fprintf(&b, "%s: ", f.Where)
	}
	b.WriteString(f.Rule)
	if f.Err != nil {
		fmt.Fprintf(&b, ": %v", f.Err)
	}
	if f.Remedy != "" {
		fmt.Fprintf(&b, " (%s)", f.Remedy)
	}
	return b.String()
}

func (f *Failure) Unwrap() error { return f.Err }

// Code returns the code of the catalogue for the failure.
func (f *Failure) Code() canon.Code {
	switch f.Verdict {
	case Unregistered:
		return canon.CodeNoAgreement
	case Unreachable:
		return canon.CodePeerUnreachable
	}
	return canon.CodeSecurity
}
