package edelivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	block     []byte // what is repeated; nil for random bytes that never are
	got       string
	received  int64
}

// hexadecimal is the worst that a compressor can meet: half of it goes, with nothing to
// be found twice.
func hexadecimal() []byte {
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{8}).Read(b) // cannot fail
	return []byte(hex.EncodeToString(b))
}

// records is a table as a register gives it out, of nobody who lives. It is longer than
// the window of the compressor.
func records() []byte {
	var b bytes.Buffer
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"Novak", "Horvat", "Garcia", "Rossi", "Dubois", "Muster", "Kovac", "Lopez", "Svensson", "Virtanen"}
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "E%07d;%s;%d-%02d-%02d;M%03d;%d.%02d;EUR;%012x\r\n", i, names[r.IntN(len(names))],
			1930+r.IntN(80), 1+r.IntN(12), 1+r.IntN(28), r.IntN(212), r.IntN(100_000), r.IntN(100), r.Uint64()>>16)
	}
	return b.Bytes()
}

type generator struct {
	src   *rand.ChaCha8
	left  int64
	block []byte // repeated; nil for random bytes
	at    int
}

func (b *bulk) open() *generator {
	return &generator{src: rand.NewChaCha8([32]byte{7}), left: b.size, block: b.block}
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

// A payload is never whole in memory, on neither side: not in the heap, where all that
// was ever allocated counts, and not in pages of mapped files, of which the most that
// were resident at one time count.
func TestLargePayloadOnAFlatHeap(t *testing.T) { // not parallel: it measures
	ring()
	const (
		most = 20 << 20 // the tables of the compressor, 256 KiB of clear bytes, buffers
		// Mapped on the sender's side and on the receiver's, it would be twice the payload.
		mostResident = 96 << 20
	)
	for name, b := range map[string]*bulk{
		"compressed": {size: (32 << 20) / slow, mediaType: "text/csv", block: records()},
		"as it is":   {size: (128 << 20) / slow, mediaType: "application/octet-stream"},
	} {
		var grown, resident int64
		for range 3 { // where nobody else had the processors for long
			var before, after runtime.MemStats
			rss := memory(t, "VmRSS")
			forgetPeak(t)
			runtime.ReadMemStats(&before)
			through(t, b, true) // of the agreement: binary parts are not compressed
			runtime.ReadMemStats(&after)
			if want := b.digest(t); b.got != want {
				t.Errorf("%s: what arrived has the digest %s, want %s", name, b.got, want)
			}
			grown, resident = int64(after.TotalAlloc-before.TotalAlloc), memory(t, "VmHWM")-rss
			if grown <= most && (resident <= mostResident || slow > 1) {
				break
			}
		}
		t.Logf("%s: allocated %d KiB, resident %d KiB more", name, grown>>10, resident>>10)
		if grown > most {
			t.Errorf("%s: allocated %d KiB for a payload of %d MiB", name, grown>>10, b.size>>20)
		}
		if resident > mostResident && slow == 1 { // the race detector has memory of its own
			t.Errorf("%s: %d KiB resident for a payload of %d MiB", name, resident>>10, b.size>>20)
		}
	}
}

// forgetPeak makes VmHWM begin again (proc_pid_clear_refs(5)).
func forgetPeak(t testing.TB) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skip(err)
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
// ONCEGATE_LARGE=1. What it says of memory: anon is the peak of anonymous memory, which
// is sampled; hwm is that of all resident pages, of the program and of mapped temporary
// files too. CPU time is that of both sides, and of making and digesting the payload.
func BenchmarkLarge(b *testing.B) {
	if os.Getenv("ONCEGATE_LARGE") == "" {
		b.Skip("set ONCEGATE_LARGE=1; it needs 3 GiB of disk under TMPDIR")
	}
	const size = 1 << 30
	for _, c := range []struct {
		name string
		bulk
		plain bool
	}{
		{"random", bulk{size: size, mediaType: "application/octet-stream"}, true},
		{"random-gzip", bulk{size: size, mediaType: "application/octet-stream"}, false},
		{"records-gzip", bulk{size: size, mediaType: "text/csv", block: records()}, false},
		{"hex-gzip", bulk{size: size, mediaType: "text/plain", block: hexadecimal()}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
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
			forgetPeak(b)
			var took time.Duration
			n, start := 0, cpu(b)
			for b.Loop() {
				took, n = took+through(b, &c.bulk, c.plain), n+1
			}
			close(stop)
			b.ReportMetric(float64(size)*float64(n)/took.Seconds()/1e6, "MB/s")
			b.ReportMetric((cpu(b)-start).Seconds()/float64(n), "cpu-s")
			b.ReportMetric(float64(<-peak)/(1<<20), "MiB-anon")
			b.ReportMetric(float64(memory(b, "VmHWM"))/(1<<20), "MiB-hwm")
		})
	}
}
