package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/revocation"
)

// directories checks that what the node writes can be written.
func (d *doctor) directories(t *pmode.Table) {
	temp := d.c.path(d.c.Payloads.Temp)
	if temp == "" {
		temp = os.TempDir()
	}
	var largest int64 = 128 << 20
	if t != nil {
		for _, p := range t.Partners() {
			largest = max(largest, p.Limits.Message)
		}
	}
	d.directory("payloads.temp", temp, 2*largest) // what came, and what it says in the clear
	for place, dir := range map[string]string{"audit.dir": d.c.Audit.Dir, "payloads.dir": d.c.Payloads.Dir, "embedded.data": d.c.Embedded.Data} {
		if dir != "" {
			d.directory(place, d.c.path(dir), 1<<30)
		}
	}
}

// writable asks access(2) for write and search.
const writable = 0x2 | 0x1

func (d *doctor) directory(place, dir string, need int64) {
	at := dir
	for {
		// The node makes what is missing.
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	if err := syscall.Access(at, writable); err != nil {
		d.fail("directories", place, "let the user of the gateway write into it", "%s: %v", at, err)
		return
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(at, &fs); err != nil {
		d.fail("directories", place, "", "%s: %v", at, err)
		return
	}
	free := int64(fs.Bavail) * fs.Bsize //nolint:gosec // no file system has 2^63 bytes
	switch {
	case free < need:
		d.fail("directories", place, "free some space, or lower limits.message of the agreements", "%s has %s free, and the largest message may need %s", dir, size(free), size(need))
	case free < 4*need:
		d.warn("directories", place, "free some space", "%s has %s free: four of the largest messages at once would fill it", dir, size(free))
	default:
		d.ok("directories", place, "%s: %s free", dir, size(free))
	}
}

func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// engines asks the log and the memory, and compares the memory's clock with ours.
func (d *doctor) engines(ctx context.Context) {
	n := newNode(d.c, Options{Embedded: d.Embedded})
	defer n.Close()
	if d.Embedded {
		a, ok := serving(n.opt.Data)
		if !ok {
			d.ok("kafka and redis", n.opt.Data, "are part of the process that serves, which does not run")
			return
		}
		n.eng = a
	}
	within := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, d.Timeout)
		defer cancel()
		return f(ctx)
	}
	err := within(func(ctx context.Context) error {
		if err := n.openLog(ctx); err != nil {
			return err
		}
		return n.cluster.Ping(ctx)
	})
	if err != nil {
		d.fail("kafka", strings.Join(d.c.Kafka.Brokers, ", "), "check address, kafka.tls, kafka.ca and kafka.sasl, and that the broker runs", "%v", err)
	} else {
		d.ok("kafka", strings.Join(d.c.Kafka.Brokers, ", "), "answers")
		_ = within(func(ctx context.Context) error { d.directoryRoutes(ctx, n); return nil })
	}
	var skew time.Duration
	err = within(func(ctx context.Context) error {
		if err := n.openMemory(ctx); err != nil {
			return err
		}
		before := time.Now()
		at, err := n.redis.Time(ctx).Result()
		if err == nil {
			skew = at.Sub(before.Add(time.Since(before) / 2))
		}
		return err
	})
	switch {
	case err != nil:
		d.fail("redis", d.c.Redis.Address, "check address, redis.user, redis.password_file, redis.tls and redis.ca, and that the server runs", "%v", err)
	case skew.Abs() > 2*time.Second:
		d.warn("redis", d.c.Redis.Address, "let both keep the time (NTP)", "answers, but its clock differs by %s", skew.Round(time.Millisecond))
	default:
		d.ok("redis", d.c.Redis.Address, "answers; clocks agree")
	}
}

