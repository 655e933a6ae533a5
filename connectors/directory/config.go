package directory

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/naptr"
	"oncegate/schemas/codes"
)

// AnyCountry stands for every country that no other instance names.
const AnyCountry = "*"

// An Instance is the common services of one country, where it is not all as the DNS
// and the general trust say.
type Instance struct {
	Country  string         // Required. Two letters, or AnyCountry.
	EB, DSD  string         // Default the address that the DNS gives. https URL before /rest/search.
	Trust    *httpsig.Trust // Default that of the Config.
	Unsigned bool           // answers need no signature; not in prod
}

// Config configures a Client.
type Config struct {
	Country     string            // Required. Ours, two letters: whose evidence broker is asked where a query names no country.
	Environment string            // Default prod. Or acc, testing.
	Zone        string            // Default oots.tech.ec.europa.eu.
	Versions    []answers.Edition // Default 2.0 and 1.2. Newest first.
	Resolvers   []string          // Default those of /etc/resolv.conf. IP addresses; they also resolve the instances' names when given.
	DNSSEC      bool              // answers must have been validated by the resolver, on a way that is trusted

	Trust     *httpsig.Trust // Required, but for Instances that have their own or are Unsigned.
	Instances []Instance

	Lists *codes.Lists // Default the published ones. For the rules.
	// RefuseRules refuses an answer that breaks a fatal rule. Default no: it serves, and
	// Origin and log name the rule. One entry of one country stands in the answers of all.
	RefuseRules bool

	Roots   *x509.CertPool // Default the system's. Of the instances' TLS servers.
	Private bool           // instances at private addresses may be asked

	Timeout  time.Duration // Default 10s. Of one query with all its steps.
	DNSTry   time.Duration // Default 2s. Of one question to one resolver.
	TTL      time.Duration // Default 1h. How long an answer is fresh.
	Negative time.Duration // Default 5m. How long a "no" is.
	Stale    time.Duration // Default 24h; below zero none. How long an old answer serves while there is none.
	MaxBytes int           // Default 8 MiB. Of one answer.
	Entries  int           // Default 2000. Answers remembered.

	Now     func() time.Time // Default time.Now.
	Random  io.Reader        // Default crypto/rand.
	Logger  *slog.Logger     // Default none.
	Metrics Metrics          // Default none.
}

// Metrics counts what happens. Its words are few and fixed.
type Metrics interface {
	// Asked reports one query: eb-requirements, eb-evidence-types, dsd or codelist; the
	// country of the instance; fresh, cached, stale, or the code of a fault; how long it took.
	Asked(query, country, outcome string, took time.Duration)
}

type noMetrics struct{}

func (noMetrics) Asked(string, string, string, time.Duration) {}

func (c Config) withDefaults() (Config, error) {
	set := func(to *time.Duration, def time.Duration) {
		if *to == 0 {
			*to = def
		}
	}
	set(&c.Timeout, 10*time.Second)
	set(&c.DNSTry, 2*time.Second)
	set(&c.TTL, time.Hour)
	set(&c.Negative, 5*time.Minute)
	set(&c.Stale, 24*time.Hour)
	c.Stale, c.Negative = max(c.Stale, 0), max(c.Negative, 0)
	if c.Environment == "" {
		c.Environment = "prod"
	}
	if c.Zone == "" {
		c.Zone = "oots.tech.ec.europa.eu"
	}
	if len(c.Versions) == 0 {
		c.Versions = []answers.Edition{answers.Edition20, answers.Edition12}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 8 << 20
	}
	if c.Entries == 0 {
		c.Entries = 2000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = noMetrics{}
	}
	return c, c.check()
}

// check reports all faults at once, and brings addresses into form.
func (c *Config) check() error {
	var faults []error
	add := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("directory: "+format, args...))
		}
	}
	add(isCountry(c.Country), "country %q is not two capital letters", c.Country)
	add(slices.Contains([]string{"prod", "acc", "testing"}, c.Environment), "environment %q is not prod, acc or testing", c.Environment)
	add(isHost(c.Zone), "zone %q is not a domain name", c.Zone)
	for i, v := range c.Versions {
		add(major(v) != "" && !slices.Contains(c.Versions[:i], v), "versions: %q is not one of %v, or there twice", v, answers.Editions())
	}
	c.Resolvers = slices.Clone(c.Resolvers)
	for i, s := range c.Resolvers {
		server, err := naptr.CheckServer(s)
		add(err == nil, "resolvers: %v", err)
		c.Resolvers[i] = server
	}
	c.Instances = slices.Clone(c.Instances)
	general := c.Trust != nil
	for n := range c.Instances {
		i := &c.Instances[n]
		twice := slices.ContainsFunc(c.Instances[:n], func(o Instance) bool { return o.Country == i.Country })
		add((i.Country == AnyCountry || isCountry(i.Country)) && !twice, "instances: country %q is not two capital letters or *, or there twice", i.Country)
		for _, a := range []*string{&i.EB, &i.DSD} {
			if *a == "" {
				continue
			}
			u, err := naptr.ReadAddress(*a, false)
			add(err == nil && u.RawQuery == "", "instance %s: %q is no https address without a query", i.Country, *a)
			*a = strings.TrimRight(*a, "/")
		}
		add(!i.Unsigned || c.Environment != "prod", "instance %s: unsigned answers are not for prod", i.Country)
		add(i.Unsigned || i.Trust != nil || general, "instance %s: trust is required, here or in general", i.Country)
		if i.Trust != nil {
			err := i.Trust.Validate()
			add(err == nil, "instance %s: trust: %v", i.Country, err)
		}
	}
	other := slices.ContainsFunc(c.Instances, func(i Instance) bool { return i.Country == AnyCountry })
	add(general || other, "trust is required")
	if general {
		err := c.Trust.Validate()
		add(err == nil, "trust: %v", err)
	}
	add(c.TTL > 0 && c.Timeout > 0 && c.DNSTry > 0 && c.MaxBytes > 0 && c.Entries > 0, "limits are positive")
	return errors.Join(faults...)
}

// instance returns what is configured for a country; the zero Instance with the
// general trust where nothing is.
func (c *Config) instance(country string) Instance {
	var out Instance
	for _, i := range c.Instances {
		if i.Country == country || i.Country == AnyCountry && out.Country == "" {
			out = i
		}
	}
	if out.Trust == nil {
		out.Trust = c.Trust
	}
	return out
}

// major returns the segment of the DNS name that instances of an edition have.
func major(e answers.Edition) string {
	v, ok := strings.CutPrefix(string(e), "oots-cs:v")
	n, _, dot := strings.Cut(v, ".")
	if !ok || !dot || !slices.Contains(answers.Editions(), e) {
		return ""
	}
	return "v" + n
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

func isHost(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for l := range strings.SplitSeq(s, ".") {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	return true
}
