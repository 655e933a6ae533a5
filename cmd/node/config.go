package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/directory"
	"oncegate/connectors/register"
	"oncegate/schemas/canon"
)

// The roles a process can take. Together they are the whole gateway; apart,
// each holds only the keys it needs.
const (
	RoleEDelivery = "edelivery" // the AS4 access point
	RoleRegisters = "registers" // asks national registers
	RoleCore      = "core"      // decides
	RoleWeb       = "web"       // API for authorities, pages for people and operators
)

// AllRoles lists the roles.
func AllRoles() []string { return []string{RoleEDelivery, RoleRegisters, RoleCore, RoleWeb} }

// A Config is the configuration file of one deployment (oncegate.yaml). Paths in
// it are relative to the file.
type Config struct {
	Name        string                       `yaml:"name"`      // Required: of this deployment; in logs and as the source of events
	Country     string                       `yaml:"country"`   // Required: two letters
	Authority   canonAgent                   `yaml:"authority"` // Required for edelivery: who answers for this deployment where no provider is known
	Roles       []string                     `yaml:"roles"`     // Default: all
	Log         LogConfig                    `yaml:"log"`
	Kafka       KafkaConfig                  `yaml:"kafka"`    // Required unless embedded
	Redis       RedisConfig                  `yaml:"redis"`    // Required unless embedded
	Embedded    EmbeddedConfig               `yaml:"embedded"` // broker and memory in the process that serves
	Keys        KeysConfig                   `yaml:"keys"`
	Payloads    PayloadsConfig               `yaml:"payloads"`
	Audit       AuditConfig                  `yaml:"audit"`
	ExchangeLog ExchangeLogConfig            `yaml:"exchange_log"`
	EDelivery   EDeliveryConfig              `yaml:"edelivery"`
	Registers   map[string]register.Settings `yaml:"registers"`     // by folder name
	Directory   string                       `yaml:"registers_dir"` // registers of your own, beside the built-in ones
	Routes      string                       `yaml:"routes"`        // Required: file
	CodeLists   string                       `yaml:"code_lists"`    // directory with code lists of your own, which add to the published ones
	Services    *directory.Settings          `yaml:"directory"`     // the common services: evidence broker and directory of data services. Default: none
	API         APIConfig                    `yaml:"api"`
	Web         WebConfig                    `yaml:"web"`
	Monitor     ServerConfig                 `yaml:"monitor"` // health and metrics of this process. Default: where the API is
	Timeouts    TimeoutsConfig               `yaml:"timeouts"`
	Retention   RetentionConfig              `yaml:"retention"`

	dir  string // where the file is
	file string // empty: of no file
}

// LogConfig says what the process writes to standard error.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn, error. Default: info
	Format string `yaml:"format"` // json or text. Default: json
}

// KafkaConfig says where the log is.
type KafkaConfig struct {
	Brokers     []string `yaml:"brokers"` // host:port
	TopicPrefix string   `yaml:"topic_prefix"`
	Partitions  int      `yaml:"partitions"`      // Default: 6
	Replication int      `yaml:"replication"`     // Default: the broker's
	MinInSync   int      `yaml:"min_in_sync"`     // Default: the broker's
	Retention   Duration `yaml:"retention"`       // Default: 720h
	Session     Duration `yaml:"session_timeout"` // how long the share of a process that died lies still. Default: 15s
	TLS         bool     `yaml:"tls"`
	CA          string   `yaml:"ca"` // file; Default: the system's
	SASL        struct {
		Mechanism    string `yaml:"mechanism"` // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
		User         string `yaml:"user"`
		PasswordFile string `yaml:"password_file"`
	} `yaml:"sasl"`
}

// EmbeddedConfig makes a small node that needs no servers. It is for one process.
type EmbeddedConfig struct {
	Data string `yaml:"data"` // directory of the log
}

// RedisConfig says where the memory is.
type RedisConfig struct {
	Address      string `yaml:"address"` // host:port
	Prefix       string `yaml:"prefix"`  // Default: the deployment's name
	DB           int    `yaml:"db"`
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	TLS          bool   `yaml:"tls"`
	CA           string `yaml:"ca"`
}

// KeysConfig names the secrets of the deployment. Each file holds 32 random
// bytes in base64; `openssl rand -base64 32` makes one.
type KeysConfig struct {
	Ticket  string      `yaml:"ticket"`  // Required for core and web: mints preview locations
	Session string      `yaml:"session"` // Required for web: seals sessions
	Wrap    []KEKConfig `yaml:"wrap"`    // Required: dated key-encryption keys, at least one
}

