package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"oncegate/connectors/edelivery/wssec"
)

// A rate is what one measurement gave.
type rate struct {
	perCPU  float64 // messages for a second of CPU time of the process under test
	perWall float64 // messages a second
}

func rateOf(n int, cpu, wall time.Duration) rate {
	return rate{float64(n) / cpu.Seconds(), float64(n) / wall.Seconds()}
}

// measured runs the work and clocks the process.
func measured(p *process, n int, work func() error) (rate, error) {
	before, err := p.cpu()
	if err != nil {
		return rate{}, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return rate{}, err
	}
	wall := time.Since(began)
	after, err := p.cpu()
	if err != nil {
		return rate{}, err
	}
	return rateOf(n, after-before, wall), nil
}

// A batch are postings that are sealed once and posted to every rival: what one of them
// gets, the others get too.
type batch struct {
	of    profile
	posts []*posting
}

func newBatch(m *mint, n int) (*batch, error) {
	b := &batch{of: m.of, posts: make([]*posting, n)}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for w := range errs {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if b.posts[i], errs[w] = m.make(partyA); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return b, errors.Join(errs...)
}

// receive posts the batch to a rival over so many connections. The receipts are kept
// and verified when the clock has stopped.
func (b *batch) receive(ctx context.Context, r rival, connections int, v *wssec.Verifier) (rate, error) {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}}
	defer c.CloseIdleConnections()
	answers := make([][]byte, len(b.posts))
	var next atomic.Int64
	got, err := measured(r.of(), len(b.posts), func() error {
		var wg sync.WaitGroup
		errs := make([]error, connections)
		for w := range connections {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(b.posts); i = int(next.Add(1)) - 1 {
					if answers[i], errs[w] = post(ctx, c, r.url(b.of), b.posts[i]); errs[w] != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	if err != nil {
		return rate{}, fmt.Errorf("posting to %s: %w", r, err)
	}
	for i, p := range b.posts {
		if err := p.check(ctx, answers[i], v, b.of); err != nil {
			return rate{}, fmt.Errorf("answer of %s: %w", r, err)
		}
	}
	return got, nil
}

func post(ctx context.Context, c *http.Client, url string, p *posting) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(p.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", p.contentType)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	return b, errors.Join(err, resp.Body.Close())
}

// send lets a rival send so many messages to the sink.
func send(ctx context.Context, r rival, s *sink, p profile, n, connections int) (rate, error) {
	s.begin()
	got, err := measured(r.of(), n, func() error {
		acknowledged, err := r.send(ctx, p, n, connections)
		if err == nil && acknowledged != n {
			err = fmt.Errorf("%s has receipts for %d messages of %d", r, acknowledged, n)
		}
		return err
	})
	if err != nil {
		_, fault := s.end()
		return rate{}, errors.Join(err, fault)
	}
	if taken, err := s.end(); err != nil || taken != n {
		return rate{}, fmt.Errorf("the sink took %d messages of %d from %s: %w", taken, n, r, err)
	}
	return got, nil
}
