package kafkalog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Header is one name and value beside a record.
type Header struct {
	Key   string
	Value []byte
}

// A Record is one entry of a partition as it is stored: bytes, not yet a
// message. A nil Value is a tombstone; an empty one is not.
type Record struct {
	Topic     string // without the deployment's prefix
	Partition int
	Offset    int64
	Time      time.Time // when it was written; set by the writer where zero
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header returns the value of the last header of that name, as Kafka's own
// clients do.
func (r *Record) Header(name string) (string, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

// Position returns where the record stands.
func (r *Record) Position() Position { return Position{r.Topic, r.Partition, r.Offset} }

// A Position names one record: topic, partition, offset.
type Position struct {
	Topic     string
	Partition int
	Offset    int64
}

// String returns topic/partition/offset, as the command line reads it.
func (p Position) String() string {
	return p.Topic + "/" + strconv.Itoa(p.Partition) + "/" + strconv.FormatInt(p.Offset, 10)
}

// ParsePosition reads topic/partition/offset.
func ParsePosition(s string) (Position, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" {
		return Position{}, fmt.Errorf("position %q: want topic/partition/offset", s)
	}
	n, err := strconv.ParseUint(parts[1], 10, 31)
	if err != nil {
		return Position{}, fmt.Errorf("position %q: partition: %w", s, err)
	}
	o, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || o < 0 {
		return Position{}, fmt.Errorf("position %q: offset must be a number from 0", s)
	}
	return Position{parts[0], int(n), o}, nil
}

// partitionOf places a key as Kafka's Java client does (murmur2), so that other
// clients which write the same keys meet the same partitions.
func partitionOf(key []byte, partitions int) int {
	return int(murmur2(key)&0x7fffffff) % partitions
}

func murmur2(b []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := uint32(seed) ^ uint32(len(b))
	for len(b) >= 4 {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
		b = b[4:]
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