// A KEKConfig is one dated key-encryption key.
type KEKConfig struct {
	ID    string    `yaml:"id"`
	File  string    `yaml:"file"`
	From  time.Time `yaml:"from"`  // wraps new keys from then on
	Until time.Time `yaml:"until"` // its term: destroy the file then
}

// PayloadsConfig says where evidence bytes are kept.
type PayloadsConfig struct {
	Store   string `yaml:"store"` // kafka or files. Default: kafka
	Dir     string `yaml:"dir"`   // Required for files
	Temp    string `yaml:"temp"`  // Default: the system's directory for temporary files
	MaxSize int64  `yaml:"max_size"`
}

// A ServerConfig is one listener.
type ServerConfig struct {
	Listen string `yaml:"listen"` // host:port
	Cert   string `yaml:"tls_cert"`
	Key    string `yaml:"tls_key"`
}

// EDeliveryConfig configures the access point.
type EDeliveryConfig struct {
	ServerConfig `yaml:",inline"`
	PModes       string `yaml:"pmodes"` // Required: file
	// PModesHistory is a directory where every P-Mode file that came into force is
	// kept. Default: none
	PModesHistory string `yaml:"pmodes_history"`
	Discovery     string `yaml:"discovery"` // file: finds access points that no P-Mode names. Default: none, off
	// Revocation says how CRLs and OCSP responders of P-Modes are reached.
	Revocation RevocationConfig `yaml:"revocation"`
	Path       string           `yaml:"path"` // Default: /as4
	CA         string           `yaml:"ca"`   // for partners' TLS servers; Default: the system's
	// ClientAuth says whether the AS4 listener wants TLS client certificates: none,
	// request or require. Default: request while a P-Mode names clients (tls.clients)
	ClientAuth string    `yaml:"client_auth"`
	ClientCA   string    `yaml:"client_ca"`  // who vouches for them, beside what P-Modes say
	TLS        TLSConfig `yaml:"tls"`        // of the AS4 listener
	Concurrent int       `yaml:"concurrent"` // messages that are worked on at once. Default: 128
	PerClient  int       `yaml:"per_client"` // those of one client. Default: three quarters of concurrent
	// Deadline bounds the work on one inbound message. A message that a process
	// held when it died is taken again after it. Default: 30s
	Deadline Duration `yaml:"deadline"`
}

// A RevocationConfig bounds where the state of certificates is asked for.
type RevocationConfig struct {
	Private bool `yaml:"private"` // servers in private networks and on this host may be asked. Default: false
}

// APIConfig configures the API for portals and operators.
type APIConfig struct {
	ServerConfig `yaml:",inline"`
	BaseURL      string           `yaml:"base_url"` // as portals see it
	Portals      []PortalConfig   `yaml:"portals"`
	Operators    []OperatorConfig `yaml:"operators"`
	WebhookCA    string           `yaml:"webhook_ca"` // Default: the system's
}

// A PortalConfig is one authority of ours that may ask.
type PortalConfig struct {
	Name          string     `yaml:"name"`
	Tokens        []string   `yaml:"token_hashes"` // sha256:<hex> each; two while a token is changed
	Authority     canonAgent `yaml:"authority"`
	Webhook       string     `yaml:"webhook"`
	WebhookSecret string     `yaml:"webhook_secret_file"` // holds whsec_<base64>
	Origins       []string   `yaml:"return_origins"`      // that return locations must have. Default: any https origin
}

// An OperatorConfig is one person or tool that may see exchanges.
type OperatorConfig struct {
	Name   string   `yaml:"name"`
	Tokens []string `yaml:"token_hashes"`
}

type canonAgent struct {
	Scheme  string            `yaml:"scheme"`
	ID      string            `yaml:"id"`
	Names   map[string]string `yaml:"names"` // language -> name
	Country string            `yaml:"country"`
}

