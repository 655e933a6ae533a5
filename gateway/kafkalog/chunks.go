package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"oncegate/gateway/payload"
	"oncegate/schemas/canon"
)

// Headers of a payload chunk.
const (
	headerBlob  = "gw_blob"  // id of the blob
	headerChunk = "gw_chunk" // number from 0
	headerFirst = "gw_first" // offset of chunk 0, from chunk 1 on: tells two writers of one blob apart
	headerLast  = "gw_last"  // on the last chunk
)

// chunkBytes is the size of a chunk: well below the largest batch, so that other
// conversations' chunks on the partition are not held up.
const chunkBytes = 512 << 10

// Chunks keeps sealed payloads on the topic payload.v1, in chunks keyed by
// conversation. It is safe for concurrent use.
type Chunks struct {
	c *Cluster
	p *Producer
}

var _ payload.Blobs = (*Chunks)(nil)

// NewChunks returns the store. The topic must exist; see Cluster.Catalogue.
func NewChunks(c *Cluster, p *Producer) *Chunks { return &Chunks{c, p} }

// Put writes the chunks one after another and returns where they are.
func (s *Chunks) Put(ctx context.Context, id canon.ConversationID, blob string, r io.Reader) (string, error) {
	if !canon.ValidUUID(blob) || !canon.ValidUUID(string(id)) {
		return "", canon.NewFault(canon.CodeInternal, nil, "blob and conversation are named by UUIDs")
	}
	buf := make([]byte, chunkBytes)
	ahead := make([]byte, 1) // tells whether the chunk in buf is the last
	at := locator{blob: blob}
	have := 0
	for {
		n, err := io.ReadFull(r, buf[have:])
		n += have
		more := err == nil
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", fmt.Errorf("reading payload: %w", err)
		}
		if more {
			_, err := io.ReadFull(r, ahead)
			if err != nil && !errors.Is(err, io.EOF) {
				return "", fmt.Errorf("reading payload: %w", err)
			}
			more = err == nil
		}
		if err := s.write(ctx, id, &at, buf[:n], !more); err != nil {
			return "", err
		}
		if !more {
			return at.String(), nil
		}
		buf[0], have = ahead[0], 1
	}
}

func (s *Chunks) write(ctx context.Context, id canon.ConversationID, at *locator, data []byte, last bool) error {
	rec := &Record{Topic: TopicPayload, Partition: -1, Key: []byte(id), Value: data, Headers: []Header{
		{headerBlob, []byte(at.blob)}, {headerChunk, []byte(strconv.Itoa(at.chunks))},
	}}
	if at.chunks > 0 {
		rec.Headers = append(rec.Headers, Header{headerFirst, []byte(strconv.FormatInt(at.first, 10))})
	}
	if last {
		rec.Headers = append(rec.Headers, Header{headerLast, []byte("1")})
	}
	// A chunk whose place the broker does not tell is written again: readers pass
	// over the second copy, and the place is what the locator is made of.
	for range 3 {
		if err := s.p.Produce(ctx, rec); err != nil {
			return fmt.Errorf("writing payload chunk %d: %w", at.chunks, asFault(err))
		}
		if rec.Offset >= 0 {
			break
		}
	}
	if rec.Offset < 0 {
		return unavailable(ErrOutcomeUnknown, "writing a payload chunk")
	}
	if at.chunks == 0 {
		at.partition, at.first = rec.Partition, rec.Offset
	}
	at.last = rec.Offset
	at.chunks++
	return nil
}

// Open returns a reader that fetches chunks as they are read, with ctx.
func (s *Chunks) Open(ctx context.Context, id canon.ConversationID, where string) (io.ReadCloser, error) {
	at, err := parseLocator(where)
	if err != nil {
		return nil, fmt.Errorf("opening payload: %w: %w", payload.ErrNoBlob, err)
	}
	r := &chunkReader{at: at, next: at.first}
	r.fetch = func() error { return s.fetch(ctx, id, r) }
	if err := r.fetch(); err != nil {
		return nil, fmt.Errorf("opening payload: %w", err)
	}
	if r.got == 0 {
		return nil, fmt.Errorf("opening payload: %w", payload.ErrNoBlob)
	}
	return r, nil
}

