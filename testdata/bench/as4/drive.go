package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"oncegate/connectors/edelivery/wssec"
)

// A driver runs everything and keeps the figures.
type driver struct {
	o       options
	self    string
	dir     string
	sink    *sink
	started time.Time

	rates  map[measurement][]rate // in the order of rounds
	peaks  map[string]float64     // VmHWM in MB, by process
	shares map[string][]share     // by provider
	rsa    map[string]float64     // CPU time of an operation with an RSA key in us, by process
	crowd  *crowd
	big    []transfer
}

// A measurement is one line of one rival.
type measurement struct {
	rival       string
	way         string // receive or send
	of          profile
	connections int
}

// The rivals.
const (
	ours        = "oncegate"
	oursOpenSSL = "oncegate, OpenSSL"
	theirs      = "phase4"
)

func drive(ctx context.Context, o options) (err error) {
	d := &driver{o: o, started: time.Now(), rates: map[measurement][]rate{}, peaks: map[string]float64{}, shares: map[string][]share{}, rsa: map[string]float64{}}
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "bench-as4-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if err := makeKeys(d.dir); err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	if d.sink, err = newSink(ctx, d.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.sink.close()) }()
	for _, step := range []func(context.Context) error{d.compare, d.bounds, d.transfers, d.crowds} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.report(os.Stdout)
}

func (d *driver) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench-as4: %4.0fs "+format+"\n", append([]any{time.Since(d.started).Seconds()}, args...)...)
}

