package kafkalog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// A Secret prints as [redacted], whatever the verb.
type Secret string

// Format prints no content.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue prints no content.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText keeps a secret out of every encoding.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// SASL says how to log in to the brokers. The zero value means not at all.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User      string
	Password  Secret
}

// Config says where the log is and how its topics are made.
type Config struct {
	Brokers  []string    // Required: host:port of one or more brokers.
	ClientID string      // Default: "oncegate".
	TLS      *tls.Config // Default: no TLS.
	SASL     SASL        // Default: no login.

	// Prefix stands before every topic and group name, so that several
	// deployments can share one Kafka. Default: none.
	Prefix string

	Partitions        int           // Default: 6. The same for every topic of canonical kinds.
	ReplicationFactor int           // Default: -1, the broker's own default.
	MinInSync         int           // Default: 0, the broker's own default.
	Retention         time.Duration // Default: 30 days. Canonical topics, payload chunks and dead letters.
	AuditRetention    time.Duration // Default: 400 days. The audit topic.
	RecordRetention   time.Duration // Default: AuditRetention. The records of messages (IR 2022/1463 Art. 17).
	MaxMessageBytes   int           // Default: 1 MiB. Largest batch a topic takes.

	// Embedded marks the in-process broker: no compaction, and retention by
	// size only, because it forgets the offsets of a partition that time has
	// emptied.
	Embedded bool

	DialTimeout    time.Duration // Default: 5 s.
	RequestTimeout time.Duration // Default: 10 s. One request; what is retried is retried longer.
	MetadataTTL    time.Duration // Default: 10 s. Errors refresh it at once.

	Logger  *slog.Logger     // Default: discards.
	Now     func() time.Time // Default: time.Now.
	Jitter  func() float64   // Default: math/rand/v2. A number in [0,1) for waits.
	Metrics *Metrics         // Default: none.
}

var validPrefix = regexp.MustCompile(`^[a-z0-9._-]{0,80}$`)

// Validate reports all faults at once.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: at least one host:port is required"))
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			errs = append(errs, fmt.Errorf("brokers: %w", err))
		}
	}
	if !validPrefix.MatchString(c.Prefix) {
		errs = append(errs, fmt.Errorf("prefix %q: only a-z 0-9 . _ -, at most 80", c.Prefix))
	}
	if c.Partitions < 0 || c.Partitions > 10_000 {
		errs = append(errs, fmt.Errorf("partitions: %d is not in 1..10000", c.Partitions))
	}
	if c.MaxMessageBytes != 0 && (c.MaxMessageBytes < 64<<10 || c.MaxMessageBytes > 64<<20) {
		errs = append(errs, fmt.Errorf("max message bytes: %d is not in 64 KiB..64 MiB", c.MaxMessageBytes))
	}
	if _, err := c.SASL.mechanism(); err != nil {
		errs = append(errs, err)
	}
	for name, d := range map[string]time.Duration{
		"retention": c.Retention, "audit retention": c.AuditRetention, "record retention": c.RecordRetention, "dial timeout": c.DialTimeout,
		"request timeout": c.RequestTimeout, "metadata ttl": c.MetadataTTL,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is negative", name, d))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) setDefaults() {
	setDefault(&c.ClientID, "oncegate")
	setDefault(&c.Partitions, 6)
	setDefault(&c.ReplicationFactor, -1)
	setDefault(&c.Retention, 30*24*time.Hour)
	setDefault(&c.AuditRetention, 400*24*time.Hour)
	setDefault(&c.RecordRetention, c.AuditRetention)
	setDefault(&c.MaxMessageBytes, 1<<20)
	setDefault(&c.DialTimeout, 5*time.Second)
	setDefault(&c.RequestTimeout, 10*time.Second)
	setDefault(&c.MetadataTTL, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch strings.ToUpper(s.Mechanism) {
	case "":
		if s.User != "" || s.Password != "" {
			return nil, errors.New("sasl: user or password without a mechanism")
		}
		return nil, nil
	case "PLAIN":
		return plain.Mechanism{Username: s.User, Password: string(s.Password)}, nil
	case "SCRAM-SHA-256":
		return scramMechanism(scram.SHA256, s)
	case "SCRAM-SHA-512":
		return scramMechanism(scram.SHA512, s)
	}
	return nil, fmt.Errorf("sasl: unknown mechanism %q", s.Mechanism)
}

func scramMechanism(algo scram.Algorithm, s SASL) (sasl.Mechanism, error) {
	m, err := scram.Mechanism(algo, s.User, string(s.Password))
	if err != nil {
		// The cause may quote what was not allowed in the password.
		return nil, errors.New("sasl: user or password cannot be prepared for SCRAM (RFC 4013)")
	}
	return m, nil
}

// A Cluster is the connection to the log. It is safe for concurrent use; one
// process needs one.
type Cluster struct {
	cfg       Config
	addr      net.Addr
	transport *kafka.Transport
	client    *kafka.Client
	mechanism sasl.Mechanism
}

// New returns a cluster. It does not connect; Ping does.
func New(cfg Config) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the log: %w", err)
	}
	cfg.setDefaults()
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("configuring the log: %w", err)
	}
	dialer := &net.Dialer{Timeout: cfg.DialTimeout, KeepAlive: 30 * time.Second}
	transport := &kafka.Transport{
		Dial:        dialer.DialContext,
		DialTimeout: cfg.DialTimeout,
		IdleTimeout: time.Minute,
		MetadataTTL: cfg.MetadataTTL,
		ClientID:    cfg.ClientID,
		TLS:         cfg.TLS,
		SASL:        mechanism,
	}
	addr := kafka.TCP(cfg.Brokers...)
	return &Cluster{
		cfg:       cfg,
		addr:      addr,
		transport: transport,
		mechanism: mechanism,
		client:    &kafka.Client{Addr: addr, Transport: transport},
	}, nil
}

// Close gives up the connections. Writers and consumers must have ended.
func (c *Cluster) Close() { c.transport.CloseIdleConnections() }

// Ping returns nil once a broker has answered.
func (c *Cluster) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	if _, err := c.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{}); err != nil {
		return unavailable(err, "the log does not answer")
	}
	return nil
}

// Partitions returns how many partitions canonical topics have.
func (c *Cluster) Partitions() int { return c.cfg.Partitions }

func (c *Cluster) wireName(topic string) string { return c.cfg.Prefix + topic }

// ownName returns the name without our prefix; false for topics of others.
func (c *Cluster) ownName(wire string) (string, bool) { return strings.CutPrefix(wire, c.cfg.Prefix) }

func (c *Cluster) metrics() *Metrics { return c.cfg.Metrics }
