package edelivery

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

const nlMPC = "urn:mpc:ap-nl-01"

// A pullRig is two access points of which one holds messages and the other fetches
// them.
type pullRig struct {
	t testing.TB

	mu    sync.Mutex
	now   time.Time
	wire  func(w http.ResponseWriter, req *http.Request, body []byte, next http.Handler)
	posts [][]byte
	notes []canon.MessageNote

	codec  *echo
	log    []canon.Message // what Handle was given, as the log has it
	server *httptest.Server

	holder struct {
		receiver *Receiver
		sender   *Sender
		shelf    *MemoryShelf
		topic    *topic
	}
	fetcher struct {
		puller *Puller
		topic  *topic
	}
}

type pullOption func(holder, fetcher *Config, requester, provider *pmode.Partner)

// Note implements Journal.
func (r *pullRig) Note(_ context.Context, n canon.MessageNote) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, n)
	return n.Validate()
}

func (r *pullRig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *pullRig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func newPullRig(t testing.TB, opts ...pullOption) *pullRig {
	t.Helper()
	keys := ring()
	r := &pullRig{t: t, now: testNow, codec: &echo{outbox: map[canon.MessageID][]document{}}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	requester := pmode.Partner{ // as the holder knows it
		Name: "requester", Party: ebms.Party{ID: requesterID}, MEP: pmode.Pull, MPC: nlMPC,
		Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.requester.cert}}, Encrypt: []*x509.Certificate{keys.requester.cert},
		Retry: pmode.Retry{Attempts: 2, Initial: time.Second, Max: time.Second, Expiry: time.Hour}, Timeout: time.Minute,
	}
	provider := pmode.Partner{ // as the fetcher knows it
		Name: "provider", Party: ebms.Party{ID: providerID}, URL: r.server.URL, Fetch: pmode.Fetch{Every: time.Second, MPC: nlMPC},
		Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.provider.cert}}, Encrypt: []*x509.Certificate{keys.provider.cert},
		Retry: pmode.Retry{Attempts: 2, Initial: time.Millisecond, Max: time.Millisecond}, Timeout: 20 * time.Second,
	}
	r.holder.topic, r.fetcher.topic, r.holder.shelf = &topic{}, &topic{}, NewMemoryShelf()
	holder := Config{Codec: r.codec, Now: r.clock, Remembered: NewMemory(r.clock), Publish: r.holder.topic.publish, Shelf: r.holder.shelf, Journal: r, Unsent: r.unsent}
	fetcher := Config{Codec: r.codec, Now: r.clock, Remembered: NewMemory(r.clock), Publish: r.fetcher.topic.publish}
	for _, o := range opts {
		o(&holder, &fetcher, &requester, &provider)
	}
	if holder.PModes == nil {
		holder.PModes = table(t, providerID, keys.provider, requester)
	}
	if fetcher.PModes == nil {
		fetcher.PModes = table(t, requesterID, keys.requester, provider)
	}
	var err error
	if r.holder.receiver, err = NewReceiver(holder); err != nil {
		t.Fatal(err)
	}
	if r.holder.sender, err = NewSender(holder); err != nil {
		t.Fatal(err)
	}
	if r.fetcher.puller, err = NewPuller(fetcher); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *pullRig) serve(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.mu.Lock()
	r.posts = append(r.posts, b)
	wire := r.wire
	r.mu.Unlock()
	req.Body = io.NopCloser(bytes.NewReader(b))
	if wire != nil {
		wire(w, req, b, r.holder.receiver)
		return
	}
	r.holder.receiver.ServeHTTP(w, req)
}

// unsent is what the log says: what was given to Handle and has no receipt.
func (r *pullRig) unsent(_ context.Context, yield func(canon.Message) error) error {
	for _, m := range r.log {
		sent := slices.ContainsFunc(r.holder.topic.of(canon.KindDeliveryReceipt), func(d canon.Message) bool {
			return d.Body.(*canon.DeliveryReceipt).Of == m.ID
		})
		if sent {
			continue
		}
		if err := yield(m); err != nil {
			return err
		}
	}
	return nil
}

// lay gives the holder's sender a message for the fetcher.
func (r *pullRig) lay(name string, docs ...document) canon.Message {
	r.t.Helper()
	m := canon.Message{
		ID: canon.MessageID(canon.DeriveUUID("test", name)), Kind: canon.KindEvidenceRequest, Conversation: "c", At: r.clock(),
		Body: &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegOut, From: providerID, To: requesterID, Exchange: "x"}},
	}
	r.codec.mu.Lock()
	r.codec.outbox[m.ID] = docs
	r.codec.mu.Unlock()
	r.log = append(r.log, m)
	r.handle(m)
	return m
}

// handle wants the sender to take the message and to say nothing yet.
func (r *pullRig) handle(m canon.Message) {
	r.t.Helper()
	out, err := r.holder.sender.Handle(context.Background(), m)
	if err != nil || len(out) != 0 {
		r.t.Fatalf("Handle = %d messages, %v; want none yet", len(out), err)
	}
}

// drain fetches what is there and wants so many messages.
func (r *pullRig) drain(want int) {
	r.t.Helper()
	n, err := r.fetcher.puller.drain(context.Background(), "provider")
	if err != nil || n != want {
		r.t.Fatalf("fetched %d messages, %v; want %d", n, err, want)
	}
}

// deliveries are the outcomes that the holder published.
func (r *pullRig) deliveries() []canon.DeliveryReceipt {
	var out []canon.DeliveryReceipt
	for _, m := range r.holder.topic.of(canon.KindDeliveryReceipt) {
		out = append(out, *m.Body.(*canon.DeliveryReceipt))
	}
	return out
}

// one wants just one outcome.
func (r *pullRig) one(outcome canon.DeliveryOutcome, attempts int, code ebms.Code) canon.DeliveryReceipt {
	r.t.Helper()
	ds := r.deliveries()
	if len(ds) != 1 || ds[0].Outcome != outcome || ds[0].Attempts != attempts || ds[0].Error != string(code) {
		text, _ := json.Marshal(ds)
		r.t.Fatalf("deliveries = %s; want one, %s after %d attempts with %q", text, outcome, attempts, code)
	}
	return ds[0]
}

func (r *pullRig) states() []canon.MessageState {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []canon.MessageState
	for _, n := range r.notes {
		out = append(out, n.State)
	}
	return out
}

// ask posts a pull request as it is and returns the signal that comes back.
func (r *pullRig) ask(envelope []byte) (*ebms.Signal, int) {
	r.t.Helper()
	resp, err := http.Post(r.server.URL, "application/soap+xml; charset=UTF-8", bytes.NewReader(envelope))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(b) == 0 {
		return nil, resp.StatusCode
	}
	sig, _, err := readSignal(resp.Header.Get("Content-Type"), b)
	if err != nil {
		return nil, resp.StatusCode
	}
	return sig, resp.StatusCode
}
