package edelivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
)

// A Puller fetches messages from the partners whose agreements say so (One-Way/Pull,
// the side that asks). What it fetches goes the way of any other message of the
// Receiver: verified, taken once, on the log before its receipt is posted.
type Puller struct {
	receiver *Receiver
	lines    *lines
}

// NewPuller returns a puller. Its configuration is that of the Receiver.
func NewPuller(c Config) (*Puller, error) {
	r, err := NewReceiver(c)
	if err != nil {
		return nil, fmt.Errorf("configuring puller: %w", err)
	}
	return &Puller{receiver: r, lines: newLines(c.HTTP)}, nil
}

// lookEvery is how often the agreements are looked at for partners that came or went.
const lookEvery = 10 * time.Second

// Run fetches until ctx ends, each partner on its own; it heeds a reload.
func (p *Puller) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[string]context.CancelFunc{}
	for {
		wanted := map[string]bool{}
		for _, partner := range p.receiver.PModes.Table().Fetched() {
			wanted[partner.Name] = true
			if running[partner.Name] == nil {
				own, cancel := context.WithCancel(ctx)
				running[partner.Name] = cancel
				wg.Go(func() { p.follow(own, partner.Name) })
			}
		}
		for name, cancel := range running {
			if !wanted[name] {
				cancel()
				delete(running, name)
			}
		}
		if !wait(ctx, lookEvery) {
			for _, cancel := range running {
				cancel()
			}
			return nil
		}
	}
}

// longestPause is how long a partner that does not answer is left alone at most.
const longestPause = 15 * time.Minute

// follow fetches from one partner: all that is there, then after a while again.
func (p *Puller) follow(ctx context.Context, name string) {
	log := p.receiver.Logger.With(slog.String("partner", name))
	failures := 0
	for {
		partner, ok := p.receiver.PModes.Table().Named(name)
		if !ok || partner.Fetch.Every <= 0 {
			// Run ends it when it looks next, unless the agreement is back by then.
			if !wait(ctx, lookEvery) {
				return
			}
			continue
		}
		n, err := p.drain(ctx, name)
		if ctx.Err() != nil {
			return
		}
		pause := partner.Fetch.Every
		if err != nil {
			failures = min(failures+1, 16)
			pause = max(pause, min(pause<<failures, longestPause))
			log.WarnContext(ctx, "messages not fetched", slog.Int("failures", failures), slog.Any("error", err))
		} else {
			failures = 0
		}
		if n > 0 {
			log.DebugContext(ctx, "messages fetched", slog.Int("messages", n))
		}
		// A tenth more or less keeps processes and partners from asking in step.
		if !wait(ctx, pause+time.Duration((p.receiver.fraction()-0.5)*float64(pause)/5)) {
			return
		}
	}
}

// drain fetches until nothing is left. Each message is asked for under the agreement
// that is in force then.
func (p *Puller) drain(ctx context.Context, name string) (n int, err error) {
	for {
		table := p.receiver.PModes.Table()
		partner, ok := table.Named(name)
		if !ok || partner.Fetch.Every <= 0 {
			return n, nil
		}
		more, err := p.fetch(ctx, table, partner)
		if err != nil || !more {
			return n, err
		}
		n++
	}
}

// fetch asks for one message, takes it, and posts its receipt. more is false where the
// partner has none.
func (p *Puller) fetch(ctx context.Context, table *pmode.Table, partner *pmode.Partner) (more bool, err error) {
	r := p.receiver
	request, id, err := r.pullRequest(table, partner)
	if err != nil {
		return false, err
	}
	// A partner gets its timeout to answer, and may then not be slower than any other
	// sender of a message.
	ctx, patience := watch(ctx, partner.Timeout)
	defer patience.stop()
	resp, err := p.post(ctx, partner, request)
	if err != nil {
		return false, fmt.Errorf("asking for a message: %w", patience.explain(err))
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on it
	body := patience.reader(resp.Body)
	mediaType := resp.Header.Get("Content-Type")
	// A signal is plain SOAP; a message with parts is not. One without parts may be.
	head, err := io.ReadAll(io.LimitReader(body, peek))
	if err != nil {
		return false, fmt.Errorf("reading the answer: %w", patience.explain(err))
	}
	if sig, ok, err := r.pullSignal(ctx, partner, id, mediaType, head); ok {
		return false, pullAnswer(sig, err, resp.StatusCode)
	}
	if resp.StatusCode/100 != 2 {
		return false, fmt.Errorf("answer to a pull request has status %d and no ebMS message", resp.StatusCode)
	}
	a := r.takeFrom(ctx, partner, table, resp, io.MultiReader(bytes.NewReader(head), body))
	r.Observe(Observation{Inbound: true, Outcome: a.outcome, Code: string(a.code)})
	if !a.signed && (a.status != http.StatusOK || a.code != "" || len(a.body) == 0) {
		// Without a receipt the partner lays it out again.
		return false, fmt.Errorf("fetched message cannot be taken now: %s %s", a.outcome, a.code)
	}
	patience.timer.Stop()
	if err := p.tell(ctx, partner, a.body); err != nil {
		// It comes again then, and gets the same answer.
		return false, fmt.Errorf("posting the answer to a fetched message: %w", err)
	}
	return true, nil
}

// takeFrom takes a message that came in answer to a request of ours.
func (r *Receiver) takeFrom(ctx context.Context, from *pmode.Partner, table *pmode.Table, resp *http.Response, body io.Reader) answer {
	return (&inbound{
		r: r, from: from, partner: from, client: "partner " + from.Name, table: table,
		req:  &http.Request{Header: resp.Header, ContentLength: resp.ContentLength},
		body: &paced{r: body, conn: http.NewResponseController(nil), most: wire(r.Limits.Ahead, r.Limits.Envelope)},
	}).take(ctx)
}

// peek is how much of an answer is read to see whether it is a signal.
const peek = 64 << 10

// pullRequest makes a signed request for the oldest message of a partition.
func (n *node) pullRequest(t *pmode.Table, p *pmode.Partner) (envelope []byte, id string, err error) {
	envelope, err = n.signed(t, p, "", func(s *ebms.Signal, wsuID string) []byte {
		id = s.MessageID
		mpc := p.Fetch.MPC
		if mpc == ebms.DefaultMPC {
			mpc = ""
		}
		return ebms.AppendPullRequest(make([]byte, 0, 1<<10), s, mpc, wsuID)
	})
	return envelope, id, err
}

func (p *Puller) post(ctx context.Context, partner *pmode.Partner, envelope []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, partner.URL, bytes.NewReader(envelope))
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	req.Header.Set("Content-Type", swa.SOAPType+"; charset=UTF-8")
	req.Header.Set("User-Agent", "oncegate")
	return p.lines.to(partner).Do(req)
}

