package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"oncegate/cmd/node"
	"oncegate/gateway/api"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// The faults that the demo can show.
const (
	FaultDuplicate    = "duplicate"     // the answer is posted to the requester twice
	FaultBadSignature = "bad-signature" // a byte of the first answer is changed on its way
	FaultLateRegister = "late-register" // the register fails at first
	FaultRedisLost    = "redis-lost"    // both memories are emptied while the person looks
)

// Faults lists them.
func Faults() []string {
	return []string{FaultDuplicate, FaultBadSignature, FaultLateRegister, FaultRedisLost}
}

// DemoConfig says what the demo shows.
type DemoConfig struct {
	Register string // births, residence, companies
	Decline  bool
	NotFound bool
	Fault    string // one of Faults; empty: none
	Logger   *slog.Logger
	Progress func(what string) // Default: silent
}

// Validate reports all faults at once.
func (c DemoConfig) Validate() error {
	var errs []error
	if !slices.Contains([]string{"births", "residence", "companies"}, c.Register) {
		errs = append(errs, fmt.Errorf("unknown register %q: want births, residence or companies", c.Register))
	}
	if c.Fault != "" && !slices.Contains(Faults(), c.Fault) {
		errs = append(errs, fmt.Errorf("unknown fault %q: want %s", c.Fault, strings.Join(Faults(), ", ")))
	}
	if c.NotFound && (c.Decline || c.Register == "companies") {
		errs = append(errs, errors.New("--not-found is about a natural person, and leaves nothing to decline"))
	}
	return errors.Join(errs...)
}

// varied reports that the demo shows how one exchange goes otherwise: nothing more is
// played then.
func (c DemoConfig) varied() bool {
	return c.Decline || c.NotFound || c.Fault != "" || c.Register != "births"
}

// A Report is what the demo showed.
type Report struct {
	Code         string               `json:"code,omitempty"`
	ErrorCode    string               `json:"errorCode,omitempty"`
	Register     string               `json:"register"`
	Fault        string               `json:"fault,omitempty"`
	Requester    canon.ConversationID `json:"requester"` // the exchange at either side
	Provider     canon.ConversationID `json:"provider"`
	Milliseconds float64              `json:"milliseconds"`
	Evidence     Evidence             `json:"evidence"`
	Hops         []Hop                `json:"hops"`
	Steps        []string             `json:"steps"` // of the person
	Notes        []string             `json:"notes,omitempty"`
	Studies      *Studies             `json:"studies,omitempty"` // the procedure with proofs from two Member States
	Outcome      string               `json:"outcome"`           // last, where an eye that follows the output ends
}

