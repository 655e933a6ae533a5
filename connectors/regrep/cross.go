package regrep

import (
	"slices"

	"oncegate/connectors/rulecheck"
	"oncegate/schemas/canon"
)

// Cross compares an answer with the request that it answers: whether it is about the
// same request, between the same authorities, about the same person and of the type
// and form that was asked for (Reg. 2018/1724 Art. 14(8); B-039, B-051). The answer is
// an *EvidenceResponse, a *PreviewRequired or an *EvidenceRefusal. A deviation is fatal.
func Cross(request *canon.EvidenceRequest, answer canon.Body) []rulecheck.Finding {
	x := crossing{request: request}
	env := canon.EnvelopeOf(answer)
	if env == nil {
		return []rulecheck.Finding{finding(rulecheck.LayerCross, "TDD 4.5.2", "The document is no answer to a request.")}
	}
	x.want(env.Specification == request.Specification, "TDD 4.7 version", "The answer is in the version of the request.")
	switch a := answer.(type) {
	case *canon.EvidenceResponse:
		x.identity(a.Request, env, true)
		x.response(a)
	case *canon.PreviewRequired:
		x.identity(a.Request, env, true)
		x.want(request.PreviewPossible, "TDD 4.9 preview", "A preview is asked for only where the request allows one.")
		x.want(request.Step == canon.StepFirst, "TDD 4.9 preview", "A preview answers the first request.")
	case *canon.EvidenceRefusal:
		x.identity(a.Request, env, a.ErrorCode != codeInvalid)
	default:
		x.want(false, "TDD 4.5.2", "The document is no answer to a request.")
	}
	return x.findings
}

type crossing struct {
	request  *canon.EvidenceRequest
	findings []rulecheck.Finding
}

func (x *crossing) want(ok bool, rule, meaning string) {
	if !ok {
		x.findings = append(x.findings, finding(rulecheck.LayerCross, rule, meaning))
	}
}

// identity compares ids and authorities. An error about a request that could not be
// read may leave out its id and its requester, and may come from somebody who only
// carried it.
func (x *crossing) identity(id canon.RequestID, env *canon.Envelope, read bool) {
	if read || id != "" {
		x.want(id == x.request.Request, "TDD 4.5.2 requestId", "requestId is the id of the request.")
	}
	if read || !env.Requester.ID.IsZero() {
		x.want(env.Requester.ID == x.request.Requester.ID, "B-039 requester", "The answer goes to the authority that asked.")
	}
}

func (x *crossing) response(a *canon.EvidenceResponse) {
	q := x.request
	x.want(a.Provider.ID == q.Provider.ID, "B-051 provider", "The answer is of the authority that was asked.")
	if len(a.Documents) == 0 {
		return
	}
	private, ok := q.Private.Get()
	about, ok2 := a.Private.Get()
	x.want(ok && ok2 && private.Subject.Matches(about.Subject), "B-039 person", "The evidence is about the person of the request.")
	x.want(!q.PreviewPossible || q.Step == canon.StepPreview, "TDD 4.9 preview", "Nothing is delivered before the preview that the request asks for.")
	formats := map[string]bool{}
	for _, d := range q.EvidenceType.Distributions {
		formats[d.Format] = true
	}
	ids := map[string]bool{}
	for _, d := range a.Documents {
		x.want(!ids[d.ID], "B-039 identifier", "Every document has an identifier of its own.")
		ids[d.ID] = true
		if d.Role != canon.RoleMain {
			continue
		}
		x.want(d.Classification == q.EvidenceType.Classification, "B-039 evidence-type", "The evidence is of the type that was asked for.")
		if media := d.Payload.MediaType; media != "" && len(formats) > 0 {
			x.want(formats[media], "B-039 format", "The evidence has a format that was asked for.")
		}
	}
	x.findings = slices.CompactFunc(x.findings, func(a, b rulecheck.Finding) bool { return a == b })
}
