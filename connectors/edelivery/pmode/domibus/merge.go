package domibus

import (
	"fmt"
	"reflect"
	"slices"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
)

// merge puts together what differs in service and action only, and then what is
// the same in both directions.
func (m *mapper) merge() {
	var out []*agreed
	for _, a := range m.out {
		i := slices.IndexFunc(out, func(o *agreed) bool { return reflect.DeepEqual(o.apart(), a.apart()) })
		if i < 0 {
			out = append(out, a)
			continue
		}
		o := out[i]
		for _, s := range a.Services {
			o.Services = with(o.Services, s)
		}
		o.join(a)
	}
	var both []*agreed
	for _, a := range out {
		i := slices.IndexFunc(both, func(o *agreed) bool { return a.mirrors(o) })
		if i < 0 {
			both = append(both, a)
			continue
		}
		o := both[i]
		o.join(a)
		if a.Direction == pmode.Out {
			o.URL, o.Retry = a.URL, a.Retry
		}
		o.Direction = pmode.Both
	}
	m.out = both
}

func (a *agreed) join(b *agreed) {
	for _, l := range b.legs {
		if !slices.Contains(a.legs, l) {
			a.legs = append(a.legs, l)
		}
	}
	for _, p := range b.processes {
		if !slices.Contains(a.processes, p) {
			a.processes = append(a.processes, p)
		}
	}
}

// apart is the agreement without what may differ within one.
func (a *agreed) apart() agreed {
	b := *a
	b.Services, b.legs, b.processes = nil, nil, nil
	return b
}

// mirrors reports that two pushed agreements are one for both directions.
func (a *agreed) mirrors(o *agreed) bool {
	if a.Direction == o.Direction || a.Direction == pmode.Both || o.Direction == pmode.Both || a.MEP != o.MEP || a.MEP == pmode.Pull || a.Fetch != o.Fetch {
		return false
	}
	x, y := a.apart(), o.apart()
	x.Direction, x.URL, x.Retry = y.Direction, y.URL, y.Retry // of what comes in there is neither
	return reflect.DeepEqual(x, y) && reflect.DeepEqual(a.Services, o.Services)
}

// with adds a service, to another one where only the action differs.
func with(all []pmode.Service, s pmode.Service) []pmode.Service {
	for i := range all {
		o := all[i]
		o.Actions = s.Actions
		if reflect.DeepEqual(o, s) {
			all[i].Actions = append(all[i].Actions, s.Actions...)
			return all
		}
	}
	return append(all, s)
}

// name gives the agreements their names and the files of their certificates.
func (m *mapper) name() {
	count := map[string]int{}
	for _, a := range m.out {
		count[a.party]++
	}
	taken := map[string]bool{}
	for _, a := range m.out {
		n := a.party
		if count[a.party] > 1 {
			n = a.party + " " + a.processes[0]
			if a.Direction != pmode.Both {
				n += " " + string(a.Direction)
			}
		}
		for i, base := 2, n; taken[n]; i++ {
			n = fmt.Sprintf("%s %d", base, i)
		}
		taken[n] = true
		a.Name = n
		sign, encrypt := m.o.Certificates(a.party, a.Profile)
		a.Pinned = sign
		if a.Direction != pmode.In && !a.SignOnly {
			a.Encryption = encrypt
		}
		if a.MPC == ebms.DefaultMPC {
			a.MPC = ""
		}
	}
}
