package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"oncegate/schemas/canon"
)

// RunOptions say how a plan is carried out.
type RunOptions struct {
	// Reason is recorded in the audit. Required for a plan with Again, Discard or Series.
	// It names no person.
	Reason string
	// Rate is how many messages a second are sent at most. Default: 50.
	Rate float64
	// Max ends the run after so many messages, to be resumed. Default: all.
	Max int
	// Progress is called after each batch, from the goroutine of Run.
	Progress func(Report)
}

const (
	defaultRate = 50
	maxBatch    = 100
	maxReason   = 500
)

// An Outcome says how a run ended.
type Outcome string

// The ends of a run.
const (
	Done    Outcome = "done"
	Stopped Outcome = "stopped" // by the context, or at Max; resume it
	Failed  Outcome = "failed"  // resume it when the cause is removed
)

// A Report says what a run did, with what runs of the same job did before.
type Report struct {
	Job       string         `json:"job"`
	Outcome   Outcome        `json:"outcome,omitempty"` // unset while it runs
	Messages  int            `json:"messages"`          // as planned
	Sent      int            `json:"sent"`              // or discarded
	Skipped   map[Reason]int `json:"skipped,omitempty"`
	Resumed   bool           `json:"resumed,omitempty"`
	StartedAt time.Time      `json:"startedAt"`
	EndedAt   time.Time      `json:"endedAt,omitzero"`
}

// ErrDone is returned for a plan that was carried out.
var ErrDone = errors.New("this plan was carried out")

// Run carries out a plan, or goes on where an earlier run of it ended. It
// returns a report with every error but those of its input. Ending ctx stops it
// after the batch under way: that is an outcome, not an error.
func (r *Replayer) Run(ctx context.Context, p *Plan, opt RunOptions) (*Report, error) {
	if err := r.checkRun(p, &opt); err != nil {
		return nil, err
	}
	run := &run{r: r, plan: p, opt: opt}
	cp, err := r.resume(ctx, p)
	if err != nil {
		return nil, err
	}
	run.cp = cp
	run.report = Report{
		Job: p.ID, Messages: p.Messages, Sent: cp.Sent, Skipped: maps.Clone(cp.Skipped),
		Resumed: len(cp.Next) > 0, StartedAt: r.cfg.Now().UTC(),
	}
	// What is not on record does not begin.
	if err := r.audit(ctx, run, "started"); err != nil {
		return nil, err
	}
	r.cfg.Logger.InfoContext(ctx, "replay begins", "job", p.ID, "messages", p.Messages, "again", p.Again, "resumed", run.report.Resumed)
	err = run.all(ctx)
	run.report.Outcome = Done
	switch {
	case errors.Is(err, errEnough), err != nil && ctx.Err() != nil:
		run.report.Outcome, err = Stopped, nil
	case err != nil:
		run.report.Outcome = Failed
	}
	// The end is recorded also when ctx was the end.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	run.cp.Done = run.report.Outcome == Done
	err = errors.Join(err, run.save(last))
	run.report.EndedAt = r.cfg.Now().UTC()
	err = errors.Join(err, r.audit(last, run, string(run.report.Outcome)))
	r.cfg.Logger.InfoContext(ctx, "replay ends", "job", p.ID, "outcome", run.report.Outcome, "sent", run.report.Sent)
	return &run.report, err
}

func (r *Replayer) checkRun(p *Plan, opt *RunOptions) error {
	var errs []error
	if r.cfg.Sink == nil || r.cfg.Audit == nil {
		errs = append(errs, errors.New("sink and audit are required to run"))
	}
	if err := p.Selection.Validate(); err != nil {
		errs = append(errs, err)
	}
	if p.ID != p.deriveID() {
		errs = append(errs, errors.New("the plan was changed after it was made"))
	}
	if opt.Rate < 0 || opt.Rate > 100_000 {
		errs = append(errs, errors.New("rate: not in 0..100000"))
	}
	if opt.Max < 0 {
		errs = append(errs, errors.New("max: negative"))
	}
	opt.Reason = strings.TrimSpace(opt.Reason)
	if (p.Again || p.Discard || p.Series > 0) && opt.Reason == "" {
		errs = append(errs, errors.New("reason: required to do something again or to discard it"))
	}
	if utf8.RuneCountInString(opt.Reason) > maxReason {
		errs = append(errs, fmt.Errorf("reason: longer than %d characters", maxReason))
	}
	if p.Discard && !p.Selection.Dead {
		errs = append(errs, errors.New("only dead letters can be discarded"))
	}
	if p.Discard && p.Again {
		errs = append(errs, errors.New("a letter cannot be discarded and done again"))
	}
	if p.Series > 0 && (p.Again || p.Selection.Dead) {
		errs = append(errs, errors.New("a resend keeps its ids and is of no dead letter"))
	}
	if err := errors.Join(errs...); err != nil {
		return canon.NewFault(canon.CodeBadInput, nil, "running a replay: %s", err)
	}
	opt.Rate = cmp.Or(opt.Rate, defaultRate)
	return nil
}

func (r *Replayer) audit(ctx context.Context, run *run, outcome string) error {
	step := "replay.run"
	switch {
	case run.plan.Series > 0:
		step = "message.resend"
	case run.plan.Discard:
		step = "dead-letter.discard"
	case run.plan.Selection.Dead:
		step = "dead-letter.redrive"
	}
	e := canon.AuditEvent{
		Step: step, Room: "replay", Outcome: outcome, Reason: run.opt.Reason,
		Digests: map[string]string{"plan": run.plan.digest()},
	}
	if err := r.cfg.Audit(ctx, e); err != nil {
		return fmt.Errorf("recording a replay: %w", err)
	}
	return nil
}

