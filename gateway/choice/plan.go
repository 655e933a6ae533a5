package choice

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"oncegate/schemas/canon"
)

// A Status says what a requirement or an evidence of a plan waits for.
type Status string

// The statuses. The first five wait for the person.
const (
	WantsCountry Status = "country"   // where is the evidence, or is it given in another way?
	WantsOption  Status = "option"    // which of the options?
	WantsAnswers Status = "questions" // the directory has questions
	WantsService Status = "service"   // which authority?
	WantsOther   Status = "evidence"  // a requirement whose evidence waits for something
	Ready        Status = "ready"
	Otherwise    Status = "otherwise"   // the person gives it in another way
	Unavailable  Status = "unavailable" // not to be had by automated exchange; the person gives it in another way
)

// A Plan is what follows from wishes: the requests that can be made, and what the
// person still has to choose.
type Plan struct {
	ID           string // over the procedure and the asks: what the person saw and asks for
	Procedure    string
	Country      string
	Requirements []RequirementState
	Evidence     []EvidenceState
	Asks         []Ask
	Stale        bool // a service does not answer and its last answer was used
}

// Complete reports that nothing waits for the person.
func (p *Plan) Complete() bool {
	for _, r := range p.Requirements {
		switch r.Status {
		case Ready, Otherwise, Unavailable:
		default:
			return false
		}
	}
	return true
}

// A RequirementState is one requirement in one country. Without a country it stands
// for itself.
type RequirementState struct {
	canon.DirectoryRequirement // its Options are those of the country
	Country                    string
	Status                     Status
	Adds                       []int        // for each option: evidence that no other requirement needs
	Option                     string       // id of the one taken
	Code                       canon.Code   // with Unavailable, where the common services said why
	Detail                     string       // with Unavailable
	Reasons                    []canon.Text // with Unavailable, in the country's words
	Retryable                  bool         // with Unavailable: it may be otherwise soon
}

// An EvidenceState is one evidence type in one country, once for all requirements
// that it proves.
type EvidenceState struct {
	canon.EvidenceKind
	Country      string
	Requirements []string // URIs
	Status       Status
	Questions    []canon.Question
	Services     []Service
	Service      string // id of the one taken
	Code         canon.Code
	Detail       string
	Retryable    bool
	ask          int // index of the ask, with Ready
}

// A Service is an authority that gives an evidence type.
type Service struct {
	ID string
	canon.DataService
	Obstacle string // why it cannot be chosen; empty where it can
}

// ServiceID names a data service as the routing table does.
func ServiceID(s canon.DataService) string {
	return string((&canon.Route{EvidenceType: s.EvidenceType, Provider: s.Provider, AccessPoint: s.AccessPoint}).Key())
}

// An Ask is one evidence request to be made: one evidence type of one authority,
// for all requirements that it proves.
type Ask struct {
	Key          string // the same for the same evidence type of the same authority
	EvidenceType canon.EvidenceType
	Requirements []canon.Requirement
	Service      string
	Provider     canon.Agent
	Country      string
	Offer        canon.Offer
	Concepts     []canon.ConceptAnswer // personal
	Choices      []canon.Choice
	Again        bool
}

func askKey(classification string, provider canon.Participant) string {
	return canon.DeriveUUID("ask", classification, provider.Scheme, provider.ID)
}

// planID is a digest of what the person asks for. The answers to questions are
// left out: they are in the choice of the authority already, and are personal.
func planID(procedure string, asks []Ask) string {
	type one struct {
		Key, Type, Service string
		Forms              []canon.Distribution
		Requirements       []string
	}
	list := make([]one, 0, len(asks))
	for _, a := range asks {
		o := one{Key: a.Key, Type: a.EvidenceType.ID, Service: a.Service, Forms: a.EvidenceType.Distributions}
		for _, r := range a.Requirements {
			o.Requirements = append(o.Requirements, r.ID)
		}
		list = append(list, o)
	}
	data, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and lists of them
	}
	sum := sha256.Sum256(append([]byte(procedure+"\n"), data...))
	return hex.EncodeToString(sum[:16])
}
