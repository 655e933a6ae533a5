package care

import (
	"time"

	"oncegate/mapping/yamldoc"
)

// Terms are what was agreed with the owner of one register.
type Terms struct {
	Budget  Budget
	Timeout time.Duration // of one call, repetitions included
	Repeat  Repeat
	Breaker Breaker
	Wait    time.Duration // closed for longer: the requester is told when it opens
	Cache   time.Duration // how long an answer may be given again; 0: never

	agreed      stated
	hours       *hours   // of register.yaml; nil: always open
	ours        *hours   // of the deployment: open only where both are
	maintenance []Window // of the deployment
}

// stated says what stands in register.yaml: what does not was not agreed to, and a
// deployment may choose.
type stated struct{ concurrency, timeout bool }

// Repeat says whether a call may be made twice.
type Repeat string

// What a call does at the register.
const (
	RepeatSafe  Repeat = "safe"  // it reads
	RepeatNever Repeat = "never" // it does something: sends a letter, costs a fee
)

// Breaker says when a register is spared.
type Breaker struct {
	Failures int           // so many in a row
	Open     time.Duration // for so long
}

const (
	defaultConcurrency = 4
	defaultTimeout     = 20 * time.Second
	defaultWait        = time.Minute
	defaultFailures    = 5
	defaultOpen        = 30 * time.Second

	maxTimeout = 10 * time.Minute
	maxWait    = 15 * time.Minute // a query that waits holds up those behind it
	maxOpen    = time.Hour
	maxCache   = time.Hour
)

// DefaultTerms hold where register.yaml says nothing.
func DefaultTerms() Terms {
	return Terms{
		Budget: Budget{Concurrency: defaultConcurrency}, Timeout: defaultTimeout, Repeat: RepeatSafe,
		Breaker: Breaker{defaultFailures, defaultOpen}, Wait: defaultWait,
	}
}

// Parse reads the key care of register.yaml. Faults go to the file it stands in.
func Parse(v yamldoc.Value) Terms {
	t := DefaultTerms()
	if !v.Exists() {
		return t
	}
	f := v.Fields("concurrency", "rate", "timeout", "repeat", "breaker", "hours", "wait", "cache")
	t.agreed = stated{f["concurrency"].Exists(), f["timeout"].Exists()}
	setInt(&t.Budget.Concurrency, f["concurrency"], MaxConcurrency)
	if rate := f["rate"]; rate.Exists() {
		t.Budget = parseRate(rate, t.Budget)
	}
	setDuration(&t.Timeout, f["timeout"], time.Millisecond, maxTimeout)
	t.Repeat = Repeat(f["repeat"].Word(string(RepeatSafe), string(RepeatNever)))
	if b := f["breaker"]; b.Exists() {
		bf := b.Fields("failures", "open")
		setInt(&t.Breaker.Failures, bf["failures"], 1000)
		setDuration(&t.Breaker.Open, bf["open"], time.Second, maxOpen)
	}
	t.hours = parseHours(f["hours"])
	setDuration(&t.Wait, f["wait"], time.Second, maxWait)
	if c := f["cache"]; c.Exists() {
		cf := c.Fields("for")
		if !cf["for"].Exists() {
			c.Fault("missing key %q: how long an answer may be given again", "for")
		}
		setDuration(&t.Cache, cf["for"], time.Second, maxCache)
		if t.Repeat == RepeatNever {
			c.Fault("a call that does something (repeat: never) is not answered from a cache")
		}
	}
	return t
}

func parseRate(v yamldoc.Value, b Budget) Budget {
	f := v.Fields("calls", "per", "burst")
	for _, key := range []string{"calls", "per"} {
		if !f[key].Exists() {
			v.Fault("missing key %q", key)
		}
	}
	setInt(&b.Calls, f["calls"], MaxCalls)
	setDuration(&b.Per, f["per"], MinPer, MaxPer)
	b.Burst = b.Calls
	if f["burst"].Exists() {
		setInt(&b.Burst, f["burst"], max(int64(b.Calls), 1))
	}
	return b
}

func setInt(to *int, v yamldoc.Value, most int64) {
	if v.Exists() {
		*to = int(v.Int(1, most))
	}
}

func setDuration(to *time.Duration, v yamldoc.Value, least, most time.Duration) {
	if !v.Exists() {
		return
	}
	d := v.Duration()
	if d != 0 && (d < least || d > most) {
		v.Fault("want %v to %v", least, most)
		return
	}
	*to = d
}
