package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

// Definitions reads the built-in registers and those of the deployment's own
// directory. A name that both have is an error: nothing is hidden.
func (c *Config) Definitions() (map[string]*register.Definition, error) {
	defs, err := register.Load(registers.FS)
	if err != nil {
		return nil, err
	}
	if c.Directory == "" {
		return defs, nil
	}
	own, err := register.Load(os.DirFS(c.path(c.Directory)))
	if err != nil {
		return nil, fmt.Errorf("registers_dir: %w", err)
	}
	for name, d := range own {
		if _, taken := defs[name]; taken {
			return nil, fmt.Errorf("registers_dir: %q is the name of a built-in register", name)
		}
		defs[name] = d
	}
	return defs, nil
}

// endpoint reads the files that the settings of a register name.
func (c *Config) endpoint(s register.Settings) (register.Endpoint, error) {
	return s.Endpoint(func(name string) ([]byte, error) {
		secret := slices.ContainsFunc(s.Files(), func(f register.File) bool { return f.Name == name && f.Secret })
		return readBounded(c.path(name), maxNamed, secret)
	})
}

// lookEvery is how often the files of the registers are compared with those in force.
const lookEvery = 10 * time.Second

// liveRegisters are the registers that this process asks, as its files say now.
// Each has a consumer group of its own: one that is down, slow or closed keeps no
// query of another waiting, and processes may share the registers out.
type liveRegisters struct {
	n        *Node
	bus      register.Bus
	mu       sync.Mutex                 // one look at a time
	served   map[string]*servedRegister // guarded by mu
	digest   [sha256.Size]byte          // of all files as they were last looked at; guarded by mu
	attempts *prometheus.CounterVec
	loaded   prometheus.Gauge
	inForce  prometheus.Gauge
	shadows  *prometheus.CounterVec
}

// A servedRegister is one register and the connector that is in force for it.
type servedRegister struct {
	mu   sync.Mutex
	now  *connectorInForce
	stop func() // ends its consumer and waits; nil while it has none
}

type connectorInForce struct {
	*register.Connector
	made [sha256.Size]byte // of what it was made of
	busy sync.WaitGroup    // queries it is asked with
}

// take returns the connector in force; give it back with busy.Done.
func (s *servedRegister) take() *connectorInForce {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.busy.Add(1)
	return s.now
}

// handle asks the connector in force. One that is replaced meanwhile ends its query.
func (s *servedRegister) handle(ctx context.Context, m canon.Message) ([]canon.Message, error) {
	c := s.take()
	defer c.busy.Done()
	return c.Handle(ctx, m)
}

// replace puts a connector in force and closes the one before, once it is idle.
func (s *servedRegister) replace(next *connectorInForce) {
	s.mu.Lock()
	before := s.now
	s.now = next
	s.mu.Unlock()
	if before != nil {
		go before.end()
	}
}

// end closes a connector that is asked no more, after its last answer.
func (c *connectorInForce) end() {
	c.busy.Wait()
	c.Close()
}

// buildRegisters makes one connector per configured register.
func (n *Node) buildRegisters(context.Context) error {
	if !n.cfg.Has(RoleRegisters) {
		return nil
	}
	l := &liveRegisters{
		n: n, served: map[string]*servedRegister{},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_register_reloads_total", Help: "Attempts to load the registers, by outcome: loaded or refused.",
		}, []string{"outcome"}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_register_loaded_timestamp_seconds", Help: "When the registers in force were loaded.",
		}),
		inForce: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gateway_registers", Help: "Registers that this process asks."}),
		shadows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_register_shadow_total", Help: "Answers that a shadow read as well, by register and verdict: same or differs.",
		}, []string{"register", "verdict"}),
	}
	for _, m := range []prometheus.Collector{l.attempts, l.loaded, l.inForce, l.shadows} {
		if err := n.reg.Register(m); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	seen, err := n.cfg.registerFiles()
	if err != nil {
		return err
	}
	if n.care, err = n.newRegisterCare(); err != nil {
		return err
	}
	if l.bus, err = n.newBus(); err != nil {
		return err
	}
	next, err := l.connectors(n.cfg, seen, false)
	if err != nil {
		return err
	}
	l.digest = seen.all()
	l.enforce(next)
	n.closers = append(n.closers, func() {
		for _, s := range l.served {
			s.now.Close()
		}
	})
	n.registers, n.work = l, append(n.work, l.run)
	return nil
}