// tell posts a signal about a message that was fetched.
func (p *Puller) tell(ctx context.Context, partner *pmode.Partner, signal []byte) error {
	ctx, cancel := context.WithTimeout(ctx, partner.Timeout)
	defer cancel()
	resp, err := p.post(ctx, partner, signal)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on it
	b, _ := io.ReadAll(io.LimitReader(resp.Body, peek))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answer has status %d", resp.StatusCode)
	}
	if m, _, err := readSignal(resp.Header.Get("Content-Type"), b); err == nil && len(m.Errors) > 0 {
		return fmt.Errorf("partner answers %s", m.Errors[0].Code)
	}
	return nil
}

// readSignal reads an envelope without parts; nothing of it is verified.
func readSignal(contentType string, b []byte) (*ebms.Signal, wssec.Envelope, error) {
	var env wssec.Envelope
	reader, err := swa.NewReader(contentType, bytes.NewReader(b), swa.Limits{Envelope: peek, Parts: 1, Part: peek, Message: peek})
	if err != nil {
		return nil, env, err
	}
	defer func() { _ = reader.Close() }() // a signal has no parts
	raw, err := reader.Envelope()
	if err != nil {
		return nil, env, err
	}
	limits := envelopeLimits
	limits.MaxBytes = peek
	doc, err := xmldoc.ParseBytes(raw, limits)
	if err != nil {
		return nil, env, err
	}
	if env, err = wssec.Locate(doc); err != nil {
		return nil, env, err
	}
	m, err := ebms.Read(env.Messaging)
	if err == nil && m.Signal == nil {
		err = errNoSignal
	}
	return m.Signal, env, err
}

var errNoSignal = errors.New("not a signal")

// pullSignal reports whether the answer is a signal, and what it says once it was
// found to be the partner's.
func (n *node) pullSignal(ctx context.Context, p *pmode.Partner, id, contentType string, b []byte) (*ebms.Signal, bool, error) {
	sig, env, err := readSignal(contentType, b)
	if err != nil {
		return nil, false, nil // the reader of messages says what is wrong with it
	}
	if _, err := wssec.Open(ctx, wssec.Opening{Envelope: env, Verifier: p.Verifier(), Profile: p.Profile, Allow: p.Allow, Now: n.Now()}); err != nil {
		return sig, true, fmt.Errorf("signal is not signed by the partner: %w", err)
	}
	if !sig.Answers(id) {
		return sig, true, errors.New("signal answers another request")
	}
	return sig, true, nil
}

// pullAnswer is what a signal in place of a message means: nothing is there, or why
// nothing is given.
func pullAnswer(sig *ebms.Signal, err error, status int) error {
	code := ebms.Code("")
	if len(sig.Errors) > 0 {
		code = sig.Errors[0].Code
	}
	switch {
	case code == ebms.EmptyPartition:
		return nil // also unsigned: it is no worse than no answer
	case err != nil && code != "":
		return fmt.Errorf("partner answers %s (status %d): %w", code, status, err)
	case err != nil:
		return fmt.Errorf("answer with status %d: %w", status, err)
	case code != "":
		return fmt.Errorf("partner answers %s (status %d)", code, status)
	}
	return errors.New("partner answers a pull request with a receipt")
}

// A vigil ends a request whose answer does not come, or comes too slowly.
type vigil struct {
	timer  *time.Timer
	cancel context.CancelFunc
	term   time.Duration
	start  time.Time
	n      int64
}

func watch(ctx context.Context, term time.Duration) (context.Context, *vigil) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &vigil{timer: time.AfterFunc(term, cancel), cancel: cancel, term: term, start: time.Now()}
}

func (v *vigil) stop() { v.timer.Stop(); v.cancel() }

// explain says that time ran out, where it did.
func (v *vigil) explain(err error) error {
	if errors.Is(err, context.Canceled) && time.Since(v.start) >= v.term {
		return fmt.Errorf("too slow: %w", err)
	}
	return err
}

// reader gives a body a second more for each pace bytes that came.
func (v *vigil) reader(r io.Reader) io.Reader { return &awaited{v, r} }

type awaited struct {
	v *vigil
	r io.Reader
}

func (a *awaited) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	a.v.n += int64(n)
	if err != nil { // it came: the work on it has limits of its own
		a.v.timer.Stop()
		return n, err
	}
	a.v.timer.Reset(time.Until(a.v.start.Add(a.v.term + time.Duration(a.v.n/pace)*time.Second)))
	return n, err
}
