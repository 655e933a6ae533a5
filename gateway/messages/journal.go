package messages

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// JournalConfig says what a Journal works with.
type JournalConfig struct {
	Store Store // Required.
	// Observe is told of every note, for metrics, before it is kept. Default: nothing.
	Observe func(canon.MessageNote)
	// Lost is told how many notes were given up. Default: nothing.
	Lost   func(n int)
	Queue  int          // Notes that wait. Default: 4096.
	Logger *slog.Logger // Default: discards.
}

// A Journal takes notes without waiting for the store: what an operator may see is
// no reason to hold up a message. Notes that the store does not take are given up,
// and the store is told that it is not whole, so that the log is asked (Recover). Its methods are those of connectors/edelivery.Journal.
type Journal struct {
	cfg   JournalConfig
	queue chan canon.MessageNote

	mu   sync.Mutex
	lost int // since the store was told
}

// NewJournal checks the configuration.
func NewJournal(cfg JournalConfig) (*Journal, error) {
	if cfg.Store == nil {
		return nil, errors.New("configuring the journal: Store is required")
	}
	if cfg.Observe == nil {
		cfg.Observe = func(canon.MessageNote) {}
	}
	if cfg.Lost == nil {
		cfg.Lost = func(int) {}
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 4096
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Journal{cfg: cfg, queue: make(chan canon.MessageNote, cfg.Queue)}, nil
}

// Note queues a note; Run keeps it. An error is a note that is not valid.
func (j *Journal) Note(_ context.Context, n canon.MessageNote) error {
	if err := n.Validate(); err != nil {
		return canon.NewFault(canon.CodeInternal, err, "a note of a message is not valid")
	}
	j.cfg.Observe(n)
	select {
	case j.queue <- n:
	default:
		j.give(1)
	}
	return nil
}

const (
	journalBatch = 256
	journalGrace = 2 * time.Second // for what still waits at the end
)

// Run keeps notes until ctx ends, and then those that wait.
func (j *Journal) Run(ctx context.Context) error {
	for {
		select {
		case n := <-j.queue:
			j.keep(context.WithoutCancel(ctx), n) // the end of ctx costs no batch
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalGrace)
		defer cancel()
		for {
			select {
			case n := <-j.queue:
				j.keep(last, n)
			default:
				return nil
			}
		}
	}
}

// keep writes a note and those behind it, as one.
func (j *Journal) keep(ctx context.Context, n canon.MessageNote) {
	batch := []canon.MessageNote{n}
	for len(batch) < journalBatch {
		select {
		case n := <-j.queue:
			batch = append(batch, n)
			continue
		default:
		}
		break
	}
	if err := j.cfg.Store.Note(ctx, batch...); err != nil {
		j.cfg.Logger.WarnContext(ctx, "notes of messages not kept", "notes", len(batch), "error", err)
		j.give(len(batch))
		return // what does not answer is not told
	}
	j.mu.Lock()
	lost := j.lost
	j.mu.Unlock()
	if lost == 0 {
		return
	}
	if err := j.cfg.Store.MarkLost(ctx); err != nil {
		j.cfg.Logger.WarnContext(ctx, "loss of notes not marked", "error", err)
		return // the next batch tries again
	}
	j.cfg.Logger.WarnContext(ctx, "notes of messages were lost; they are read back from the log", "notes", lost)
	j.mu.Lock()
	j.lost -= lost
	j.mu.Unlock()
}

func (j *Journal) give(n int) {
	j.mu.Lock()
	j.lost += n
	j.mu.Unlock()
	j.cfg.Lost(n)
}
