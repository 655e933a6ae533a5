package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"oncegate/gateway/payload"
	"oncegate/schemas/canon"
)

// Keys keeps the wrapped keys of conversations on the topic payload.key.v1 and
// an index of it in memory, which Run keeps up with the topic.
//
// A key is a record "conversation/kid"; the mark of a forgotten conversation is
// a record "conversation". Both go to the conversation's partition, so that the
// log orders them: a key that stands behind the mark is void, whoever wrote it.
// Forgetting writes the mark and a tombstone for every key; compaction then
// takes the keys off the disk (Cluster.Catalogue says within which time), where
// the topic is compacted. The mark stays.
//
// Every read first asks for the end of the partition and waits until the index
// has come so far: what any instance was told is on the log, all see.
type Keys struct {
	c *Cluster
	p *Producer

	mu    sync.Mutex
	parts []keyPartition // by partition; nil until Run knows how many
	ready chan struct{}  // closed once parts is set
}

type keyPartition struct {
	next      int64         // everything below is in the index
	moved     chan struct{} // closed when next moves
	keys      map[canon.ConversationID]map[string][]byte
	since     map[canon.ConversationID]time.Time // when the first of its keys was written
	forgotten map[canon.ConversationID]kidSet    // with the keys that have no tombstone yet
}

type kidSet map[string]struct{}

var _ payload.Keys = (*Keys)(nil)

// NewKeys returns the store. Its methods wait until Run runs.
func NewKeys(c *Cluster, p *Producer) *Keys {
	return &Keys{c: c, p: p, ready: make(chan struct{})}
}

// Run reads the topic from its beginning and follows it until ctx ends. It
// returns an error only where the topic cannot be read at all.
func (k *Keys) Run(ctx context.Context) error {
	n, err := k.c.partitions(ctx, TopicPayloadKey)
	if err != nil {
		return fmt.Errorf("following wrapped keys: %w", err)
	}
	k.mu.Lock()
	if k.parts != nil {
		k.mu.Unlock()
		return errors.New("following wrapped keys: twice")
	}
	k.parts = make([]keyPartition, n)
	for i := range k.parts {
		k.parts[i] = keyPartition{
			moved: make(chan struct{}), keys: make(map[canon.ConversationID]map[string][]byte),
			since:     make(map[canon.ConversationID]time.Time),
			forgotten: make(map[canon.ConversationID]kidSet),
		}
	}
	k.mu.Unlock()
	close(k.ready)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { k.follow(ctx, i) })
	}
	wg.Wait()
	return nil
}

