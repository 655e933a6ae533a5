package discovery_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// A zoneServer is a name server on loopback, UDP and TCP, of another maker than the
// client. hook may change or replace any answer.
type zoneServer struct {
	address string

	mu      sync.Mutex
	records map[string][]dns.RR // by lower-case name with dot
	names   map[string]bool     // that exist without records
	hook    func(w dns.ResponseWriter, q, answer *dns.Msg) bool
	asked   []string // network and name
	secure  bool     // answers are validated
}

func newZoneServer(t testing.TB) *zoneServer {
	t.Helper()
	z := &zoneServer{records: map[string][]dns.RR{}, names: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	z.address = l.Addr().String()
	for _, s := range []*dns.Server{{Listener: l}, {PacketConn: p}} {
		s.Handler = z
		started, done := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(started) }
		go func() { done <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			<-done
		})
	}
	return z
}

func (z *zoneServer) add(t testing.TB, record string) {
	t.Helper()
	rr, err := dns.NewRR(record)
	if err != nil {
		t.Fatal(err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(rr.Header().Name)
	z.records[name] = append(z.records[name], rr)
}

func (z *zoneServer) naptr(t testing.TB, name string, order, preference uint16, flags, service, expression string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	name = strings.ToLower(dns.Fqdn(name))
	z.records[name] = append(z.records[name], &dns.NAPTR{
		Hdr:   dns.RR_Header{Name: name, Rrtype: dns.TypeNAPTR, Class: dns.ClassINET, Ttl: 60},
		Order: order, Preference: preference, Flags: flags, Service: service,
		Regexp: strings.ReplaceAll(expression, `\`, `\\`), Replacement: ".",
	})
}

func (z *zoneServer) clear() {
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.records)
}

func (z *zoneServer) set(hook func(w dns.ResponseWriter, q, answer *dns.Msg) bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.hook = hook
}

func (z *zoneServer) validate() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.secure = true
}

func (z *zoneServer) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]string(nil), z.asked...)
}

// ServeDNS answers as a recursive resolver does: with the aliases and what is behind them.
func (z *zoneServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable, m.AuthenticatedData = true, z.secure && q.AuthenticatedData
	name := strings.ToLower(q.Question[0].Name)
	z.asked = append(z.asked, w.RemoteAddr().Network()+" "+name)
	found := z.names[name]
	for seen := map[string]bool{}; !seen[name]; {
		seen[name] = true
		next := ""
		for _, rr := range z.records[name] {
			found = true
			if c, ok := rr.(*dns.CNAME); ok {
				m.Answer, next = append(m.Answer, rr), strings.ToLower(c.Target)
			} else if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if next != "" {
			name = next
		}
	}
	if !found {
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 30}, Ns: "ns.test.", Mbox: "m.test.", Minttl: 20}}
	}
	if z.hook != nil && !z.hook(w, q, m) {
		return
	}
	_ = w.WriteMsg(m) // the client says what it got
}
