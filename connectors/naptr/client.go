package naptr

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	typeNAPTR = dnsmessage.Type(35)
	typeDNAME = dnsmessage.Type(39)

	udpSize    = 1232 // does not fragment (DNS flag day 2020)
	tcpSize    = 64<<10 - 1
	maxAnswers = 128
	maxHops    = 8 // aliases followed for one name
	maxStray   = 32
)

// Answers that have no records.
var (
	ErrNoName   = errors.New("there is no such name")
	ErrNoRecord = errors.New("the name has no NAPTR record")
	ErrInsecure = errors.New("the resolver did not validate the answer with DNSSEC")
	ErrLoop     = errors.New("the aliases of the name lead nowhere")
)

// A Client is a stub resolver for NAPTR records: it asks recursive resolvers. It is
// safe for concurrent use.
type Client struct {
	Servers []string      // Required. As CheckServer returns them.
	Try     time.Duration // Required. Of one question to one resolver.
	Random  io.Reader     // Required. Of ids.
	Secure  bool          // answers must have been validated by the resolver (AD bit), on a way that is trusted
}

// An Answer is what the resolvers say of one name.
type Answer struct {
	Records []Record
	Names   []string // the name asked for, and the aliases behind it
	Server  string
	Secure  bool // every answer had the AD bit
	TTL     time.Duration
}

// message is one checked response.
type message struct {
	header  dnsmessage.Header
	answers []resource
	minimum time.Duration // how long a negative answer holds
}

type resource struct {
	name   string
	typ    dnsmessage.Type
	ttl    time.Duration
	record Record
	target string
}

// Lookup returns the NAPTR records of a name, and follows aliases. An answer also
// comes with ErrNoName and ErrNoRecord, for how long it holds.
func (c *Client) Lookup(ctx context.Context, name string) (Answer, error) {
	a := Answer{Names: []string{name}, Secure: true, TTL: 1 << 62}
	at := strings.ToLower(name) + "."
	seen := map[string]bool{at: true}
	for range maxHops {
		m, server, err := c.ask(ctx, at)
		if err != nil {
			return a, err
		}
		a.Server = server
		a.Secure = a.Secure && m.header.AuthenticData
		if c.Secure && !a.Secure {
			return a, ErrInsecure
		}
		moved := false
		for { // along the aliases that came with the answer
			next, ttl, err := m.alias(at)
			if err != nil {
				return a, err
			}
			if next == "" {
				break
			}
			a.TTL = min(a.TTL, ttl)
			if seen[next] || len(seen) > maxHops {
				return a, ErrLoop
			}
			seen[next], at, moved = true, next, true
			a.Names = append(a.Names, strings.TrimSuffix(next, "."))
		}
		for _, r := range m.answers {
			if r.typ == typeNAPTR && r.name == at {
				a.Records = append(a.Records, r.record)
				a.TTL = min(a.TTL, r.ttl)
			}
		}
		switch {
		case len(a.Records) > 0:
			return a, nil
		case m.header.RCode == dnsmessage.RCodeNameError:
			a.TTL = min(a.TTL, m.minimum)
			return a, ErrNoName
		case !moved:
			a.TTL = min(a.TTL, m.minimum)
			return a, ErrNoRecord
		}
	}
	return a, ErrLoop
}

// alias returns where the name leads in this message, or "".
func (m *message) alias(name string) (string, time.Duration, error) {
	for _, r := range m.answers {
		if r.typ == dnsmessage.TypeCNAME && r.name == name {
			return r.target, r.ttl, nil
		}
	}
	for _, r := range m.answers { // a server should have made the CNAME of it (RFC 6672 3.1)
		if r.typ != typeDNAME {
			continue
		}
		if front, ok := strings.CutSuffix(name, "."+r.name); ok {
			next := front + "." + r.target
			if len(next) > 254 {
				return "", 0, ErrLoop
			}
			return next, r.ttl, nil
		}
	}
	return "", 0, nil
}

// ask asks the resolvers in turn, twice each, until one answers.
func (c *Client) ask(ctx context.Context, name string) (*message, string, error) {
	var last error
	for range 2 {
		for _, server := range c.Servers {
			m, err := c.exchange(ctx, server, name)
			if err == nil {
				return m, server, nil
			}
			if ctx.Err() != nil {
				return nil, server, fmt.Errorf("asking the DNS: %w", ctx.Err())
			}
			last = err
		}
	}
	return nil, "", last
}

// exchange asks one resolver over UDP, and over TCP what does not fit.
func (c *Client) exchange(ctx context.Context, server, name string) (*message, error) {
	query, id, err := c.query(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Try)
	defer cancel()
	m, err := c.overUDP(ctx, server, query, id, name)
	if err == nil && m.header.Truncated {
		m, err = c.overTCP(ctx, server, query, id, name)
	}
	if err != nil {
		return nil, fmt.Errorf("asking resolver %s: %w", server, err)
	}
	switch m.header.RCode {
	case dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError:
		return m, nil
	}
	return nil, fmt.Errorf("resolver %s answers %v", server, m.header.RCode)
}