// Evidence is what the portal downloaded.
type Evidence struct {
	Digest    string `json:"digest,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
	Size      int    `json:"size"`
	File      string `json:"file,omitempty"`
	Bytes     []byte `json:"-"`
}

// A Hop is one message on the log of one Member State.
type Hop struct {
	Country string `json:"country"`
	api.Hop
}

// Demo starts a landscape, plays one exchange in it, and reports every hop.
func Demo(ctx context.Context, cfg DemoConfig) (*Report, error) {
	tell := cfg.Progress
	if tell == nil {
		tell = func(string) {}
	}
	wire := &wiretap{fault: cfg.Fault}
	tell("starting three Member States, their registers, common services, an eID and a portal ...")
	l, err := Start(ctx, Config{Logger: cfg.Logger, Options: func(member string) node.Options {
		if member == Slovenia { // where the provider's answers arrive
			return node.Options{HTTP: wire.wrap}
		}
		return node.Options{}
	}})
	if err != nil {
		return nil, err
	}
	rep, err := l.demo(ctx, cfg, wire, tell)
	if err == nil && !cfg.varied() {
		tell("\none procedure, two proofs, two Member States:")
		start := time.Now()
		rep.Studies, err = l.PlayStudies(ctx)
		rep.Studies.Milliseconds = float64(time.Since(start)) / float64(time.Millisecond)
		for _, s := range rep.Studies.Steps {
			tell("  " + s)
		}
		if err != nil {
			err = fmt.Errorf("playing the procedure: %w", err)
		}
	}
	if cerr := l.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("ending the landscape: %w", cerr)
	}
	return rep, err
}

func (l *Landscape) demo(ctx context.Context, cfg DemoConfig, wire *wiretap, tell func(string)) (*Report, error) {
	script := Script{Register: cfg.Register, Decline: cfg.Decline}
	if cfg.NotFound {
		script.Persona = "ingrid"
	}
	rep := &Report{Register: cfg.Register, Fault: cfg.Fault}
	switch cfg.Fault {
	case FaultLateRegister:
		l.regs.fail(3)
		rep.Notes = append(rep.Notes, "the register failed three times; the query was repeated in place")
	case FaultRedisLost:
		script.AtPreview = func(ctx context.Context) error {
			rep.Notes = append(rep.Notes, "both memories were emptied while the person was looking; the conversations were folded again from the log")
			return errors.Join(l.Node(Slovenia).Forget(ctx), l.Node(Spain).Forget(ctx))
		}
	}
	start := time.Now()
	res, err := l.Play(ctx, script)
	rep.Milliseconds = float64(time.Since(start)) / float64(time.Millisecond)
	rep.Steps = res.Steps
	for _, s := range res.Steps {
		tell("  " + s)
	}
	rep.Outcome, rep.Code, rep.ErrorCode, rep.Requester = res.Outcome, res.Code, res.EDM, res.Exchange
	rep.Evidence = Evidence{Digest: res.Digest, MediaType: res.Media, Size: len(res.Evidence), Bytes: res.Evidence}
	if err != nil {
		return rep, fmt.Errorf("playing the exchange: %w", err)
	}
	if n := wire.notes(); n != "" {
		rep.Notes = append(rep.Notes, n)
	}
	if err := l.settle(ctx, rep); err != nil {
		return rep, err
	}
	return rep, nil
}

// settle waits until both sides have written their last message, and collects
// the hops of both.
func (l *Landscape) settle(ctx context.Context, rep *Report) error {
	peer, err := routing.ParseParticipant(l.si.AccessPoint)
	if err != nil {
		return err
	}
	rep.Provider = canon.InboundConversation(peer, canon.ExchangeID(rep.Requester))
	for _, side := range []struct {
		member string
		id     canon.ConversationID
	}{{Slovenia, rep.Requester}, {Spain, rep.Provider}} {
		n := l.Node(side.member)
		tick := time.NewTicker(20 * time.Millisecond)
		for {
			c, err := n.Exchanges().Get(ctx, side.id)
			if err == nil && c.Phase.Final() {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				tick.Stop()
				return fmt.Errorf("waiting for %s to come to its end: %w", side.member, errors.Join(err, ctx.Err()))
			}
		}
		tick.Stop()
		hops, err := n.Timeline(ctx, side.id)
		if err != nil {
			return fmt.Errorf("reading the time line of %s: %w", side.member, err)
		}
		for _, h := range hops {
			rep.Hops = append(rep.Hops, Hop{Country: l.member(side.member).Country, Hop: h})
		}
	}
	slices.SortStableFunc(rep.Hops, func(a, b Hop) int { return a.At.Compare(b.At) })
	return nil
}

// A wiretap stands before the requester's access point and makes the faults of
// the wire: it changes or repeats what the provider posts.
type wiretap struct {
	fault  string
	done   atomic.Bool
	answer atomic.Value // note
}

func (t *wiretap) notes() string { s, _ := t.answer.Load().(string); return s }

func (t *wiretap) wrap(name string, next http.Handler) http.Handler {
	if name != node.RoleEDelivery || t.fault != FaultDuplicate && t.fault != FaultBadSignature {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 256<<20))
		if err != nil || !t.done.CompareAndSwap(false, true) {
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
			return
		}
		if t.fault == FaultBadSignature {
			bad := bytes.Clone(body)
			bad[len(bad)-len(bad)/8] ^= 1 // in the last part: the payload
			rec := serveAgain(next, r, bad)
			t.answer.Store("one byte of the provider's first answer was changed on its way; the access point said: " + ebmsError(rec.body.Bytes()) + "; the provider sent it again")
			// As if the network had lost it: the sender must try again.
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		first, second := serveAgain(next, r, body), serveAgain(next, r, body)
		same := "another receipt"
		if bytes.Equal(first.body.Bytes(), second.body.Bytes()) {
			same = "the same receipt, byte for byte"
		}
		t.answer.Store("the provider's first answer was posted twice; the second post got " + same)
		for k, v := range first.header {
			w.Header()[k] = v
		}
		w.WriteHeader(first.status)
		_, _ = w.Write(first.body.Bytes()) // the sender may be gone
	})
}

// ebmsError finds the code in an answer for people.
func ebmsError(answer []byte) string {
	if i := bytes.Index(answer, []byte("EBMS:")); i >= 0 && i+9 <= len(answer) {
		return string(answer[i : i+9])
	}
	return "nothing"
}

func serveAgain(h http.Handler, r *http.Request, body []byte) *recorded {
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	rec := &recorded{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(rec, again)
	return rec
}

// recorded keeps one answer.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }
