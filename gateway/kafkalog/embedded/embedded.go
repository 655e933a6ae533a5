package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where the broker listens and what it keeps.
type Config struct {
	// Dir is where the log is kept. Default: in memory, lost on Close.
	Dir string
	// Addr is where to listen; a loopback address. Default: "127.0.0.1:0".
	Addr string
	// NoSync leaves written batches to the page cache: they survive the death of
	// the process, not of the machine. Default: every batch is synced before it
	// is acknowledged.
	NoSync bool
	// MinSessionTimeout is the shortest session that a consumer may ask for.
	// Default: 1 s.
	MinSessionTimeout time.Duration
	// RetentionCheck is how often retention is applied. Default: 1 min.
	RetentionCheck time.Duration
	Logger         *slog.Logger // Default: discards.
}

// ErrInUse is returned where another process has the data directory.
var ErrInUse = errors.New("data directory is in use by another process")

// A Broker is one running node.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	lock    *os.File
	once    sync.Once
}

// Start opens the data directory and listens. Close must be called: it writes
// what a clean restart reads.
func Start(cfg Config) (*Broker, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.MinSessionTimeout == 0 {
		cfg.MinSessionTimeout = time.Second
	}
	if cfg.RetentionCheck == 0 {
		cfg.RetentionCheck = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded log: %w", err)
	}
	// The broker knows no login and no TLS here: nobody else may reach it.
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("starting the embedded log: %s is not a loopback address", host)
	}
	b := &Broker{}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("oncegate-embedded"),
		kfake.GroupMinSessionTimeout(cfg.MinSessionTimeout),
		kfake.WithLogger(logger{cfg.Logger}),
		// The one address asked for; the broker advertises what it got.
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, cfg.Addr) }),
		kfake.BrokerConfigs(map[string]string{
			// Without this, retention runs once an hour.
			"log.cleaner.backoff.ms": strconv.FormatInt(cfg.RetentionCheck.Milliseconds(), 10),
			// A node that was switched off for weeks must find its place again.
			"offsets.retention.minutes": strconv.Itoa(10 * 365 * 24 * 60),
		}),
	}
	if cfg.Dir != "" {
		if b.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, fmt.Errorf("starting the embedded log in %s: %w", cfg.Dir, err)
		}
		opts = append(opts, kfake.DataDir(filepath.Join(cfg.Dir, "log")))
		if !cfg.NoSync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	if b.cluster, err = kfake.NewCluster(opts...); err != nil {
		b.unlock()
		return nil, fmt.Errorf("starting the embedded log: %w", err)
	}
	b.addr = b.cluster.ListenAddrs()[0]
	return b, nil
}

// Addr returns host:port for kafkalog's Config.Brokers.
func (b *Broker) Addr() string { return b.addr }

// Close stops the broker, syncs its files and gives up the directory.
func (b *Broker) Close() {
	b.once.Do(func() {
		b.cluster.Close()
		b.unlock()
	})
}

// lockDir takes the directory for this process: the broker itself would open it
// twice and mix two logs.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("locking: %w", err)
	}
	return f, nil
}

func (b *Broker) unlock() {
	if b.lock != nil {
		b.lock.Close() // and with it the lock
	}
}

// logger hands the broker's lines on. Its errors are the only sign of a failed
// write to disk.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, "embedded log: "+fmt.Sprintf(format, args...))
	}
}
