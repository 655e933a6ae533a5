package node

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/connectors/register/care/caretest"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// An operator who replays all queries of a register as fast as they may does not
// make the register hear more than was agreed. ONCEGATE_TEST_REPLAYS is how many
// queries are replayed; make bench-mapping says 100,000.
func TestAReplayKeepsTheRateOfARegister(t *testing.T) {
	replays, calls := 300, 100
	if n, _ := strconv.Atoi(os.Getenv("ONCEGATE_TEST_REPLAYS")); n > 0 {
		replays, calls = n, 1000
	}
	var mu sync.Mutex
	var heard []int64
	w := newRegisterWorld(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		heard = append(heard, time.Now().UnixMicro())
		mu.Unlock()
		rw.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(rw, fiktiva)
	}))
	// The first are asked before the register is there: the replay finds them all on
	// the log, waiting, and puts as many again behind them.
	originals := max(replays/4, 1)
	for i := range originals {
		w.ask("spared", strconv.Itoa(i))
	}
	r, err := w.node.Replayer(t.TempDir())
	fatal(t, err)
	sent := 0
	for sent < replays {
		p, err := r.Plan(t.Context(), replay.Selection{Topics: []string{kafkalog.TopicOf(canon.KindRegisterQuery)}, Limit: min(originals, replays-sent)}, true)
		fatal(t, err)
		rep, err := r.Run(t.Context(), p, replay.RunOptions{Reason: "a test of the rate", Rate: 100_000})
		fatal(t, err)
		if rep.Sent == 0 {
			t.Fatalf("the replay sent nothing: %+v", rep)
		}
		sent += rep.Sent
	}
	w.folderOver("spared", "company", fmt.Sprintf("care: {rate: {calls: %d, per: 1s, burst: %d}}\ntransport: {kind: rest, method: GET, path: /company}", calls, calls), "/company")
	w.configure("slow", "quick", "spared")
	start := time.Now()
	fatal(t, w.live.look(w.ctx, w.g, false))
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(heard) }
	for count() < originals+sent {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-w.ctx.Done():
			t.Fatal("the node ended")
		}
		if time.Since(start) > 10*time.Minute {
			t.Fatalf("%d of %d queries in ten minutes", count(), originals+sent)
		}
	}
	took := time.Since(start)
	caretest.InWindow(t, heard, care.Budget{Calls: calls, Burst: calls, Per: time.Second})
	t.Logf("%d replayed queries and %d before them in %v: %.0f a second of %d agreed", sent, originals, took.Round(time.Millisecond), float64(len(heard))/took.Seconds(), calls)
}
