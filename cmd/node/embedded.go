package node

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"

	"oncegate/gateway/kafkalog/embedded"
)

// engines are the broker and the memory that run in this process.
type engines struct {
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
	e := &engines{broker: broker, memory: memory, stop: make(chan struct{}), done: make(chan struct{})}
	go e.run()
	return e, nil
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
	close(e.stop)
	<-e.done
	e.memory.Close()
	e.broker.Close()
}
