package directory

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

// A zone is a name server on loopback, of another maker than the client.
type zone struct {
	address string

	mu      sync.Mutex
	records map[string]string // expression by lower-case name
	broken  bool
	asked   []string
}

func newZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{records: map[string]string{}}
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z.address = p.LocalAddr().String()
	s := &dns.Server{PacketConn: p, Handler: z}
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
	return z
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg)
	m.SetReply(q)
	name := strings.ToLower(q.Question[0].Name)
	expression, ok := z.records[name]
	switch {
	case z.broken:
		m.Rcode = dns.RcodeServerFailure
	case !ok:
		m.Rcode = dns.RcodeNameError
	default:
		m.Answer = []dns.RR{&dns.NAPTR{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeNAPTR, Class: dns.ClassINET, Ttl: 60},
			Order: 100, Preference: 10, Flags: "U", Service: "oots-cs", Regexp: expression, Replacement: "."}}
	}
	if q.Question[0].Qtype == dns.TypeNAPTR {
		z.asked = append(z.asked, name)
	}
	_ = w.WriteMsg(m) // the client says what it got
}

func (z *zone) set(name, expression string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = expression
}

func (z *zone) names() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]string(nil), z.asked...)
}

func TestLocate(t *testing.T) {
	const v2, v1 = "es.eb.v2.cs.testing.example.test.", "es.eb.v1.cs.testing.example.test."
	for _, tt := range []struct {
		name    string
		records map[string]string
		base    string // empty: a fault
		speaks  string
		code    canon.Code
		asked   int
	}{
		{"the newest", map[string]string{v2: "!.*!https://cs.example.test/eb/!", v1: "!.*!https://old.example.test/eb!"}, "https://cs.example.test/eb", "oots-cs:v2.0", "", 1},
		{"an older one", map[string]string{v1: "!^.*$!https://old.example.test/eb!"}, "https://old.example.test/eb", "oots-cs:v1.2,oots-cs:v1.0", "", 2},
		{"with the path of the interface", map[string]string{v2: "!.*!https://cs.example.test/eb/rest/search!"}, "https://cs.example.test/eb", "oots-cs:v2.0", "", 1},
		{"none", nil, "", "", canon.CodeDirectoryEmpty, 2},
		{"http", map[string]string{v2: "!.*!http://cs.example.test/eb!"}, "", "", canon.CodeDirectoryAnswer, 1},
		{"with a query", map[string]string{v2: "!.*!https://cs.example.test/eb?x=1!"}, "", "", canon.CodeDirectoryAnswer, 1},
		{"another expression", map[string]string{v2: "!^fi.*$!https://cs.example.test/eb!"}, "", "", canon.CodeDirectoryAnswer, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := newZone(t)
			for n, e := range tt.records {
				z.set(n, e)
			}
			r := newRig(t)
			c := r.client(t, func(c *Config) {
				c.Instances, c.Zone, c.Resolvers = nil, "example.test", []string{z.address}
				c.Versions = []answers.Edition{answers.Edition20, answers.Edition12, answers.Edition10}
			})
			for range 2 { // the second time it is known
				p, err := c.locate(bg, broker, "ES")
				if tt.code != "" {
					fault(t, err, tt.code, "")
				} else if err != nil {
					t.Fatal(err)
				}
				var speaks []string
				for _, e := range p.speaks {
					speaks = append(speaks, string(e))
				}
				if p.base != tt.base || strings.Join(speaks, ",") != tt.speaks {
					t.Errorf("got %s, %v", p.base, speaks)
				}
			}
			if n := z.names(); len(n) != tt.asked {
				t.Errorf("asked %v", n)
			}
		})
	}
}

// TestLocateAgain: what the DNS said holds for its term, and for longer when it is down.
func TestLocateAgain(t *testing.T) {
	z, r := newZone(t), newRig(t)
	z.set("fi.dsd.v2.cs.testing.example.test.", "!.*!"+r.server.URL+"/dsd!")
	c := r.client(t, func(c *Config) {
		c.Instances, c.Zone, c.Resolvers, c.DNSTry = nil, "example.test", []string{z.address}, time.Second
	})
	ask := func() error {
		_, err := c.DataServices(bg, canon.DataServicesQuery{Country: "FI", Classification: strings.Replace(birthES, "/ES/", "/FI/", 1)})
		return err
	}
	fault(t, ask(), canon.CodeDirectoryUnknown, "DSD:ERR:0002")
	z.mu.Lock()
	z.broken = true
	z.mu.Unlock()
	r.pass(time.Hour)
	fault(t, ask(), canon.CodeDirectoryUnknown, "DSD:ERR:0002")
	if d := cmp.Diff("fi.dsd.v2.cs.testing.example.test.", z.names()[0]); d != "" {
		t.Error(d)
	}
	if n := len(r.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}
