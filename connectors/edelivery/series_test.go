package edelivery

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// trip answers requests in the process: no network, so time may be that of a bubble.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	return f(req)
}

func status(code int, header ...string) (*http.Response, error) {
	rec := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		rec.Header().Set(header[i], header[i+1])
	}
	rec.WriteHeader(code)
	return rec.Result(), nil
}

// constant is a source of randomness without any.
type constant byte

func (c constant) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c)
	}
	return len(b), nil
}

// pages is a Journal that keeps everything.
type pages struct {
	mu    sync.Mutex
	notes []canon.MessageNote
	err   error
}

func (p *pages) Note(_ context.Context, n canon.MessageNote) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, n)
	return errors.Join(p.err, n.Validate())
}

func (p *pages) states() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, n := range p.notes {
		out = append(out, string(n.State)+" "+strconv.Itoa(n.Attempts))
	}
	return out
}

// When the next attempt is made: back-off, jitter, expiry, and what the peer asks for.
func TestPausesOfASeries(t *testing.T) {
	minutes := func(ms ...float64) (out []time.Duration) {
		for _, m := range ms {
			out = append(out, time.Duration(m*float64(time.Minute)))
		}
		return out
	}
	retry := pmode.Retry{Attempts: 4, Initial: time.Minute, Factor: 2, Max: 10 * time.Minute, Jitter: -1}
	with := func(f func(*pmode.Retry)) pmode.Retry { r := retry; f(&r); return r }
	for name, tt := range map[string]struct {
		retry  pmode.Retry
		rand   byte
		answer func(n int) (*http.Response, error)
		want   []time.Duration // after the first attempt
		reason string
	}{
		"back-off": {retry, 0, nil, minutes(0, 1, 3, 7), "attempts are used up"},
		"constant": {with(func(r *pmode.Retry) { r.Factor = 1 }), 0, nil, minutes(0, 1, 2, 3), ""},
		"longest":  {with(func(r *pmode.Retry) { r.Max = 90 * time.Second }), 0, nil, minutes(0, 1, 2.5, 4), ""},
		"jitter":   {with(func(r *pmode.Retry) { r.Jitter = 0.5 }), 0, nil, minutes(0, 0.5, 1.5, 3.5), ""},
		"expiry":   {with(func(r *pmode.Retry) { r.Expiry = 2 * time.Minute }), 0, nil, minutes(0, 1), "retry.expiry has passed"},
		"asked to wait": {retry, 0, func(n int) (*http.Response, error) {
			if n == 1 {
				return status(503, "Retry-After", "300")
			}
			return status(502)
		}, minutes(0, 5, 7, 11), ""},
		"asked to wait until a date": {retry, 0, func(n int) (*http.Response, error) {
			if n == 1 {
				return status(429, "Retry-After", time.Now().Add(since2000+3*time.Minute).UTC().Format(http.TimeFormat))
			}
			return status(502)
		}, minutes(0, 3, 5, 9), ""},
		"asked to wait too long": {retry, 0, func(n int) (*http.Response, error) { return status(503, "Retry-After", "86400") }, minutes(0, 10, 20, 30), ""},
		"asked for less":         {retry, 0, func(n int) (*http.Response, error) { return status(503, "Retry-After", "1") }, minutes(0, 1, 3, 7), ""},
	} {
		t.Run(name, func(t *testing.T) {
			ring() // keys are made outside of the bubble
			synctest.Test(t, func(t *testing.T) {
				var at []time.Duration
				start := time.Now()
				client := &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
					at = append(at, time.Since(start).Round(time.Second))
					if tt.answer != nil {
						return tt.answer(len(at))
					}
					return status(502)
				})}
				s, codec := bubbleSender(t, client, tt.retry, constant(tt.rand))
				m := codec.message("m", xmlDocument(0))
				got, err := s.Handle(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, at); diff != "" {
					t.Errorf("attempts (-want +got):\n%s", diff)
				}
				d := got[0].Body.(*canon.DeliveryReceipt)
				if d.Outcome != canon.DeliveryFailed || d.Error != string(ebms.MissingReceipt) || d.Attempts != len(tt.want) {
					t.Errorf("delivery %+v", d)
				}
				if r := got[1].Body.(*canon.AuditEvent).Reason; !strings.Contains(r, tt.reason) || !strings.Contains(r, "HTTP status 50") {
					t.Errorf("reason %q", r)
				}
			})
		})
	}
}