func (a canonAgent) agent() canon.Agent {
	out := canon.Agent{ID: canon.Participant{Scheme: a.Scheme, ID: a.ID}, Country: a.Country}
	langs := make([]string, 0, len(a.Names))
	for l := range a.Names {
		langs = append(langs, l)
	}
	slices.SortFunc(langs, func(a, b string) int {
		if (a == "EN") != (b == "EN") { // English first: it is the one every peer can show
			if a == "EN" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, l := range langs {
		out.Names = append(out.Names, canon.Text{Lang: l, Text: a.Names[l]})
	}
	return out
}

// WebConfig configures the pages.
type WebConfig struct {
	ServerConfig `yaml:",inline"`
	Site         string    `yaml:"site"`     // Required: who runs this place, as people know it
	BaseURL      string    `yaml:"base_url"` // Required: https://host/preview, as the person's browser sees it
	Privacy      string    `yaml:"privacy_url"`
	Support      string    `yaml:"support_url"`
	EID          EIDConfig `yaml:"eid"`
}

// EIDConfig is the OpenID Connect provider at which a person proves who they are.
type EIDConfig struct {
	Name         string `yaml:"name"` // as people know it
	Issuer       string `yaml:"issuer"`
	ClientID     string `yaml:"client_id"`
	ClientSecret string `yaml:"client_secret_file"`
	CA           string `yaml:"ca"`

	Scopes      []string `yaml:"scopes"`       // Default: openid profile
	ACRValues   []string `yaml:"acr_values"`   // levels of assurance asked for and required. Default: any
	FormOrigins []string `yaml:"form_origins"` // further origins the login is passed on to. Default: the issuer's own
	Claims      struct {
		PersonIdentifier string `yaml:"person_identifier"`
		FamilyName       string `yaml:"family_name"`
		GivenName        string `yaml:"given_name"`
		BirthDate        string `yaml:"birth_date"`
		LegalIdentifier  string `yaml:"legal_identifier"`
		LegalName        string `yaml:"legal_name"`
	} `yaml:"claims"` // names of the claims, where they differ from eIDAS over OpenID Connect
}

// TimeoutsConfig holds the timers of TDD 4.4.3. The waiting side's are larger.
type TimeoutsConfig struct {
	AskT1     Duration `yaml:"ask_t1"`     // request 1 to its answer. Default: 6m
	AskT2     Duration `yaml:"ask_t2"`     // preview link to request 2. Default: 15m
	AskT3     Duration `yaml:"ask_t3"`     // request 2 to its answer. Default: 41m
	ProvideT2 Duration `yaml:"provide_t2"` // preview link to request 2. Default: 16m
	ProvideT3 Duration `yaml:"provide_t3"` // request 2 to its answer. Default: 40m
	Poll      Duration `yaml:"poll"`       // between two looks for deadlines. Default: 1s
}

// A Duration is a time.Duration written as "15m".
type Duration time.Duration

// UnmarshalYAML reads "15m".
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as 90s or 15m", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// Load reads a configuration file. Unknown keys are errors with their line.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	c := &Config{dir: filepath.Dir(abs), file: abs}
	if err := dec.Decode(c); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s is empty", path)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// path resolves a file name of the configuration.
func (c *Config) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// Has reports whether this process takes the role.
func (c *Config) Has(role string) bool { return len(c.Roles) == 0 || slices.Contains(c.Roles, role) }

// Validate reports all faults of the file itself at once; it opens no socket.
// embedded says that broker and memory run in this process.
func (c *Config) Validate(embedded bool) error {
	var errs []error
	bad := func(place, format string, args ...any) {
		errs = append(errs, fmt.Errorf(place+": "+format, args...))
	}
	required := func(place, v string) {
		if v == "" {
			bad(place, "is required")
		}
	}
	file := func(place, name string, must bool) {
		if name == "" {
			if must {
				bad(place, "is required: the name of a file")
			}
			return
		}
		if st, err := os.Stat(c.path(name)); err != nil {
			bad(place, "%v", err)
		} else if st.IsDir() {
			bad(place, "%s is a directory", name)
		}
	}
	required("name", c.Name)
	if len(c.Country) != 2 || strings.ToUpper(c.Country) != c.Country {
		bad("country", "%q is not a two-letter upper-case code", c.Country)
	}
	for _, r := range c.Roles {
		if !slices.Contains(AllRoles(), r) {
			bad("roles", "unknown role %q: want %s", r, strings.Join(AllRoles(), ", "))
		}
	}
	if !embedded {
		if len(c.Kafka.Brokers) == 0 {
			bad("kafka.brokers", "is required (or run with --embedded --data DIR)")
		}
		required("redis.address", c.Redis.Address)
	}
	// Brokers refuse sessions outside of 6 s to 30 min unless told otherwise; far
	// shorter ones end in every pause of a machine.
	if d := time.Duration(c.Kafka.Session); d != 0 && (d < time.Second || d > 30*time.Minute) {
		bad("kafka.session_timeout", "%v: want 1s to 30m", d)
	}
	if len(c.Keys.Wrap) == 0 {
		bad("keys.wrap", "at least one key-encryption key is required")
	}
	for i, k := range c.Keys.Wrap {
		required(fmt.Sprintf("keys.wrap[%d].id", i), k.ID)
		file(fmt.Sprintf("keys.wrap[%d].file", i), k.File, true)
	}
	c.validateRetention(bad)
	c.validateExchangeLog(bad, file)
	switch c.Payloads.Store {
	case "", "kafka":
	case "files":
		required("payloads.dir", c.Payloads.Dir)
	default:
		bad("payloads.store", "%q: want kafka or files", c.Payloads.Store)
	}
	if c.Has(RoleCore) || c.Has(RoleWeb) {
		file("keys.ticket", c.Keys.Ticket, true)
		file("routes", c.Routes, true)
		httpsURL("web.base_url", c.Web.BaseURL, bad)
	}
	if c.Services != nil {
		if err := c.Services.Validate(); err != nil {
			errs = append(errs, err)
		}
	}

	if c.Has(RoleEDelivery) {
		c.EDelivery.validate("edelivery", bad, file)
		file("edelivery.pmodes", c.EDelivery.PModes, true)
		required("authority.id", c.Authority.ID)
		required("authority.scheme", c.Authority.Scheme)
		required("authority.country", c.Authority.Country)
		if len(c.Authority.Names) == 0 {
			bad("authority.names", "at least one name is required")
		}
		file("edelivery.ca", c.EDelivery.CA, false)
		file("edelivery.discovery", c.EDelivery.Discovery, false)
		c.EDelivery.validateTLS(bad, file)
		if n := c.EDelivery.Concurrent; n < 0 || n > 10_000 {
			bad("edelivery.concurrent", "%d: want 1 to 10000", n)
		}
		if n := c.EDelivery.PerClient; n < 0 || n > 10_000 {
			bad("edelivery.per_client", "%d: want 1 to 10000", n)
		}
		if d := time.Duration(c.EDelivery.Deadline); d != 0 && (d < time.Second || d > 10*time.Minute) {
			bad("edelivery.deadline", "%v: want 1s to 10m", d)
		}
	}
	if c.Has(RoleRegisters) {
		for name, r := range c.Registers {
			place := "registers." + name
			if err := r.Validate(); err != nil {
				bad(place, "%w", err)
			}
			for _, f := range r.Files() {
				file(place+"."+f.Key, f.Name, true)
			}
		}
	}
	if c.Monitor != (ServerConfig{}) {
		c.Monitor.validate("monitor", bad, file)
	}
	if c.Has(RoleWeb) {
		file("keys.session", c.Keys.Session, true)
		c.API.validate("api", bad, file)
		c.Web.validate("web", bad, file)
		required("web.site", c.Web.Site)
		required("web.eid.name", c.Web.EID.Name)
		required("web.eid.issuer", c.Web.EID.Issuer)
		required("web.eid.client_id", c.Web.EID.ClientID)
		file("web.eid.client_secret_file", c.Web.EID.ClientSecret, true)
		file("web.eid.ca", c.Web.EID.CA, false)
		for i, p := range c.API.Portals {
			place := fmt.Sprintf("api.portals[%d]", i)
			required(place+".name", p.Name)
			hashes(place+".token_hashes", p.Tokens, bad)
			required(place+".authority.id", p.Authority.ID)
			required(place+".authority.scheme", p.Authority.Scheme)
			if len(p.Authority.Names) == 0 {
				bad(place+".authority.names", "at least one name is required")
			}
			file(place+".webhook_secret_file", p.WebhookSecret, p.Webhook != "")
		}
		for i, o := range c.API.Operators {
			place := fmt.Sprintf("api.operators[%d]", i)
			required(place+".name", o.Name)
			hashes(place+".token_hashes", o.Tokens, bad)
		}
	}
	return errors.Join(errs...)
}

func (s ServerConfig) validate(place string, bad func(string, string, ...any), file func(string, string, bool)) {
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil {
		bad(place+".listen", "want host:port: %v", err)
	} else if s.Cert == "" && !loopback(host) {
		bad(place+".listen", "without tls_cert only loopback may be listened on (put a proxy that ends TLS in front)")
	}
	file(place+".tls_cert", s.Cert, s.Key != "")
	file(place+".tls_key", s.Key, s.Cert != "")
}

func httpsURL(place, v string, bad func(string, string, ...any)) {
	if u, err := url.Parse(v); err != nil || u.Scheme != "https" || u.Host == "" {
		bad(place, "%q: want an https URL (TDD 4.9)", v)
	}
}

func hashes(place string, vs []string, bad func(string, string, ...any)) {
	if len(vs) == 0 {
		bad(place, "at least one is required")
	}
	for _, v := range vs {
		h, ok := strings.CutPrefix(v, "sha256:")
		if !ok || len(h) != 64 || strings.Trim(h, "0123456789abcdef") != "" {
			bad(place, "want sha256: and the SHA-256 of a random token in hex: printf %%s TOKEN | sha256sum")
		}
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
