package edelivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
)

// verdict is what the peer said, signed.
type verdict struct {
	receipt string // digest of a receipt that was checked
	proof   []byte // the receipt itself, where it is small enough to be kept
	code    ebms.Code
	detail  string
}

// duplicate reports that the peer received the message before: phase4 says so with
// a code of its own, others with Other and a word.
func (v verdict) duplicate() bool {
	return v.code == ebms.DuplicateDetected || v.code == ebms.Other && strings.Contains(strings.ToLower(v.detail), "duplicate")
}

// A setback is an attempt without a word of the peer that counts: the message may
// be sent again.
type setback struct {
	reason string        // fixed words for the operator
	after  time.Duration // how long the peer asks to wait
	err    error
}

func (b *setback) Error() string {
	if b.err == nil {
		return b.reason
	}
	return b.reason + ": " + b.err.Error()
}

func (b *setback) Unwrap() error { return b.err }

// setbackOf finds the words for an error.
func setbackOf(err error) *setback {
	if b, ok := errors.AsType[*setback](err); ok {
		return b
	}
	return &setback{reason: "no receipt", err: err}
}

const (
	maxAnswer = 1 << 20   // what a peer may answer; a receipt for 100 parts has some 60 KiB
	maxProof  = 64 << 10  // of a receipt that is kept
	outPace   = 256 << 10 // bytes a second that a partner takes at least, beside the timeout
)

// post makes one attempt. A verdict is the peer's signed word; everything else is
// an error, after which the message may be sent again.
func (s *Sender) post(ctx context.Context, p *pmode.Partner, l *letter) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, span(p, l))
	defer cancel()
	var lend lending
	defer lend.end()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, lend.reader(l.body.Reader()))
	if err != nil {
		return verdict{}, fmt.Errorf("making request: %w", err)
	}
	req.ContentLength = l.body.Length // Domibus is wary of chunks
	req.GetBody = func() (io.ReadCloser, error) { return lend.reader(l.body.Reader()), nil }
	req.Header.Set("Content-Type", l.body.ContentType)
	req.Header.Set("User-Agent", "oncegate")
	resp, err := s.lines.to(p).Do(req)
	if err != nil {
		return verdict{}, &setback{reason: explain(err), err: ebms.Because(ebms.ConnectionFailure, err, "")}
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on it
	v, err := s.judge(ctx, p, l, resp)
	if err != nil {
		return v, &setback{reason: unanswered(resp.StatusCode, err), after: s.retryAfter(resp), err: err}
	}
	return v, nil
}

// retryAfter reads Retry-After, in both its forms.
func (n *node) retryAfter(resp *http.Response) time.Duration {
	v := resp.Header.Get("Retry-After")
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(n.Now()))
	}
	return 0
}

// judge reads the answer whatever its status is, since stacks send errors with
// 200 and with 500 (c.4).
func (n *node) judge(ctx context.Context, p *pmode.Partner, l *letter, resp *http.Response) (verdict, error) {
	reader, err := swa.NewReader(resp.Header.Get("Content-Type"), resp.Body, swa.Limits{Envelope: maxAnswer, Parts: 1, Part: maxAnswer, Message: maxAnswer})
	if err != nil {
		return verdict{}, ebms.Because(ebms.MissingReceipt, err, "")
	}
	defer func() { _ = reader.Close() }() // a signal has no parts
	b, err := reader.Envelope()
	if err != nil {
		return verdict{}, ebms.Because(ebms.MissingReceipt, err, "")
	}
	return n.judgeSignal(ctx, p, l, b)
}

// judgeSignal judges the envelope of a signal that answers the letter.
func (n *node) judgeSignal(ctx context.Context, p *pmode.Partner, l *letter, b []byte) (verdict, error) {
	limits := envelopeLimits
	limits.MaxBytes = maxAnswer
	doc, err := xmldoc.ParseKept(b, limits)
	if err != nil {
		return verdict{}, ebms.Because(ebms.MissingReceipt, err, "")
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		return verdict{}, ebms.Because(ebms.InvalidReceipt, err, "")
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.Signal == nil {
		return verdict{}, ebms.Because(ebms.InvalidReceipt, err, "answer is not a signal")
	}
	// Before anything the signal says is believed: signed, and by this partner (i.16, i.18).
	if _, err := wssec.Open(ctx, wssec.Opening{Envelope: env, Verifier: p.Verifier(), Profile: p.Profile, Allow: p.Allow, Now: n.Now()}); err != nil {
		if len(m.Signal.Errors) > 0 {
			code := m.Signal.Errors[0].Code
			return verdict{}, &setback{reason: "an error that the partner did not sign says " + string(code) + "; it is not believed",
				err: ebms.Because(ebms.MissingReceipt, err, "unsigned error "+string(code))}
		}
		return verdict{}, ebms.Because(ebms.InvalidReceipt, err, "")
	}
	if !m.Signal.Answers(l.id) {
		return verdict{}, ebms.Errorf(ebms.InvalidReceipt, "signal answers another message")
	}
	if m.Signal.Receipt != nil {
		if err := wssec.CheckReceipt(l.references, m.Signal.Receipt); err != nil {
			return verdict{}, err
		}
		v := verdict{receipt: digestOf(b)}
		if len(b) <= maxProof {
			v.proof = b
		}
		return v, nil
	}
	for _, e := range m.Signal.Errors {
		if e.Severity == ebms.SeverityFailure {
			return verdict{code: e.Code, detail: e.Description + " " + e.Detail}, nil
		}
	}
	return verdict{}, errors.New("peer warned and gave no receipt")
}
