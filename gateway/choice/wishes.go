package choice

import (
	"fmt"
	"log/slog"
	"slices"

	"oncegate/schemas/canon"
)

// Wishes are what the portal knows of the person's choices so far. They begin with
// the procedure alone and grow with every answer; a plan says what is missing.
type Wishes struct {
	Procedure    string      // Required: code of list Procedures
	Country      string      // Required: of the portal
	Requester    canon.Agent // the authority that asks
	Assurance    string      // of the person's identification; empty: not known yet, nothing is left out for it
	Requirements []RequirementWish
	Evidence     []EvidenceWish
}

// A RequirementWish says where the evidence for a requirement is, and which option
// the person takes. One requirement may stand with several countries.
type RequirementWish struct {
	Requirement string // https URI
	Country     string // that issued the evidence
	Option      string // id of one of the plan's options
	Otherwise   bool   // the person gives it in another way (Reg. 2018/1724 Art. 14(4))
}

// An EvidenceWish says how one evidence type of one country is to be had.
type EvidenceWish struct {
	Classification string // https URI
	Country        string
	Answers        []Answer // to the directory's questions
	Service        string   // id of one of the plan's services
	Formats        []string // media types that the portal can use; empty: any
	Languages      []string // that the person wants, upper-case two-letter codes; empty: any
	Associated     []string // canon.RoleAnnex, RoleReadable, RoleTranslation: wanted with it
	Again          bool     // asked for anew although the procedure has it already
}

// An Answer answers one question. It may tell where a person lives or was born.
type Answer struct {
	Question string
	Value    string
}

// Format prints no answer.
func (Answer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[answer]") }

// LogValue prints no answer.
func (Answer) LogValue() slog.Value { return slog.StringValue("[answer]") }

// Limits of one plan: each wish may cost a call to the common services.
const (
	MaxRequirements = 40
	MaxEvidence     = 40
)

// A Flaw is a wish that cannot be kept, by its place in the wishes.
type Flaw struct {
	In     string // "requirements", "evidence"; empty: the procedure
	Index  int
	Field  string
	Detail string // names no value
}

// an evidence type of a country, and a requirement in a country: what facts are
// known about.
type key struct{ id, country string }

func (w *Wishes) evidence(k key) (EvidenceWish, int) {
	i := slices.IndexFunc(w.Evidence, func(e EvidenceWish) bool { return e.Classification == k.id && e.Country == k.country })
	if i < 0 {
		return EvidenceWish{Classification: k.id, Country: k.country}, -1
	}
	return w.Evidence[i], i
}

// check finds what is wrong with wishes on their own.
func (w *Wishes) check() []Flaw {
	var out []Flaw
	bad := func(in string, i int, field, detail string) { out = append(out, Flaw{in, i, field, detail}) }
	seen := map[key]bool{}
	for i, r := range w.Requirements {
		k := key{r.Requirement, r.Country}
		switch {
		case seen[k]:
			bad("requirements", i, "requirement", "stands twice for one country")
		case r.Otherwise && (r.Country != "" || r.Option != ""):
			bad("requirements", i, "otherwise", "stands alone: what is given in another way is not asked for")
		case !r.Otherwise && r.Country == w.Country && r.Country != "":
			bad("requirements", i, "country", "is the portal's own: evidence crosses a border (Reg. 2018/1724 Art. 14(1))")
		}
		seen[k] = true
	}
	clear(seen)
	for i, e := range w.Evidence {
		k := key{e.Classification, e.Country}
		if seen[k] {
			bad("evidence", i, "evidence_type", "stands twice for one country")
		}
		seen[k] = true
		for _, a := range e.Associated {
			if !slices.Contains([]string{canon.RoleAnnex, canon.RoleReadable, canon.RoleTranslation}, a) {
				bad("evidence", i, "associated", "is not Annex, HumanReadableVersion or Translation (R-EDM-REQ-C119)")
			}
		}
	}
	return out
}