// lists looks at the CRLs of all agreements, each source once; those at addresses only
// with Network.
func (d *doctor) lists(ctx context.Context, t *pmode.Table) {
	seen := map[string]bool{}
	for _, p := range t.Partners() {
		c, ok := p.Trust.Revocation.(*revocation.Checker)
		if !ok {
			continue
		}
		say := d.warn
		if p.Revocation.Mode == revocation.Hard {
			say = d.fail
		}
		for _, l := range c.Lists(ctx, d.Network, d.now) {
			key := l.Source + "\n" + l.Issuer
			if seen[key] {
				continue
			}
			seen[key] = true
			switch {
			case l.Fault != nil:
				say("revocation", l.Source, "fetch the CRL anew", "%v", l.Fault)
			case d.now.After(l.NextUpdate), d.now.Before(l.ThisUpdate.Add(-5 * time.Minute)):
				say("revocation", l.Source, "fetch the CRL anew", "CRL of %q is good from %s to %s", l.Issuer, l.ThisUpdate.UTC().Format(time.RFC3339), l.NextUpdate.UTC().Format(time.RFC3339))
			default:
				d.ok("revocation", l.Source, "CRL of %q is good until %s", l.Issuer, l.NextUpdate.UTC().Format(time.RFC3339))
			}
		}
	}
}

// partners connects to the addresses of the agreements, as the sender would, and sends
// nothing.
func (d *doctor) partners(ctx context.Context, t *pmode.Table) {
	anchors, err := d.c.pool(d.c.EDelivery.CA)
	if err != nil {
		d.fail("network", "edelivery.ca", "", "%v", err)
		return
	}
	var mu sync.Mutex
	var found []Finding
	var g errgroup.Group
	g.SetLimit(16)
	for _, p := range t.Partners() {
		if p.URL == "" {
			continue
		}
		g.Go(func() error {
			f := d.reach(ctx, p, anchors)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, f)
			return nil
		})
	}
	_ = g.Wait() // reach has its own words
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Place, b.Place) })
	d.findings = append(d.findings, found...)
}

func (d *doctor) reach(ctx context.Context, p *pmode.Partner, anchors *x509.CertPool) Finding {
	f := Finding{State: FindingFail, Check: "network", Place: p.Name}
	u, err := url.Parse(p.URL)
	if err != nil || u.Hostname() == "" {
		f.Text = "url of the agreement cannot be read"
		return f
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // the name of the service is its port
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		f.Text, f.Remedy = fmt.Sprintf("name does not resolve: %v", err), "check the url of the agreement and the resolver of this host"
		return f
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		f.Text, f.Remedy = fmt.Sprintf("no connection: %v", err), "check firewalls here and at the partner, and whether its access point runs"
		return f
	}
	defer conn.Close()
	if u.Scheme == "http" {
		f.State, f.Text = FindingOK, fmt.Sprintf("connected to one of %d addresses, without TLS", len(addresses))
		return f
	}
	if len(p.TLS.CA) > 0 {
		anchors = x509.NewCertPool()
		for _, c := range p.TLS.CA {
			anchors.AddCert(c)
		}
	}
	conf := edelivery.ClientTLS(anchors, p.TLS.Own)
	conf.ServerName, conf.MinVersion = u.Hostname(), max(conf.MinVersion, p.TLS.Min)
	if p.TLS.ServerName != "" {
		conf.ServerName = p.TLS.ServerName
	}
	client := tls.Client(conn, conf)
	if err := client.HandshakeContext(ctx); err != nil {
		f.Text, f.Remedy = fmt.Sprintf("no TLS: %v", err), "check tls.ca, tls.server_name and tls.certificate of the agreement"
		return f
	}
	state := client.ConnectionState()
	end := state.PeerCertificates[0].NotAfter
	if end.Sub(d.now) <= 14*day {
		f.State, f.Remedy = FindingWarn, "ask the partner to renew the certificate of its server"
		f.Text = fmt.Sprintf("connected, but the server's certificate ends on %s", end.UTC().Format(time.DateOnly))
		return f
	}
	f.State, f.Text = FindingOK, fmt.Sprintf("%s with %s; the server's certificate ends on %s", tls.VersionName(state.Version), conf.ServerName, end.UTC().Format(time.DateOnly))
	return f
}
