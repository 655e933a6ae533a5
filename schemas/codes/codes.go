// Package codes publishes code lists of the Once-Only Technical System as data:
// procedures, countries, languages, levels of assurance. What only the codec of
// a protocol needs, such as its error codes, stays with the codec.
//
// It owns the lists and their lookup; an unknown code is answered with false,
// never with a guess, and codes are compared exactly (TDD: case matters). It does
// not decide what follows from a code. Before it: nobody; it imports the standard
// library only. After it: the readers of messages, the core, the pages.
package codes

import (
	"bytes"
	"embed"
	"encoding/json"
	"slices"
	"sync"
)

//go:embed *.json
var files embed.FS

// A Procedure is one of list Procedures.
type Procedure struct {
	Code      string `json:"code"`
	LifeEvent string `json:"lifeEvent"`
	Title     string `json:"title"`             // English, short
	Edition   string `json:"edition"`           // of the list in which it came up: 2022-12 or 2.0
	AnnexII   string `json:"annexII,omitempty"` // key of its row in Annex II of Reg. (EU) 2018/1724
	Test      bool   `json:"test,omitempty"`    // to be refused outside test environments
}

// A Country takes part in the exchange. Greece is EL; EU stands for a body of
// the Union.
type Country struct {
	Code string `json:"code"`
	Name string `json:"name"` // English
}

// A Language is an official language of the Union, or of Iceland or Norway.
type Language struct {
	Code string `json:"code"` // ISO 639-1, upper case
	Name string `json:"name"` // in the language itself
}

// An Assurance is a level of assurance of an electronic identification means.
type Assurance struct {
	Code string `json:"code"`
	Rank int    `json:"rank"` // higher is better
}

var (
	procedures = list[Procedure]("procedures.json")
	countries  = list[Country]("countries.json")
	languages  = list[Language]("languages.json")
	assurances = list[Assurance]("assurance.json")
)

// list reads an embedded list at its first use. What cannot be read is a broken
// program; a test reads them all.
func list[T any](name string) func() []T {
	return sync.OnceValue(func() []T {
		data, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		var out []T
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&out); err != nil {
			panic("code list " + name + ": " + err.Error())
		}
		return out
	})
}

func find[T any](rows []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(rows, is); i >= 0 {
		return rows[i], true
	}
	var none T
	return none, false
}

// Procedures lists all procedures.
func Procedures() []Procedure { return slices.Clone(procedures()) }

// ProcedureOf returns the procedure of a code.
func ProcedureOf(code string) (Procedure, bool) {
	return find(procedures(), func(p Procedure) bool { return p.Code == code })
}

// Countries lists all countries.
func Countries() []Country { return slices.Clone(countries()) }

// CountryOf returns the country of a code.
func CountryOf(code string) (Country, bool) {
	return find(countries(), func(c Country) bool { return c.Code == code })
}

// Languages lists the languages.
func Languages() []Language { return slices.Clone(languages()) }

// LanguageOf returns the language of a code.
func LanguageOf(code string) (Language, bool) {
	return find(languages(), func(l Language) bool { return l.Code == code })
}

// AssuranceOf returns the level of a code.
func AssuranceOf(code string) (Assurance, bool) {
	return find(assurances(), func(a Assurance) bool { return a.Code == code })
}

// Meets reports whether level have is at least level want. It is false where
// either is unknown.
func Meets(have, want string) bool {
	h, ok1 := AssuranceOf(have)
	w, ok2 := AssuranceOf(want)
	return ok1 && ok2 && h.Rank >= w.Rank
}