// bubbleSender is a sender whose partner is reached through client, by the clock of
// the bubble.
func bubbleSender(t *testing.T, client *http.Client, retry pmode.Retry, random io.Reader) (*Sender, *echo) {
	t.Helper()
	keys := ring()
	codec := &echo{outbox: map[canon.MessageID][]document{}}
	tab, err := pmode.New(pmode.Own{
		Party: ebms.Party{ID: requesterID}, Domain: "as4.example.org",
		Sign: wssec.Identity{Certificate: keys.requester.cert, Key: keys.requester.key}, Decrypt: []wssec.Decryption{{Certificate: keys.requester.cert, Key: keys.requester.key}},
	}, []pmode.Partner{{
		Name: "provider", Party: ebms.Party{ID: providerID}, URL: "https://peer.example.org/as4", Retry: retry,
		Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.provider.cert}}, Encrypt: []*x509.Certificate{keys.provider.cert},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSender(Config{PModes: tab, Codec: codec, Remembered: NewMemory(time.Now), HTTP: client, Rand: random, Now: func() time.Time { return time.Now().Add(since2000) }})
	if err != nil {
		t.Fatal(err)
	}
	return s, codec
}

// since2000 moves the clock of a bubble into the term of the test certificates.
var since2000 = testNow.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))

// A worker that dies between two attempts leaves its count behind.
func TestSeriesGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	r := newRig(t, func(_ *rig, _, b *pmode.Partner, c *Config) {
		b.Retry = pmode.Retry{Attempts: 5, Initial: time.Millisecond, Max: time.Millisecond, Jitter: -1}
		c.Now = func() time.Time { return testNow.Add(time.Duration(passed.Load())) }
	})
	j := &pages{}
	r.sender.Journal = j
	ctx, cancel := context.WithCancel(context.Background())
	posts := 0
	r.wire = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if posts++; posts == 3 {
			cancel() // in the midst of the third attempt
		}
		http.Error(w, "no", http.StatusBadGateway)
	}
	m := r.message("m", xmlDocument(0))
	if got, err := r.sender.Handle(ctx, m); err == nil || len(got) != 0 {
		t.Fatalf("got %v, %v; want an error and no outcome", got, err)
	}
	if _, err := r.sender.Handle(context.Background(), m); canon.AsFault(err).Kind != canon.Unavailable {
		t.Errorf("err = %v: the claim of the dead worker was not left behind", err)
	}
	passed.Store(int64(lease))
	got, err := r.sender.Handle(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Attempts != 5 || d.Outcome != canon.DeliveryFailed {
		t.Errorf("delivery %+v", d)
	}
	if posts != 6 { // the third was not counted: nobody knows how it ended
		t.Errorf("%d transmissions, want 6", posts)
	}
	want := []string{"SEND_IN_PROGRESS 1", "WAITING_FOR_RETRY 1", "SEND_IN_PROGRESS 2", "WAITING_FOR_RETRY 2", "SEND_IN_PROGRESS 3",
		"SEND_IN_PROGRESS 3", "WAITING_FOR_RETRY 3", "SEND_IN_PROGRESS 4", "WAITING_FOR_RETRY 4", "SEND_IN_PROGRESS 5", "SEND_FAILURE 5"}
	if diff := cmp.Diff(want, j.states()); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

// An operator's resend is the same message on the wire, in a series of its own.
func TestResendIsANewSeriesOfTheSameMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reply(http.StatusBadGateway, func(string) []byte { return nil })
	m := r.message("m", xmlDocument(0))
	first, err := r.sender.Handle(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.wire = nil
	r.mu.Unlock()
	m.Series, m.ReplayOf = 1, m.ID
	for range 2 { // once, and the same again
		second, err := r.sender.Handle(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		a, b := first[0].Body.(*canon.DeliveryReceipt), second[0].Body.(*canon.DeliveryReceipt)
		if b.Outcome != canon.DeliveryAcknowledged || b.AS4 != a.AS4 || b.Series != 1 || b.Attempts != 1 {
			t.Errorf("delivery %+v", b)
		}
		if second[0].ID == first[0].ID || second[1].ID == first[1].ID {
			t.Error("messages of the second series have the ids of the first")
		}
	}
	sent, _ := r.traffic()
	if len(sent) != 4 {
		t.Errorf("%d transmissions, want three and one", len(sent))
	}
}

func TestJournalOfAMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in, out := &pages{}, &pages{err: errors.New("the journal is down")}
	r.receiver.Journal, r.sender.Journal = in, out
	m := r.message("m", xmlDocument(0), pdfDocument(1))
	got, err := r.sender.Handle(context.Background(), m)
	if err != nil || got[0].Body.(*canon.DeliveryReceipt).Outcome != canon.DeliveryAcknowledged {
		t.Fatalf("%v, %v: a journal that is down must not stop a message", got, err)
	}
	size := out.notes[0].Bytes
	if size < 1000 {
		t.Errorf("%d bytes on the wire", size)
	}
	note := canon.MessageNote{AS4: string(m.ID) + "@as4.example.org", Direction: canon.MessageOut, Peer: providerID, Action: "ExecuteQueryRequest",
		Conversation: "c", Exchange: "x", Message: m.ID, Kind: m.Kind, State: canon.MessageSendInProgress, Attempts: 1, At: testNow, Parts: 2, Bytes: size}
	done := note
	done.State = canon.MessageAcknowledged
	if diff := cmp.Diff([]canon.MessageNote{note, done}, out.notes); diff != "" {
		t.Errorf("sender (-want +got):\n%s", diff)
	}
	id := canon.MessageID(canon.DeriveUUID("decoded", note.AS4))
	taken := canon.MessageNote{AS4: note.AS4, Direction: canon.MessageIn, Peer: requesterID, Action: note.Action, Conversation: "c", Exchange: "x",
		Message: id, Kind: canon.KindEvidenceRequest, State: canon.MessageReceived, At: testNow, Parts: 2, Bytes: in.notes[0].Bytes}
	if diff := cmp.Diff([]canon.MessageNote{taken}, in.notes); diff != "" {
		t.Errorf("receiver (-want +got):\n%s", diff)
	}
}

func TestLostReceiptIsAWarning(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	j := &pages{}
	r.sender.Journal = j
	r.reply(200, func(id string) []byte {
		b, err := r.receiver.signedError(r.provider(), r.requester(), id, ebms.Errorf(ebms.DuplicateDetected, ""))
		if err != nil {
			return nil
		}
		return b
	})
	if _, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0))); err != nil {
		t.Fatal(err)
	}
	if s := j.states(); s[len(s)-1] != "ACKNOWLEDGED_WITH_WARNING 1" {
		t.Errorf("states %q", s)
	}
}

