package register

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/schemas/canon"
)

// guard makes what every call of a register passes.
func (c Config) guard(register string, terms care.Terms) (*care.Guard, error) {
	if c.Budgets == nil {
		c.Budgets = care.NewMemory(c.Now, time.Time{})
	}
	if c.Asked == nil {
		c.Asked = care.NewCalls(c.Now)
	}
	return care.New(care.Config{
		Register: register, Terms: terms, Budgets: c.Budgets, Asked: c.Asked, Remember: c.Recall,
		Now: c.Now, Log: c.Log, Observe: c.Observe,
	})
}

// ask gets the answer to one query: from the cache, where the register allows one,
// or by a call, when it may be made.
func (c *Connector) ask(ctx context.Context, m canon.Message, q *canon.RegisterQuery, subject canon.Subject, in any) result {
	if res, ok := c.def.answerUnasked(in); ok {
		return res
	}
	req, res := c.def.makeRequest(in, c.secrets)
	if req == nil {
		return res
	}
	req.id, req.at = m.ID, m.At
	question, err := question(q, subject)
	if err != nil {
		return result{outcome: outcomeUnavailable, code: canon.CodeInternal, detail: "reading the query", err: err}
	}
	if kept, at, ok := c.cache.Get(question); ok {
		kept.asOf = at
		return kept
	}
	var reply *raw
	err = c.guard.Call(ctx, string(m.ID), func(ctx context.Context) care.Fate {
		if reply, err = c.wire.exchange(ctx, req); err != nil {
			res = failedCall(err)
		} else {
			res = c.def.read(reply, in)
			res.putAway = reply.settle
		}
		return res.fateOfCall()
	})
	if err != nil {
		return c.noCall(err, m.ID)
	}
	if reply != nil {
		c.after(ctx, m.ID, in, reply, res)
	}
	c.reportBroken(ctx, res.broken)
	c.warn(ctx, res)
	if res.outcome == outcomeFound {
		kept := res
		kept.putAway = nil // the reply of this query, not of the next
		c.cache.Put(question, kept, kept.size())
	}
	return res
}

// question is what two queries must share so that one answer serves both: all but
// the exchange. Who asks, and for which procedure, is part of it: the register
// decides by them, and its own log must know every authority that saw the record.
func question(q *canon.RegisterQuery, subject canon.Subject) ([]byte, error) {
	open := *q
	open.Exchange, open.Private = "", canon.Sealed[canon.QueryPrivate]{}
	return json.Marshal(struct {
		canon.RegisterQuery
		Subject canon.Subject `json:"subject"`
	}{open, subject})
}

func (r result) size() int {
	n := len(r.record) + len(r.evidence)
	for _, a := range r.with {
		n += len(a.content)
	}
	return n
}

// fateOfCall is what care must know of a result.
func (r result) fateOfCall() care.Fate {
	switch {
	case r.outcome != outcomeUnavailable:
		return care.Answered
	case r.fate != 0:
		return r.fate
	case r.code == canon.CodeRegisterDown:
		return care.Unknown
	}
	return care.Failing // in the register's own words
}

// noCall is the result where no call may be made.
func (c *Connector) noCall(err error, id canon.MessageID) result {
	res := result{outcome: outcomeUnavailable, code: canon.CodeRegisterDown, err: err}
	var closed *care.ClosedError
	var spared *care.SparedError
	switch {
	case errors.Is(err, care.ErrFate):
		return unknownFate()
	case errors.As(err, &closed) && !closed.Until.IsZero():
		return result{outcome: outcomeDeferred, available: c.guard.Defer(closed, string(id))}
	case errors.As(err, &closed), errors.As(err, &spared):
		res.detail, res.err = err.Error(), nil
	default:
		f := canon.AsFault(err)
		res.code, res.detail = f.Code, "no call can be made: "+f.Detail
	}
	return res
}

func unknownFate() result {
	return result{
		outcome: outcomeInvalid, code: canon.CodeRegisterFate,
		detail: "a call was made and its fate is not known; this register must not be asked twice",
	}
}

// earlier is the record that was made of a query before, where it may not be asked
// twice; nil for a new one.
func (c *Connector) earlier(ctx context.Context, m canon.Message) (*canon.RegisterRecord, error) {
	stored, err := c.guard.Earlier(ctx, string(m.ID))
	switch {
	case errors.Is(err, care.ErrFate):
		res := unknownFate()
		rec := &canon.RegisterRecord{
			Register: c.def.Name, Mapping: c.def.Version, Query: m.ID,
			Outcome: canon.RecordFailed, Code: res.code, Detail: res.detail,
		}
		c.settle(ctx, m, rec)
		return rec, nil
	case err != nil || stored == nil:
		return nil, err
	}
	rec := &canon.RegisterRecord{}
	if err := json.Unmarshal(stored, rec); err != nil {
		return nil, canon.NewFault(canon.CodeInternal, err, "reading an answer that was remembered")
	}
	return rec, nil
}

// settle remembers the record of a query that may not be asked twice. A record
// refers to what it found and names nobody.
func (c *Connector) settle(ctx context.Context, m canon.Message, rec *canon.RegisterRecord) {
	text, err := json.Marshal(rec)
	if err != nil {
		c.with.Log.ErrorContext(ctx, "an answer is not remembered", "register", c.def.Name, "error", err)
		return
	}
	c.guard.Settle(ctx, string(m.ID), text)
}

// holdTries and holdEvery bound how long an answer that cannot be had again is held
// in memory while its store does not answer.
const (
	holdTries = 30
	holdEvery = time.Second
)

// hold stores what was found. What cannot be asked for again is held until it is
// stored, even while we are being stopped.
func (c *Connector) hold(ctx context.Context, keep func(context.Context) error) error {
	if c.def.care.Repeat != care.RepeatNever {
		return keep(ctx)
	}
	var err error
	for range holdTries {
		if err = keep(context.WithoutCancel(ctx)); err == nil || canon.AsFault(err).Kind != canon.Unavailable {
			return err
		}
		t := time.NewTimer(holdEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("stopped while an answer was held: %w", err)
		}
	}
	return err
}

// A callTrace tells how far one request came.
type callTrace struct{ connected, heard atomic.Bool }

func traced() (*httptrace.ClientTrace, *callTrace) {
	t := &callTrace{}
	return &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { t.connected.Store(true) },
		GotFirstResponseByte: func() { t.heard.Store(true) },
	}, t
}

// fate is what became of a request that got no reply.
func (t *callTrace) fate(ctx context.Context, err error) care.Fate {
	switch {
	case !t.connected.Load(), strings.Contains(err.Error(), "cannot rewind body"):
		// net/http says the latter of an idle connection that ended before it was used.
		return care.Untouched
	case !t.heard.Load() && ctx.Err() == nil:
		return care.Cut
	}
	return care.Unknown
}