// A run is one execution of a plan.
type run struct {
	r      *Replayer
	plan   *Plan
	opt    RunOptions
	cp     *Checkpoint
	report Report

	batch   []Record // to be sent
	taken   int      // messages of the batch, also those that are only settled
	letters []Record // dead letters that the batch settles, without their bodies
	next    Span     // where the batch ends: From is the next offset of the partition
	paced   int      // sent by this run, for the rate
}

func (run *run) all(ctx context.Context) error {
	w, err := run.r.newWalk(ctx, run.plan)
	if err != nil {
		return err
	}
	w.spans = run.cp.rest(run.plan.Spans)
	w.limit = run.plan.Selection.Limit - run.cp.Sent
	size := max(1, min(maxBatch, int(run.opt.Rate/10)))
	current := Span{}
	err = w.run(ctx, func(rec *Record, why Reason) error {
		here := Span{Topic: rec.Topic, Partition: rec.Partition, From: rec.Offset + 1}
		if here.name() != current.name() {
			if err := run.flush(ctx); err != nil {
				return err
			}
			current = here
		}
		run.next = here
		if why != "" {
			// A second letter of a message that is redriven is dealt with, too.
			if run.plan.Selection.Dead && why == SkipDuplicate {
				run.letters = append(run.letters, placeOf(rec))
			}
			if run.report.Skipped == nil {
				run.report.Skipped = make(map[Reason]int)
			}
			run.report.Skipped[why]++
			if len(run.letters) >= maxBatch {
				return run.flush(ctx)
			}
			return nil
		}
		if run.opt.Max > 0 && run.paced+run.taken >= run.opt.Max {
			run.next.From-- // this one is not part of it
			if err := run.flush(ctx); err != nil {
				return err
			}
			return errStopped
		}
		run.taken++
		if !run.plan.Discard {
			run.batch = append(run.batch, again(rec, run.plan))
		}
		if run.plan.Selection.Dead {
			run.letters = append(run.letters, placeOf(rec))
		}
		if run.taken >= size || len(run.letters) >= maxBatch {
			return run.flush(ctx)
		}
		return nil
	})
	if errors.Is(err, errStopped) {
		return errEnough
	}
	if err != nil {
		return err
	}
	return run.flush(ctx)
}

// errStopped ends a walk at Max; the walk itself takes errEnough for its end.
var errStopped = errors.New("stopped at the maximum")

// flush sends the batch at the agreed rate, settles its letters and remembers
// how far the run has come, in this order: after a crash something may be sent
// twice under one id, and nothing is left out.
func (run *run) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(run.batch) > 0 {
		if err := run.pace(ctx); err != nil {
			return err
		}
		if err := run.r.cfg.Sink.Write(ctx, run.batch...); err != nil {
			return fmt.Errorf("sending again: %w", err)
		}
	}
	if len(run.letters) > 0 {
		how := SettledRedriven
		if run.plan.Discard {
			how = SettledDiscarded
		}
		if err := run.r.settle(ctx, run.letters, how, run.plan.ID); err != nil {
			return err
		}
	}
	run.paced += run.taken
	run.report.Sent += run.taken
	run.taken = 0
	clear(run.batch)
	clear(run.letters)
	run.batch, run.letters = run.batch[:0], run.letters[:0]
	if run.next.Topic == "" {
		return nil
	}
	run.cp.Next[run.next.name()] = run.next.From
	if err := run.save(ctx); err != nil {
		return err
	}
	if run.opt.Progress != nil {
		report := run.report
		report.Skipped = maps.Clone(report.Skipped)
		run.opt.Progress(report)
	}
	return nil
}

// pace waits until the batch may go: the rate holds over the whole run.
func (run *run) pace(ctx context.Context) error {
	due := run.report.StartedAt.Add(time.Duration(float64(run.paced) / run.opt.Rate * float64(time.Second)))
	wait := due.Sub(run.r.cfg.Now())
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (run *run) save(ctx context.Context) error {
	run.cp.Sent, run.cp.Skipped = run.report.Sent, maps.Clone(run.report.Skipped)
	if run.r.cfg.Checkpoints == nil {
		return nil
	}
	if err := run.r.cfg.Checkpoints.Save(ctx, run.cp); err != nil {
		return fmt.Errorf("saving the checkpoint: %w", err)
	}
	return nil
}

// again returns the record as it is sent again.
func again(rec *Record, p *Plan) Record {
	id, _ := rec.id()
	first := string(id)
	if of, ok := rec.Header(HeaderReplayOf); ok && canon.ValidUUID(of) {
		first = of // a replay of a replay: the private part is sealed under the first id
	}
	out := Record{Topic: rec.target(), Key: rec.Key, Value: rec.Value}
	for _, h := range rec.Headers {
		switch {
		case h.Key == HeaderReplayOf, h.Key == HeaderReplayCount, p.Again && h.Key == HeaderID,
			p.Series > 0 && h.Key == HeaderSeries, p.Selection.Dead && IsCause(h.Key):
			continue
		}
		out.Headers = append(out.Headers, h)
	}
	if p.Again {
		fresh := canon.Derive(id, "replay "+p.ID)
		out.Headers = append(out.Headers, Header{HeaderID, []byte(fresh)})
	}
	if p.Series > 0 {
		out.Headers = append(out.Headers, Header{HeaderSeries, []byte(strconv.Itoa(p.Series))})
	}
	out.Headers = append(out.Headers,
		Header{HeaderReplayOf, []byte(first)},
		Header{HeaderReplayCount, []byte(strconv.Itoa(rec.replays() + 1))})
	return out
}

// placeOf is what the settlement of a letter needs of it.
func placeOf(rec *Record) Record {
	return Record{Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Key: rec.Key}
}