// run consumes for every register, and follows the files, until ctx ends.
func (l *liveRegisters) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// Somebody must bury what is no query of any register; each register's own
	// group buries what names it.
	rest, err := l.n.consumer(consumer{
		role: RoleRegisters, kinds: []canon.Kind{canon.KindRegisterQuery},
		handler: func(context.Context, canon.Message) ([]canon.Message, error) { return nil, nil },
	}, "", func(body []byte) bool { return registerOf(body) == "" })
	if err != nil {
		return err
	}
	g.Go(func() error { return rest.Run(ctx) })
	g.Go(func() error {
		if !l.n.opt.Embedded { // what runs in a terminal ends with it
			defer l.n.hangup(ctx, "registers have faults; those in force stay", func(ctx context.Context) error { return l.look(ctx, g, true) })()
		}
		l.mu.Lock()
		err := l.consume(ctx, g)
		l.mu.Unlock()
		if err != nil {
			return err
		}
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			if err := l.look(ctx, g, false); err != nil {
				l.n.log.ErrorContext(ctx, "registers have faults; those in force stay", "error", err)
			}
		}
	})
	return g.Wait()
}

// consume starts the consumers that are missing; mu is held.
func (l *liveRegisters) consume(ctx context.Context, g *errgroup.Group) error {
	for _, name := range slices.Sorted(maps.Keys(l.served)) {
		s := l.served[name]
		if s.stop != nil {
			continue
		}
		c, err := l.n.consumer(consumer{RoleRegisters, []canon.Kind{canon.KindRegisterQuery}, s.handle}, name,
			func(body []byte) bool { return registerOf(body) == name })
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		g.Go(func() error {
			defer close(done)
			return c.Run(ctx)
		})
		s.stop = func() { cancel(); <-done }
	}
	return nil
}

// registerOf is the register that a query on the log names; empty where none can be read.
func registerOf(body []byte) string {
	var q struct {
		Register string `json:"register"`
	}
	if json.Unmarshal(body, &q) != nil {
		return ""
	}
	return q.Register
}

// look loads the registers again if a file of theirs changed since the last look,
// or when forced. All or nothing: on any fault those in force stay. What was
// refused is not tried again, nor told again, before it changes.
func (l *liveRegisters) look(ctx context.Context, g *errgroup.Group, forced bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cfg := l.n.cfg
	if cfg.file != "" {
		fresh, err := Load(cfg.file)
		if err == nil {
			err = fresh.Validate(l.n.opt.Embedded)
		}
		if err != nil {
			return l.refuse(sha256.Sum256([]byte(err.Error())), forced, err)
		}
		cfg = fresh
	}
	seen, err := cfg.registerFiles()
	if err != nil {
		return l.refuse(sha256.Sum256([]byte(err.Error())), forced, err)
	}
	digest := seen.all()
	if digest == l.digest && !forced {
		return nil
	}
	next, err := l.connectors(cfg, seen, true)
	if err != nil {
		return l.refuse(digest, forced, err)
	}
	l.digest = digest
	gone := l.enforce(next)
	for _, s := range gone {
		if s.stop != nil {
			s.stop()
		}
		s.now.end()
	}
	if err := l.consume(ctx, g); err != nil {
		return err
	}
	l.n.log.InfoContext(ctx, "registers loaded", "registers", slices.Sorted(maps.Keys(l.served)))
	return nil
}

func (l *liveRegisters) refuse(digest [sha256.Size]byte, forced bool, err error) error {
	if digest == l.digest && !forced {
		return nil
	}
	l.digest = digest
	l.attempts.WithLabelValues("refused").Inc()
	return err
}

// connectors makes the connectors of a configuration. Those made of the same as one
// in force are that one: its breaker, its connections and its turn in the queue stay.
// With prove, the samples of the others must hold.
func (l *liveRegisters) connectors(cfg *Config, seen registerFiles, prove bool) (map[string]*connectorInForce, error) {
	defs, err := cfg.Definitions()
	if err != nil {
		return nil, err
	}
	next := map[string]*connectorInForce{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(cfg.Registers)) {
		made := seen.of(name)
		if s, ok := l.served[name]; ok && s.now.made == made {
			next[name] = s.now
			continue
		}
		def, ok := defs[name]
		if !ok {
			errs = append(errs, fmt.Errorf("registers.%s: there is no such register; known: %v", name, slices.Sorted(maps.Keys(defs))))
			continue
		}
		if prove {
			if err := def.Proved(); err != nil {
				errs = append(errs, fmt.Errorf("registers.%s: %w", name, err))
				continue
			}
		}
		c, err := l.connector(cfg, def)
		if err != nil {
			errs = append(errs, fmt.Errorf("registers.%s: %w", name, err))
			continue
		}
		next[name] = &connectorInForce{Connector: c, made: made}
	}
	if err := errors.Join(errs...); err != nil {
		for name, c := range next {
			if s, ok := l.served[name]; !ok || s.now != c {
				c.Close()
			}
		}
		return nil, err
	}
	return next, nil
}

// shadowed counts what shadows would have changed.
func (l *liveRegisters) shadowed(r register.ShadowReport) {
	verdict := "same"
	if len(r.Changes) > 0 {
		verdict = "differs"
	}
	l.shadows.WithLabelValues(r.Register, verdict).Inc()
}

