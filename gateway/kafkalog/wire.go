package kafkalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
)

// Requests of this file take kafka-go's connections, routing, TLS and login, and
// write and read their own bytes (protocol.RawExchanger). The message types of
// kafka-go copy a produced batch twice, and on fetching they drop what follows a
// corrupt batch without an error and fail every partition of the broker with it.

// rawCorrelation is the correlation id of our requests. A connection carries
// one request at a time and is closed on any error, so one number serves.
const rawCorrelation int32 = 0x6f6e6365

// maxAnswer bounds what we read for one request.
const maxAnswer = 96 << 20

func readAnswer(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(size[:]))
	if n < 4 || n > maxAnswer {
		return nil, fmt.Errorf("answer of %d bytes is out of bounds", n)
	}
	buf := make([]byte, n)
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	if id := int32(binary.BigEndian.Uint32(buf)); id != rawCorrelation {
		return nil, fmt.Errorf("answer to another request (correlation %d)", id)
	}
	return buf[4:], nil
}

// appendRequestHeader writes the head of a non-flexible request (header v1);
// the size is filled in later.
func appendRequestHeader(b []byte, key protocol.ApiKey, version int16, client string) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(rawCorrelation))
	return appendString(b, client)
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// leaderOf routes a request to the broker that leads a partition.
func leaderOf(c protocol.Cluster, topic string, partition int32) (protocol.Broker, error) {
	t, ok := c.Topics[topic]
	if !ok {
		return protocol.Broker{}, fmt.Errorf("%w: %s", ErrUnknownTopic, topic)
	}
	p, ok := t.Partitions[partition]
	if !ok {
		return protocol.Broker{}, fmt.Errorf("%w: %s/%d", ErrUnknownTopic, topic, partition)
	}
	b, ok := c.Brokers[p.Leader]
	if !ok {
		return protocol.Broker{}, fmt.Errorf("%w: %s/%d", errNoLeader, topic, partition)
	}
	return b, nil
}

// produceRequest sends one encoded batch; one value serves one attempt.
type produceRequest struct {
	topic     string
	partition int32
	frame     []byte // whole request; only its api version may still differ
	version   int16
}

type produceAnswer struct {
	code       int16
	baseOffset int64
	reason     string
}

var (
	_ protocol.RawExchanger  = (*produceRequest)(nil)
	_ protocol.BrokerMessage = (*produceRequest)(nil)
)

// Produce v3 to v8 share one request form and all carry v2 batches.
const (
	produceMin, produceMax = 3, 8
	fetchMin, fetchMax     = 4, 11
)

func (*produceRequest) ApiKey() protocol.ApiKey { return protocol.Produce }
func (*produceAnswer) ApiKey() protocol.ApiKey  { return protocol.Produce }

func (r *produceRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	return leaderOf(c, r.topic, r.partition)
}

// Required is asked once per attempt, with the versions of the connection.
func (r *produceRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Produce]
	return true
}

func (r *produceRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < produceMin || r.version > produceMax {
		return nil, fmt.Errorf("broker offers produce v%d, want v%d to v%d", r.version, produceMin, produceMax)
	}
	frame := r.frame
	if int16(binary.BigEndian.Uint16(frame[6:])) != r.version {
		// An earlier attempt may still be writing the same bytes elsewhere.
		frame = append([]byte(nil), frame...)
		binary.BigEndian.PutUint16(frame[6:], uint16(r.version))
	}
	if _, err := rw.Write(frame); err != nil {
		return nil, err
	}
	body, err := readAnswer(rw)
	if err != nil {
		return nil, err
	}
	return parseProduceAnswer(body, r.version)
}

func parseProduceAnswer(body []byte, version int16) (*produceAnswer, error) {
	d := wireReader{b: body}
	if topics := d.int32(); topics != 1 {
		return nil, fmt.Errorf("produce answer for %d topics, want 1", topics)
	}
	d.string()
	if partitions := d.int32(); partitions != 1 {
		return nil, fmt.Errorf("produce answer for %d partitions, want 1", partitions)
	}
	d.int32()
	a := &produceAnswer{code: d.int16(), baseOffset: d.int64()}
	d.int64() // log append time
	if version >= 5 {
		d.int64() // log start offset
	}
	if version >= 8 {
		for range d.count(6) {
			d.int32()
			d.string()
		}
		a.reason = d.string()
	}
	return a, d.err
}

