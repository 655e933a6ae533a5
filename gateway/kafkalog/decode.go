package kafkalog

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// Bounds on what one batch may hold, against batches made to exhaust memory.
const (
	maxBatchRecords  = 1 << 20
	maxInflated      = 64 << 20
	maxRecordHeaders = 1 << 10
)

// A batchView is one batch of a fetched record set; it aliases the set.
type batchView struct {
	base     int64
	last     int64 // offset of the last record, also where compaction removed it
	attrs    int16
	first    int64 // time
	maxTime  int64
	producer int64
	epoch    int16
	sequence int32
	count    int32
	raw      []byte // from the attributes on: what the checksum covers
	crc      uint32
}

func (b *batchView) transactional() bool { return b.attrs&(1<<4) != 0 }
func (b *batchView) control() bool       { return b.attrs&(1<<5) != 0 }

// nextBatch splits the first whole batch off a record set. It is false at the
// end, which may be the cut-off head of a batch. Nothing but the frame is
// checked; verify does the rest.
func nextBatch(set []byte) (b batchView, rest []byte, ok bool, err error) {
	if len(set) < atMagic+1 {
		return b, nil, false, nil
	}
	be := binary.BigEndian
	b.base = int64(be.Uint64(set))
	length := int(int32(be.Uint32(set[atLength:])))
	if magic := set[atMagic]; magic != 2 {
		return b, nil, false, fmt.Errorf("%w: offset %d: format %d, want 2", ErrCorrupt, b.base, magic)
	}
	if length < batchHeader-atEpoch || b.base < 0 {
		return b, nil, false, fmt.Errorf("%w: offset %d: length %d", ErrCorrupt, b.base, length)
	}
	if length > len(set)-atEpoch {
		return b, nil, false, nil
	}
	end := atEpoch + length
	b.crc = be.Uint32(set[atCRC:])
	b.attrs = int16(be.Uint16(set[atAttributes:]))
	delta := int32(be.Uint32(set[atLastDelta:]))
	if delta < 0 {
		return b, nil, false, fmt.Errorf("%w: offset %d: negative length", ErrCorrupt, b.base)
	}
	b.last = b.base + int64(delta)
	b.first = int64(be.Uint64(set[atFirstTime:]))
	b.maxTime = int64(be.Uint64(set[atMaxTime:]))
	b.producer = int64(be.Uint64(set[atProducer:]))
	b.epoch = int16(be.Uint16(set[atProdEpoch:]))
	b.sequence = int32(be.Uint32(set[atSequence:]))
	b.count = int32(be.Uint32(set[atCount:]))
	b.raw = set[atAttributes:end:end]
	return b, set[end:], true, nil
}

// verify compares the checksum, which covers everything from the attributes on.
func (b *batchView) verify() error {
	if crc32.Checksum(b.raw, castagnoli) != b.crc {
		return fmt.Errorf("%w: offset %d: checksum does not match", ErrCorrupt, b.base)
	}
	return nil
}

// each calls f for every record of a verified batch. The record and what it
// points to are the callee's to keep.
func (b *batchView) each(topic string, partition int, f func(Record) error) error {
	data := b.raw[batchHeader-atAttributes:]
	if b.attrs&7 != 0 {
		inflated, err := inflate(b.attrs, data, maxInflated)
		if err != nil {
			return fmt.Errorf("%w: offset %d: %w", ErrCorrupt, b.base, err)
		}
		data = inflated
	}
	if b.count < 0 || b.count > maxBatchRecords || int(b.count) > len(data)/7+1 {
		return fmt.Errorf("%w: offset %d: %d records", ErrCorrupt, b.base, b.count)
	}
	logTime := b.attrs&(1<<3) != 0 // LogAppendTime: the broker's clock, in maxTime
	for range b.count {
		n, data2, ok := readVarint(data)
		if !ok || n < 0 || n > int64(len(data2)) {
			return fmt.Errorf("%w: offset %d: record cut off", ErrCorrupt, b.base)
		}
		body := data2[:n:n]
		data = data2[n:]
		r := Record{Topic: topic, Partition: partition}
		delta, tdelta, err := parseRecord(body, &r)
		if err != nil {
			return fmt.Errorf("%w: offset %d: %w", ErrCorrupt, b.base, err)
		}
		r.Offset = b.base + delta
		if r.Offset < b.base || r.Offset > b.last {
			return fmt.Errorf("%w: offset %d: record outside its batch", ErrCorrupt, b.base)
		}
		ms := b.first + tdelta
		if logTime {
			ms = b.maxTime
		}
		r.Time = time.UnixMilli(ms).UTC()
		if err := f(r); err != nil {
			return err
		}
	}
	if len(data) != 0 {
		return fmt.Errorf("%w: offset %d: %d bytes after the last record", ErrCorrupt, b.base, len(data))
	}
	return nil
}

