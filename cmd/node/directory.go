package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/certpath"
	"oncegate/connectors/directory"
	"oncegate/connectors/edelivery/revocation"
	"oncegate/gateway/api"
	"oncegate/gateway/choice"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// buildDirectory makes the client of the common services, with which portals plan
// (role web) and routes are kept (role core).
func (n *Node) buildDirectory(context.Context) error {
	if n.cfg.Services == nil || !n.cfg.Has(RoleCore) && !n.cfg.Has(RoleWeb) {
		return nil
	}
	conf, err := n.cfg.directory(n)
	if err != nil {
		return err
	}
	metrics, err := newDirectoryMetrics(n.reg)
	if err != nil {
		return err
	}
	conf.Now, conf.Logger, conf.Metrics = time.Now, n.log, metrics
	client, err := directory.New(conf)
	if err != nil {
		return err
	}
	n.services = &commonServices{client: client, now: time.Now, seen: map[instance]api.DirectoryHealth{}}
	if n.cfg.Services.Poll == nil || !n.cfg.Has(RoleCore) {
		return nil
	}
	poller, err := directory.NewPoller(directory.PollerConfig{
		Client: n.services, Country: n.cfg.Country, Poll: *n.cfg.Services.Poll, Publish: n.publish(RoleCore),
		Known: func() []directory.Known {
			var out []directory.Known
			for _, l := range n.routes.Learned(time.Now()) {
				out = append(out, directory.Known{Route: l.Route, Since: l.Since})
			}
			return out
		},
		Now: time.Now, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.work = append(n.work, poller.Run)
	return nil
}

// directory is the configuration of the client of the common services.
func (c *Config) directory(n *Node) (directory.Config, error) {
	lists, err := c.Lists()
	if err != nil {
		return directory.Config{}, err
	}
	store, err := RevocationStore(n.log, c.EDelivery.Revocation.Private)
	if err != nil {
		return directory.Config{}, err
	}
	conf, err := c.Services.Config(c.Country, directory.Sources{
		Read: func(name string) ([]byte, error) { return readBounded(c.path(name), maxNamed, false) },
		Revocation: func(mode string) (certpath.Revocation, error) {
			m := revocation.Soft
			if mode == "hard" {
				m = revocation.Hard
			}
			checker, err := store.Checker(revocation.Policy{Mode: m})
			if err != nil || checker == nil {
				return nil, err
			}
			return checker, nil
		},
	})
	conf.Lists = lists
	return conf, err
}

// guide plans for portals with the common services; nil where none are asked.
func (n *Node) guide() (*choice.Guide, error) {
	if n.services == nil {
		return nil, nil
	}
	return choice.NewGuide(choice.Config{Directory: n.services, Obstacle: n.obstacle})
}

// obstacle says why a request of ours could not go to a service, as the core would.
func (n *Node) obstacle(procedure string, requester canon.Agent, s canon.DataService) string {
	_, why := n.routes.Ask(routing.Query{
		Procedure: procedure, EvidenceType: s.EvidenceType.Classification, Requester: requester, Provider: s.Provider,
		Assurance: "High", // whether that of the person is enough is the guide's to say
		Offer:     canon.Offer{AccessPoint: s.AccessPoint, Specifications: s.Specifications, Assurance: s.Assurance},
		At:        time.Now(),
	})
	return string(why)
}

// An instance is one of the common services of one country.
type instance struct{ service, country string }

// commonServices is the client of the common services, which remembers how each
// instance answered.
type commonServices struct {
	client *directory.Client
	now    func() time.Time

	mu   sync.Mutex
	seen map[instance]api.DirectoryHealth
}

var (
	_ choice.Directory = (*commonServices)(nil)
	_ directory.Asker  = (*commonServices)(nil)
)

func (c *commonServices) note(service, country string, o canon.Origin, err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	k := instance{service, country}
	h := c.seen[k]
	h.Service, h.Country, h.Asked = service, country, now
	switch f := canon.AsFault(err); {
	case errors.Is(err, context.Canceled): // who asked is gone
		return
	case f == nil:
		h.Source, h.Answered, h.Stale, h.Code = o.Provenance.Source, o.Provenance.At, o.Stale, ""
		if o.Stale {
			h.Code = canon.CodeDirectoryDown
		}
	case f.Kind == canon.NotFound: // an answer as good as any
		h.Answered, h.Stale, h.Code = now, false, ""
	default:
		h.Code = f.Code
	}
	c.seen[k] = h
}

// Requirements asks EB-1.
func (c *commonServices) Requirements(ctx context.Context, q canon.RequirementsQuery) (canon.RequirementsAnswer, error) {
	a, err := c.client.Requirements(ctx, q)
	c.note("eb", q.Country, a.Origin, err)
	return a, err
}

// EvidenceTypes asks EB-2.
func (c *commonServices) EvidenceTypes(ctx context.Context, q canon.EvidenceTypesQuery) (canon.RequirementsAnswer, error) {
	a, err := c.client.EvidenceTypes(ctx, q)
	c.note("eb", q.Country, a.Origin, err)
	return a, err
}

// DataServices asks the directory of data services.
func (c *commonServices) DataServices(ctx context.Context, q canon.DataServicesQuery) (canon.DataServicesAnswer, error) {
	a, err := c.client.DataServices(ctx, q)
	c.note("dsd", q.Country, a.Origin, err)
	return a, err
}

// health lists the instances that were asked since the process began.
func (c *commonServices) health(time.Time) []api.DirectoryHealth {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]api.DirectoryHealth, 0, len(c.seen))
	for _, h := range c.seen {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b api.DirectoryHealth) int {
		return cmp.Or(cmp.Compare(a.Country, b.Country), cmp.Compare(a.Service, b.Service))
	})
	return out
}

// directoryMetrics counts queries to the common services.
type directoryMetrics struct{ asked *prometheus.HistogramVec }

func newDirectoryMetrics(reg prometheus.Registerer) (directoryMetrics, error) {
	m := directoryMetrics{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_directory_query_duration_seconds", Help: "Queries to the common services, by kind, country and outcome.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	}, []string{"query", "country", "outcome"})}
	if err := reg.Register(m.asked); err != nil {
		return m, fmt.Errorf("registering metrics: %w", err)
	}
	return m, nil
}

// Asked implements directory.Metrics.
func (m directoryMetrics) Asked(query, country, outcome string, took time.Duration) {
	m.asked.WithLabelValues(query, country, outcome).Observe(took.Seconds())
}
