package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/gateway/exchange"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/messages"
	"oncegate/gateway/payload"
	"oncegate/gateway/preview"
	"oncegate/gateway/redisstore"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// Options are what is not in the configuration file.
type Options struct {
	Embedded bool   // broker and memory in this process
	Data     string // with Embedded: where the log is kept; empty keeps nothing
	Logger   *slog.Logger

	// CommitEvery overrides how often consumers commit. Default: theirs.
	CommitEvery time.Duration
	// Handler, Publish and HTTP, where set, wrap what the named role uses. Tests
	// break a node with them at the seams.
	Handler func(role string, next canon.Handler) canon.Handler
	Publish func(role string, next canon.Publish) canon.Publish
	HTTP    func(name string, next http.Handler) http.Handler
}

// A Node is one running deployment.
type Node struct {
	cfg *Config
	opt Options
	log *slog.Logger
	reg *prometheus.Registry
	eng *addresses

	keys     *kafkalog.Keys
	keyring  *payload.Keyring
	cluster  *kafkalog.Cluster
	producer *kafkalog.Producer
	codec    *kafkalog.Codec
	writer   *kafkalog.Writer
	vault    *payload.Vault
	redis    *redis.Client
	messages *redisstore.Messages
	desk     *messages.Desk
	pmodes   pmode.Source   // with the role edelivery
	routes   *routing.Table // with the role core or web

	core      *exchange.Core
	services  *commonServices // with a section directory
	care      *registerCare
	registers *liveRegisters // with the role registers
	handlers  []consumer
	servers   []*server
	work      []func(context.Context) error // runs beside the consumers
	closers   []func()
}

// A consumer is one role's share of the log.
type consumer struct {
	role    string
	kinds   []canon.Kind
	handler canon.Handler
}

// New builds the node: it checks the configuration, connects, makes the topics
// and opens the sockets. Run makes it work, Close ends it.
func New(ctx context.Context, cfg *Config, opt Options) (*Node, error) {
	n := newNode(cfg, opt)
	return n, n.build(ctx, n.openEngines, n.openLog, n.makeTopics, n.openVault, n.openMemory, n.buildMessages, n.buildCore, n.buildDirectory, n.buildTrail, n.buildEDelivery, n.buildRegisters, n.buildWeb, n.buildCertificates, n.buildMonitor)
}

// Attach connects to the log and the memory of a deployment, for the tools of
// its operator: it opens no socket and handles no message. Where broker and
// memory run inside a process that serves, it uses those.
func Attach(ctx context.Context, cfg *Config, opt Options) (*Node, error) {
	n := newNode(cfg, opt)
	return n, n.build(ctx, n.findEngines, n.openLog, n.openVault, n.openMemory, n.buildMessages, n.buildCore)
}

func newNode(cfg *Config, opt Options) *Node {
	if cfg.Embedded.Data != "" {
		opt.Embedded = true
		if opt.Data == "" {
			opt.Data = cfg.path(cfg.Embedded.Data)
		}
	}
	n := &Node{cfg: cfg, opt: opt, log: opt.Logger, reg: prometheus.NewRegistry()}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.log = n.log.With("node", cfg.Name)
	n.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return n
}

func (n *Node) build(ctx context.Context, steps ...func(context.Context) error) error {
	if err := n.cfg.Validate(n.opt.Embedded); err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			n.Close()
			return err
		}
	}
	return nil
}

// openEngines starts broker and memory in this process, where asked for.
func (n *Node) openEngines(context.Context) error {
	if !n.opt.Embedded {
		return nil
	}
	eng, err := startEngines(n.opt.Data, n.log)
	if err != nil {
		return err
	}
	n.eng = &eng.addresses
	n.closers = append(n.closers, eng.close)
	return nil
}

// findEngines uses the broker and memory of the process that serves, or, where
// none does, starts them over its data.
func (n *Node) findEngines(ctx context.Context) error {
	if n.opt.Embedded && n.opt.Data != "" {
		if a, ok := serving(n.opt.Data); ok {
			n.eng = a
			return nil
		}
	}
	return n.openEngines(ctx)
}

// openLog connects to the log.
func (n *Node) openLog(context.Context) error {
	metrics, err := kafkalog.NewMetrics(n.reg)
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	conf, err := n.cfg.kafka(n.eng)
	if err != nil {
		return err
	}
	conf.Logger, conf.Metrics = n.log, metrics
	if n.cluster, err = kafkalog.New(conf); err != nil {
		return err
	}
	n.closers = append(n.closers, n.cluster.Close)
	if n.producer, err = kafkalog.NewProducer(n.cluster, kafkalog.ProducerConfig{}); err != nil {
		return err
	}
	n.closers = append(n.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := n.producer.Close(ctx); err != nil {
			n.log.Warn("closing the producer", "error", err)
		}
	})
	return nil
}

