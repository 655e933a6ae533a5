package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"oncegate/connectors/edelivery/keystore"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/revocation"
	"oncegate/connectors/edelivery/wssec"
)

// States of a finding.
const (
	FindingOK   = "ok"
	FindingWarn = "warn" // works today
	FindingFail = "fail"
)

// A Finding is what one check of a deployment found.
type Finding struct {
	State  string `json:"state"`
	Check  string `json:"check"`
	Place  string `json:"place"` // key of the configuration, file, or partner
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// Examination says how a deployment is examined.
type Examination struct {
	Embedded bool             // broker and memory run in the process that serves
	Network  bool             // partners and servers of authorities are asked too
	Now      func() time.Time // Required
	Timeout  time.Duration    // Default 5s. Of each connection
}

// Examine checks a deployment without changing it. It opens connections to the log and
// the memory, and to others only if asked to; it handles no message. Partners whose
// certificates are in order are counted, not listed.
func (c *Config) Examine(ctx context.Context, x Examination) []Finding {
	if x.Timeout == 0 {
		x.Timeout = 5 * time.Second
	}
	x.Embedded = x.Embedded || c.Embedded.Data != ""
	d := &doctor{c: c, Examination: x, now: x.Now()}
	d.configuration()
	d.secrets()
	d.exchangeLog()
	d.directoryTrust()
	table := d.agreements(ctx)
	d.pmodes = table
	d.listeners()
	d.directories(table)
	d.clock(table)
	d.engines(ctx)
	if table != nil {
		d.certificates(table)
		d.lists(ctx, table)
		if x.Network {
			d.partners(ctx, table)
		}
	}
	return d.findings
}

type doctor struct {
	Examination
	c        *Config
	now      time.Time
	pmodes   *pmode.Table // nil where there are none that are good
	findings []Finding
}

func (d *doctor) ok(check, place, text string, args ...any) {
	d.findings = append(d.findings, Finding{FindingOK, check, place, fmt.Sprintf(text, args...), ""})
}

func (d *doctor) warn(check, place, remedy, text string, args ...any) {
	d.findings = append(d.findings, Finding{FindingWarn, check, place, fmt.Sprintf(text, args...), remedy})
}

func (d *doctor) fail(check, place, remedy, text string, args ...any) {
	d.findings = append(d.findings, Finding{FindingFail, check, place, fmt.Sprintf(text, args...), remedy})
}

// each calls f for the errors that were joined.
func each(err error, f func(error)) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			each(e, f)
		}
	} else if err != nil {
		f(err)
	}
}

func (d *doctor) configuration() {
	err := d.c.Validate(d.Embedded)
	if err == nil {
		// P-Modes are looked at with their places below.
		without := *d.c
		without.Roles = slices.DeleteFunc(AllRoles(), func(r string) bool { return r == RoleEDelivery || !d.c.Has(r) })
		if len(without.Roles) > 0 {
			err = without.Check(d.Embedded)
		}
	}
	if err == nil {
		d.ok("configuration", "", "is sound")
	}
	each(err, func(e error) {
		if strings.HasSuffix(e.Error(), "chmod 600 it") {
			return // said below, with all others
		}
		place, text, ok := strings.Cut(e.Error(), ": ")
		if !ok {
			place, text = "", e.Error()
		}
		d.fail("configuration", place, "see deploy/oncegate.yaml, which explains every key", "%s", text)
	})
	if d.c.Has(RoleWeb) && d.c.Web.Privacy == "" {
		d.warn("configuration", "web.privacy_url", "publish a privacy notice and name its address here",
			"people at the preview are not told how their data are processed (GDPR Art. 13 and 14)")
	}
}

// secretFiles are the files that only their owner may read, by their place.
func (c *Config) secretFiles() map[string]string {
	out := map[string]string{
		"keys.ticket": c.Keys.Ticket, "keys.session": c.Keys.Session, "kafka.sasl.password_file": c.Kafka.SASL.PasswordFile,
		"redis.password_file": c.Redis.PasswordFile, "web.eid.client_secret_file": c.Web.EID.ClientSecret,
	}
	for i, k := range c.Keys.Wrap {
		out[fmt.Sprintf("keys.wrap[%d].file", i)] = k.File
	}
	for i, p := range c.API.Portals {
		out[fmt.Sprintf("api.portals[%d].webhook_secret_file", i)] = p.WebhookSecret
	}
	for name, r := range c.Registers {
		for _, f := range r.Files() {
			if f.Secret {
				out["registers."+name+"."+f.Key] = f.Name
			}
		}
	}
	for place, f := range c.tlsFiles() {
		key := place + ".tls_key"
		switch {
		case strings.HasPrefix(place, "registers.") && strings.HasSuffix(place, ".wsse"):
			key = place + ".sign_key"
		case strings.HasPrefix(place, "registers."):
			key = place + ".client_key"
		}
		out[key] = f.key
	}
	maps.DeleteFunc(out, func(_, name string) bool { return name == "" })
	return out
}

