package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/cmd/node"
)

// A village is a landscape on real services whose nodes are processes.
type village struct {
	*Landscape
	sup  *supervisor
	see  *observer
	svc  *services
	hook atomic.Pointer[func()] // once, while the portal holds the answer of a webhook
}

func newVillage(ctx context.Context, t *testing.T) *village {
	t.Helper()
	v := &village{}
	cfg := onServices(t)
	v.svc = &services{broker: cfg.Brokers[0], memory: cfg.Redis, prefix: cfg.Prefix}
	cfg.Remote = true
	cfg.Edit = func(string) map[string]any {
		return obj{
			"kafka":     obj{"session_timeout": "2s"}, // so long nobody works on a dead node's share
			"edelivery": obj{"deadline": "3s"},
			"timeouts":  obj{"poll": "200ms"},
		}
	}
	cfg.Outside = func(name string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if name == "portal" && r.URL.Path == "/webhook" {
				if f := v.hook.Swap(nil); f != nil {
					(*f)()
				}
			}
		})
	}
	v.Landscape = started(ctx, t, cfg)
	v.sup = supervise(ctx, t, v.Landscape)
	nodes := map[string]*node.Node{}
	for _, member := range []string{Slovenia, Spain} {
		conf, err := node.Load(v.ConfigFile(member))
		if err != nil {
			t.Fatal(err)
		}
		n, err := node.Attach(ctx, conf, node.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		nodes[member] = n
	}
	v.see = &observer{l: v.Landscape, node: func(member string) *node.Node { return nodes[member] }}
	return v
}

// play lets a person go through one exchange, however often a node dies.
func (v *village) play(ctx context.Context, register string) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	res, err := v.Play(ctx, Script{Register: register, Through: patient})
	if err != nil {
		return res, fmt.Errorf("%w\nsteps: %q", err, res.Steps)
	}
	return res, nil
}

// forget empties both memories.
func (v *village) forget(ctx context.Context) error {
	return errors.Join(v.see.node(Slovenia).Forget(ctx), v.see.node(Spain).Forget(ctx))
}

// quiet waits until nothing is left to do: every record that anybody reads is
// committed as done, so no partition stopped, and nothing will be handled again.
func (v *village) quiet(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, member := range []string{Slovenia, Spain} {
		until(ctx, t, "the workers of "+member+" to have done everything", func() (bool, error) {
			behind, err := v.svc.lag(ctx, member, node.AllRoles()...)
			if err == nil && behind != "" {
				err = errors.New(behind)
			}
			return err == nil, err
		})
		// Those that the partner did not take at once are nobody's in the log any more.
		until(ctx, t, "every message of "+member+" to have its outcome", func() (bool, error) {
			n, err := v.see.node(member).Unsent(ctx)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d messages wait", n)
			}
			return err == nil, err
		})
	}
}

