package node

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/register"
	"oncegate/connectors/register/care"
	"oncegate/gateway/redisstore"
)

// budgets are the budgets of registers over all processes. The two wings of the
// house have the same words and do not know each other.
type budgets struct{ *redisstore.Budgets }

var _ care.Budgets = budgets{}

func (b budgets) Take(ctx context.Context, name, ticket string, of care.Budget, hold time.Duration) (care.Grant, error) {
	g, err := b.Budgets.Take(ctx, name, ticket, redisstore.Budget(of), hold)
	return care.Grant(g), err
}

func (b budgets) Return(ctx context.Context, name, ticket string, of care.Budget, slot int64) error {
	return b.Budgets.Return(ctx, name, ticket, redisstore.Budget(of), slot)
}

var _ care.Asked = (*redisstore.Once)(nil)

const usualRetention = 720 * time.Hour // of the log

// registerCare is what all registers of this process share.
type registerCare struct {
	budgets  care.Budgets
	asked    care.Asked
	recall   time.Duration
	took     *prometheus.HistogramVec
	waited   *prometheus.HistogramVec
	state    *prometheus.GaugeVec
	opened   *prometheus.CounterVec
	deferred *prometheus.CounterVec
}

func (n *Node) newRegisterCare() (*registerCare, error) {
	var counts care.Budgets = care.NewMemory(time.Now, time.Now()) // embedded there is one process
	if !n.opt.Embedded {
		shared, err := redisstore.NewBudgets(redisstore.BudgetsConfig{Client: n.redis, Prefix: n.prefix()})
		if err != nil {
			return nil, err
		}
		counts = budgets{shared}
	}
	asked, err := redisstore.NewOnce(redisstore.OnceConfig{Client: n.redis, Prefix: n.prefix(), Room: "asked"})
	if err != nil {
		return nil, err
	}
	c := &registerCare{
		budgets: counts, asked: asked,
		// A query that the log still holds can be asked again.
		recall: max(time.Duration(n.cfg.Kafka.Retention), usualRetention) + 10*24*time.Hour,
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_register_request_duration_seconds", Help: "Calls to registers, by outcome: answered, failing, unreachable, cut or unknown.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 10),
		}, []string{"register", "outcome"}),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_register_budget_wait_seconds", Help: "How long calls waited until the register was open and had room.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"register"}),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_register_breaker_state", Help: "1 closed, 2 half-open, 3 open: the register does not answer and is spared.",
		}, []string{"register"}),
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_register_breaker_opened_total", Help: "How often the breaker of a register opened.",
		}, []string{"register"}),
		deferred: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_register_deferred_total", Help: "Requesters that were told to come again when the register opens.",
		}, []string{"register"}),
	}
	for _, m := range []prometheus.Collector{c.took, c.waited, c.state, c.opened, c.deferred} {
		if err := n.reg.Register(m); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return c, nil
}

// give gives a connector what it shares with those of other processes.
func (c *registerCare) give(to *register.Config) {
	to.Budgets, to.Asked, to.Recall, to.Observe = c.budgets, c.asked, c.recall, c.observe
}

func (c *registerCare) observe(o care.Observation) {
	if o.Call != 0 {
		c.took.WithLabelValues(o.Register, o.Call.String()).Observe(o.Took.Seconds())
		c.waited.WithLabelValues(o.Register).Observe(o.Waited.Seconds())
	}
	if o.Breaker != 0 {
		c.state.WithLabelValues(o.Register).Set(float64(o.Breaker))
	}
	if o.Opened {
		c.opened.WithLabelValues(o.Register).Inc()
	}
	if o.Deferred {
		c.deferred.WithLabelValues(o.Register).Inc()
	}
}
