package discovery

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

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/naptr"
)

// A Service is a service of NAPTR records with the interface that it stands for.
type Service struct {
	Name    string
	Version Version
}

// A Transport is a transport profile that we speak, with the agreement that its
// endpoints get.
type Transport struct {
	Name string // Required. transportProfile of an endpoint.
	// Partner is the agreement but for what discovery finds: name, party id, URL,
	// encryption certificates, and when sending also services. Party.ID.Scheme is the
	// type of the party ids that common names of certificates become; Profile is 2.0 for
	// TransportAS4v2 unless it is given; Trust.Anchors are
	// those of the domain, under which every access point's certificate must be.
	Partner pmode.Partner
	// Receive accepts messages of access points that no agreement names, for the
	// services of Partner.
	Receive bool
}

// An Activity says which document and process stand for an action of ours.
type Activity struct {
	Action   string       // Required.
	Document Identifier   // Default the action, in DocumentScheme.
	Process  Identifier   // Default the only process of the metadata.
	Service  ebms.Service // Default the process, with its scheme as type.
}

// Config configures a Resolver.
type Config struct {
	PModes pmode.Source // Required. Our side of every agreement.

	Zone      string    // Required but for Publisher. Zone of the NAPTR records.
	Publisher string    // address of the one publisher of all participants, instead of Zone
	Version   Version   // Default 1.0. That of Publisher.
	Services  []Service // Default Meta:SMP (1.0), oasis-bdxr-smp-2 and Meta:SMP2 (2.0).
	Resolvers []string  // Default those of /etc/resolv.conf. IP addresses; they also resolve the publishers' names when given.
	DNSSEC    bool      // answers must have been validated by the resolver, on a way that is trusted

	Signers          Signers        // Required. Of service metadata.
	Roots            *x509.CertPool // Default the system's. Of the publishers' TLS servers.
	PlainHTTP        bool           // also http:// addresses, for tests
	PrivateAddresses bool           // also publishers at private addresses

	Transports     []Transport // Required, in order of preference.
	DocumentScheme string      // scheme of the documents that actions without an Activity name
	Activities     []Activity

	Timeout  time.Duration // Default 15s. Of one look-up with all its steps.
	DNSTry   time.Duration // Default 2s. Of one question to one resolver.
	MaxBytes int           // Default 1 MiB. Of one document.
	TTL      time.Duration // Default 1h. How long metadata is believed; also the longest for a DNS answer.
	Negative time.Duration // Default 1m. How long a refusal is believed.
	Stale    time.Duration // Default 4h; below zero none. How long an old answer serves while there is none.
	Entries  int           // Default 10,000. Answers remembered, of each kind.

	Now    func() time.Time // Default time.Now.
	Random io.Reader        // Default crypto/rand.
	Logger *slog.Logger     // Default none.
}

// DefaultServices are the services of NAPTR records that are read.
func DefaultServices() []Service {
	return []Service{{"Meta:SMP", SMP1}, {"oasis-bdxr-smp-2", SMP2}, {"Meta:SMP2", SMP2}}
}

// Names of transport profiles (e.2).
const (
	TransportAS4    = "bdxr-transport-ebms3-as4-v1p0"
	TransportAS4v2  = "bdxr-transport-ebms3-as4-v2p0"
	TransportPeppol = "peppol-transport-as4-v2_0"
)

func (c Config) withDefaults() (Config, error) {
	if len(c.Services) == 0 {
		c.Services = DefaultServices()
	}
	setDuration(&c.Timeout, 15*time.Second)
	setDuration(&c.DNSTry, 2*time.Second)
	setDuration(&c.TTL, time.Hour)
	setDuration(&c.Negative, time.Minute)
	setDuration(&c.Stale, 4*time.Hour)
	c.Stale = max(c.Stale, 0)
	c.Transports = slices.Clone(c.Transports)
	for i := range c.Transports {
		if t := &c.Transports[i]; t.Partner.Profile == "" && t.Name == TransportAS4v2 {
			t.Partner.Profile = wssec.Profile20
		}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 20
	}
	if c.Entries == 0 {
		c.Entries = 10_000
	}
	if c.Version == "" {
		c.Version = SMP1
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
	return c, c.check()
}

func setDuration(to *time.Duration, def time.Duration) {
	if *to == 0 {
		*to = def
	}
}

// check reports all faults at once, and brings addresses of resolvers into form.
func (c *Config) check() error {
	var faults []error
	add := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(c.PModes != nil, "agreements are required: discovery needs our own side")
	add((c.Zone == "") != (c.Publisher == ""), "either a zone or a publisher is required")
	add(c.Zone == "" || hostName(strings.TrimSuffix(c.Zone, ".")), "zone %q is not a domain name", c.Zone)
	if c.Publisher != "" {
		_, err := naptr.ReadAddress(c.Publisher, c.PlainHTTP)
		add(err == nil, "publisher: %w", err)
	}
	add(c.Version == SMP1 || c.Version == SMP2, "version is not 1.0 or 2.0")
	for _, s := range c.Services {
		add(s.Name != "" && (s.Version == SMP1 || s.Version == SMP2), "service %q needs a name and version 1.0 or 2.0", s.Name)
	}
	c.Resolvers = slices.Clone(c.Resolvers)
	for i, s := range c.Resolvers {
		server, err := naptr.CheckServer(s)
		add(err == nil, "%w", err)
		c.Resolvers[i] = server
	}
	if err := c.Signers.check(); err != nil {
		faults = append(faults, err)
	}
	add(len(c.Transports) > 0, "transports: at least one transport profile is required")
	names := map[string]bool{}
	for _, t := range c.Transports {
		add(t.Name != "" && !names[t.Name], "transport %q: name is missing or taken", t.Name)
		names[t.Name] = true
		add(len(t.Partner.Trust.Anchors) > 0, "transport %q: trust anchors of the domain are required: certificates of access points must lead to them", t.Name)
		add(len(t.Partner.Trust.Pinned) == 0, "transport %q: pinned certificates fit no access point that is found", t.Name)
		add(t.Partner.Party.ID.Scheme != "", "transport %q: party type is required: it is the type of the ids that common names become", t.Name)
		add(!t.Receive || len(t.Partner.Services) > 0, "transport %q: services are required to receive", t.Name)
	}
	actions := map[string]bool{}
	for _, a := range c.Activities {
		add(a.Action != "" && !actions[a.Action], "activity %q: action is missing or taken", a.Action)
		actions[a.Action] = true
	}
	for _, d := range []time.Duration{c.Timeout, c.DNSTry, c.TTL, c.Negative} {
		add(d > 0, "times are positive")
	}
	add(c.MaxBytes > 0 && c.Entries > 0, "limits are positive")
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("configuring discovery: %w", err)
	}
	return nil
}