func (d *doctor) secrets() {
	all := d.c.secretFiles()
	good := 0
	for _, place := range slices.Sorted(maps.Keys(all)) {
		path := d.c.path(all[place])
		st, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			// A process without the role of a secret does not hold it; the configuration
			// says above where it must be.
			continue
		case err != nil:
			d.fail("secrets", place, "let the user of the gateway read it", "%v", err)
		case private(path, st) != nil:
			d.fail("secrets", place, "chmod 600 "+path, "others may read it (mode %o)", st.Mode().Perm())
		default:
			good++
		}
	}
	d.ok("secrets", "", "%d files are for their owner alone", good)
	if st, err := os.Stat(d.c.dir); err == nil && st.Mode().Perm()&0o022 != 0 {
		d.warn("secrets", d.c.dir, "chmod go-w "+d.c.dir, "others may write into the directory of the configuration (mode %o)", st.Mode().Perm())
	}
}

// agreements loads the P-Modes; nil where there are none, or none that are good.
func (d *doctor) agreements(ctx context.Context) *pmode.Table {
	if !d.c.Has(RoleEDelivery) || d.c.EDelivery.PModes == "" {
		return nil
	}
	path := d.c.path(d.c.EDelivery.PModes)
	store, err := RevocationStore(slog.New(slog.DiscardHandler), d.c.EDelivery.Revocation.Private)
	if err != nil {
		d.fail("p-modes", path, "", "%v", err)
		return nil
	}
	data, err := readBounded(path, maxPModes, false)
	if err != nil {
		d.fail("p-modes", path, "", "%v", err)
		return nil
	}
	t, faults := PModes(path, store).Check(ctx, data)
	failed := false
	for _, f := range faults {
		place := fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col)
		if f.Warning {
			d.warn("p-modes", place, f.Remedy, "%s", f.Text)
			continue
		}
		failed = true
		d.fail("p-modes", place, f.Remedy, "%s", f.Text)
	}
	if failed || t == nil {
		return nil
	}
	d.ok("p-modes", path, "%d agreements; keys belong to their certificates", len(t.Partners()))
	return t
}

// listeners checks the pairs of certificate and key that the configuration names.
func (d *doctor) listeners() {
	files := d.c.tlsFiles()
	for _, place := range slices.Sorted(maps.Keys(files)) {
		pair, err := d.c.keyPair(files[place].cert, files[place].key)
		if err != nil {
			d.fail("certificates", place, "the first certificate of the file must be that of the key", "%v", err)
			continue
		}
		var chain []*x509.Certificate
		for _, der := range pair.Certificate {
			if c, err := x509.ParseCertificate(der); err == nil {
				chain = append(chain, c)
			}
		}
		d.expiry(term{ownHolder, useTLS, place}, chain[:1])
		d.chain(place, chain, !strings.HasPrefix(place, "registers.") && !d.anchored(chain[0]))
	}
}

// anchored reports whether one of the authorities that the configuration names, or the
// system's, issued the certificate itself: then nothing is missing between them.
func (d *doctor) anchored(c *x509.Certificate) bool {
	files := []string{"", d.c.EDelivery.CA, d.c.API.WebhookCA, d.c.Web.EID.CA}
	for _, e := range d.c.Registers {
		files = append(files, e.CA)
	}
	for _, name := range files {
		pool, err := d.c.pool(name)
		if err != nil {
			continue
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: d.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			return true
		}
	}
	return false
}

// chain checks that certificates certify each other. needed says that others need
// those in between to find an anchor.
func (d *doctor) chain(place string, chain []*x509.Certificate, needed bool) {
	for i, c := range chain[:len(chain)-1] {
		if c.CheckSignatureFrom(chain[i+1]) != nil {
			d.fail("certificates", place, "order the file from the leaf upwards", "%q was not issued by %q, which follows it", c.Subject.CommonName, chain[i+1].Subject.CommonName)
			return
		}
	}
	last := chain[len(chain)-1]
	if needed && len(chain) == 1 && !bytes.Equal(last.RawIssuer, last.RawSubject) {
		d.warn("certificates", place, "append the certificate of the issuer, unless it is an anchor of all who connect", "the file has no certificate of the issuer %q", last.Issuer.CommonName)
	}
}

// soon is how long before an end a finding warns.
const soon = 30 * day

