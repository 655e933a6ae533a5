package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A supervisor runs the nodes of a landscape as processes, and starts each again
// when it was killed, as the machinery of a real deployment does.
type supervisor struct {
	t *testing.T
	l *Landscape

	mu      sync.Mutex
	procs   map[string]*process
	deaths  map[string]int
	mourn   func(member string) // before a node is started again
	ending  bool
	keepers sync.WaitGroup
}

// A process is one life of a node.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	up    chan struct{} // closed once its sockets are open
	armed chan struct{}
	log   *logTail
}

func supervise(ctx context.Context, t *testing.T, l *Landscape) *supervisor {
	t.Helper()
	s := &supervisor{t: t, l: l, procs: map[string]*process{}, deaths: map[string]int{}}
	t.Cleanup(s.end)
	for _, member := range []string{Spain, Slovenia} {
		p, err := s.start(member)
		if err != nil {
			t.Fatal(err)
		}
		s.keepers.Add(1)
		go s.keep(member, p)
	}
	for _, member := range []string{Spain, Slovenia} {
		s.ready(ctx, member)
	}
	return s
}

func (s *supervisor) start(member string) (*process, error) {
	p := &process{up: make(chan struct{}), armed: make(chan struct{}, 1), log: &logTail{}}
	p.cmd = exec.Command(os.Args[0]) //nolint:gosec // this test itself
	p.cmd.Env = append(os.Environ(), nodeVariable+"="+s.l.ConfigFile(member))
	p.cmd.Stderr = p.log
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", member, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", member, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil, errEnding
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", member, err)
	}
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			switch in.Text() {
			case "up":
				close(p.up)
			case "armed":
				p.armed <- struct{}{}
			}
		}
	}()
	s.procs[member] = p
	return p, nil
}

var errEnding = errors.New("the test ends")

// keep waits for the node's end and starts it again.
func (s *supervisor) keep(member string, p *process) {
	defer s.keepers.Done()
	for {
		err := p.cmd.Wait()
		p.log.judge(s.t, member)
		s.mu.Lock()
		ending, mourn := s.ending, s.mourn
		s.mu.Unlock()
		st, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed := ok && st.Signaled() && st.Signal() == syscall.SIGKILL
		if ending {
			if err != nil && !killed {
				s.t.Errorf("%s ended with %v\n%s", member, err, p.log.text())
			}
			return
		}
		if !killed {
			s.t.Errorf("%s ended by itself: %v\n%s", member, err, p.log.text())
			return
		}
		if mourn != nil {
			mourn(member)
		}
		if p, err = s.start(member); err != nil {
			if !errors.Is(err, errEnding) {
				s.t.Error(err)
			}
			return
		}
		s.mu.Lock()
		s.deaths[member]++
		s.mu.Unlock()
	}
}

func (s *supervisor) process(member string) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs[member]
}

func (s *supervisor) died(member string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deaths[member]
}

// before sets what happens between a death and the next life.
func (s *supervisor) before(f func(member string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mourn = f
}

// ready waits until the node's sockets are open.
func (s *supervisor) ready(ctx context.Context, member string) {
	s.t.Helper()
	p := s.process(member)
	select {
	case <-p.up:
	case <-ctx.Done():
		s.t.Fatalf("%s does not come up\n%s", member, p.log.text())
	}
}

// arm tells a node where to die.
func (s *supervisor) arm(ctx context.Context, member, place string) {
	s.t.Helper()
	s.ready(ctx, member)
	p := s.process(member)
	if _, err := fmt.Fprintln(p.stdin, "arm "+place); err != nil {
		s.t.Fatalf("arming %s: %v", member, err)
	}
	select {
	case <-p.armed:
	case <-ctx.Done():
		s.t.Fatalf("%s does not answer", member)
	}
}

// kill ends a node from outside, and returns when it has ended.
func (s *supervisor) kill(member string) {
	n, p := s.died(member), s.process(member)
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		s.t.Errorf("killing %s: %v", member, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); s.died(member) == n; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Errorf("%s was killed and did not die", member)
			return
		}
	}
}

func (s *supervisor) end() {
	s.mu.Lock()
	s.ending = true
	for _, p := range s.procs {
		p.stdin.Close() // the node ends in good order
	}
	s.mu.Unlock()
	s.keepers.Wait()
}

// A logTail keeps what one life of a node logged.
type logTail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxLog = 4 << 20

func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() < maxLog {
		l.buf.Write(p)
	}
	return len(p), nil
}

func (l *logTail) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// judge fails the test for what must never be logged: alarms (a partition that
// stopped among them), defects and races.
func (l *logTail) judge(t *testing.T, member string) {
	for line := range bytes.Lines([]byte(l.text())) {
		if bytes.Contains(line, []byte(`"level":"ERROR"`)) || bytes.Contains(line, []byte("DATA RACE")) {
			t.Errorf("%s logged: %s", member, line)
		}
	}
}

// patient is the connection of a person who presses the button again while the
// other side does not answer.
func patient(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			again := req.Clone(req.Context())
			if req.GetBody != nil {
				body, err := req.GetBody()
				if err != nil {
					return nil, err
				}
				again.Body = body
			}
			resp, err := next.RoundTrip(again)
			if err == nil {
				var page []byte
				page, err = io.ReadAll(resp.Body) // a node may die in the middle of a page
				resp.Body.Close()
				if err == nil && (resp.StatusCode < 502 || resp.StatusCode > 504) {
					resp.Body = io.NopCloser(bytes.NewReader(page))
					return resp, nil
				}
				err = errors.Join(errors.New(resp.Status), err)
			}
			select {
			case <-req.Context().Done():
				return nil, fmt.Errorf("%w: %w", req.Context().Err(), err)
			case <-tick.C:
			}
		}
	})
}
