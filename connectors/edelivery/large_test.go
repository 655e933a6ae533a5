package edelivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/schemas/canon"
)

// bulk is a Codec whose one payload is of any size and never in memory: bytes are made
// where they are sent and digested where they arrive.
type bulk struct {
	size      int64
	mediaType string
	repeats   bool // compresses like a text
	got       string
	received  int64
}

type generator struct {
	src   *rand.ChaCha8
	left  int64
	block []byte // repeated; nil for random bytes
	at    int
}

func (b *bulk) open() *generator {
	g := &generator{src: rand.NewChaCha8([32]byte{7}), left: b.size}
	if b.repeats {
		random := make([]byte, 16<<10)
		_, _ = g.src.Read(random) // cannot fail
		g.block = []byte(hex.EncodeToString(random))
	}
	return g
}

func (g *generator) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), g.left)]
	if g.block == nil {
		_, _ = g.src.Read(p) // cannot fail
	} else {
		n := copy(p, g.block[g.at:])
		p, g.at = p[:n], (g.at+n)%len(g.block)
	}
	g.left -= int64(len(p))
	return len(p), nil
}

func (g *generator) Close() error { return nil }

// digest is that of all the bytes.
func (b *bulk) digest(t testing.TB) string {
	sum := sha256.New()
	if _, err := io.Copy(sum, b.open()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func (b *bulk) Encode(context.Context, canon.Message, canon.Payloads) (Outgoing, bool, error) {
	return Outgoing{
		Action:         "ExecuteQueryResponse",
		OriginalSender: canon.Participant{Scheme: "urn:s", ID: "C1"}, FinalRecipient: canon.Participant{Scheme: "urn:s", ID: "C4"},
		Parts: []Part{{ID: "large@example.org", MediaType: b.mediaType, Size: b.size, Open: func() (io.ReadCloser, error) { return b.open(), nil }}},
	}, true, nil
}

func (b *bulk) Decode(_ context.Context, in Incoming, _ canon.Payloads) ([]canon.Message, error) {
	r, err := in.Parts[0].Open()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	b.received, err = io.CopyBuffer(struct{ io.Writer }{sum}, r, make([]byte, 64<<10))
	b.got = hex.EncodeToString(sum.Sum(nil))
	return nil, errors.Join(err, r.Close())
}

// through sends one payload of the size from one access point to the other.
func through(t testing.TB, b *bulk, plain bool) (took time.Duration) {
	t.Helper()
	dir := t.TempDir()
	r := newRig(t, func(_ *rig, requester, provider *pmode.Partner, c *Config) {
		for _, p := range []*pmode.Partner{requester, provider} {
			p.Plain, p.Timeout = plain, 10*time.Minute
			p.Limits = pmode.Limits{Part: 2 << 30, Message: 2 << 30, Ratio: 1 << 20}
			p.Retry.Attempts = 1
		}
		c.Limits = swa.Limits{TempDir: dir}
	})
	r.receiver.Codec, r.sender.Codec = b, b
	srv := httptest.NewServer(r.receiver) // not through the rig, which keeps all it sees
	defer srv.Close()
	partner := r.partner
	partner.URL = srv.URL
	r.sender.PModes = table(t, requesterID, ring().requester, partner)
	start := time.Now()
	got, err := r.sender.Handle(context.Background(), r.message("large"))
	took = time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryAcknowledged {
		t.Fatalf("%+v: %s", d, got[1].Body.(*canon.AuditEvent).Reason)
	}
	if b.received != b.size {
		t.Fatalf("%d bytes arrived, want %d", b.received, b.size)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("files have names or are left: %v, %v", files, err)
	}
	return took
}

// A payload is never whole in the heap, on neither side. Everything that was ever
// allocated counts here, not only the peak.
func TestLargePayloadOnAFlatHeap(t *testing.T) { // not parallel: it measures
	ring()
	const most = 20 << 20 // the tables of the compressor, 256 KiB of clear bytes, buffers
	for name, b := range map[string]*bulk{
		"compressed": {size: (32 << 20) / slow, mediaType: "text/csv", repeats: true},
		"as it is":   {size: (64 << 20) / slow, mediaType: "application/octet-stream"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		through(t, b, true) // of the agreement: binary parts are not compressed
		runtime.ReadMemStats(&after)
		if want := b.digest(t); b.got != want {
			t.Errorf("%s: what arrived has the digest %s, want %s", name, b.got, want)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > most {
			t.Errorf("%s: allocated %d KiB for a payload of %d MiB", name, grown>>10, b.size>>20)
		}
	}
}

// memory reads one line of /proc/self/status, in bytes.
func memory(t testing.TB, name string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Skipf("no %s", name)
	return 0
}

// BenchmarkLarge sends 1 GiB from one access point to another in one process, with
// ONCEGATE_LARGE=1. Clear: as it is, and compressed. What it says of memory: anon is
// the peak of anonymous memory, sampled; hwm is that of all resident pages, those of
// mapped temporary files included, which the system takes back when it needs them.
func BenchmarkLarge(b *testing.B) {
	if os.Getenv("ONCEGATE_LARGE") == "" {
		b.Skip("set ONCEGATE_LARGE=1; it needs 3 GiB of disk under TMPDIR")
	}
	const size = 1 << 30
	for name, c := range map[string]bulk{
		"binary": {size: size, mediaType: "application/octet-stream"},
		"gzip":   {size: size, mediaType: "text/csv", repeats: true},
	} {
		b.Run(name, func(b *testing.B) {
			stop, peak := make(chan struct{}), make(chan int64)
			go func() {
				var most int64
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						most = max(most, memory(b, "RssAnon"))
					case <-stop:
						peak <- most
						return
					}
				}
			}()
			var took time.Duration
			n, start := 0, cpu(b)
			for b.Loop() {
				took, n = took+through(b, &c, true), n+1
			}
			close(stop)
			b.ReportMetric(float64(size)*float64(n)/took.Seconds()/1e6, "MB/s")
			b.ReportMetric((cpu(b)-start).Seconds()/float64(n), "cpu-s")
			b.ReportMetric(float64(<-peak)/(1<<20), "MiB-anon")
			b.ReportMetric(float64(memory(b, "VmHWM"))/(1<<20), "MiB-hwm")
		})
	}
}
