package kafkalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/compress"
)

// sample is one sealed batch as it stands in a record set.
func sample(rs ...*Record) []byte {
	b := newBatch(nil, produceHead("c", "t", 0, 1000))
	for _, r := range rs {
		b.add(r, r.Time.UnixMilli())
	}
	b.seal(7, 1, 5)
	return b.frame[b.head:]
}

func TestMurmur2PlacesAsKafkaDoes(t *testing.T) {
	// From Kafka's own UtilsTest.
	for in, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(in))); got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
}

func TestVarintSize(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, 1 << 31, -1 << 40, 1<<63 - 1, -1 << 63} {
		if got, want := varintSize(v), len(binary.AppendVarint(nil, v)); got != want {
			t.Errorf("%d: %d, want %d", v, got, want)
		}
	}
}

func TestMaxRecordSizeHolds(t *testing.T) {
	r := &Record{Key: []byte("k"), Value: make([]byte, 70_000), Headers: []Header{{"a", nil}, {strings.Repeat("b", 200), make([]byte, 200)}}, Time: time.UnixMilli(1)}
	far := &Record{Time: time.UnixMilli(1 << 42)}
	before, after := len(sample(far)), len(sample(far, r))
	if got := after - before; got > maxRecordSize(r) {
		t.Errorf("the record takes %d bytes, the bound is %d", got, maxRecordSize(r))
	}
}

func TestSequencesCountOnAndWrap(t *testing.T) {
	for _, tc := range []struct{ seq, n, want int32 }{{0, 1, 1}, {5, 10, 15}, {1<<31 - 1, 1, 0}, {1<<31 - 2, 5, 3}} {
		if got := nextSequence(tc.seq, tc.n); got != tc.want {
			t.Errorf("%d after %d: %d, want %d", tc.n, tc.seq, got, tc.want)
		}
	}
}

func read(set []byte, aborted ...abortedTxn) (out []Record, next int64, err error) {
	p := &fetchedPart{records: set, aborted: aborted}
	next, err = p.committed(0, func(b *batchView) error {
		return b.each("t", 0, func(r Record) error { out = append(out, r); return nil })
	})
	return out, next, err
}

func TestEveryChangedBitIsNoticed(t *testing.T) {
	set := sample(&Record{Key: []byte("k"), Value: []byte("value"), Time: time.UnixMilli(5), Headers: []Header{{"h", []byte("v")}}})
	if _, _, err := read(set); err != nil {
		t.Fatal(err)
	}
	for i := atCRC; i < len(set); i++ { // before it stand offset, length and leader's epoch, which brokers set
		for bit := range 8 {
			bad := bytes.Clone(set)
			bad[i] ^= 1 << bit
			if got, _, err := read(bad); !errors.Is(err, ErrCorrupt) || len(got) != 0 {
				t.Fatalf("byte %d bit %d: %v, %v", i, bit, got, err)
			}
		}
	}
}

func TestACutSetEndsBeforeTheCutBatch(t *testing.T) {
	one := sample(&Record{Value: []byte("1"), Time: time.UnixMilli(5)})
	two := bytes.Clone(one)
	binary.BigEndian.PutUint64(two, 1)
	set := append(bytes.Clone(one), two...)
	for n := range len(set) {
		got, next, err := read(set[:n])
		if err != nil || len(got) != n/len(one) || next != int64(n/len(one)) {
			t.Fatalf("%d bytes: %d records, next %d, %v", n, len(got), next, err)
		}
	}
}

// A small batch that inflates without end is refused.
func TestInflatingIsBounded(t *testing.T) {
	const limit = 100_000
	for _, c := range []compress.Compression{compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		for _, size := range []int{limit, limit + 1} {
			var packed bytes.Buffer
			w := c.Codec().NewWriter(&packed)
			if _, err := w.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := inflate(int16(c), packed.Bytes(), limit); (err != nil) != (size > limit) || err == nil && len(got) != size {
				t.Errorf("%v, %d bytes: %d bytes, %v", c, size, len(got), err)
			}
		}
		if _, err := inflate(int16(c), []byte("this is nothing packed"), limit); err == nil {
			t.Errorf("%v: nonsense was inflated", c)
		}
	}
	if _, err := inflate(7, nil, limit); err == nil {
		t.Error("an unknown codec was inflated")
	}
}

func TestAnswersAreParsed(t *testing.T) {
	be := binary.BigEndian
	set := sample(&Record{Value: []byte("1"), Time: time.UnixMilli(5)})
	b := be.AppendUint32(nil, 0) // throttle
	b = be.AppendUint16(b, 0)
	b = be.AppendUint32(b, 0)
	b = be.AppendUint32(b, 1)
	b = appendString(b, "t")
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, 4)  // partition
	b = be.AppendUint16(b, 0)  // code
	b = be.AppendUint64(b, 10) // high watermark
	b = be.AppendUint64(b, 9)  // last stable
	b = be.AppendUint64(b, 2)  // start
	b = be.AppendUint32(b, 1)
	b = be.AppendUint64(b, 77)
	b = be.AppendUint64(b, 3)
	b = be.AppendUint32(b, 0xffffffff) // preferred replica
	b = be.AppendUint32(b, uint32(len(set)))
	b = append(b, set...)
	a, err := parseFetchAnswer(b, 11)
	if err != nil {
		t.Fatal(err)
	}
	want := &fetchAnswer{parts: []fetchedPart{{topic: "t", partition: 4, highWater: 10, stable: 9, start: 2, aborted: []abortedTxn{{77, 3}}, records: set}}}
	if d := cmp.Diff(want, a, cmp.AllowUnexported(fetchAnswer{}, fetchedPart{}, abortedTxn{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for n := range len(b) - 1 {
		if _, err := parseFetchAnswer(b[:n], 11); err == nil {
			t.Fatalf("cut to %d bytes: no error", n)
		}
	}
}

func FuzzRecordSet(f *testing.F) {
	f.Add(sample(&Record{Key: []byte("k"), Value: []byte("value"), Time: time.UnixMilli(5), Headers: []Header{{"h", []byte("v")}}}), true)
	f.Add(sample(&Record{Time: time.UnixMilli(5)}, &Record{Value: []byte{}, Time: time.UnixMilli(6)}), false)
	f.Fuzz(func(t *testing.T, set []byte, mend bool) {
		if mend && len(set) > batchHeader {
			// Let the fuzzer past the checksum.
			set = bytes.Clone(set)
			set[atMagic] = 2
			binary.BigEndian.PutUint32(set[atLength:], uint32(len(set)-atEpoch))
			binary.BigEndian.PutUint32(set[atCRC:], crc32.Checksum(set[atAttributes:], castagnoli))
		}
		rs, _, err := read(set)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v", err)
		}
		for _, r := range rs {
			if len(r.Key)+len(r.Value) > maxInflated {
				t.Errorf("a record of %d bytes", len(r.Key)+len(r.Value))
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 0}, int16(11))
	f.Fuzz(func(_ *testing.T, b []byte, version int16) {
		_, _ = parseFetchAnswer(b, version)
		_, _ = parseProduceAnswer(b, version)
		_, _ = parseOffsetsAnswer(b, version)
	})
}
