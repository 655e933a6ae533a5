package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/schemas/canon"
)

// A share is how much of the work on a message is cryptography.
type share struct {
	Profile string  `json:"profile"`
	Way     string  `json:"way"`
	Bare    float64 `json:"bare_us"`  // CPU time of the cryptography
	Whole   float64 `json:"whole_us"` // of the whole way through Receiver or Sender
}

// bound compares the whole way of a message through Receiver and Sender, HTTP left
// out, with its bare cryptography. The two take turns in one process; CPU time is that
// of the process, the collector's included.
func bound(ctx context.Context, o options) error {
	t, err := table(ctx, o.dir, partyB, o.url, o.provider)
	if err != nil {
		return err
	}
	c := edelivery.Config{
		PModes: t, Codec: &codec{}, Remembered: &ids{seen: map[string]string{}},
		Publish: func(context.Context, ...canon.Message) error { return nil },
	}
	if o.profile != "" {
		f, err := os.Create(filepath.Join(o.profile, "bound.out"))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer func() { pprof.StopCPUProfile(); _ = f.Close() }()
	}
	out := json.NewEncoder(os.Stdout)
	for _, p := range profiles() {
		if o.provider != "" && p != rsa115 {
			continue // of RSA only
		}
		sign, err := identity(ctx, o.dir, partyB, p, o.provider)
		if err != nil {
			return err
		}
		decrypt, err := decryption(ctx, o.dir, partyB, p, o.provider)
		if err != nil {
			return err
		}
		m, err := newMint(ctx, o.dir, partyA, p)
		if err != nil {
			return err
		}
		var zipped bytes.Buffer
		if err := m.gzip.Compress(&zipped, bytes.NewReader(document)); err != nil {
			return err
		}
		public, err := recipientKey(decrypt)
		if err != nil {
			return err
		}
		b, err := newBare(sign, decrypt, public, zipped.Len())
		if err != nil {
			return err
		}
		s, err := receiveShare(ctx, c, o.messages*4, m, b)
		if err != nil {
			return err
		}
		if err := out.Encode(s); err != nil {
			return err
		}
		if s, err = sendShare(ctx, c, o.dir, o.messages*4, p, b); err != nil {
			return err
		}
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

const turn = 25 // messages of one turn

// turns lets both work in turns and returns the CPU time that each took for one. A CPU
// profile has the whole way under a label (go tool pprof -tagfocus).
func turns(ctx context.Context, what string, n int, bare, whole func() error) (b, w float64, err error) {
	var bareTime, wholeTime time.Duration
	clock := func(f func() error, to *time.Duration) error {
		before, err := cpuOf(os.Getpid())
		if err != nil {
			return err
		}
		for range turn {
			if err := f(); err != nil {
				return err
			}
		}
		after, err := cpuOf(os.Getpid())
		*to += after - before
		return err
	}
	runtime.GC()
	for range n / turn {
		err := clock(bare, &bareTime)
		pprof.Do(ctx, pprof.Labels("whole", what), func(context.Context) {
			err = errors.Join(err, clock(whole, &wholeTime))
		})
		if err != nil {
			return 0, 0, err
		}
	}
	n -= n % turn
	return float64(bareTime.Nanoseconds()) / 1e3 / float64(n), float64(wholeTime.Nanoseconds()) / 1e3 / float64(n), nil
}

// A recorder is a http.ResponseWriter that keeps the answer.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { r.body = append(r.body, b...); return len(b), nil }

func receiveShare(ctx context.Context, c edelivery.Config, n int, m *mint, b *bare) (share, error) {
	receiver, err := edelivery.NewReceiver(c)
	if err != nil {
		return share{}, err
	}
	posts, err := newBatch(m, n)
	if err != nil {
		return share{}, err
	}
	next := 0
	s := share{Profile: m.of.name, Way: "receive"}
	s.Bare, s.Whole, err = turns(ctx, "receive "+m.of.name, n, b.receive, func() error {
		p := posts.posts[next]
		next++
		req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/as4", bytes.NewReader(p.body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", p.contentType)
		req.RemoteAddr = "127.0.0.1:1"
		w := &recorder{header: http.Header{}}
		receiver.ServeHTTP(w, req)
		if w.status != http.StatusOK || !bytes.Contains(w.body, []byte("NonRepudiationInformation")) {
			return fmt.Errorf("message was refused: %d %s", w.status, w.body)
		}
		return nil
	})
	return s, err
}

// A recording answers a message with the receipt that was made for it before.
type recording struct {
	receipts [][]byte
	next     int
	sink     *sink // makes them
}

func (r *recording) RoundTrip(req *http.Request) (*http.Response, error) {
	var b []byte
	if r.sink != nil {
		var err error
		if b, err = r.sink.take(req); err != nil {
			return nil, err
		}
		r.receipts = append(r.receipts, b)
	} else {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
		b = r.receipts[r.next]
		r.next++
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/soap+xml; charset=UTF-8"}},
		Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)), Request: req,
	}, nil
}

// sendShare sends every message twice: first to have the receipts, which what is
// signed of a message fixes, and again, by a sender that remembers nothing, to be
// measured.
func sendShare(ctx context.Context, c edelivery.Config, dir string, n int, p profile, b *bare) (share, error) {
	s := share{Profile: p.name, Way: "send"}
	k, err := newSink(ctx, dir)
	if err != nil {
		return s, err
	}
	if err := k.close(); err != nil { // it is asked without HTTP
		return s, err
	}
	answers := &recording{sink: k}
	c.HTTP = &http.Client{Transport: answers}
	station := &station{as: partyB}
	ms := make([]canon.Message, n)
	for i := range ms {
		ms[i] = station.message(command{Action: p.action()})
	}
	handle := func(sender *edelivery.Sender, m canon.Message) error {
		got, err := sender.Handle(ctx, m)
		if err != nil {
			return err
		}
		if d, ok := got[0].Body.(*canon.DeliveryReceipt); !ok || d.Outcome != canon.DeliveryAcknowledged {
			return fmt.Errorf("not acknowledged: %+v", got[1].Body)
		}
		return nil
	}
	c.Remembered = &ids{seen: map[string]string{}}
	first, err := edelivery.NewSender(c)
	if err != nil {
		return s, err
	}
	for _, m := range ms {
		if err := handle(first, m); err != nil {
			return s, err
		}
	}
	answers.sink = nil
	c.Remembered = &ids{seen: map[string]string{}}
	again, err := edelivery.NewSender(c)
	if err != nil {
		return s, err
	}
	next := 0
	s.Bare, s.Whole, err = turns(ctx, "send "+p.name, n, b.send, func() error {
		next++
		return handle(again, ms[next-1])
	})
	return s, err
}
