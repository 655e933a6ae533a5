package kafkalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Special times of a ListOffsets request.
const (
	endOffset   int64 = -1
	firstOffset int64 = -2
)

// offsets asks, with one request per broker, for the offset of each partition
// at a time in milliseconds, firstOffset or endOffset (what is committed; an
// open transaction is beyond the end). A time without a record as young gives
// -1. kafka-go's ListOffsets would open a connection for every partition.
func (c *Cluster) offsets(ctx context.Context, at int64, parts map[string][]int) (map[string]map[int]int64, error) {
	var wait backoff
	for {
		out, err := c.offsetsOnce(ctx, at, parts)
		if err == nil {
			return out, nil
		}
		fresh := errors.Is(err, ErrUnknownTopic) && wait.n < 3 // just made, and our metadata is older
		if !brokenConnection(err) && !fresh || wait.n >= 8 || !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return nil, unavailable(err, "asking for offsets")
		}
		if err := c.refresh(ctx); err != nil && ctx.Err() != nil {
			return nil, unavailable(err, "asking for offsets")
		}
	}
}

func (c *Cluster) offsetsOnce(ctx context.Context, at int64, parts map[string][]int) (map[string]map[int]int64, error) {
	layout, err := c.layout(ctx)
	if err != nil {
		return nil, err
	}
	byBroker := make(map[int32]*offsetsRequest)
	for topic, ps := range parts {
		for _, p := range ps {
			wire := c.wireName(topic)
			b, err := leaderOf(layout, wire, int32(p))
			if err != nil {
				return nil, err
			}
			r := byBroker[b.ID]
			if r == nil {
				r = &offsetsRequest{client: c.cfg.ClientID, at: at}
				byBroker[b.ID] = r
			}
			r.parts = append(r.parts, fetchPart{topic: wire, partition: int32(p)})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first error
		out   = make(map[string]map[int]int64)
	)
	for _, r := range byBroker {
		wg.Go(func() {
			a, err := send[*offsetsAnswer](ctx, c, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				first = err
				return
			}
			for _, p := range a.parts {
				topic, ours := c.ownName(p.topic)
				if !ours {
					continue
				}
				if p.code != 0 {
					first = fmt.Errorf("%s/%d: %w", topic, p.partition, kafka.Error(p.code))
					return
				}
				if out[topic] == nil {
					out[topic] = make(map[int]int64)
				}
				out[topic][int(p.partition)] = p.offset
			}
		})
	}
	wg.Wait()
	if first != nil {
		return nil, first
	}
	for topic, ps := range parts {
		for _, p := range ps {
			if _, ok := out[topic][p]; !ok {
				return nil, fmt.Errorf("answer without %s/%d: %w", topic, p, io.ErrUnexpectedEOF)
			}
		}
	}
	return out, nil
}

// offsetsRequest is ListOffsets for the partitions of one broker.
type offsetsRequest struct {
	client  string
	at      int64
	parts   []fetchPart
	version int16
}

type offsetsAnswer struct{ parts []offsetsPart }

type offsetsPart struct {
	topic     string
	partition int32
	code      int16
	offset    int64
}

const offsetsMin, offsetsMax = 2, 5

func (*offsetsRequest) ApiKey() protocol.ApiKey { return protocol.ListOffsets }
func (*offsetsAnswer) ApiKey() protocol.ApiKey  { return protocol.ListOffsets }

func (r *offsetsRequest) Broker(c protocol.Cluster) (protocol.Broker, error) {
	return leaderOf(c, r.parts[0].topic, r.parts[0].partition)
}

func (r *offsetsRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.ListOffsets]
	return true
}

func (r *offsetsRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < offsetsMin || r.version > offsetsMax {
		return nil, fmt.Errorf("broker offers list offsets v%d, want v%d to v%d", r.version, offsetsMin, offsetsMax)
	}
	be := binary.BigEndian
	b := appendRequestHeader(nil, protocol.ListOffsets, r.version, r.client)
	b = be.AppendUint32(b, 0xffffffff) // replica id: a client
	b = append(b, 1)                   // read_committed
	b = be.AppendUint32(b, uint32(len(r.parts)))
	for _, p := range r.parts {
		b = appendString(b, p.topic)
		b = be.AppendUint32(b, 1)
		b = be.AppendUint32(b, uint32(p.partition))
		if r.version >= 4 {
			b = be.AppendUint32(b, 0xffffffff) // leader epoch: unknown
		}
		b = be.AppendUint64(b, uint64(r.at))
	}
	be.PutUint32(b, uint32(len(b)-4))
	if _, err := rw.Write(b); err != nil {
		return nil, err
	}
	body, err := readAnswer(rw)
	if err != nil {
		return nil, err
	}
	return parseOffsetsAnswer(body, r.version)
}

func parseOffsetsAnswer(body []byte, version int16) (*offsetsAnswer, error) {
	d := wireReader{b: body}
	d.int32() // throttle
	a := &offsetsAnswer{}
	for range d.count(6) {
		topic := d.string()
		for range d.count(22) {
			p := offsetsPart{topic: topic, partition: d.int32(), code: d.int16()}
			d.int64() // time of the record
			p.offset = d.int64()
			if version >= 4 {
				d.int32() // leader epoch
			}
			a.parts = append(a.parts, p)
		}
	}
	return a, d.err
}
