package replay

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"oncegate/schemas/canon"
)

// Config says what a Replayer works on.
type Config struct {
	Source Source // Required.
	Sink   Sink   // Required to run.

	// Audit records an event of the legal record. Required to run.
	Audit func(ctx context.Context, e canon.AuditEvent) error

	// Known reports whether those who read the kind have applied the message, so
	// that it would be swallowed. Default: a plan does not say.
	Known func(ctx context.Context, kind canon.Kind, id canon.ConversationID, m canon.MessageID) (bool, error)
	// Forgotten reports whether the conversation's key was forgotten; its
	// messages are left out. Default: none is.
	Forgotten func(ctx context.Context, id canon.ConversationID) (bool, error)
	// Checkpoints keep the progress of runs. Default: a run cannot be resumed.
	Checkpoints Checkpoints

	// MaxReplays bounds how often one message is sent again. Default: 5.
	MaxReplays int

	Now    func() time.Time // Default: time.Now.
	Logger *slog.Logger     // Default: discards.
}

// A Replayer plans and runs replays.
type Replayer struct{ cfg Config }

// New returns a Replayer.
func New(cfg Config) (*Replayer, error) {
	if cfg.Source == nil {
		return nil, errors.New("configuring replay: source: required")
	}
	if cfg.MaxReplays < 0 {
		return nil, errors.New("configuring replay: max replays: negative")
	}
	cfg.MaxReplays = cmp.Or(cfg.MaxReplays, 5)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Replayer{cfg}, nil
}

// A Reason says why a selected record is not sent.
type Reason string

// The reasons.
const (
	SkipTombstone Reason = "tombstone" // an erased entry
	SkipForeign   Reason = "no-id"     // not written by the gateway, or its head is unreadable
	SkipForgotten Reason = "forgotten" // the conversation's key is gone
	SkipLoop      Reason = "loop"      // was sent again too often
	SkipDuplicate Reason = "duplicate" // the same message stands in the selection before
	SkipSettled   Reason = "settled"   // dead letter that was redriven or discarded
)

// A Plan says what a run would do. It is fixed: what is written to the log later
// is not part of it. It says nothing of a person and may be stored and shown.
type Plan struct {
	ID        string    `json:"id"` // names the job; derived from the rest
	CreatedAt time.Time `json:"createdAt"`
	Selection Selection `json:"selection"`
	Again     bool      `json:"again,omitempty"`   // new ids: done again, not swallowed
	Discard   bool      `json:"discard,omitempty"` // dead letters are settled and not sent
	Series    int       `json:"series,omitempty"`  // the resend to a peer that this is; 0 for any other replay
	Spans     []Span    `json:"spans"`

	Messages  int            `json:"messages"`            // would be sent, or discarded
	Exchanges int            `json:"exchanges"`           // conversations that they belong to
	Swallowed *int           `json:"swallowed,omitempty"` // of Messages, were applied already; unset: not known
	Bytes     int64          `json:"bytes"`
	First     time.Time      `json:"first,omitzero"` // oldest and youngest of Messages
	Last      time.Time      `json:"last,omitzero"`
	Kinds     []KindCount    `json:"kinds"`
	Skipped   map[Reason]int `json:"skipped,omitempty"`   // selected and not sent
	Truncated bool           `json:"truncated,omitempty"` // Limit was reached; there is more
}

// A KindCount is the part of one kind in a plan.
type KindCount struct {
	Kind      canon.Kind `json:"kind"`
	Messages  int        `json:"messages"`
	Exchanges int        `json:"exchanges"`
	Swallowed *int       `json:"swallowed,omitempty"`
}

// Plan counts what a run of the selection would do. Nothing is sent.
func (r *Replayer) Plan(ctx context.Context, sel Selection, again bool) (*Plan, error) {
	return r.plan(ctx, sel, Plan{Again: again})
}

// PlanDiscard counts the dead letters of the selection (Dead is implied) that a
// run would settle without sending them: all that wait, also those that cannot be
// sent because they have no id, died too often or are of a forgotten conversation.
func (r *Replayer) PlanDiscard(ctx context.Context, sel Selection) (*Plan, error) {
	sel.Dead = true
	return r.plan(ctx, sel, Plan{Discard: true})
}

