// Package choicetest has common services in memory for the tests of rooms that
// plan with them.
//
// It owns a Directory that answers from what a test enters. It owns no rule:
// connectors/directory asks the real ones. Before it: tests. After it: nobody.
package choicetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// A Directory answers from its fields. The zero value knows nothing.
type Directory struct {
	Procedures map[string][]canon.Requirement         // by procedure code
	Options    map[string][]canon.EvidenceOption      // by requirement and country, with a space between
	Services   map[string][]canon.DataService         // by classification and country
	Questions  map[string][]canon.Question            // by classification and country: asked before Services are told
	Among      func(canon.DataServicesQuery) []string // ids of providers that the answers lead to. Default: all
	Faults     map[string]error                       // by what was asked: a procedure, or as above

	Stale bool

	mu    sync.Mutex
	asked []string
}

// Asked lists the queries so far, without answers to questions.
func (d *Directory) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func (d *Directory) origin(what string) (canon.Origin, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, what)
	return canon.Origin{Stale: d.Stale, Provenance: canon.Provenance{
		Edition: "oots-cs:v2.0", Source: "https://cs.example", Query: what, At: time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC),
		Digest: fmt.Sprintf("sha256:%064x", len(what)), Signer: "CN=Common services (test)",
	}}, d.Faults[what]
}

// Requirements answers EB-1.
func (d *Directory) Requirements(_ context.Context, q canon.RequirementsQuery) (a canon.RequirementsAnswer, err error) {
	if a.Origin, err = d.origin(q.Procedure); err != nil {
		return a, err
	}
	for _, r := range d.Procedures[q.Procedure] {
		a.Requirements = append(a.Requirements, canon.DirectoryRequirement{Requirement: r})
	}
	if a.Requirements == nil {
		return a, canon.NewFault(canon.CodeDirectoryEmpty, nil, "nothing is entered for the procedure")
	}
	return a, nil
}

// EvidenceTypes answers EB-2.
func (d *Directory) EvidenceTypes(_ context.Context, q canon.EvidenceTypesQuery) (a canon.RequirementsAnswer, err error) {
	k := q.Requirement + " " + q.Country
	if a.Origin, err = d.origin(k); err != nil {
		return a, err
	}
	options, ok := d.Options[k]
	if !ok {
		return a, canon.NewFault(canon.CodeDirectoryEmpty, nil, "the country has entered nothing")
	}
	a.Requirements = []canon.DirectoryRequirement{{Requirement: canon.Requirement{ID: q.Requirement}, Options: options}}
	return a, nil
}

// DataServices answers the query of the directory of data services.
func (d *Directory) DataServices(_ context.Context, q canon.DataServicesQuery) (a canon.DataServicesAnswer, err error) {
	k := q.Classification + " " + q.Country
	if a.Origin, err = d.origin(k); err != nil {
		return a, err
	}
	services := d.Services[k]
	if qs := d.Questions[k]; len(q.Concepts) < len(qs) {
		a.Questions = qs
		a.EvidenceType = canon.EvidenceType{ID: services[0].EvidenceType.ID, Classification: q.Classification}
		return a, nil
	}
	for _, s := range services {
		if d.Among == nil || len(q.Concepts) == 0 {
			a.Services = append(a.Services, s)
			continue
		}
		for _, id := range d.Among(q) {
			if s.Provider.ID.ID == id {
				a.Services = append(a.Services, s)
			}
		}
	}
	return a, nil
}
