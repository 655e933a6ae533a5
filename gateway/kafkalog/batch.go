package kafkalog

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/segmentio/kafka-go/protocol"
)

// Record batch v2 (https://kafka.apache.org/documentation/#recordbatch):
// offsets of the fields from the start of the batch.
const (
	atLength     = 8
	atEpoch      = 12
	atMagic      = 16
	atCRC        = 17
	atAttributes = 21
	atLastDelta  = 23
	atFirstTime  = 27
	atMaxTime    = 35
	atProducer   = 43
	atProdEpoch  = 51
	atSequence   = 53
	atCount      = 57
	batchHeader  = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A batch is a produce request under construction: the request's head, the
// batch's head, the records, in the one buffer that goes to the socket.
type batch struct {
	frame []byte
	head  int // where the batch starts
	count int32
	first int64 // time of the first record, ms
	last  int64 // greatest time

	weight int64 // what the records count for in the writer's bound
	done   chan struct{}
	base   int64 // offset of the first record, -1 where the broker did not say; set before done
	err    error // set before done
	shared bool  // an abandoned attempt may still read the frame
}

// produceHead is the constant part of a produce request for one partition, up
// to and including the place of the batch's size.
func produceHead(client, topic string, partition int32, timeoutMs int32) []byte {
	be := binary.BigEndian
	b := appendRequestHeader(nil, protocol.Produce, produceMax, client)
	b = be.AppendUint16(b, 0xffff) // transactional id: none
	b = be.AppendUint16(b, 0xffff) // acks: all
	b = be.AppendUint32(b, uint32(timeoutMs))
	b = be.AppendUint32(b, 1)
	b = appendString(b, topic)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(partition))
	return append(b, 0, 0, 0, 0)
}

var emptyBatchHeader [batchHeader]byte

func newBatch(buf, head []byte) *batch {
	buf = append(buf[:0], head...)
	buf = append(buf, emptyBatchHeader[:]...)
	return &batch{frame: buf, head: len(head), done: make(chan struct{}), base: -1}
}

// add appends a record written at the given time.
func (b *batch) add(r *Record, ms int64) {
	if b.count == 0 {
		b.first, b.last = ms, ms
	} else if ms > b.last {
		b.last = ms
	}
	delta, off := ms-b.first, int64(b.count)
	f := binary.AppendVarint(b.frame, int64(recordSize(r, delta, off)))
	f = append(f, 0) // attributes
	f = binary.AppendVarint(f, delta)
	f = binary.AppendVarint(f, off)
	f = appendNullable(f, r.Key)
	f = appendNullable(f, r.Value)
	f = binary.AppendVarint(f, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		f = binary.AppendVarint(f, int64(len(h.Key)))
		f = append(f, h.Key...)
		f = appendNullable(f, h.Value)
	}
	b.frame = f
	b.count++
}

// seal fills in the producer's identity, the sizes and the checksum. It may be
// called again with another identity as long as the frame is not shared.
func (b *batch) seal(producer int64, epoch int16, sequence int32) {
	be := binary.BigEndian
	h := b.frame[b.head:]
	be.PutUint32(b.frame, uint32(len(b.frame)-4))
	be.PutUint32(b.frame[b.head-4:], uint32(len(h)))
	be.PutUint32(h[atLength:], uint32(len(h)-atEpoch))
	be.PutUint32(h[atEpoch:], 0xffffffff)
	h[atMagic] = 2
	be.PutUint16(h[atAttributes:], 0)
	be.PutUint32(h[atLastDelta:], uint32(b.count-1))
	be.PutUint64(h[atFirstTime:], uint64(b.first))
	be.PutUint64(h[atMaxTime:], uint64(b.last))
	be.PutUint64(h[atProducer:], uint64(producer))
	be.PutUint16(h[atProdEpoch:], uint16(epoch))
	be.PutUint32(h[atSequence:], uint32(sequence))
	be.PutUint32(h[atCount:], uint32(b.count))
	be.PutUint32(h[atCRC:], crc32.Checksum(h[atAttributes:], castagnoli))
}

// unshare gives the batch a frame of its own before it is sealed anew.
func (b *batch) unshare() {
	if b.shared {
		b.frame = append([]byte(nil), b.frame...)
		b.shared = false
	}
}

func appendNullable(b, v []byte) []byte {
	if v == nil {
		return append(b, 1) // varint -1
	}
	b = binary.AppendVarint(b, int64(len(v)))
	return append(b, v...)
}

// recordSize is the length that stands before the record.
func recordSize(r *Record, delta, off int64) int {
	n := 1 + varintSize(delta) + varintSize(off) + nullableSize(r.Key) + nullableSize(r.Value) + varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		n += varintSize(int64(len(r.Headers[i].Key))) + len(r.Headers[i].Key) + nullableSize(r.Headers[i].Value)
	}
	return n
}

// maxRecordSize bounds what the record takes in any batch, its length included.
func maxRecordSize(r *Record) int { return recordSize(r, -1<<40, 1<<31) + 5 }

func nullableSize(v []byte) int {
	if v == nil {
		return 1
	}
	return varintSize(int64(len(v))) + len(v)
}

func varintSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}
