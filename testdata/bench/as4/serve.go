package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/schemas/canon"
)

// serve is the access point under test as an operating system's process: receiver and
// sender as a node has them. The log is not part of it: what is published goes nowhere.
// What was received is remembered by its key, as phase4 does in its memory; the answers
// themselves would be in Redis.
func serve(ctx context.Context, o options) error {
	t, err := table(ctx, o.dir, o.as, o.url, o.provider)
	if err != nil {
		return fmt.Errorf("making the agreements: %w", err)
	}
	s := &station{codec: &codec{}, as: o.as, profiles: o.profile}
	c := edelivery.Config{
		PModes: t, Codec: s.codec, Remembered: &ids{seen: map[string]string{}},
		Publish: func(context.Context, ...canon.Message) error { return nil },
	}
	receiver, err := edelivery.NewReceiver(c)
	if err != nil {
		return err
	}
	if s.sender, err = edelivery.NewSender(c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/as4", receiver)
	mux.HandleFunc("/control", s.control)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	base := "http://" + l.Addr().String()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"url": base + "/as4", "control": base + "/control"}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the end is the message
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// A station takes the commands of the driver.
type station struct {
	as       string
	codec    *codec
	sender   *edelivery.Sender
	last     atomic.Int64
	profiles string

	mu  sync.Mutex
	cpu *os.File
}

// A command has the words that phase4's peer has.
type command struct {
	Do          string `json:"do"`
	Action      string `json:"action,omitempty"`
	Count       int    `json:"count,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
	Size        int64  `json:"size,omitempty"` // of a large payload; 0 for the one of 10 KB
	Repeats     bool   `json:"repeats,omitempty"`
}

func (s *station) control(w http.ResponseWriter, r *http.Request) {
	var c command
	var answer any
	err := json.NewDecoder(r.Body).Decode(&c)
	if err == nil {
		switch c.Do {
		case "send":
			answer, err = s.send(r.Context(), c)
		case "received":
			answer = map[string]int64{"count": s.codec.count.Load(), "bytes": s.codec.bytes.Load()}
		case "profile":
			err = s.profile()
		default:
			err = fmt.Errorf("unknown command %q", c.Do)
		}
	}
	if err != nil {
		answer = map[string]string{"failure": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer) // the driver sees what is missing
}

// send sends messages through Sender.Handle; one counts once its receipt was verified.
func (s *station) send(ctx context.Context, c command) (any, error) {
	var next, acknowledged atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, c.Concurrency)
	for range c.Concurrency {
		wg.Go(func() {
			for next.Add(1) <= int64(c.Count) {
				got, err := s.sender.Handle(ctx, s.message(c))
				if err != nil {
					errs <- err
					return
				}
				if d, ok := got[0].Body.(*canon.DeliveryReceipt); ok && d.Outcome == canon.DeliveryAcknowledged {
					acknowledged.Add(1)
				} else if len(got) > 1 {
					errs <- fmt.Errorf("not acknowledged: %+v", got[1].Body)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return map[string]int64{"acknowledged": acknowledged.Load()}, <-errs
}

func (s *station) message(c command) canon.Message {
	id := canon.DeriveUUID("bench", s.as, fmt.Sprint(s.last.Add(1), os.Getpid()))
	return canon.Message{
		ID: canon.MessageID(id), Kind: canon.KindEvidenceRequest, Conversation: "bench", At: time.Now().UTC(),
		Body: &parcel{EvidenceRequest: canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, From: participant(s.as), To: participant(other(s.as)), Exchange: "x"}}, command: c},
	}
}

// profile starts a CPU profile, and ends it at the second call.
func (s *station) profile() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cpu == nil {
		f, err := os.Create(filepath.Join(s.profiles, "cpu.out"))
		if err != nil {
			return err
		}
		s.cpu = f
		return pprof.StartCPUProfile(f)
	}
	pprof.StopCPUProfile()
	err := s.cpu.Close()
	s.cpu = nil
	f, e := os.Create(filepath.Join(s.profiles, "heap.out"))
	if e != nil {
		return errors.Join(err, e)
	}
	return errors.Join(err, pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

// ids is a memory of keys: an answer that is asked for again is made again.
type ids struct {
	mu   sync.Mutex
	seen map[string]string // digest by key; empty digests are never used
}

func (m *ids) Claim(_ context.Context, key, digest string, _ time.Duration) (string, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch was, ok := m.seen[key]; {
	case !ok:
		return edelivery.StateClaimed, nil, nil
	case was != digest:
		return edelivery.StateConflict, nil, nil
	}
	return edelivery.StateDone, nil, nil
}

func (m *ids) Complete(_ context.Context, key, digest string, answer []byte, _ time.Duration) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[key] = digest
	return answer, nil
}

func (m *ids) Release(context.Context, string, string) error { return nil }

// codec reads what comes and writes what the driver wants: no business document.
type codec struct {
	count, bytes atomic.Int64
}

func (c *codec) Decode(_ context.Context, in edelivery.Incoming, _ canon.Payloads) ([]canon.Message, error) {
	for _, p := range in.Parts {
		r, err := p.Open()
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		c.bytes.Add(n)
	}
	c.count.Add(1)
	return []canon.Message{{
		ID: canon.MessageID(canon.DeriveUUID("decoded", in.Header.MessageID)), Kind: canon.KindEvidenceRequest, Conversation: "bench", At: in.Now,
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegIn, Exchange: "x", AS4: in.Header.MessageID}},
	}}, nil
}

func (c *codec) Encode(_ context.Context, m canon.Message, _ canon.Payloads) (edelivery.Outgoing, bool, error) {
	body, ok := m.Body.(*parcel)
	if !ok {
		return edelivery.Outgoing{}, false, nil
	}
	part := edelivery.Part{ID: partID, MediaType: "application/xml", Size: int64(len(document)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(document)), nil
	}}
	if n := body.command.Size; n > 0 {
		part.Size, part.MediaType = n, "application/octet-stream"
		if body.command.Repeats {
			part.MediaType = "text/csv"
		}
		part.Open = func() (io.ReadCloser, error) { return generate(n, body.command.Repeats), nil }
	}
	return edelivery.Outgoing{
		Action:         body.command.Action,
		OriginalSender: participant("C1"), FinalRecipient: participant("C4"), ConversationID: conversation,
		Parts: []edelivery.Part{part},
	}, true, nil
}
