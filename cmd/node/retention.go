package node

import "time"

// RetentionConfig says how long what an exchange brought is kept at most. What
// is over earlier is forgotten at once.
type RetentionConfig struct {
	// Delivered evidence waits so long for the portal to say that it has it, an
	// answer of ours so long for the peer's receipt. Default: 72h; at most 720h.
	Delivered Duration `yaml:"delivered"`
}

const (
	defaultRetention = 72 * time.Hour
	maxRetention     = 30 * 24 * time.Hour
)

func (r RetentionConfig) delivered() time.Duration {
	if r.Delivered == 0 {
		return defaultRetention
	}
	return time.Duration(r.Delivered)
}

// The log and the memory outlive the longest exchange: three timers and the
// retention, with a day for what stood still meanwhile.
const (
	horizonMargin = 24 * time.Hour // how much further back the log is read
	memoryMargin  = 48 * time.Hour // how much longer the memory keeps a conversation
)

func (c *Config) validateRetention(bad func(string, string, ...any)) {
	d, log := c.Retention.delivered(), time.Duration(c.Kafka.Retention)
	if d < 0 || d > maxRetention {
		bad("retention.delivered", "%v: want up to %v (Reg. 2018/1724 Art. 14(3)(i))", d, maxRetention)
	}
	if log != 0 && d+horizonMargin > log {
		bad("retention.delivered", "%v: the log keeps what it stands on for kafka.retention %v alone; want a day less", d, log)
	}
}