// compare drives all rivals in turns, so that a machine that is busy for a moment is
// busy for all.
func (d *driver) compare(ctx context.Context) (err error) {
	d.say("starting %s", ours)
	og, err := startOncegate(ctx, ours, d.self, d.dir, partyB, d.sink.url, "")
	if err != nil {
		return err
	}
	rivals := []rival{og}
	defer func() {
		for _, r := range rivals {
			err = errors.Join(err, d.peak(r), r.of().stop())
		}
	}()
	if d.o.openssl != "" {
		d.say("starting %s", oursOpenSSL)
		r, err := startOncegate(ctx, oursOpenSSL, d.o.openssl, d.dir, partyB, d.sink.url, "openssl")
		if err != nil {
			return err
		}
		rivals = append(rivals, r)
	}
	if d.o.phase4 != "" {
		d.say("starting %s", theirs)
		r, err := startPhase4(ctx, d.o.phase4, d.o.heap, d.dir, d.sink.url)
		if err != nil {
			return err
		}
		rivals = append(rivals, r)
	}
	for _, p := range profiles() {
		m, err := newMint(ctx, d.dir, partyA, p)
		if err != nil {
			return err
		}
		authority, err := certificate(d.dir, "authority")
		if err != nil {
			return err
		}
		v, err := wssec.NewVerifier(trust(authority, partyB))
		if err != nil {
			return err
		}
		c := comparison{d: d, p: p, mint: m, verifier: v}
		for _, r := range rivals {
			if err := c.warm(ctx, r); err != nil {
				return err
			}
		}
		for round := range d.o.rounds {
			d.say("profile %s, round %d of %d", p.name, round+1, d.o.rounds)
			if err := c.round(ctx, rivals); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *driver) peak(r rival) error {
	v, err := r.of().memory("VmHWM")
	d.peaks[r.String()] = v
	return err
}

// A comparison is that of one profile.
type comparison struct {
	d        *driver
	p        profile
	mint     *mint
	verifier *wssec.Verifier
}

// warm lets a process do what will be measured. A JVM compiles what it runs often.
func (c *comparison) warm(ctx context.Context, r rival) error {
	n := 200
	if r.String() == theirs {
		n = c.d.o.warm
	}
	c.d.say("profile %s: %d messages each way to warm %s up", c.p.name, n, r)
	for n > 0 {
		b, err := newBatch(c.mint, min(n, 500))
		if err != nil {
			return err
		}
		n -= len(b.posts)
		if _, err := b.receive(ctx, r, 8, c.verifier); err != nil {
			return err
		}
		if _, err := send(ctx, r, c.d.sink, c.p, len(b.posts), 8); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) round(ctx context.Context, rivals []rival) error {
	for _, connections := range []int{1, 8} {
		n := c.d.o.messages
		if c.p != rsa115 {
			n *= 2 // which are over sooner
		}
		b, err := newBatch(c.mint, n)
		if err != nil {
			return err
		}
		for _, r := range rivals {
			if r.String() == oursOpenSSL && c.p != rsa115 {
				continue // it computes with RSA keys only
			}
			got, err := b.receive(ctx, r, connections, c.verifier)
			if err != nil {
				return err
			}
			c.d.add(measurement{r.String(), "receive", c.p, connections}, got)
			if got, err = send(ctx, r, c.d.sink, c.p, n, connections); err != nil {
				return err
			}
			c.d.add(measurement{r.String(), "send", c.p, connections}, got)
		}
	}
	return nil
}

func (d *driver) add(m measurement, r rate) {
	d.rates[m] = append(d.rates[m], r)
	d.say("  %-18s %-7s %s, %d connections: %6.0f messages per CPU second, %6.0f a second", m.rival, m.way, m.of.name, m.connections, r.perCPU, r.perWall)
}

// call runs a command and returns its output.
func call(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("running %s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return b, err
}

// bounds measures the bare cryptography.
func (d *driver) bounds(ctx context.Context) error {
	programs := map[string]string{"": d.self}
	if d.o.openssl != "" {
		programs["openssl"] = d.o.openssl
	}
	for range d.o.rounds {
		for provider, program := range programs {
			d.say("bare cryptography beside the whole way of a message %s", provider)
			b, err := call(ctx, program, "bound", "-dir", d.dir, "-provider", provider, "-messages", fmt.Sprint(d.o.messages))
			if err != nil {
				return err
			}
			for dec := json.NewDecoder(bytes.NewReader(b)); ; {
				var s share
				if err := dec.Decode(&s); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					return err
				}
				d.shares[provider] = append(d.shares[provider], s)
			}
		}
	}
	if d.o.java == "" || d.o.phase4 == "" {
		return nil
	}
	d.say("bare RSA in the JVM")
	b, err := call(ctx, "java", "-XX:+UseSerialGC", d.o.java, filepath.Join(d.dir, fileOf(partyB, rsa115, "sign")+".key"))
	if err != nil {
		return err
	}
	var got struct {
		RSA float64 `json:"rsa_us"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		return err
	}
	d.rsa[theirs] = got.RSA
	return nil
}

// A transfer is what a large payload cost the two access points.
type transfer struct {
	what     string
	mbps     float64
	cpu      [2]float64 // seconds; sender, receiver
	anon     [2]float64 // peak of anonymous memory, MB
	resident [2]float64 // VmHWM, MB
}

// transfers sends one large payload from one access point to another.
func (d *driver) transfers(ctx context.Context) error {
	if d.o.large == 0 {
		return nil
	}
	for _, c := range []command{
		{Do: "send", Action: rsa115.action(), Count: 1, Concurrency: 1, Size: d.o.large},
		{Do: "send", Action: rsa115.action(), Count: 1, Concurrency: 1, Size: d.o.large, Repeats: true},
	} {
		t := transfer{what: "as it is"}
		if c.Repeats {
			t.what = "gzip"
		}
		d.say("a payload of %d MiB, %s", d.o.large>>20, t.what)
		if err := d.transfer(ctx, c, &t); err != nil {
			return err
		}
		d.big = append(d.big, t)
	}
	return nil
}

func (d *driver) transfer(ctx context.Context, c command, t *transfer) (err error) {
	to, err := startOncegate(ctx, "receiver", d.self, d.dir, partyA, "http://127.0.0.1:1/as4", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.stop()) }()
	from, err := startOncegate(ctx, "sender", d.self, d.dir, partyB, to.process.url, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.stop()) }()
	both := []*process{from.process, to.process}
	var watches []func() float64
	for _, p := range both {
		watches = append(watches, p.watch("RssAnon"))
	}
	began := time.Now()
	var got struct{ Acknowledged int }
	err = from.ask(ctx, c, &got)
	took := time.Since(began)
	for i, w := range watches {
		t.anon[i] = w()
	}
	var received struct{ Bytes int64 }
	if err := errors.Join(err, to.ask(ctx, command{Do: "received"}, &received)); err != nil {
		return err
	}
	if got.Acknowledged != 1 || received.Bytes != c.Size {
		return fmt.Errorf("%d bytes of %d arrived, with %d receipts", received.Bytes, c.Size, got.Acknowledged)
	}
	t.mbps = float64(c.Size) / 1e6 / took.Seconds()
	for i, p := range both {
		cpu, err := p.cpu()
		if err != nil {
			return err
		}
		t.cpu[i] = cpu.Seconds()
		if t.resident[i], err = p.memory("VmHWM"); err != nil {
			return err
		}
	}
	return nil
}

// crowds loads many agreements.
func (d *driver) crowds(ctx context.Context) error {
	if d.o.partners == 0 {
		return nil
	}
	d.say("%d partners", d.o.partners)
	dir, err := os.MkdirTemp(d.dir, "partners-*")
	if err != nil {
		return err
	}
	b, err := call(ctx, d.self, "partners", "-dir", dir, "-partners", fmt.Sprint(d.o.partners))
	if err != nil {
		return err
	}
	d.crowd = &crowd{}
	return json.Unmarshal(b, d.crowd)
}