// connector makes the connector of one register.
func (l *liveRegisters) connector(cfg *Config, def *register.Definition) (*register.Connector, error) {
	n := l.n
	end, err := cfg.endpoint(cfg.Registers[def.Name])
	if err != nil {
		return nil, err
	}
	with := register.Config{Payloads: n.vault, Now: time.Now, Log: n.log, Bus: l.bus}
	n.care.give(&with)
	s := cfg.Registers[def.Name]
	if s.Shadow != "" {
		beside, err := register.Load(os.DirFS(cfg.path(s.Shadow)))
		if err != nil {
			return nil, fmt.Errorf("shadow: %w", err)
		}
		if with.Shadow = beside[def.Name]; with.Shadow == nil {
			return nil, fmt.Errorf("shadow: there is no folder %s in %s", def.Name, s.Shadow)
		}
		with.Shadowed = l.shadowed
	}
	if s.Record != nil {
		if cfg.Directory != "" && (inside(cfg.path(s.Record.Dir), cfg.path(cfg.Directory)) || inside(cfg.path(cfg.Directory), cfg.path(s.Record.Dir))) {
			// Each answer would change the files that are followed, and the definition be
			// written over itself.
			return nil, errors.New("record: dir must lie apart from registers_dir")
		}
		if with.Recorder, err = register.NewRecorder(def, *s.Record, cfg.path(s.Record.Dir), rand.Reader, time.Now); err != nil {
			return nil, err
		}
	}
	return register.New(def, end, with)
}

// inside says whether a directory is another one, or lies in it.
func inside(dir, other string) bool {
	a, errA := filepath.Abs(dir)
	b, errB := filepath.Abs(other)
	if errA != nil || errB != nil {
		return true
	}
	rest, err := filepath.Rel(b, a)
	return err != nil || filepath.IsLocal(rest)
}

// enforce puts connectors in force and returns the registers that are gone.
func (l *liveRegisters) enforce(next map[string]*connectorInForce) (gone []*servedRegister) {
	for name, c := range next {
		s, ok := l.served[name]
		switch {
		case !ok:
			l.served[name] = &servedRegister{now: c}
		case s.now != c:
			s.replace(c)
		}
	}
	for name, s := range l.served {
		if _, ok := next[name]; !ok {
			gone = append(gone, s)
			delete(l.served, name)
		}
	}
	l.attempts.WithLabelValues("loaded").Inc()
	l.loaded.SetToCurrentTime()
	l.inForce.Set(float64(len(l.served)))
	return gone
}

// registerFiles are the contents, as digests, that registers are made of.
type registerFiles map[string][]byte // register -> what is hashed for it

func (f registerFiles) of(name string) [sha256.Size]byte { return sha256.Sum256(f[name]) }

func (f registerFiles) all() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(h, "%s %x\n", name, f.of(name))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Bounds of a folder of a register, its samples included.
const (
	maxFolderFiles = 2000
	maxFolderFile  = 16 << 20
)

// registerFiles reads what the configured registers are made of: the settings, the
// files they name, and the folders of the deployment's own directory.
func (c *Config) registerFiles() (registerFiles, error) {
	out := registerFiles{}
	for name, s := range c.Registers {
		text, err := yaml.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("registers.%s: %w", name, err)
		}
		for _, f := range s.Files() {
			data, err := readBounded(c.path(f.Name), maxNamed, f.Secret)
			if err != nil {
				return nil, fmt.Errorf("registers.%s: %s: %w", name, f.Key, err)
			}
			text = fmt.Appendf(text, "%s %x\n", f.Key, sha256.Sum256(data))
		}
		out[name] = text
	}
	for name, s := range c.Registers {
		if s.Shadow == "" {
			continue
		}
		beside := registerFiles{}
		if err := beside.add(c.path(s.Shadow)); err != nil {
			return nil, fmt.Errorf("registers.%s: shadow: %w", name, err)
		}
		out[name] = fmt.Appendf(out[name], "shadow %x\n", beside.of(name))
	}
	if c.Directory == "" {
		return out, nil
	}
	if err := out.add(c.path(c.Directory)); err != nil {
		return nil, fmt.Errorf("registers_dir: %w", err)
	}
	return out, nil
}

// add reads the folders of a directory of registers.
func (f registerFiles) add(dir string) error {
	files := 0
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && path != ".": // of an editor, or of what mounted the directory
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		if files++; files > maxFolderFiles {
			return fmt.Errorf("more than %d files", maxFolderFiles)
		}
		data, err := readBounded(filepath.Join(dir, path), maxFolderFile, false)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(path, "/")
		f[name] = fmt.Appendf(f[name], "%s %x\n", path, sha256.Sum256(data))
		return nil
	})
}
