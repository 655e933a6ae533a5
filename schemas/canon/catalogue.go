package canon

// A Code is the stable name of one failure. The catalogue below is the only
// place where codes are born; docs/operating.md lists them.
type Code string

// The catalogue.
const (
	CodeInternal           Code = "OG-INT-0001"
	CodeMessageInvalid     Code = "OG-LOG-0001"
	CodeLogUnavailable     Code = "OG-LOG-0002"
	CodeUnknownExchange    Code = "OG-EXC-0001"
	CodeRequestInvalid     Code = "OG-EXC-0002"
	CodeRequestReused      Code = "OG-EXC-0003"
	CodeNoExplicitRequest  Code = "OG-EXC-0004"
	CodeNoRoute            Code = "OG-EXC-0005"
	CodePeerMismatch       Code = "OG-EXC-0006"
	CodeDeadlinePassed     Code = "OG-EXC-0007"
	CodePersonMismatch     Code = "OG-EXC-0008"
	CodeOutOfScope         Code = "OG-EXC-0009"
	CodeDeferred           Code = "OG-EXC-0010"
	CodeRepresentation     Code = "OG-EXC-0011"
	CodeAnswerMismatch     Code = "OG-EXC-0012"
	CodeWithdrawn          Code = "OG-EXC-0013"
	CodeWallet             Code = "OG-EXC-0014"
	CodeMemoryUnavailable  Code = "OG-MEM-0001"
	CodeEvidenceNotFound   Code = "OG-REG-0001"
	CodeEvidenceAmbiguous  Code = "OG-REG-0002"
	CodeRegisterDown       Code = "OG-REG-0003"
	CodeRegisterReply      Code = "OG-REG-0004"
	CodeRegisterFault      Code = "OG-REG-0005"
	CodeRegisterFate       Code = "OG-REG-0006"
	CodeDirectoryEmpty     Code = "OG-DIR-0001"
	CodeDirectoryUnknown   Code = "OG-DIR-0002"
	CodeDirectoryQuery     Code = "OG-DIR-0003"
	CodeDirectoryDown      Code = "OG-DIR-0004"
	CodeDirectoryAnswer    Code = "OG-DIR-0005"
	CodeDirectorySigner    Code = "OG-DIR-0006"
	CodeMappingFailed      Code = "OG-MAP-0001"
	CodePeerUnreachable    Code = "OG-AS4-0001"
	CodePeerRefused        Code = "OG-AS4-0002"
	CodeReceiptInvalid     Code = "OG-AS4-0003"
	CodeSecurity           Code = "OG-AS4-0004"
	CodeNoAgreement        Code = "OG-AS4-0005"
	CodeUnknownMessage     Code = "OG-AS4-0006"
	CodeNotResendable      Code = "OG-AS4-0007"
	CodeRevocationUnknown  Code = "OG-AS4-0008"
	CodeResponseInvalid    Code = "OG-EDM-0001"
	CodeAnswerDenied       Code = "OG-EDM-0002"
	CodeAnswerInvalid      Code = "OG-EDM-0003"
	CodeAnswerUnsupported  Code = "OG-EDM-0004"
	CodeAnswerProblem      Code = "OG-EDM-0005"
	CodeUnauthenticated    Code = "OG-API-0001"
	CodeForbidden          Code = "OG-API-0002"
	CodeBadInput           Code = "OG-API-0003"
	CodeNotReady           Code = "OG-API-0004"
	CodeKeyReused          Code = "OG-API-0005"
	CodePlanChanged        Code = "OG-API-0006"
	CodeTicketInvalid      Code = "OG-PRE-0001"
	CodePreviewClosed      Code = "OG-PRE-0002"
	CodePayloadForgotten   Code = "OG-PAY-0001"
	CodePayloadDamaged     Code = "OG-PAY-0002"
	CodePayloadUnavailable Code = "OG-PAY-0003"
)

type catalogueEntry struct {
	kind FaultKind
	next string
}

