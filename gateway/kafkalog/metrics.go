package kafkalog

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what happens on the log. Labels are topics, groups, partitions
// and codes, never a conversation or a person. A nil *Metrics counts nothing.
type Metrics struct {
	operation *prometheus.HistogramVec // messaging.client.operation.duration
	sent      *prometheus.CounterVec
	batches   *prometheus.HistogramVec
	consumed  *prometheus.CounterVec
	process   *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	dead      *prometheus.CounterVec
	lag       *prometheus.GaugeVec
	stopped   *prometheus.GaugeVec
	alarms    *prometheus.CounterVec
}

// NewMetrics registers the collectors.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	latency := prometheus.ExponentialBuckets(0.0001, 3, 12) // 0.1 ms to 17 s
	m := &Metrics{
		operation: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "messaging_client_operation_duration_seconds", Help: "Duration of one request to the brokers.", Buckets: latency,
		}, []string{"operation", "topic", "outcome"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "messaging_client_sent_messages_total", Help: "Records acknowledged by all in-sync replicas.",
		}, []string{"topic"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_log_batch_records", Help: "Records in one written batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		}, []string{"topic"}),
		consumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "messaging_client_consumed_messages_total", Help: "Records handled to the end.",
		}, []string{"group", "topic"}),
		process: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "messaging_process_duration_seconds", Help: "Duration of one attempt to handle a record.", Buckets: latency,
		}, []string{"group", "topic", "outcome"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_consumer_retries_total", Help: "Attempts after the first, by the code that made them necessary.",
		}, []string{"group", "topic", "code"}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_dead_letters_total", Help: "Records put into the dead letters.",
		}, []string{"topic", "code"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_consumer_lag", Help: "Records between the next one to handle and the end of the partition.",
		}, []string{"group", "topic", "partition"}),
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_partition_stopped", Help: "1 while a partition waits for an operator.",
		}, []string{"group", "topic", "partition"}),
		alarms: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_log_alarms_total", Help: "Alarms raised, by reason.",
		}, []string{"group", "reason"}),
	}
	for _, c := range []prometheus.Collector{m.operation, m.sent, m.batches, m.consumed, m.process, m.retries, m.dead, m.lag, m.stopped, m.alarms} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) operated(operation, topic string, err error, d time.Duration) {
	if m != nil {
		m.operation.WithLabelValues(operation, topic, outcome(err)).Observe(d.Seconds())
	}
}

func (m *Metrics) wrote(topic string, records int32) {
	if m != nil {
		m.sent.WithLabelValues(topic).Add(float64(records))
		m.batches.WithLabelValues(topic).Observe(float64(records))
	}
}

func (m *Metrics) handled(group, topic string, err error, d time.Duration) {
	if m != nil {
		m.process.WithLabelValues(group, topic, outcome(err)).Observe(d.Seconds())
		if err == nil {
			m.consumed.WithLabelValues(group, topic).Inc()
		}
	}
}

func (m *Metrics) retried(group, topic, code string) {
	if m != nil {
		m.retries.WithLabelValues(group, topic, code).Inc()
	}
}

func (m *Metrics) died(topic, code string) {
	if m != nil {
		m.dead.WithLabelValues(topic, code).Inc()
	}
}

func (m *Metrics) lagged(group, topic string, partition int, n int64) {
	if m != nil {
		m.lag.WithLabelValues(group, topic, strconv.Itoa(partition)).Set(float64(n))
	}
}

// released takes the gauges of a partition away from a member that lost it.
func (m *Metrics) released(group, topic string, partition int) {
	if m != nil {
		p := strconv.Itoa(partition)
		m.lag.DeleteLabelValues(group, topic, p)
		m.stopped.DeleteLabelValues(group, topic, p)
	}
}

func (m *Metrics) halted(group, topic string, partition int) {
	if m != nil {
		m.stopped.WithLabelValues(group, topic, strconv.Itoa(partition)).Set(1)
	}
}

func (m *Metrics) alarmed(group string, r AlarmReason) {
	if m != nil {
		m.alarms.WithLabelValues(group, string(r)).Inc()
	}
}

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}