// The receipt itself is on record on both sides.
func TestReceiptIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0)))
	if err != nil {
		t.Fatal(err)
	}
	_, answers := r.traffic()
	sent := got[1].Body.(*canon.AuditEvent)
	if !bytes.Equal(sent.Proof, answers[0]) || sent.Digests["receipt"] != digestOf(answers[0]) {
		t.Errorf("the sender keeps %d bytes as %q", len(sent.Proof), sent.Digests["receipt"])
	}
	received := r.topic.of(canon.KindAudit)[0].Body.(*canon.AuditEvent)
	if !bytes.Equal(received.Proof, answers[0]) {
		t.Errorf("the receiver keeps %d bytes", len(received.Proof))
	}
}

// swap is a pmode.Source of the tests.
type swap struct{ atomic.Pointer[pmode.Table] }

func (s *swap) Table() *pmode.Table { return s.Load() }

// Agreements that are reloaded hold from the next attempt on, unless they would change
// what is signed.
func TestReloadBetweenTwoAttempts(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		edit  func(p *pmode.Partner)
		moves bool
	}{
		"new address":                   {func(*pmode.Partner) {}, true},
		"other form of the token":       {func(p *pmode.Partner) { p.Token = wssec.TokenSKI }, true},
		"compression is no longer used": {func(p *pmode.Partner) { p.Plain = true }, false},
		"other agreement":               {func(p *pmode.Partner) { p.Agreement.Value = "urn:new" }, false},
		"partner is gone":               {func(p *pmode.Partner) { p.Party.ID.ID = "AP_SE_01" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			moved := r.partner
			moved.URL = r.server.URL + "/moved"
			tt.edit(&moved)
			source := &swap{}
			source.Store(r.sender.PModes.Table())
			r.sender.PModes = source
			var paths []string
			r.wire = func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				if paths = append(paths, req.URL.Path); len(paths) == 1 {
					source.Store(table(t, requesterID, ring().requester, moved))
					http.Error(w, "no", http.StatusBadGateway)
					return
				}
				next.ServeHTTP(w, req)
			}
			got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0), pdfDocument(1)))
			if err != nil {
				t.Fatal(err)
			}
			if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryAcknowledged || d.Attempts != 2 {
				t.Errorf("delivery %+v", d)
			}
			want := []string{"/", "/"}
			if tt.moves {
				want[1] = "/moved"
			}
			if !slices.Equal(paths, want) {
				t.Errorf("paths %q, want %q", paths, want)
			}
			sent, _ := r.traffic()
			if fresh := !bytes.Equal(sent[0], sent[1]); fresh != tt.moves {
				t.Errorf("sealed anew = %v, want %v", fresh, tt.moves)
			}
		})
	}
}

// message is that of the rig, for a sender without one.
func (e *echo) message(name string, docs ...document) canon.Message {
	r := &rig{codec: e}
	m := r.message(name, docs...)
	return m
}
