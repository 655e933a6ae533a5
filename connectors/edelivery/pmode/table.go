package pmode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// A Source has the table that is in force. Whoever works on one message asks once
// and keeps what it got: the next message may see another table.
type Source interface{ Table() *Table }

// A Table holds our side and all partners. It does not change: a new
// configuration is a new table. What a message needs is found by hash.
type Table struct {
	own     Own
	list    []*Partner                       // in the order of the file
	parties map[canon.Participant][]*Partner // in the order of the file
	names   map[string]*Partner
	pullers map[string]*Partner
	ids     map[string][]*Partner // by folded party id: for the diagnosis only
}

var _ Source = (*Table)(nil)

// New checks everything, reports all faults at once, and fills in defaults.
func New(own Own, partners []Partner) (*Table, error) {
	t, problems := build(own, partners, time.Time{})
	var faults []error
	for _, p := range problems {
		if !p.warning {
			faults = append(faults, errors.New(p.in(partners)))
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("checking agreements: %w", errors.Join(faults...))
	}
	return t, nil
}

// build makes the table and says everything that is wrong with it. Certificates
// are judged at now; a zero now judges none.
func build(own Own, partners []Partner, now time.Time) (*Table, []problem) {
	t := &Table{
		own: own.withDefaults(), list: make([]*Partner, 0, len(partners)),
		parties: make(map[canon.Participant][]*Partner, len(partners)), names: make(map[string]*Partner, len(partners)),
		pullers: map[string]*Partner{}, ids: make(map[string][]*Partner, len(partners)),
	}
	problems := t.own.check(now)
	for i := range partners {
		p := partners[i].withDefaults(&t.own)
		found := p.check(t, now)
		for n := range found {
			found[n].partner = i
		}
		problems = append(problems, found...)
		t.list = append(t.list, &p)
		t.parties[p.Party.ID] = append(t.parties[p.Party.ID], &p)
		id := strings.ToLower(p.Party.ID.ID)
		t.ids[id] = append(t.ids[id], &p)
		if t.names[p.Name] == nil {
			t.names[p.Name] = &p
		}
		if p.MEP == Pull && t.pullers[p.MPC] == nil {
			t.pullers[p.MPC] = &p
		}
	}
	return t, problems
}

func (o Own) withDefaults() Own {
	if o.Party.Role == "" {
		o.Party.Role = OOTSRole
	}
	if len(o.Signing) == 0 && o.Sign.Certificate != nil {
		o.Signing = []wssec.Identity{o.Sign}
	} else if len(o.Signing) > 0 {
		o.Sign = o.Signing[0]
	}
	return o
}

// Table returns t: a table is the source of itself.
func (t *Table) Table() *Table { return t }

// Own returns our side.
func (t *Table) Own() *Own { return &t.own }

// Partners returns all partners, sorted by name.
func (t *Table) Partners() []*Partner {
	return slices.SortedFunc(slices.Values(t.list), func(a, b *Partner) int { return strings.Compare(a.Name, b.Name) })
}

// Named returns the partner with this name.
func (t *Table) Named(name string) (*Partner, bool) {
	p, ok := t.names[name]
	return p, ok
}

// Puller returns the partner that pulls our messages from this partition.
func (t *Table) Puller(mpc string) (*Partner, bool) {
	p, ok := t.pullers[mpc]
	return p, ok
}

// Fetched returns the partners whose messages we pull, in the order of the file.
func (t *Table) Fetched() []*Partner {
	var out []*Partner
	for _, p := range t.list {
		if p.Fetch.Every > 0 {
			out = append(out, p)
		}
	}
	return out
}

// AsksClients reports whether an agreement wants client certificates, so that the
// server must ask for one.
func (t *Table) AsksClients() bool {
	return slices.ContainsFunc(t.list, func(p *Partner) bool { return !p.TLS.Clients.None() })
}

// Identity returns the identity that signs for this partner at the given time: the
// first of ours that is valid and has a key of the agreement's profile.
func (t *Table) Identity(p *Partner, now time.Time) (wssec.Identity, error) {
	return p.Profile.Signer(t.own.Signing, now)
}

// Outbound returns the agreement for sending the action to the party, and the
// service that it belongs to. Of several the first in the file is taken.
func (t *Table) Outbound(to canon.Participant, action string) (*Partner, ebms.Service, error) {
	for _, p := range t.parties[to] {
		if !p.sends() {
			continue
		}
		for _, s := range p.Services {
			if slices.Contains(s.Actions, action) {
				return p, s.Service, nil
			}
		}
	}
	return nil, ebms.Service{}, canon.NewFault(canon.CodeNoAgreement, nil, "no agreement to send %s to %s", action, to)
}

// sends reports whether our messages can reach the partner.
func (p *Partner) sends() bool { return p.Direction != In && (p.URL != "" || p.MEP == Pull) }

// Verifier returns the checker of this partner's certificates.
func (p *Partner) Verifier() *wssec.Verifier { return p.verifier }