// fetchRequest reads many partitions of one broker at once. No fetch session is
// kept: the request is small and a lost connection then costs nothing.
type fetchRequest struct {
	client       string
	maxWaitMs    int32
	minBytes     int32
	maxBytes     int32
	partMaxBytes int32
	readAll      bool // also what was aborted
	parts        []fetchPart
	version      int16
}

type fetchPart struct {
	topic     string // name on the wire
	partition int32
	offset    int64
}

type fetchAnswer struct {
	code  int16
	parts []fetchedPart
}

type fetchedPart struct {
	topic     string
	partition int32
	code      int16
	highWater int64
	stable    int64 // last stable offset
	start     int64 // log start offset
	aborted   []abortedTxn
	records   []byte // batches, aliasing the answer's buffer
}

type abortedTxn struct{ producer, first int64 }

var (
	_ protocol.RawExchanger  = (*fetchRequest)(nil)
	_ protocol.BrokerMessage = (*fetchRequest)(nil)
)

func (*fetchRequest) ApiKey() protocol.ApiKey { return protocol.Fetch }
func (*fetchAnswer) ApiKey() protocol.ApiKey  { return protocol.Fetch }

func (r *fetchRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	if len(r.parts) == 0 {
		return protocol.Broker{}, errors.New("fetch of no partition")
	}
	return leaderOf(c, r.parts[0].topic, r.parts[0].partition)
}

func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Fetch]
	return true
}

func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < fetchMin || r.version > fetchMax {
		return nil, fmt.Errorf("broker offers fetch v%d, want v%d to v%d", r.version, fetchMin, fetchMax)
	}
	if _, err := rw.Write(r.encode()); err != nil {
		return nil, err
	}
	body, err := readAnswer(rw)
	if err != nil {
		return nil, err
	}
	return parseFetchAnswer(body, r.version)
}

func (r *fetchRequest) encode() []byte {
	be := binary.BigEndian
	b := appendRequestHeader(make([]byte, 0, 128+48*len(r.parts)), protocol.Fetch, r.version, r.client)
	b = be.AppendUint32(b, 0xffffffff) // replica id: a client
	b = be.AppendUint32(b, uint32(r.maxWaitMs))
	b = be.AppendUint32(b, uint32(r.minBytes))
	b = be.AppendUint32(b, uint32(r.maxBytes))
	isolation := byte(1) // read_committed
	if r.readAll {
		isolation = 0
	}
	b = append(b, isolation)
	if r.version >= 7 {
		b = be.AppendUint32(b, 0)          // session id
		b = be.AppendUint32(b, 0xffffffff) // session epoch: none
	}
	b = be.AppendUint32(b, uint32(len(r.parts)))
	for _, p := range r.parts { // one topic entry each: allowed, and keeps the caller's order
		b = appendString(b, p.topic)
		b = be.AppendUint32(b, 1)
		b = be.AppendUint32(b, uint32(p.partition))
		if r.version >= 9 {
			b = be.AppendUint32(b, 0xffffffff) // leader epoch: unknown
		}
		b = be.AppendUint64(b, uint64(p.offset))
		if r.version >= 5 {
			b = be.AppendUint64(b, ^uint64(0)) // log start offset: none, we are no follower
		}
		b = be.AppendUint32(b, uint32(r.partMaxBytes))
	}
	if r.version >= 7 {
		b = be.AppendUint32(b, 0) // forgotten topics
	}
	if r.version >= 11 {
		b = appendString(b, "") // rack
	}
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

func parseFetchAnswer(body []byte, version int16) (*fetchAnswer, error) {
	d := wireReader{b: body}
	d.int32() // throttle: the broker mutes the connection itself
	a := &fetchAnswer{}
	if version >= 7 {
		a.code = d.int16()
		d.int32() // session
	}
	for range d.count(6) {
		topic := d.string()
		for range d.count(26) {
			p := fetchedPart{topic: topic, partition: d.int32(), code: d.int16(), highWater: d.int64(), stable: d.int64()}
			if version >= 5 {
				p.start = d.int64()
			}
			if n := d.count(16); n > 0 {
				p.aborted = make([]abortedTxn, n)
				for i := range p.aborted {
					p.aborted[i] = abortedTxn{producer: d.int64(), first: d.int64()}
				}
			}
			if version >= 11 {
				d.int32() // preferred read replica
			}
			p.records = d.bytes()
			if d.err != nil {
				return nil, d.err
			}
			a.parts = append(a.parts, p)
		}
	}
	return a, d.err
}

// wireReader reads Kafka's fixed-width types. After an error it returns zeros.
type wireReader struct {
	b   []byte
	err error
}

func (d *wireReader) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		if d.err == nil {
			d.err = io.ErrUnexpectedEOF
		}
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *wireReader) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *wireReader) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *wireReader) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// string reads a nullable string; null reads as empty.
func (d *wireReader) string() string {
	if n := d.int16(); n > 0 {
		return string(d.take(int(n)))
	}
	return ""
}

