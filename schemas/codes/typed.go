package codes

import (
	"errors"
	"slices"
)

// A Procedure is one of list Procedures.
type Procedure struct {
	Code      string
	Title     string // English, short
	LifeEvent string
	Basis     Basis
}

// Test reports whether the procedure exists for tests only. It is to be refused
// outside test environments.
func (p Procedure) Test() bool { return p.Basis.Kind == BasisTest }

// A Basis is the provision under which evidence may be exchanged for a procedure
// (Reg. (EU) 2018/1724 Art. 14(1) and (10)).
type Basis struct {
	Kind      BasisKind `json:"kind"`
	Act       string    `json:"act"`       // its usual short name
	Provision string    `json:"provision"` // within the act; may be empty
}

// A BasisKind says by what way a procedure is in scope. Its zero value is invalid.
type BasisKind string

// The kinds of basis.
const (
	BasisAnnexII   BasisKind = "annex-ii"  // one of the 21 of Annex II
	BasisDirective BasisKind = "directive" // one of the four directives of Art. 14(1)
	BasisUnionAct  BasisKind = "union-act" // another act that integrates the procedure, Art. 14(10)
	BasisTest      BasisKind = "test"      // none: a system check
)

// Directives lists the four directives of Art. 14(1) as a Basis names them.
func Directives() []string {
	return []string{"Directive 2005/36/EC", "Directive 2006/123/EC", "Directive 2014/24/EU", "Directive 2014/25/EU"}
}

func (b *Basis) check() error {
	switch {
	case b == nil:
		return errors.New("a procedure names its basis")
	case len(b.Act) > maxText || len(b.Provision) > maxText:
		return errors.New("basis is too long")
	}
	switch b.Kind {
	case BasisAnnexII:
		if b.Act != "Regulation (EU) 2018/1724" || b.Provision == "" {
			return errors.New("basis annex-ii is Regulation (EU) 2018/1724 and names the row")
		}
	case BasisDirective:
		if !slices.Contains(Directives(), b.Act) {
			return errors.New("basis directive is one of the four of Article 14(1)")
		}
	case BasisUnionAct:
		if b.Act == "" {
			return errors.New("basis union-act names the act")
		}
	case BasisTest:
	default:
		return errors.New("basis kind is annex-ii, directive, union-act or test")
	}
	return nil
}

func (b *Basis) value() Basis {
	if b == nil {
		return Basis{}
	}
	return *b
}

// A Country takes part in the exchange. Greece is EL; EU stands for a body of
// the Union.
type Country struct {
	Code string
	Name string // English
}

// A Language is an official language of the Union, or of Iceland or Norway.
type Language struct {
	Code string // ISO 639-1, upper case
	Name string // in the language itself
}

// An Assurance is a level of assurance of an electronic identification means.
type Assurance struct {
	Code string
	Rank int // higher is better
}

// all returns the newest row of every code of a list, in its order.
func all[T any](l *Lists, name string, as func(row) T) []T {
	list, _ := l.List(name)
	var out []T
	for _, code := range list.Codes() {
		r, _ := list.find(code)
		out = append(out, as(r))
	}
	return out
}

func one[T any](l *Lists, name, code string, as func(row) T) (T, bool) {
	list, _ := l.List(name)
	if r, ok := list.find(code); ok {
		return as(r), true
	}
	var none T
	return none, false
}

func asProcedure(r row) Procedure { return Procedure{r.Code, r.Name, r.LifeEvent, r.Basis.value()} }
func asCountry(r row) Country     { return Country{r.Code, r.Name} }
func asLanguage(r row) Language   { return Language{r.Code, r.Name} }
func asAssurance(r row) Assurance { return Assurance{r.Code, r.Rank} }

// Procedures lists all procedures.
func (l *Lists) Procedures() []Procedure { return all(l, "Procedures", asProcedure) }

// Procedure returns the procedure of a code.
func (l *Lists) Procedure(code string) (Procedure, bool) {
	return one(l, "Procedures", code, asProcedure)
}

// Countries lists the countries that take part.
func (l *Lists) Countries() []Country { return all(l, "OOTSCountries", asCountry) }

// Country returns the country of a code that takes part.
func (l *Lists) Country(code string) (Country, bool) {
	return one(l, "OOTSCountries", code, asCountry)
}

// Languages lists the official languages.
func (l *Lists) Languages() []Language { return all(l, "OfficialLanguages", asLanguage) }

// Language returns the official language of a code.
func (l *Lists) Language(code string) (Language, bool) {
	return one(l, "OfficialLanguages", code, asLanguage)
}

// Assurance returns the level of a code.
func (l *Lists) Assurance(code string) (Assurance, bool) {
	return one(l, "LevelsOfAssurance", code, asAssurance)
}

// Meets reports whether level have is at least level want. It is false where
// either is unknown.
func (l *Lists) Meets(have, want string) bool {
	h, ok1 := l.Assurance(have)
	w, ok2 := l.Assurance(want)
	return ok1 && ok2 && h.Rank >= w.Rank
}

// Procedures lists the published procedures.
func Procedures() []Procedure { return Default().Procedures() }

// ProcedureOf returns the published procedure of a code.
func ProcedureOf(code string) (Procedure, bool) { return Default().Procedure(code) }

// Countries lists the countries that take part.
func Countries() []Country { return Default().Countries() }

// CountryOf returns the country of a code that takes part.
func CountryOf(code string) (Country, bool) { return Default().Country(code) }

// Languages lists the official languages.
func Languages() []Language { return Default().Languages() }

// LanguageOf returns the official language of a code.
func LanguageOf(code string) (Language, bool) { return Default().Language(code) }

// AssuranceOf returns the level of a code.
func AssuranceOf(code string) (Assurance, bool) { return Default().Assurance(code) }

// Meets reports whether level have is at least level want. It is false where
// either is unknown.
func Meets(have, want string) bool { return Default().Meets(have, want) }