var catalogue = map[Code]catalogueEntry{
	CodeInternal:           {Internal, "Look in the log at the time of the message; the partition waits until the cause is removed."},
	CodeMessageInvalid:     {Invalid, "Show the dead letter with `oncegate dlq show`; redrive it after the writer is mended."},
	CodeLogUnavailable:     {Unavailable, "Check the Kafka brokers; work goes on by itself once they answer."},
	CodeUnknownExchange:    {NotFound, "Check the identifier; an exchange is forgotten at the end of its term."},
	CodeRequestInvalid:     {Invalid, "Correct the named rule and send a new request."},
	CodeRequestReused:      {Conflict, "Send each request with a new identifier."},
	CodeNoExplicitRequest:  {Denied, "Ask the person for the explicit request, or cite the provision that exempts the procedure."},
	CodeNoRoute:            {Denied, "Add a route for this procedure, evidence type and pair of authorities."},
	CodePeerMismatch:       {Denied, "The exchange belongs to another pair of access points; treat it as an incident."},
	CodeDeadlinePassed:     {Expired, "Start the exchange again with the person present."},
	CodePersonMismatch:     {Denied, "The person at the preview is not the person of the request."},
	CodeOutOfScope:         {Denied, "Ask only for a procedure of Annex II of Reg. (EU) 2018/1724, of one of the four directives, or that a Union act integrates; code lists can be overlaid."},
	CodeDeferred:           {NotFound, "Ask again at the time shown; the provider will have the evidence by then."},
	CodeRepresentation:     {Denied, "The power of representation must name the procedure or ALL; let the person act alone, or correct the power."},
	CodeAnswerMismatch:     {Denied, "Nothing of the answer was delivered; tell the partner which finding it is and start the exchange again."},
	CodeWithdrawn:          {Conflict, "The person took the request back; a new wish is a new request."},
	CodeWallet:             {Denied, "Identify the person with a means notified under eIDAS; test beds let wallets in with `wallets: accept` in the routes of both sides."},
	CodeMemoryUnavailable:  {Unavailable, "Check the Redis server; work goes on by itself once it answers."},
	CodeEvidenceNotFound:   {NotFound, "The register holds no such evidence for this person."},
	CodeEvidenceAmbiguous:  {NotFound, "Several records match; the person must ask the register."},
	CodeRegisterDown:       {Unavailable, "Check the register; the query is repeated."},
	CodeRegisterReply:      {Invalid, "Compare the reply with the register's mapping: `oncegate connector test`."},
	CodeRegisterFault:      {Unavailable, "The register reported a fault of its own."},
	CodeRegisterFate:       {Conflict, "Find out at the register what became of the query; then ask anew with `oncegate replay --again` and the reason, or let the person ask again."},
	CodeDirectoryEmpty:     {NotFound, "The country has entered nothing for this; the person hands the evidence in by other means."},
	CodeDirectoryUnknown:   {NotFound, "Check the requirement or evidence type: the common services do not know it."},
	CodeDirectoryQuery:     {Invalid, "The common services refuse the query: compare procedure, country and answers with the code lists."},
	CodeDirectoryDown:      {Unavailable, "Check the way to the common services and their DNS records; the query is repeated."},
	CodeDirectoryAnswer:    {Invalid, "Tell the operator of the instance which rule its answer breaks: `oncegate validate` names it."},
	CodeDirectorySigner:    {Denied, "Compare the anchors of `directory` with the instance's certificate; if they fit, treat it as an incident."},
	CodeMappingFailed:      {Invalid, "Run `oncegate connector test` on the register."},
	CodePeerUnreachable:    {Unavailable, "Check the partner's access point; the message is repeated."},
	CodePeerRefused:        {Conflict, "Read the ebMS error code in the time line and compare both P-Modes."},
	CodeReceiptInvalid:     {Unavailable, "Compare certificates with the partner; the message is repeated."},
	CodeSecurity:           {Denied, "Look in the log for the cause; the peer is told nothing."},
	CodeNoAgreement:        {Denied, "Add a P-Mode for this pair of parties, service and action."},
	CodeUnknownMessage:     {NotFound, "Check the MessageId; notes are kept for `retention.messages`, and `oncegate exchange timeline` reads the log itself."},
	CodeNotResendable:      {Conflict, "Only a message of ours that ended in SEND_FAILURE can be sent again; look at it with `oncegate message get`."},
	CodeRevocationUnknown:  {Unavailable, "Check the CRLs and OCSP responders of the P-Mode (`oncegate doctor`); the partner repeats its message."},
	CodeResponseInvalid:    {Invalid, "Tell the partner which rule its answer breaks."},
	CodeAnswerDenied:       {Denied, "The provider does not let this requester have this evidence: ask its authority why."},
	CodeAnswerInvalid:      {Invalid, "The provider names the rule that our request breaks: run `oncegate validate` on it and correct it."},
	CodeAnswerUnsupported:  {Conflict, "The provider cannot give the evidence in this form: ask for another format or evidence type."},
	CodeAnswerProblem:      {Unavailable, "The provider could not process the request: ask again later, and offer the person another way."},
	CodeUnauthenticated:    {Denied, "Send the portal's bearer token."},
	CodeForbidden:          {Denied, "Use the token of the portal that opened the exchange."},
	CodeBadInput:           {Invalid, "Correct the named field."},
	CodeNotReady:           {Conflict, "Wait for the state named in the exchange."},
	CodeKeyReused:          {Conflict, "Use a new Idempotency-Key for a different request."},
	CodePlanChanged:        {Conflict, "Make the plan again, show it to the person, and ask for what it holds now."},
	CodeTicketInvalid:      {Denied, "Go back to the portal and open the preview again."},
	CodePreviewClosed:      {Conflict, "The decision was made or the time has passed; go back to the portal."},
	CodePayloadForgotten:   {NotFound, "The evidence was erased at its term."},
	CodePayloadDamaged:     {Invalid, "The stored bytes do not match their seal; restore them or end the exchange."},
	CodePayloadUnavailable: {Unavailable, "Check the payload store; work goes on by itself."},
}

// Kind returns the kind of fault that the code names; Internal for an unknown one.
func (c Code) Kind() FaultKind {
	if e, ok := catalogue[c]; ok {
		return e.kind
	}
	return Internal
}

// NextStep returns what the one who meets the code can do.
func (c Code) NextStep() string { return catalogue[c].next }

// Codes lists the catalogue.
func Codes() []Code {
	out := make([]Code, 0, len(catalogue))
	for c := range catalogue {
		out = append(out, c)
	}
	return out
}
