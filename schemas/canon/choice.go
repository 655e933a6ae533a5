package canon

// A Chosen says what was chosen on the way from a procedure to an evidence request.
type Chosen string

// The things that are chosen.
const (
	ChoseRequirement Chosen = "requirement" // of the procedure, by the evidence broker
	ChoseOption      Chosen = "option"      // of those that prove the requirement in a country
	ChoseService     Chosen = "service"     // of the authorities that give the evidence type
)

// A Choice is one choice and what it stands on: the answer of the common services,
// what that offered, and what was taken of it. It names no person and no answer of
// one; the questions of the directory are named by id alone.
type Choice struct {
	What   Chosen     `json:"what"`
	About  string     `json:"about"`            // https URI: the requirement, or the evidence type's classification
	Shown  []string   `json:"shown"`            // ids of what the answer offered
	Taken  string     `json:"taken"`            // one of Shown
	Person bool       `json:"person,omitempty"` // the person chose; unset where only one fitted
	Asked  []string   `json:"asked,omitempty"`  // ids of the questions that were answered on the way (DSD:ERR:0005)
	Answer Provenance `json:"answer"`
}

// An Offer is what the directory says of the authority that was chosen: by which
// access point it is reached, and how. The core uses it where it has no route of
// its own: an authority that the directory names only after questions to the person
// is in no table.
type Offer struct {
	AccessPoint    Participant `json:"accessPoint"`         // C3
	Specifications []string    `json:"specifications"`      // editions that the provider reads
	Assurance      string      `json:"assurance,omitempty"` // least level of the person's identification
}

// IsZero reports that the request did not come from the directory.
func (o Offer) IsZero() bool { return o.AccessPoint.IsZero() }
