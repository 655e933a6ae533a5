package discovery_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/xmlsec"
)

// published is a rig whose publisher has the metadata of the participant.
func published(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.serve(path1, signed(t, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer))
	return r
}

// What the zone says decides what is asked next.
func TestDNS(t *testing.T) {
	name := func(t testing.TB) string { return queryName(t, peppolID(participant)) + "." }
	good := func(r *rig) string { return "!^.*$!" + r.smp.URL + "!" }
	for _, tt := range []struct {
		name    string
		zone    func(t testing.TB, r *rig)
		change  func(*discovery.Config)
		verdict discovery.Verdict // empty for success
		text    string
	}{
		{name: "found"},
		{name: "no name", zone: func(_ testing.TB, r *rig) { r.dns.clear() }, verdict: discovery.Unregistered, text: "no such name"},
		{name: "no record", zone: func(t testing.TB, r *rig) { r.dns.clear(); r.dns.add(t, name(t)+" 60 IN TXT hello") }, verdict: discovery.Unregistered, text: "no NAPTR record"},
		{name: "other service", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.naptr(t, name(t), 1, 1, "U", "meta:cppa3", good(r))
		}, verdict: discovery.Unregistered, text: "service"},
		{name: "other flag", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.naptr(t, name(t), 1, 1, "S", "Meta:SMP", good(r))
		}, verdict: discovery.Unregistered, text: "flag"},
		{name: "order before preference", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.naptr(t, name(t), 20, 1, "U", "Meta:SMP", "!.*!https://late.example.test!")
			r.dns.naptr(t, name(t), 10, 20, "U", "Meta:SMP", "!.*!https://later.example.test!")
			r.dns.naptr(t, name(t), 10, 10, "U", "Meta:SMP", good(r))
		}},
		{name: "a record that cannot be used gives way", zone: func(t testing.TB, r *rig) {
			r.dns.naptr(t, name(t), 1, 1, "U", "Meta:SMP", "!^x$!https://other.example.test!")
		}},
		{name: "only http", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.naptr(t, name(t), 1, 1, "U", "Meta:SMP", "!.*!http://smp.example.test!")
		}, verdict: discovery.Refused, text: "https"},
		{name: "alias", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.add(t, name(t)+" 60 IN CNAME smp.example.test.")
			r.dns.naptr(t, "smp.example.test.", 1, 1, "U", "Meta:SMP", good(r))
		}},
		{name: "alias without what is behind it", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.add(t, name(t)+" 60 IN CNAME SMP.example.test.")
			r.dns.naptr(t, "smp.example.test.", 1, 1, "U", "Meta:SMP", good(r))
			r.dns.set(func(_ dns.ResponseWriter, q, m *dns.Msg) bool {
				if strings.HasPrefix(strings.ToLower(q.Question[0].Name), "lmhb") {
					m.Answer = m.Answer[:1]
				}
				return true
			})
		}},
		{name: "DNAME without its CNAME", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			target := strings.ToLower(strings.Replace(name(t), zone, "other.test", 1))
			r.dns.naptr(t, target, 1, 1, "U", "Meta:SMP", good(r))
			r.dns.set(func(_ dns.ResponseWriter, q, m *dns.Msg) bool {
				if strings.HasSuffix(strings.ToLower(q.Question[0].Name), zone+".") {
					rr, _ := dns.NewRR(zone + ". 60 IN DNAME other.test.")
					m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, []dns.RR{rr}, nil
				}
				return true
			})
		}},
		{name: "alias to itself", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.add(t, name(t)+" 60 IN CNAME "+name(t))
		}, verdict: discovery.Refused, text: "aliases"},
		{name: "aliases in a ring", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.add(t, name(t)+" 60 IN CNAME a.test.")
			r.dns.add(t, "a.test. 60 IN CNAME b.test.")
			r.dns.add(t, "b.test. 60 IN CNAME a.test.")
		}, verdict: discovery.Refused, text: "aliases"},
		{name: "aliases without end", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(_ dns.ResponseWriter, q, m *dns.Msg) bool {
				rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN CNAME x" + q.Question[0].Name[1:])
				rr.(*dns.CNAME).Target = fmt.Sprintf("x%d.test.", time.Now().UnixNano())
				m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, []dns.RR{rr}, nil
				return true
			})
		}, verdict: discovery.Refused, text: "aliases"},
		{name: "alias to nothing", zone: func(t testing.TB, r *rig) {
			r.dns.clear()
			r.dns.add(t, name(t)+" 60 IN CNAME gone.test.")
			r.dns.set(func(_ dns.ResponseWriter, _, m *dns.Msg) bool { m.Rcode = dns.RcodeNameError; return true })
		}, verdict: discovery.Unregistered, text: "no such name"},
		{name: "server failure", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(_ dns.ResponseWriter, _, m *dns.Msg) bool {
				m.Rcode, m.Answer = dns.RcodeServerFailure, nil
				return true
			})
		}, verdict: discovery.Unreachable, text: "ServerFailure"},
		{name: "no answer", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(dns.ResponseWriter, *dns.Msg, *dns.Msg) bool { return false })
		}, change: func(c *discovery.Config) { c.DNSTry = 50 * time.Millisecond }, verdict: discovery.Unreachable, text: "timeout"},
		{name: "the second resolver answers", change: func(c *discovery.Config) {
			c.DNSTry = 100 * time.Millisecond
			c.Resolvers = append([]string{"127.0.0.1:1"}, c.Resolvers...)
		}},
		{name: "wrong id, then right", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(w dns.ResponseWriter, _, m *dns.Msg) bool {
				lie := m.Copy()
				lie.Id++
				lie.Answer[0].(*dns.NAPTR).Regexp = "!.*!https://evil.example.test!"
				return w.WriteMsg(lie) == nil
			})
		}},
		{name: "answer to another name", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(_ dns.ResponseWriter, _, m *dns.Msg) bool {
				m.Question[0].Name = "evil.test."
				return true
			})
		}, change: func(c *discovery.Config) { c.DNSTry = 50 * time.Millisecond }, verdict: discovery.Unreachable, text: "timeout"},
		{name: "record of another name", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(_ dns.ResponseWriter, _, m *dns.Msg) bool {
				m.Answer[0].Header().Name = "evil.test."
				return true
			})
		}, verdict: discovery.Unregistered, text: "no NAPTR"},
		{name: "a question, not an answer", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(_ dns.ResponseWriter, _, m *dns.Msg) bool { m.Response = false; return true })
		}, change: func(c *discovery.Config) { c.DNSTry = 50 * time.Millisecond }, verdict: discovery.Unreachable, text: "timeout"},
		{name: "cut off, then TCP", zone: func(t testing.TB, r *rig) {
			for i := range 60 {
				r.dns.naptr(t, name(t), 200, uint16(i), "U", "Meta:SMP", "!.*!https://smp.example.test/"+strings.Repeat("x", 100)+"!")
			}
			r.dns.set(truncate)
		}},
		{name: "cut off, also over TCP", zone: func(_ testing.TB, r *rig) {
			r.dns.set(func(_ dns.ResponseWriter, _, m *dns.Msg) bool { m.Truncated = true; return true })
		}, verdict: discovery.Unreachable, text: "cut off"},
		{name: "too many records", zone: func(t testing.TB, r *rig) {
			for i := range 200 {
				r.dns.naptr(t, name(t), 200, uint16(i), "U", "Meta:SMP", "!.*!https://smp.example.test!")
			}
			r.dns.set(truncate)
		}, verdict: discovery.Unreachable, text: "too many"},
		{name: "not validated", change: func(c *discovery.Config) { c.DNSSEC = true }, verdict: discovery.Refused, text: "DNSSEC"},
		{name: "validated", zone: func(_ testing.TB, r *rig) { r.dns.validate() }, change: func(c *discovery.Config) { c.DNSSEC = true }},
		{name: "absence not validated", zone: func(_ testing.TB, r *rig) { r.dns.clear() }, change: func(c *discovery.Config) { c.DNSSEC = true }, verdict: discovery.Refused, text: "DNSSEC"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := published(t)
			if tt.zone != nil {
				tt.zone(t, r)
			}
			_, _, err := resolve(t, r.resolver(t, tt.change))
			if tt.verdict == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if f := failure(t, err); f.Step != discovery.StepDNS || f.Verdict != tt.verdict || !strings.Contains(f.Error(), tt.text) {
				t.Errorf("got %s, %s, %v; want %s, %s", f.Step, f.Verdict, f, tt.verdict, tt.text)
			}
			if n := r.asked(path1); n != 0 {
				t.Errorf("the publisher was asked %d times", n)
			}
		})
	}
}