// query makes the question. The AD bit asks for the AD bit (RFC 6840 5.7).
func (c *Client) query(name string) ([]byte, uint16, error) {
	var id [2]byte
	if _, err := io.ReadFull(c.Random, id[:]); err != nil {
		return nil, 0, fmt.Errorf("drawing an id: %w", err)
	}
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, 0, fmt.Errorf("making a question: %w", err)
	}
	var opt dnsmessage.ResourceHeader
	if err := opt.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false); err != nil {
		return nil, 0, fmt.Errorf("making a question: %w", err)
	}
	q := dnsmessage.Message{
		Header:      dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true, AuthenticData: true},
		Questions:   []dnsmessage.Question{{Name: n, Type: typeNAPTR, Class: dnsmessage.ClassINET}},
		Additionals: []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}},
	}
	b, err := q.Pack()
	if err != nil {
		return nil, 0, fmt.Errorf("making a question: %w", err)
	}
	return b, q.ID, nil
}

// overUDP sends from a port of its own and reads until the right answer comes: a wrong
// one may be somebody's guess.
func (c *Client) overUDP(ctx context.Context, server string, query []byte, id uint16, name string) (*message, error) {
	conn, err := dial(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing is buffered
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buf := make([]byte, 4<<10) // some servers send more than was asked for
	err = errors.New("no answer that fits the question")
	for range maxStray {
		n, readErr := conn.Read(buf)
		if readErr != nil {
			return nil, readErr
		}
		var m *message
		if m, err = readMessage(buf[:n], id, name); err == nil {
			return m, nil
		}
	}
	return nil, err
}

func (c *Client) overTCP(ctx context.Context, server string, query []byte, id uint16, name string) (*message, error) {
	conn, err := dial(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing is buffered
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, min(int(binary.BigEndian.Uint16(size[:])), tcpSize))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	m, err := readMessage(buf, id, name)
	if err == nil && m.header.Truncated {
		err = errors.New("an answer over TCP that is cut off")
	}
	return m, err
}

func dial(ctx context.Context, network, server string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			_ = conn.Close() // the error to tell is the first one
			return nil, err
		}
	}
	return conn, nil
}

// readMessage reads a response and checks that it answers the question: id, direction,
// opcode, and the question itself (RFC 5452 9.1).
func readMessage(b []byte, id uint16, name string) (*message, error) {
	var p dnsmessage.Parser
	m := &message{minimum: time.Minute}
	var err error
	if m.header, err = p.Start(b); err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	if m.header.ID != id || !m.header.Response || m.header.OpCode != 0 {
		return nil, errors.New("an answer to another question")
	}
	q, err := p.Question()
	if err != nil || q.Type != typeNAPTR || q.Class != dnsmessage.ClassINET || !strings.EqualFold(q.Name.String(), name) {
		return nil, errors.New("an answer to another question")
	}
	if _, err := p.Question(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return nil, errors.New("an answer to more than one question")
	}
	if m.header.Truncated {
		return m, nil // what came is asked for again
	}
	for {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading an answer: %w", err)
		}
		if len(m.answers) == maxAnswers {
			return nil, errors.New("an answer with too many records")
		}
		r, err := readResource(&p, h)
		if err != nil {
			return nil, fmt.Errorf("reading an answer: %w", err)
		}
		m.answers = append(m.answers, r)
	}
	m.readMinimum(&p)
	return m, nil
}

func readResource(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (resource, error) {
	r := resource{name: strings.ToLower(h.Name.String()), typ: h.Type, ttl: time.Duration(h.TTL) * time.Second}
	if h.TTL > 1<<31-1 { // counts as zero (RFC 2181 8)
		r.ttl = 0
	}
	if h.Class != dnsmessage.ClassINET {
		r.typ = 0
		return r, p.SkipAnswer()
	}
	switch h.Type {
	case dnsmessage.TypeCNAME:
		c, err := p.CNAMEResource()
		r.target = strings.ToLower(c.CNAME.String())
		return r, err
	case typeNAPTR, typeDNAME:
		u, err := p.UnknownResource()
		if err != nil {
			return r, err
		}
		if h.Type == typeNAPTR {
			r.record, err = readRecord(u.Data)
		} else {
			r.target, err = readName(u.Data)
			r.target = strings.ToLower(r.target)
		}
		return r, err
	}
	return r, p.SkipAnswer()
}

// readMinimum finds how long a negative answer holds (RFC 2308 5). Without an SOA it
// is a minute.
func (m *message) readMinimum(p *dnsmessage.Parser) {
	for range maxAnswers {
		h, err := p.AuthorityHeader()
		if err != nil {
			return
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return
			}
			continue
		}
		if soa, err := p.SOAResource(); err == nil {
			m.minimum = time.Duration(min(soa.MinTTL, h.TTL)) * time.Second
		}
		return
	}
}

// CheckServer reads the address of a resolver; the port is 53 where there is none.
func CheckServer(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 53).String(), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return "", fmt.Errorf("resolver %q is not an IP address, with or without a port", s)
	}
	return ap.String(), nil
}

// nameservers reads the resolvers of a resolv.conf.
func nameservers(conf string) []string {
	var out []string
	for line := range strings.Lines(conf) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(out) == 3 { // as many as the C library reads
			continue
		}
		if s, err := CheckServer(f[1]); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// SystemServers reads where the system resolves names.
func SystemServers() ([]string, error) {
	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("finding the system's resolvers: %w", err)
	}
	servers := nameservers(string(b))
	if len(servers) == 0 {
		return nil, errors.New("finding the system's resolvers: /etc/resolv.conf names none: set resolvers")
	}
	return servers, nil
}