func (d *wireReader) bytes() []byte {
	if n := d.int32(); n > 0 {
		return d.take(int(n))
	}
	return nil
}

// count reads the length of an array whose entries take at least size bytes;
// null reads as 0, a length that the rest cannot hold is an error.
func (d *wireReader) count(size int) int {
	n := int(d.int32())
	if n <= 0 {
		return 0
	}
	if n > len(d.b)/size {
		d.err = io.ErrUnexpectedEOF
		return 0
	}
	return n
}

// send runs one of our requests; the answer's type follows the request's.
func send[A protocol.Message](ctx context.Context, c *Cluster, r protocol.Message) (A, error) {
	var none A
	m, err := c.transport.RoundTrip(ctx, c.addr, r)
	if err != nil {
		return none, err
	}
	a, ok := m.(A)
	if !ok {
		return none, fmt.Errorf("answer of type %T", m)
	}
	return a, nil
}

// refresh makes the Transport ask for the cluster's metadata now and waits for
// it. kafka-go does so after creating topics, and only then: this request sends
// nothing and answers as if topics had been created.
func (c *Cluster) refresh(ctx context.Context, wireTopics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	if _, err := send[*createtopics.Response](ctx, c, refreshRequest{topics: wireTopics}); err != nil {
		return err
	}
	return ctx.Err()
}

type refreshRequest struct{ topics []string }

func (refreshRequest) ApiKey() protocol.ApiKey                 { return protocol.CreateTopics }
func (refreshRequest) Required(map[protocol.ApiKey]int16) bool { return true }

func (r refreshRequest) RawExchange(io.ReadWriter) (protocol.Message, error) {
	res := &createtopics.Response{}
	for _, t := range r.topics {
		res.Topics = append(res.Topics, createtopics.ResponseTopic{Name: t})
	}
	return res, nil
}

// layout returns the Transport's present view of the cluster, without a request.
func (c *Cluster) layout(ctx context.Context) (protocol.Cluster, error) {
	var r layoutRequest
	if _, err := c.transport.RoundTrip(ctx, c.addr, &r); !errors.Is(err, errLayout) {
		return protocol.Cluster{}, err
	}
	return r.cluster, nil
}

var errLayout = errors.New("layout seen")

// layoutRequest looks at the layout that it would be routed by, and ends there.
type layoutRequest struct{ cluster protocol.Cluster }

func (*layoutRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

func (r *layoutRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	r.cluster = c
	return protocol.Broker{}, errLayout
}

// partitions returns how many partitions a topic has, asking the brokers once
// where it is not known.
func (c *Cluster) partitions(ctx context.Context, topic string) (int, error) {
	wire := c.wireName(topic)
	for attempt := 0; ; attempt++ {
		l, err := c.layout(ctx)
		if err != nil {
			return 0, unavailable(err, "reading the cluster's metadata")
		}
		if t, ok := l.Topics[wire]; ok && len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
		if attempt == 2 {
			return 0, fmt.Errorf("%w: %s", ErrUnknownTopic, topic)
		}
		if err := c.refresh(ctx); err != nil {
			return 0, unavailable(err, "reading the cluster's metadata")
		}
	}
}

var _ kafka.RoundTripper = (*kafka.Transport)(nil)