// truncate keeps UDP answers small as servers do.
func truncate(w dns.ResponseWriter, q, m *dns.Msg) bool {
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		m.Truncate(int(q.IsEdns0().UDPSize()))
	}
	return true
}

func TestTruncationUsesTCP(t *testing.T) {
	r := published(t)
	for i := range 60 {
		r.dns.naptr(t, queryName(t, peppolID(participant)), 200, uint16(i), "U", "Meta:SMP", "!.*!https://smp.example.test/"+strings.Repeat("x", 100)+"!")
	}
	r.dns.set(truncate)
	if _, _, err := resolve(t, r.resolver(t, nil)); err != nil {
		t.Fatal(err)
	}
	asked := r.dns.questions()
	if len(asked) != 2 || !strings.HasPrefix(asked[0], "udp ") || !strings.HasPrefix(asked[1], "tcp ") {
		t.Errorf("asked %v", asked)
	}
}

// The TTL of the answer is heeded, that of absence too, both up to those configured.
func TestAbsenceIsRemembered(t *testing.T) {
	r := published(t)
	r.dns.clear()
	res := r.resolver(t, nil)
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			r.pass(21 * time.Second) // the zone's minimum is 20 s
		}
		if _, _, err := resolve(t, res); err == nil {
			t.Fatal("found")
		}
		if got := len(r.dns.questions()); got != want {
			t.Errorf("after %d look-ups: %d questions, want %d", i+1, got, want)
		}
	}
}

// Many who ask the same ask once.
func TestLookupsAreMerged(t *testing.T) {
	r := published(t)
	var waiting = make(chan struct{})
	r.dns.set(func(dns.ResponseWriter, *dns.Msg, *dns.Msg) bool { <-waiting; return true })
	res := r.resolver(t, func(c *discovery.Config) { c.DNSTry = 5 * time.Second })
	done := make(chan error, 20)
	for range cap(done) {
		go func() {
			_, _, err := resolve(t, res)
			done <- err
		}()
	}
	close(waiting)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if q := r.dns.questions(); len(q) > 2 {
		t.Errorf("asked %d times", len(q))
	}
	if q := r.dns.questions(); !slices.ContainsFunc(q, func(s string) bool { return strings.HasPrefix(s, "udp lmhb") }) {
		t.Errorf("asked %v", q)
	}
}