func parseRecord(b []byte, r *Record) (offset, millis int64, err error) {
	bad := func(what string) (int64, int64, error) { return 0, 0, fmt.Errorf("record's %s cut off", what) }
	if len(b) < 1 {
		return bad("attributes")
	}
	b = b[1:]
	var ok bool
	if millis, b, ok = readVarint(b); !ok {
		return bad("time")
	}
	if offset, b, ok = readVarint(b); !ok || offset < 0 {
		return bad("offset")
	}
	if r.Key, b, ok = readNullable(b); !ok {
		return bad("key")
	}
	if r.Value, b, ok = readNullable(b); !ok {
		return bad("value")
	}
	n, b, ok := readVarint(b)
	if !ok || n < 0 || n > maxRecordHeaders || n > int64(len(b)/2) {
		return bad("headers")
	}
	if n > 0 {
		r.Headers = make([]Header, n)
	}
	for i := range r.Headers {
		var key []byte
		if key, b, ok = readNullable(b); !ok || key == nil {
			return bad("header name")
		}
		r.Headers[i].Key = string(key)
		if r.Headers[i].Value, b, ok = readNullable(b); !ok {
			return bad("header value")
		}
	}
	if len(b) != 0 {
		return 0, 0, fmt.Errorf("%d bytes after the record's headers", len(b))
	}
	return offset, millis, nil
}

func readVarint(b []byte) (int64, []byte, bool) {
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// readNullable keeps nil (length -1) and empty apart.
func readNullable(b []byte) ([]byte, []byte, bool) {
	n, b, ok := readVarint(b)
	switch {
	case !ok || n < -1 || n > int64(len(b)):
		return nil, nil, false
	case n == -1:
		return nil, b, true
	}
	return b[:n:n], b[n:], true
}

func inflate(attrs int16, data []byte, limit int64) ([]byte, error) {
	c := compress.Compression(attrs & 7)
	codec := c.Codec()
	if codec == nil {
		return nil, fmt.Errorf("unknown compression %d", attrs&7)
	}
	r := codec.NewReader(bytes.NewReader(data))
	defer r.Close()
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("inflating %s: %w", codec.Name(), err)
	}
	if int64(len(out)) > limit {
		return nil, fmt.Errorf("inflating %s: more than %d bytes", codec.Name(), limit)
	}
	return out, nil
}

// committed walks the batches of one fetched partition from an offset on, as a
// read_committed reader sees them: control batches and batches of aborted
// transactions are passed over. It calls f per batch; next is the offset to
// fetch from after what was walked.
//
// A batch that does not verify ends the walk with ErrCorrupt; what stood before
// it was delivered, nothing of it or after it was.
func (p *fetchedPart) committed(from int64, f func(*batchView) error) (next int64, err error) {
	next = from
	aborted := slices.Clone(p.aborted)
	slices.SortFunc(aborted, func(a, b abortedTxn) int { return cmp.Compare(a.first, b.first) })
	var dead map[int64]bool
	for set := p.records; ; {
		b, rest, ok, err := nextBatch(set)
		if err != nil || !ok {
			return next, err
		}
		set = rest
		if err := b.verify(); err != nil {
			return next, err
		}
		for len(aborted) > 0 && aborted[0].first <= b.last {
			if dead == nil {
				dead = make(map[int64]bool)
			}
			dead[aborted[0].producer] = true
			aborted = aborted[1:]
		}
		switch {
		case b.control():
			// The marker ends the producer's transaction, whichever way.
			delete(dead, b.producer)
		case b.transactional() && dead[b.producer]:
		case b.last >= from:
			if err := f(&b); err != nil {
				return next, err
			}
		}
		next = max(next, b.last+1)
	}
}
