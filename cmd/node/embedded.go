package node

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"

	"oncegate/gateway/kafkalog/embedded"
)

// engines are the broker and the memory that run in this process.
type engines struct {
	addresses
	dir    string
	broker *embedded.Broker
	memory *miniredis.Miniredis
	stop   chan struct{}
	done   chan struct{}
}

// tick is how often the embedded memory forgets what has run out; it has no
// clock of its own.
const tick = 500 * time.Millisecond

// startEngines starts both; an empty dir keeps nothing.
func startEngines(dir string, log *slog.Logger) (*engines, error) {
	cfg := embedded.Config{Logger: log}
	if dir != "" {
		cfg.Dir = filepath.Join(dir, "kafka")
	}
	broker, err := embedded.Start(cfg)
	if err != nil {
		return nil, err
	}
	memory := miniredis.NewMiniRedis()
	if err := memory.Start(); err != nil {
		broker.Close()
		return nil, fmt.Errorf("starting the embedded memory: %w", err)
	}
	e := &engines{addresses: addresses{Kafka: broker.Addr(), Redis: memory.Addr()}, dir: dir, broker: broker, memory: memory, stop: make(chan struct{}), done: make(chan struct{})}
	if err := e.announce(); err != nil {
		memory.Close()
		broker.Close()
		return nil, err
	}
	go e.run()
	return e, nil
}

// addresses are where the engines of a serving process answer, on loopback.
type addresses struct {
	Kafka string `json:"kafka"`
	Redis string `json:"redis"`
}

const addressFile = "engines.json"

// announce tells the operator's tools on this machine where the engines are.
func (e *engines) announce() error {
	if e.dir == "" {
		return nil
	}
	data, err := json.Marshal(e.addresses)
	if err == nil {
		err = os.WriteFile(filepath.Join(e.dir, addressFile), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("announcing the embedded engines: %w", err)
	}
	return nil
}

// serving returns the engines of a process that serves from dir right now.
func serving(dir string) (*addresses, bool) {
	data, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return nil, false
	}
	var a addresses
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, false
	}
	for _, addr := range []string{a.Kafka, a.Redis} {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return nil, false // it ended without tidying up
		}
		conn.Close()
	}
	return &a, true
}

func (e *engines) run() {
	defer close(e.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-t.C:
			e.memory.FastForward(tick)
		}
	}
}

func (e *engines) close() {
	if e.dir != "" {
		os.Remove(filepath.Join(e.dir, addressFile)) //nolint:errcheck // a stale one is noticed
	}
	close(e.stop)
	<-e.done
	e.memory.Close()
	e.broker.Close()
}