// expiry looks at the certificates of one term; false where something is to be done.
func (d *doctor) expiry(k term, cs []*x509.Certificate) bool {
	place := strings.Join([]string{k.holder, k.use, k.detail}, " ")
	end := until(cs, d.now)
	left := int(end.Sub(d.now) / day)
	remedy := "ask the partner for its next certificate and add it beside this one"
	if k.holder == ownHolder {
		remedy = "order the next certificate, add it beside this one and send it to the partners"
	}
	switch {
	case !end.After(d.now):
		d.fail("certificates", place, remedy, "no certificate is valid now (%s)", end.UTC().Format(time.DateOnly))
		return false
	case end.Sub(d.now) <= soon:
		d.warn("certificates", place, remedy, "ends in %d days, on %s, and has no successor", left, end.UTC().Format(time.DateOnly))
		return false
	}
	if n := len(slices.DeleteFunc(slices.Clone(cs), func(c *x509.Certificate) bool { return !c.NotAfter.Before(d.now) })); n > 0 {
		d.warn("certificates", place, "remove what has ended", "%d of %d have ended; valid until %s", n, len(cs), end.UTC().Format(time.DateOnly))
		return false
	}
	if k.holder == ownHolder {
		d.ok("certificates", place, "%d days left, until %s", left, end.UTC().Format(time.DateOnly))
	}
	return true
}

func (d *doctor) certificates(t *pmode.Table) {
	all := terms(t)
	keys := slices.SortedFunc(maps.Keys(all), func(a, b term) int {
		return cmp.Or(cmp.Compare(a.holder, b.holder), cmp.Compare(a.use, b.use), cmp.Compare(a.detail, b.detail))
	})
	good, partners := 0, 0
	for _, k := range keys {
		fine := d.expiry(k, all[k])
		if k.holder == ownHolder {
			continue
		}
		if partners++; fine {
			good++
		}
	}
	d.ok("certificates", "partners", "%d of %d uses of partners' certificates last for more than %d days", good, partners, int(soon/day))
	withPath := slices.ContainsFunc(t.Partners(), func(p *pmode.Partner) bool {
		return p.Token == wssec.TokenPKIPath || p.SignToken == wssec.TokenPKIPath
	})
	for _, i := range t.Own().Signing {
		d.chain(ownHolder+" sign "+string(keystore.KindOf(i.Certificate)), append([]*x509.Certificate{i.Certificate}, i.Chain...), withPath)
	}
	for _, p := range t.Partners() {
		d.paths(p)
	}
}

// paths warns of certificates of a partner that its own anchors do not vouch for: of
// those a message may name and of those that it is sealed for.
func (d *doctor) paths(p *pmode.Partner) {
	if mode := p.Revocation.Mode; mode == revocation.Soft || mode == revocation.Hard {
		for _, c := range p.Trust.Pinned {
			issued := func(ca *x509.Certificate) bool { return c.CheckSignatureFrom(ca) == nil }
			if !bytes.Equal(c.RawIssuer, c.RawSubject) && !slices.ContainsFunc(slices.Concat(p.Trust.Intermediates, p.Trust.Anchors), issued) {
				d.warn("revocation", p.Name, "add the certificate of its issuer under signing.intermediates", "nobody can tell whether pinned %q is revoked (the policy is %s): its issuer %q is not configured", c.Subject.CommonName, mode, c.Issuer.CommonName)
			}
		}
	}
	if len(p.Trust.Anchors) == 0 {
		return
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range p.Trust.Anchors {
		roots.AddCert(c)
	}
	for _, c := range p.Trust.Intermediates {
		between.AddCert(c)
	}
	for _, c := range slices.Concat(p.Trust.Known, p.Encrypt) {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: d.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil && d.now.After(c.NotBefore) && d.now.Before(c.NotAfter) {
			d.warn("certificates", p.Name, "add the intermediate authorities, or ask the partner whether the certificate is its own", "no path from %q to an anchor: %v", c.Subject.CommonName, err)
		}
	}
}

// clock asks the kernel whether something keeps its time, and compares with what must
// lie in the past.
func (d *doctor) clock(t *pmode.Table) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && d.now.Before(at) {
				d.fail("clock", "", "set the clock (NTP)", "it is %s, before this program was written", d.now.UTC().Format(time.RFC3339))
				return
			}
		}
	}
	if t != nil {
		for _, i := range t.Own().Signing {
			if all := t.Own().Signing; len(all) == 1 && d.now.Before(i.Certificate.NotBefore) {
				d.warn("clock", "", "set the clock (NTP), or wait", "it is %s, before the only signing certificate begins", d.now.UTC().Format(time.RFC3339))
				return
			}
		}
	}
	const unsynchronised = 0x40 // STA_UNSYNC
	var x syscall.Timex
	if _, err := syscall.Adjtimex(&x); err == nil && x.Status&unsynchronised != 0 {
		d.warn("clock", "", "run chrony or systemd-timesyncd on the host; messages that lie outside their time are refused", "nothing keeps the kernel's clock")
		return
	}
	d.ok("clock", "", "it is %s", d.now.UTC().Format(time.RFC3339))
}