// makeTopics makes the topics that are missing and tells how others differ.
func (n *Node) makeTopics(ctx context.Context) error {
	diffs, err := n.cluster.EnsureTopics(ctx, n.cluster.Catalogue()...)
	if err != nil {
		return fmt.Errorf("making topics: %w", err)
	}
	for _, d := range diffs {
		n.log.Warn("topic differs from its specification", "topic", d.Topic, "setting", d.Setting, "want", d.Want, "is", d.Got)
	}
	return nil
}

// kafka is the log's configuration, on the embedded broker where there is one.
func (c *Config) kafka(eng *addresses) (kafkalog.Config, error) {
	k := c.Kafka
	conf := kafkalog.Config{
		Brokers: k.Brokers, ClientID: c.Name, Prefix: k.TopicPrefix, Partitions: k.Partitions,
		ReplicationFactor: k.Replication, MinInSync: k.MinInSync, Retention: time.Duration(k.Retention), RecordRetention: time.Duration(c.ExchangeLog.Term),
	}
	if eng != nil {
		conf.Brokers, conf.Embedded, conf.ReplicationFactor = []string{eng.Kafka}, true, 1
		return conf, nil
	}
	if k.TLS {
		t, err := c.clientTLS(k.CA, "", "")
		if err != nil {
			return conf, err
		}
		conf.TLS = t
	}
	if k.SASL.Mechanism != "" {
		password, err := c.secretFile(k.SASL.PasswordFile)
		if err != nil {
			return conf, err
		}
		conf.SASL = kafkalog.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: kafkalog.Secret(password)}
	}
	return conf, nil
}

// Ready returns nil while log and memory answer.
func (n *Node) Ready(ctx context.Context) error {
	return errors.Join(n.cluster.Ping(ctx), n.redis.Ping(ctx).Err())
}

// Run works until ctx ends or a part fails.
func (n *Node) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range n.handlers {
		c, err := n.consumer(h, "", nil)
		if err != nil {
			return err
		}
		g.Go(func() error { return c.Run(ctx) })
	}
	for _, w := range n.work {
		g.Go(func() error { return w(ctx) })
	}
	for _, s := range n.servers {
		g.Go(func() error { return s.serve(ctx) })
	}
	n.log.Info("node is up", "roles", n.roles(), "country", n.cfg.Country)
	return g.Wait()
}

// consumer makes one role's consumer; with a share, that of a group within the role,
// which takes what selects says.
func (n *Node) consumer(h consumer, share string, selects func(body []byte) bool) (*kafkalog.Consumer, error) {
	handler, group := h.handler, "oncegate."+h.role
	if share != "" {
		group += "." + share
	}
	if n.opt.Handler != nil {
		handler = n.opt.Handler(h.role, handler)
	}
	c, err := kafkalog.NewConsumer(n.cluster, kafkalog.ConsumerConfig{
		Group: group, Kinds: h.kinds, Codec: n.codec, Writer: n.writer, Handler: handler, Select: selects,
		CommitEvery: n.opt.CommitEvery, SessionTimeout: time.Duration(n.cfg.Kafka.Session),
		Alarm: func(a kafkalog.Alarm) {
			n.log.Error("alarm", "role", h.role, "group", group, "alarm", fmt.Sprint(a))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", group, err)
	}
	return c, nil
}

func (n *Node) roles() []string {
	return slices.DeleteFunc(AllRoles(), func(r string) bool { return !n.cfg.Has(r) })
}

// Close gives everything back, last built first.
func (n *Node) Close() {
	for _, s := range n.servers {
		s.ln.Close()
	}
	for _, c := range slices.Backward(n.closers) {
		c()
	}
	n.closers = nil
}

// publish is what a role writes with.
func (n *Node) publish(role string) canon.Publish {
	if n.opt.Publish != nil {
		return n.opt.Publish(role, n.writer.Publish)
	}
	return n.writer.Publish
}

// serve opens a listener for a handler.
func (n *Node) serve(name string, s ServerConfig, h http.Handler) error {
	conf, err := n.cfg.serverTLS(s)
	if err != nil {
		return err
	}
	return n.open(name, s.Listen, conf, h)
}

func (n *Node) open(name, addr string, conf *tls.Config, h http.Handler) error {
	if n.opt.HTTP != nil {
		h = n.opt.HTTP(name, h)
	}
	srv, err := listen(name, addr, conf, h, n.log)
	if err != nil {
		return err
	}
	n.servers = append(n.servers, srv)
	return nil
}

func (n *Node) metricsHandler() http.Handler {
	return promhttp.HandlerFor(n.reg, promhttp.HandlerOpts{})
}

// tickets mints preview locations; core and web hold the same key.
func (n *Node) tickets() (*preview.Tickets, error) {
	key, err := n.cfg.keyFile(n.cfg.Keys.Ticket)
	if err != nil {
		return nil, err
	}
	return preview.NewTickets(n.cfg.Web.BaseURL, key)
}

// mount serves h below the path of base.
func mount(base string, h http.Handler) (http.Handler, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", base, err)
	}
	mux := http.NewServeMux()
	mux.Handle(u.Path+"/", h)
	return mux, nil
}
