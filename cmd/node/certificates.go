package node

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/pmode"
)

// The uses of a certificate.
const (
	useSign      = "sign"
	useEncrypt   = "encrypt" // and decrypt, where it is ours
	useTLS       = "tls"
	useAuthority = "authority" // vouches for others
)

const ownHolder = "own"

// A term is what expires together: the certificates of one holder for one use that
// follow each other. Of two that overlap, the end of the first is no event.
type term struct {
	holder string // own, or the name of a partner
	use    string
	detail string // kind of key, listener, or common name of an authority
}

// terms sorts the certificates of a table.
func terms(t *pmode.Table) map[term][]*x509.Certificate {
	out := map[term][]*x509.Certificate{}
	add := func(holder, use string, cs ...*x509.Certificate) {
		for _, c := range cs {
			if c == nil {
				continue
			}
			k := term{holder, use, string(keystore.KindOf(c))}
			if use == useAuthority {
				k.detail = c.Subject.CommonName
			}
			out[k] = append(out[k], c)
		}
	}
	own := t.Own()
	for _, i := range own.Signing {
		add(ownHolder, useSign, i.Certificate)
	}
	for _, d := range own.Decrypt {
		add(ownHolder, useEncrypt, d.Certificate)
	}
	for _, p := range t.Partners() {
		add(p.Name, useSign, slices.Concat(p.Trust.Pinned, p.Trust.Known)...)
		add(p.Name, useEncrypt, p.Encrypt...)
		add(p.Name, useTLS, p.TLS.Clients.Pinned...)
		add(p.Name, useAuthority, slices.Concat(p.Trust.Anchors, p.Trust.Intermediates, p.TLS.CA, p.TLS.Clients.CA)...)
		if p.TLS.Own != nil && p.TLS.Own.Leaf != nil {
			k := term{ownHolder, useTLS, p.Name}
			out[k] = append(out[k], p.TLS.Own.Leaf)
		}
	}
	return out
}

// listeners adds our TLS certificates, which the configuration names.
func (c *Config) listeners(to map[term][]*x509.Certificate) error {
	for name, file := range c.tlsFiles() {
		data, err := readPEM(c.path(file.cert))
		if err != nil {
			return fmt.Errorf("reading certificate of %s: %w", name, err)
		}
		chain, err := keystore.Certificates(data)
		if err != nil {
			return fmt.Errorf("reading certificate of %s: %s: %w", name, file.cert, err)
		}
		k := term{ownHolder, useTLS, name}
		to[k] = append(to[k], chain[0])
	}
	return nil
}

type tlsFile struct{ cert, key string }

// tlsFiles are the certificates of listeners and of clients to registers, by place.
func (c *Config) tlsFiles() map[string]tlsFile {
	out := map[string]tlsFile{}
	add := func(role, place string, s ServerConfig) {
		if s.Cert != "" && (role == "" || c.Has(role)) {
			out[place] = tlsFile{s.Cert, s.Key}
		}
	}
	add(RoleEDelivery, "edelivery", c.EDelivery.ServerConfig)
	add(RoleWeb, "api", c.API.ServerConfig)
	add(RoleWeb, "web", c.Web.ServerConfig)
	add("", "monitor", c.Monitor)
	if c.Has(RoleRegisters) {
		for name, e := range c.Registers {
			if e.Cert != "" {
				out["registers."+name] = tlsFile{e.Cert, e.Key}
			}
			if e.WSSE != nil && e.WSSE.SignCert != "" {
				out["registers."+name+".wsse"] = tlsFile{e.WSSE.SignCert, e.WSSE.SignKey}
			}
		}
	}
	return out
}

// until returns when no certificate of a term is valid any more, counted from now
// over those that follow each other without a gap. Where none is valid now, that is
// when the last one ended, or now if one is still to begin.
func until(cs []*x509.Certificate, now time.Time) time.Time {
	end := now
	for grown := true; grown; {
		grown = false
		for _, c := range cs {
			if !c.NotBefore.After(end) && c.NotAfter.After(end) {
				end, grown = c.NotAfter, true
			}
		}
	}
	if end.After(now) {
		return end
	}
	last := slices.MaxFunc(cs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	if last.After(now) {
		return now
	}
	return last
}

// expiry is a collector of gateway_certificate_expiry_seconds. It looks at the table
// in force whenever it is asked, so that it follows reloads.
type expiry struct {
	desc   *prometheus.Desc
	source pmode.Source // none without the role edelivery
	tls    map[term][]*x509.Certificate
	now    func() time.Time
}

var _ prometheus.Collector = (*expiry)(nil)

// Describe tells of the one metric.
func (e *expiry) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect measures every term. No label is a serial number or a subject but that of
// an authority: certificates of access points may name persons.
func (e *expiry) Collect(ch chan<- prometheus.Metric) {
	now := e.now()
	for k, cs := range e.terms() {
		ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, until(cs, now).Sub(now).Seconds(), k.holder, k.use, k.detail)
	}
}