// TestRealKill kills nodes at every place where work could be lost or done
// twice, on a real Kafka and a real Redis, and counts what each exchange did in
// the end.
func TestRealKill(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	v := newVillage(ctx, t)
	type played struct {
		name, register string
		res            *Result
		forgot         bool
	}
	var all []played
	registers := []string{"births", "residence", "companies"}
	for i, tt := range []struct {
		name   string
		member string
		place  string
		forget bool // both memories are emptied while the node is dead
	}{
		// A core worker between publish and commit: the next worker has what it
		// published, and commits wait (uncommitted).
		{name: "core asked", member: Slovenia, place: "handle/edelivery/before/evidence.request.v1.out.first"},
		{name: "core offered", member: Spain, place: "handle/edelivery/before/evidence.preview.v1.out"},
		{name: "core queried", member: Spain, place: "handle/registers/before/register.query.v1"},
		{name: "core answered", member: Spain, place: "handle/edelivery/before/evidence.response.v1.out"},
		{name: "core notified", member: Slovenia, place: "handle/web/before/exchange.notice.v1.delivered"},

		{name: "register answered, no record yet", member: Spain, place: "handle/registers/after/register.query.v1"},

		{name: "request received, not published", member: Spain, place: "publish/edelivery/before/evidence.request.v1.in.first"},
		{name: "request published, no receipt", member: Spain, place: "publish/edelivery/after/evidence.request.v1.in.first"},
		{name: "second request published, no receipt", member: Spain, place: "publish/edelivery/after/evidence.request.v1.in.after-preview"},
		{name: "request receipted", member: Spain, place: "http/edelivery/after"},
		{name: "answer received, not published", member: Slovenia, place: "publish/edelivery/before/evidence.response.v1.in"},
		{name: "answer published, no receipt", member: Slovenia, place: "publish/edelivery/after/evidence.response.v1.in"},
		{name: "answer receipted", member: Slovenia, place: "http/edelivery/after#2"},

		{name: "request sent, receipt not published", member: Slovenia, place: "handle/edelivery/after/evidence.request.v1.out.first"},
		{name: "answer sent, receipt not published", member: Spain, place: "handle/edelivery/after/evidence.response.v1.out"},
		{name: "answer sent, receipt not published, memories lost", member: Spain, place: "handle/edelivery/after/evidence.response.v1.out", forget: true},

		{name: "portal told, not committed", member: Slovenia, place: "handle/web/after/exchange.notice.v1.delivered"},
		{name: "portal asked, not answered", member: Slovenia, place: "publish/web/after/evidence.request.v1.portal.first"},
		{name: "person decided, not answered", member: Spain, place: "publish/web/after/consent.decision.v1"},
	} {
		register := registers[i%len(registers)]
		if !t.Run(tt.name, func(t *testing.T) {
			before := v.sup.died(tt.member)
			if tt.forget {
				v.quiet(ctx, t) // the loss is this exchange's alone
				v.sup.before(func(string) {
					if err := v.forget(ctx); err != nil {
						t.Error(err)
					}
				})
				defer v.sup.before(nil)
			}
			v.sup.arm(ctx, tt.member, tt.place)
			res, err := v.play(ctx, register)
			if err != nil {
				t.Fatal(err)
			}
			until(ctx, t, "the death at "+tt.place, func() (bool, error) { return v.sup.died(tt.member) > before, nil })
			all = append(all, played{tt.name, register, res, tt.forget})
		}) {
			return
		}
	}
	t.Run("portal told, answer not read", func(t *testing.T) {
		before := v.sup.died(Slovenia)
		kill := func() { v.sup.kill(Slovenia) }
		v.hook.Store(&kill)
		res, err := v.play(ctx, "births")
		if err != nil {
			t.Fatal(err)
		}
		until(ctx, t, "the death", func() (bool, error) { return v.sup.died(Slovenia) > before, nil })
		all = append(all, played{"portal told, answer not read", "births", res, false})
	})
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("any place, seed %d", seed), func(t *testing.T) {
			chaos(t)
			rnd := rand.New(rand.NewPCG(seed, 1))
			register := registers[rnd.IntN(len(registers))]
			for _, member := range []string{Slovenia, Spain} {
				v.sup.arm(ctx, member, fmt.Sprintf("any#%d", 1+rnd.IntN(25)))
			}
			res, err := v.play(ctx, register)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, played{"any place", register, res, false})
		})
	}
	t.Run("any moment, many persons", func(t *testing.T) {
		chaos(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			rnd := rand.New(rand.NewPCG(7, 7))
			for i := range 4 {
				moment := time.NewTimer(time.Duration(300+rnd.IntN(2500)) * time.Millisecond)
				select {
				case <-moment.C:
				case <-ctx.Done():
					moment.Stop()
					return
				}
				v.sup.kill([]string{Spain, Slovenia}[i%2])
			}
		}()
		for i := range 4 {
			wg.Go(func() {
				for n := i; ; n++ {
					register := registers[n%len(registers)]
					res, err := v.play(ctx, register)
					mu.Lock()
					if err != nil {
						t.Error(err)
					} else {
						all = append(all, played{"any moment", register, res, false})
					}
					mu.Unlock()
					select {
					case <-killed:
						return
					default:
						if err != nil {
							return
						}
					}
				}
			})
		}
		wg.Wait()
		<-killed
	})
	for _, p := range all {
		v.see.settled(ctx, t, p.res)
	}
	v.quiet(ctx, t)
	for _, p := range all {
		t.Run("effects of "+p.name, func(t *testing.T) {
			sameEvidence(t, p.register, p.res)
			v.see.overtaken = true // whoever dies may be sending something else as well
			want, got := delivered(p.register), v.see.count(ctx, t, p.res)
			identifiedAgain(want, got)
			if p.forgot {
				// Who has forgotten what was sent sends it again. The partner knows the
				// canonical message, not the letter, and signs for that one too.
				for what, n := range got.Receipts {
					want.Receipts[what] = min(max(n, 1), 2)
				}
			}
			v.see.check(ctx, t, p.res, want)
		})
	}
	v.see.buried(ctx, t)
}

// chaos skips kills at random, whose every run is another one: they look for what
// nobody thought of, and `make chaos` runs them.
func chaos(t *testing.T) {
	t.Helper()
	if os.Getenv("ONCEGATE_CHAOS") == "" {
		t.Skip("kills at random: make chaos")
	}
}