// fetch adds the chunks that one answer holds.
func (s *Chunks) fetch(ctx context.Context, id canon.ConversationID, r *chunkReader) error {
	p, from, err := s.c.fetchPart(ctx, TopicPayload, r.at.partition, r.next, 0)
	if errors.Is(err, ErrUnknownTopic) || errors.Is(err, errBeyond) {
		return payload.ErrNoBlob
	}
	if err != nil {
		return err
	}
	if r.got == 0 && from > r.at.first {
		return payload.ErrNoBlob // retention was here
	}
	next, err := p.committed(from, func(b *batchView) error {
		return b.each(TopicPayload, r.at.partition, func(rec Record) error {
			if rec.Offset < r.next || rec.Offset > r.at.last || string(rec.Key) != string(id) {
				return nil
			}
			return r.accept(&rec)
		})
	})
	if err != nil {
		return err
	}
	if next <= r.next && r.got == 0 {
		return payload.ErrNoBlob
	}
	if next <= r.next {
		return io.ErrUnexpectedEOF
	}
	r.next = next
	return nil
}

type chunkReader struct {
	fetch  func() error
	at     locator
	next   int64 // offset to fetch
	got    int   // chunks seen
	chunks [][]byte
	closed bool
}

// accept takes the record if it is the next chunk of the blob.
func (r *chunkReader) accept(rec *Record) error {
	blob, _ := rec.Header(headerBlob)
	number, _ := rec.Header(headerChunk)
	first, _ := rec.Header(headerFirst)
	if blob != r.at.blob || number != strconv.Itoa(r.got) {
		return nil
	}
	if r.got == 0 && rec.Offset != r.at.first || r.got > 0 && first != strconv.FormatInt(r.at.first, 10) {
		return nil // of another writer of the same blob
	}
	r.got++
	r.chunks = append(r.chunks, rec.Value)
	return nil
}

func (r *chunkReader) Read(b []byte) (int, error) {
	if r.closed {
		return 0, errors.New("reading payload: closed")
	}
	for len(r.chunks) > 0 && len(r.chunks[0]) == 0 {
		r.chunks = r.chunks[1:]
	}
	for len(r.chunks) == 0 {
		if r.got == r.at.chunks {
			return 0, io.EOF
		}
		if r.next > r.at.last {
			return 0, io.ErrUnexpectedEOF
		}
		if err := r.fetch(); err != nil {
			return 0, fmt.Errorf("reading payload: %w", err)
		}
	}
	n := copy(b, r.chunks[0])
	r.chunks[0] = r.chunks[0][n:]
	return n, nil
}

func (r *chunkReader) Close() error {
	r.closed, r.chunks = true, nil
	return nil
}

// A locator says where a blob is: "1 partition first last chunks blob", with
// dots between.
type locator struct {
	partition   int
	first, last int64
	chunks      int
	blob        string
}

const locatorVersion = "1"

func (l locator) String() string {
	return fmt.Sprintf("%s.%d.%d.%d.%d.%s", locatorVersion, l.partition, l.first, l.last, l.chunks, l.blob)
}

func parseLocator(s string) (locator, error) {
	f := strings.Split(s, ".")
	if len(s) > 512 || len(f) != 6 || f[0] != locatorVersion || !canon.ValidUUID(f[5]) {
		return locator{}, errors.New("not a locator of payload chunks")
	}
	var n [4]int64
	for i := range n {
		v, err := strconv.ParseInt(f[i+1], 10, 64)
		if err != nil || v < 0 {
			return locator{}, errors.New("not a locator of payload chunks")
		}
		n[i] = v
	}
	l := locator{partition: int(n[0]), first: n[1], last: n[2], chunks: int(n[3]), blob: f[5]}
	if n[0] > 1<<30 || l.chunks < 1 || l.last-l.first < int64(l.chunks)-1 {
		return locator{}, errors.New("not a locator of payload chunks")
	}
	return l, nil
}