func (e *expiry) terms() map[term][]*x509.Certificate {
	all := map[term][]*x509.Certificate{}
	if e.source != nil {
		all = terms(e.source.Table())
	}
	maps.Copy(all, e.tls)
	return all
}

// registerCertificates exports when certificates end: those of the table in force,
// and of our listeners as they were when the node started.
func registerCertificates(reg prometheus.Registerer, cfg *Config, source pmode.Source, now func() time.Time) (*expiry, error) {
	e := &expiry{
		desc: prometheus.NewDesc("gateway_certificate_expiry_seconds",
			"Seconds until no certificate of the holder (own or a partner) for the use is valid any more; below zero it has ended.",
			[]string{"holder", "use", "detail"}, nil),
		source: source, tls: map[term][]*x509.Certificate{}, now: now,
	}
	if err := cfg.listeners(e.tls); err != nil {
		return nil, err
	}
	if err := reg.Register(e); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return e, nil
}

// buildCertificates exports and logs when certificates end.
func (n *Node) buildCertificates(context.Context) error {
	e, err := registerCertificates(n.reg, n.cfg, n.pmodes, time.Now)
	if err != nil {
		return err
	}
	n.work = append(n.work, func(ctx context.Context) error { return e.watch(ctx, n.log) })
	return nil
}

// thresholds are the days before an end at which it is logged.
var thresholds = []int{60, 30, 14, 7, 1}

const day = 24 * time.Hour

// A notice is one line of the log: an end that comes near, or is over.
type notice struct {
	term
	end time.Time
}

// due returns what is to be logged now: each term once for every threshold that it
// has passed since it was last logged, and every day once it has ended. logged keeps
// what was said; the caller owns it.
func due(all map[term][]*x509.Certificate, logged map[term]said, now time.Time) []notice {
	var out []notice
	for k, cs := range all {
		end := until(cs, now)
		band := bandOf(end.Sub(now))
		last, ok := logged[k]
		if !ok {
			last.band = len(thresholds) + 2 // none yet
		}
		switch {
		case band > len(thresholds):
			delete(logged, k) // far away, or renewed
			continue
		case band >= last.band && (band > 0 || now.Sub(last.at) < day):
			continue
		}
		logged[k] = said{band, now}
		out = append(out, notice{k, end})
	}
	for k := range logged {
		if _, ok := all[k]; !ok {
			delete(logged, k)
		}
	}
	slices.SortFunc(out, func(a, b notice) int {
		return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.holder, b.holder), cmp.Compare(a.use, b.use), cmp.Compare(a.detail, b.detail))
	})
	return out
}

// said is when a term was logged, and in which band: the nearer its end, the smaller.
type said struct {
	band int
	at   time.Time
}

// bandOf returns 0 for what is over, len(thresholds)+1 for what is far away.
func bandOf(left time.Duration) int {
	if left <= 0 {
		return 0
	}
	band := len(thresholds) + 1
	for i, days := range thresholds {
		if left <= time.Duration(days)*day {
			band = len(thresholds) - i
		}
	}
	return band
}

// watch logs ends that come near until ctx is done. What is near when a node starts
// is logged then.
func (e *expiry) watch(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	logged := map[term]said{}
	for {
		for _, n := range due(e.terms(), logged, e.now()) {
			attrs := []any{"holder", n.holder, "use", n.use, "detail", n.detail, "end", n.end.UTC().Format(time.RFC3339)}
			if left := n.end.Sub(e.now()); left > 0 {
				log.WarnContext(ctx, "a certificate ends soon and has no successor", append(attrs, "days", int(left/day))...)
			} else {
				log.ErrorContext(ctx, "no certificate is valid", attrs...)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