func (k *Keys) follow(ctx context.Context, partition int) {
	var wait backoff
	next := int64(0)
	for ctx.Err() == nil {
		p, at, err := k.c.fetchPart(ctx, TopicPayloadKey, partition, next, 500*time.Millisecond)
		var to int64
		if err == nil {
			to, err = p.committed(at, func(b *batchView) error {
				return b.each(TopicPayloadKey, partition, func(r Record) error {
					if r.Offset >= at {
						k.apply(partition, &r)
					}
					return nil
				})
			})
			next = max(next, to)
			k.advance(partition, next)
		}
		if err == nil {
			wait = backoff{}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		// Readers wait meanwhile: an index with a hole would say that keys are gone.
		k.c.cfg.Logger.Warn("wrapped keys cannot be read, trying again", "partition", partition, "offset", next, "error", err)
		wait.sleep(ctx, writeRetry, k.c.cfg.Jitter)
	}
}

func (k *Keys) advance(partition int, next int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := &k.parts[partition]; next > p.next {
		p.next = next
		close(p.moved)
		p.moved = make(chan struct{})
	}
}

func (k *Keys) apply(partition int, r *Record) {
	name, kid, isKey := strings.Cut(string(r.Key), "/")
	id := canon.ConversationID(name)
	if !canon.ValidUUID(name) || isKey && !validKid.MatchString(kid) || len(r.Value) > payload.MaxWrapped {
		k.c.cfg.Logger.Warn("record is no wrapped key", "record", r.Position().String())
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p := &k.parts[partition]
	void, gone := p.forgotten[id]
	switch {
	case !isKey && r.Value == nil:
		delete(p.forgotten, id)
	case !isKey && gone: // once is enough
	case !isKey:
		void := make(kidSet)
		for kid := range p.keys[id] {
			void[kid] = struct{}{}
		}
		p.forgotten[id] = void
		delete(p.keys, id)
		delete(p.since, id)
	case r.Value == nil:
		delete(p.keys[id], kid)
		delete(void, kid)
	case gone:
		void[kid] = struct{}{}
	default:
		if p.keys[id] == nil {
			p.keys[id] = make(map[string][]byte, 1)
			p.since[id] = r.Time
		}
		p.keys[id][kid] = append([]byte(nil), r.Value...) // not the whole answer it came in
	}
}

var validKid = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// place returns the partition of a conversation, once Run knows the topic.
func (k *Keys) place(ctx context.Context, id canon.ConversationID) (int, error) {
	if !canon.ValidUUID(string(id)) {
		return 0, canon.NewFault(canon.CodeInternal, nil, "a conversation is named by a UUID")
	}
	select {
	case <-k.ready:
		return partitionOf([]byte(id), len(k.parts)), nil
	case <-ctx.Done():
		return 0, unavailable(context.Cause(ctx), "waiting for the wrapped keys")
	}
}

// reach waits until the index holds everything below the offset.
func (k *Keys) reach(ctx context.Context, partition int, offset int64) error {
	for {
		k.mu.Lock()
		p := &k.parts[partition]
		next, moved := p.next, p.moved
		k.mu.Unlock()
		if next >= offset {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return unavailable(context.Cause(ctx), "waiting for the wrapped keys")
		}
	}
}

// current waits until the index holds what is on the log now.
func (k *Keys) current(ctx context.Context, partition int) error {
	ends, err := k.c.offsets(ctx, endOffset, map[string][]int{TopicPayloadKey: {partition}})
	if err != nil {
		return err
	}
	return k.reach(ctx, partition, ends[TopicPayloadKey][partition])
}

// Get returns all keys of the conversation.
func (k *Keys) Get(ctx context.Context, id canon.ConversationID) ([]payload.WrappedKey, error) {
	at, err := k.place(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := k.current(ctx, at); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p := &k.parts[at]
	if _, gone := p.forgotten[id]; gone {
		return nil, canon.ErrForgotten
	}
	var out []payload.WrappedKey
	for kid, wrapped := range p.keys[id] {
		out = append(out, payload.WrappedKey{ID: kid, Wrapped: append([]byte(nil), wrapped...)})
	}
	return out, nil
}

// Older returns conversations whose first key was written before a time and that
// were not forgotten, at most limit, in no order. It tells what the index holds
// now and waits for nothing.
func (k *Keys) Older(before time.Time, limit int) []canon.ConversationID {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []canon.ConversationID
	for i := range k.parts {
		for id, at := range k.parts[i].since {
			if len(out) == limit {
				return out
			}
			if at.Before(before) {
				out = append(out, id)
			}
		}
	}
	return out
}

// Add writes the key, then looks whether it stands before or behind a mark.
func (k *Keys) Add(ctx context.Context, id canon.ConversationID, kid string, wrapped []byte) error {
	if !validKid.MatchString(kid) || len(wrapped) == 0 || len(wrapped) > payload.MaxWrapped {
		return canon.NewFault(canon.CodeInternal, nil, "key id or wrapped key is out of bounds")
	}
	at, err := k.place(ctx, id)
	if err != nil {
		return err
	}
	r := k.record(at, string(id)+"/"+kid, wrapped)
	if err := k.write(ctx, at, r); err != nil {
		return fmt.Errorf("storing a wrapped key: %w", err)
	}
	if _, gone := k.void(at, id); !gone {
		return nil
	}
	if err := k.p.Produce(ctx, k.record(at, string(id)+"/"+kid, nil)); err != nil {
		k.c.cfg.Logger.Warn("a void key has no tombstone yet", "conversation", string(id), "error", err)
	}
	return canon.ErrForgotten
}

// Forget marks the conversation and ends its keys.
func (k *Keys) Forget(ctx context.Context, id canon.ConversationID) error {
	at, err := k.place(ctx, id)
	if err != nil {
		return err
	}
	if err := k.current(ctx, at); err != nil {
		return err
	}
	if _, gone := k.void(at, id); !gone {
		if err := k.write(ctx, at, k.record(at, string(id), []byte("forgotten"))); err != nil {
			return fmt.Errorf("forgetting a conversation: %w", err)
		}
	}
	// Tombstones for every key that stands on the log without one, also where an
	// earlier Forget ended between the mark and these.
	kids, _ := k.void(at, id)
	var rs []*Record
	for _, kid := range kids {
		rs = append(rs, k.record(at, string(id)+"/"+kid, nil))
	}
	if len(rs) == 0 {
		return nil
	}
	if err := k.p.Produce(ctx, rs...); err != nil {
		return fmt.Errorf("forgetting a conversation: %w", asFault(err))
	}
	return nil
}

func (k *Keys) record(partition int, key string, value []byte) *Record {
	return &Record{Topic: TopicPayloadKey, Partition: partition, Key: []byte(key), Value: value}
}

// write returns once the record is on the log and in the index.
func (k *Keys) write(ctx context.Context, partition int, r *Record) error {
	if err := k.p.Produce(ctx, r); err != nil {
		return asFault(err)
	}
	if r.Offset < 0 {
		return k.current(ctx, partition)
	}
	return k.reach(ctx, partition, r.Offset+1)
}

// void returns whether the conversation is forgotten, and its keys that have no
// tombstone.
func (k *Keys) void(partition int, id canon.ConversationID) (kids []string, gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	set, gone := k.parts[partition].forgotten[id]
	return slices.Sorted(maps.Keys(set)), gone
}