// PlanResend counts the messages of the selection that a run would hand to the
// access point once more, for a series of attempts of its own: under their own
// ids, so that a peer who has them finds the duplicate.
func (r *Replayer) PlanResend(ctx context.Context, sel Selection, series int) (*Plan, error) {
	if series < 1 {
		return nil, canon.NewFault(canon.CodeBadInput, nil, "series: from 1")
	}
	return r.plan(ctx, sel, Plan{Series: series})
}

func (r *Replayer) plan(ctx context.Context, sel Selection, as Plan) (*Plan, error) {
	if err := sel.Validate(); err != nil {
		return nil, canon.NewFault(canon.CodeBadInput, nil, "selection: %s", err)
	}
	p := &as
	p.CreatedAt, p.Skipped, p.Kinds = r.cfg.Now().UTC(), make(map[Reason]int), []KindCount{}
	p.Selection = sel.fixed(p.CreatedAt)
	var err error
	if p.Spans, err = r.spans(ctx, &p.Selection, p.Selection.topics()...); err != nil {
		return nil, fmt.Errorf("planning a replay: %w", err)
	}
	p.ID = p.deriveID()

	all := make(map[canon.ConversationID]bool)
	perKind := make(map[canon.Kind]*KindCount)
	exchanges := make(map[canon.Kind]map[canon.ConversationID]bool)
	w, err := r.newWalk(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("planning a replay: %w", err)
	}
	asks := r.cfg.Known != nil && !p.Discard && p.Series == 0
	if asks {
		p.Swallowed = new(int)
	}
	err = w.run(ctx, func(rec *Record, why Reason) error {
		if why != "" {
			p.Skipped[why]++
			return nil
		}
		kind := rec.kind()
		k := perKind[kind]
		if k == nil {
			k = &KindCount{Kind: kind}
			if asks {
				k.Swallowed = new(int)
			}
			perKind[kind], exchanges[kind] = k, make(map[canon.ConversationID]bool)
		}
		p.Messages++
		k.Messages++
		p.Bytes += int64(len(rec.Value))
		conversation := canon.ConversationID(rec.Key)
		if canon.ValidUUID(string(conversation)) {
			all[conversation], exchanges[kind][conversation] = true, true
		}
		if p.First.IsZero() || rec.Time.Before(p.First) {
			p.First = rec.Time.UTC()
		}
		if rec.Time.After(p.Last) {
			p.Last = rec.Time.UTC()
		}
		if !asks || p.Again { // a new id is not known to anybody
			return nil
		}
		id, _ := rec.id()
		known, err := r.cfg.Known(ctx, kind, conversation, id)
		if err != nil {
			return fmt.Errorf("asking whether a message was applied: %w", err)
		}
		if known {
			*p.Swallowed++
			*k.Swallowed++
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("planning a replay: %w", err)
	}
	p.Truncated = w.truncated
	p.Exchanges = len(all)
	for kind, k := range perKind {
		k.Exchanges = len(exchanges[kind])
		p.Kinds = append(p.Kinds, *k)
	}
	slices.SortFunc(p.Kinds, func(a, b KindCount) int { return cmp.Compare(a.Kind, b.Kind) })
	return p, nil
}

func (p *Plan) deriveID() string {
	return canon.DeriveUUID("replay", p.digest(), p.CreatedAt.Format(time.RFC3339Nano))
}

// digest is over what a run depends on.
func (p *Plan) digest() string {
	data, err := json.Marshal(struct {
		Selection Selection
		Again     bool
		Discard   bool
		Spans     []Span
		Series    int `json:",omitempty"` // jobs of before have none
	}{p.Selection, p.Again, p.Discard, p.Spans, p.Series})
	if err != nil {
		panic(err) // plain values always encode
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r *Replayer) spans(ctx context.Context, sel *Selection, topics ...string) ([]Span, error) {
	out := []Span{}
	for _, topic := range topics {
		rng := Range{Topic: topic, From: sel.From, To: sel.To}
		if sel.Conversation != "" {
			rng.Key = []byte(sel.Conversation)
		}
		spans, err := r.cfg.Source.Bounds(ctx, rng)
		if err != nil {
			return nil, fmt.Errorf("finding the bounds of %s: %w", topic, err)
		}
		for _, s := range spans {
			if s, ok := sel.cut(s); ok {
				out = append(out, s)
			}
		}
	}
	slices.SortFunc(out, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out, nil
}
