package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"oncegate/cmd/node"
	"oncegate/schemas/canon"
)

// The node that the tests kill is a process of its own: this very test binary,
// started again with the name of a configuration file in its environment.
const nodeVariable = "ONCEGATE_SANDBOX_NODE"

func TestMain(m *testing.M) {
	if file := os.Getenv(nodeVariable); file != "" {
		if err := runNode(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// uncommitted is how long the victims wait with a commit: what they published
// lies on the log while their input is still theirs.
const uncommitted = 5 * time.Second

// runNode serves until standard input ends. A line "arm PLACE" there makes the
// node die at that place.
func runNode(file string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	trap := &trap{spring: func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing of us goes on
	}}
	go func() {
		defer cancel()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			if place, ok := strings.CutPrefix(in.Text(), "arm "); ok {
				trap.arm(place)
				fmt.Println("armed")
			}
		}
	}()
	cfg, err := node.Load(file)
	if err != nil {
		return err
	}
	opt := trap.options()
	opt.CommitEvery = uncommitted
	opt.Logger = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	n, err := node.New(ctx, cfg, opt)
	if err != nil {
		return err
	}
	defer n.Close()
	fmt.Println("up")
	return n.Run(ctx)
}

// A trap springs once, when the node comes to a place for the n-th time. Places:
//
//	handle/<role>/before|after/<message>    a worker's handler is called, has returned
//	publish/<role>/before|after/<message>   an edge publishes, has published
//	http/<server>/after                     the answer to a POST was written
//	any                                     each of them
//
// with "#n" for another than the first time.
type trap struct {
	spring func()

	mu    sync.Mutex
	place string // empty: not armed
	left  int
}

func (t *trap) arm(place string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, n, _ := strings.Cut(place, "#")
	t.place, t.left = at, 1
	if v, err := strconv.Atoi(n); err == nil {
		t.left = v
	}
}

func (t *trap) sprung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.place == ""
}

func (t *trap) at(seam, role, when string, m canon.Message) {
	t.mu.Lock()
	place := strings.TrimRight(seam+"/"+role+"/"+when+"/"+word(m), "/")
	if t.place != "any" && t.place != place {
		t.mu.Unlock()
		return
	}
	t.left--
	sprung := t.left == 0
	if sprung {
		t.place = ""
	}
	t.mu.Unlock()
	if sprung {
		t.spring()
	}
}

// word names a message as the places do: evidence.request.v1.in.first
func word(m canon.Message) string {
	w := []string{string(m.Kind)}
	if e := canon.EnvelopeOf(m.Body); e != nil {
		w = append(w, string(e.Leg))
	}
	switch b := m.Body.(type) {
	case *canon.EvidenceRequest:
		w = append(w, string(b.Step))
	case *canon.ExchangeNotice:
		w = append(w, b.State)
	case *canon.DeliveryReceipt:
		w = append(w, string(b.OfKind))
	}
	return strings.Join(w, ".")
}

// options puts the trap into every seam of a node.
func (t *trap) options() node.Options {
	return node.Options{
		Handler: func(role string, next canon.Handler) canon.Handler {
			return func(ctx context.Context, m canon.Message) ([]canon.Message, error) {
				t.at("handle", role, "before", m)
				out, err := next(ctx, m)
				t.at("handle", role, "after", m)
				return out, err
			}
		},
		Publish: func(role string, next canon.Publish) canon.Publish {
			return func(ctx context.Context, ms ...canon.Message) error {
				if len(ms) == 0 {
					return next(ctx)
				}
				t.at("publish", role, "before", ms[0])
				err := next(ctx, ms...)
				t.at("publish", role, "after", ms[0])
				return err
			}
		},
		HTTP: func(name string, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				if r.Method == http.MethodPost {
					_ = http.NewResponseController(w).Flush() // the peer may be gone
					t.at("http", name, "after", canon.Message{})
				}
			})
		},
	}
}
