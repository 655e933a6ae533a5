package edelivery

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// A pushRig is an access point with a shelf and two partners, in one process and by the
// clock of a bubble.
type pushRig struct {
	t      *testing.T
	codec  *echo
	topic  *topic
	shelf  *MemoryShelf
	source *swap
	pages  *pages
	memory *Memory
	config Config
	sender *Sender
	start  time.Time
	cancel context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	down  map[string]func(*http.Request) (*http.Response, error) // by host
	posts []string                                               // host and time since the start
}

func errRefused(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

func later(*http.Request) (*http.Response, error) { return status(503) }

var swedenID = canon.Participant{Scheme: providerID.Scheme, ID: "AP_SE_01"}

func inPushRig(t *testing.T, retry pmode.Retry, f func(r *pushRig)) {
	t.Helper()
	ring() // keys are made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		keys := ring()
		r := &pushRig{
			t: t, codec: &echo{outbox: map[canon.MessageID][]document{}}, topic: &topic{}, shelf: NewMemoryShelf(), source: &swap{},
			pages: &pages{}, start: time.Now(), down: map[string]func(*http.Request) (*http.Response, error){},
		}
		now := func() time.Time { return time.Now().Add(since2000) }
		r.memory = NewMemory(now)
		receivers := map[string]http.Handler{}
		var partners []pmode.Partner
		for name, id := range map[string]canon.Participant{"finland": providerID, "sweden": swedenID} {
			partners = append(partners, pmode.Partner{
				Name: name, Party: ebms.Party{ID: id}, URL: "https://" + name + "/as4", Retry: retry,
				Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.provider.cert}}, Encrypt: []*x509.Certificate{keys.provider.cert},
			})
			requester := pmode.Partner{
				Name: "requester", Party: ebms.Party{ID: requesterID}, URL: "https://requester/as4",
				Trust: wssec.Trust{Pinned: []*x509.Certificate{keys.requester.cert}}, Encrypt: []*x509.Certificate{keys.requester.cert},
			}
			receiver, err := NewReceiver(Config{PModes: table(t, id, keys.provider, requester), Codec: r.codec, Now: now, Remembered: NewMemory(now), Publish: (&topic{}).publish})
			if err != nil {
				t.Fatal(err)
			}
			receivers[name] = receiver
		}
		r.source.Store(table(t, requesterID, keys.requester, partners...))
		r.config = Config{
			PModes: r.source, Codec: r.codec, Now: now, Remembered: r.memory, Publish: r.topic.publish, Shelf: r.shelf, Journal: r.pages,
			HTTP: &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				if err := req.Context().Err(); err != nil {
					return nil, err
				}
				r.mu.Lock()
				r.posts = append(r.posts, fmt.Sprint(req.URL.Host, " ", time.Since(r.start).Round(time.Second)))
				down := r.down[req.URL.Host]
				r.mu.Unlock()
				if down != nil {
					return down(req)
				}
				rec := httptest.NewRecorder()
				receivers[req.URL.Host].ServeHTTP(rec, req)
				return rec.Result(), nil
			})},
		}
		r.restart()
		r.tend()
		f(r)
		r.stop()
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// restart is a new process: it knows what lies on the shelf and nothing else.
func (r *pushRig) restart() {
	r.t.Helper()
	var err error
	if r.sender, err = NewSender(r.config); err != nil {
		r.t.Fatal(err)
	}
}

func (r *pushRig) tend() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r.cancel, r.ended = cancel, ended
	go func() { ended <- r.sender.Tend(ctx) }()
}

func (r *pushRig) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

func (r *pushRig) set(host string, down func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[host] = down
}

func (r *pushRig) message(name string, to canon.Participant) canon.Message {
	m := r.codec.message(name, xmlDocument(0))
	m.At = r.config.Now().UTC()
	m.Body.(*canon.EvidenceRequest).To = to
	return m
}

// handle wants an outcome at once, or none.
func (r *pushRig) handle(m canon.Message, known bool) []canon.Message {
	r.t.Helper()
	out, err := r.sender.Handle(context.Background(), m)
	if err != nil || (len(out) == 2) != known {
		r.t.Fatalf("Handle = %d messages, %v; outcome known: %v", len(out), err, known)
	}
	return out
}

// posted compares what was posted.
func (r *pushRig) posted(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := cmp.Diff(want, r.posts); d != "" {
		r.t.Errorf("attempts (-want +got):\n%s", d)
	}
}

// one wants one outcome on the log, and nothing left on the shelf.
func (r *pushRig) one(m canon.Message, outcome canon.DeliveryOutcome, attempts int, code ebms.Code) {
	r.t.Helper()
	synctest.Wait()
	ds, es := r.topic.of(canon.KindDeliveryReceipt), r.topic.of(canon.KindAudit)
	if len(ds) != 1 || len(es) != 1 {
		r.t.Fatalf("%d deliveries and %d audit events, want one of each", len(ds), len(es))
	}
	d := ds[0].Body.(*canon.DeliveryReceipt)
	if d.Of != m.ID || d.Outcome != outcome || d.Attempts != attempts || d.Error != string(code) {
		r.t.Errorf("delivery %+v, want %s after %d attempts with %q", d, outcome, attempts, code)
	}
	if ds[0].ID != canon.Derive(m.ID, "as4 delivery") || es[0].ID != canon.Derive(m.ID, stepSent) {
		r.t.Error("the ids are not those of an outcome in place")
	}
	if s, err := r.shelf.Find(context.Background(), m.ID); s != nil || err != nil {
		r.t.Errorf("left on the shelf: %v, %v", s, err)
	}
}

var steady = pmode.Retry{Attempts: 4, Initial: time.Minute, Factor: 2, Max: 10 * time.Minute, Jitter: -1}

// A partner that is away holds up nobody, and gets its message when it is back.
func TestDeadPartnerHoldsUpNobody(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		r.set("sweden", func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done() // takes the connection and says nothing
			return nil, req.Context().Err()
		})
		dead := r.message("dead", swedenID)
		r.handle(dead, false)
		if took := time.Since(r.start); took != time.Minute {
			t.Errorf("held up for %v, want the timeout of one attempt", took)
		}
		r.handle(r.message("alive", providerID), true)
		more := r.message("more", swedenID) // is away: not asked again
		r.handle(more, false)
		r.handle(r.message("alive too", providerID), true)
		if took := time.Since(r.start); took != time.Minute {
			t.Errorf("held up for %v", took)
		}
		r.posted("sweden 0s", "finland 1m0s", "finland 1m0s")
		r.set("sweden", nil)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := len(r.topic.of(canon.KindDeliveryReceipt)); n != 2 {
			t.Errorf("%d deliveries of what waited, want two", n)
		}
		if s := r.pages.states(); !slices.Contains(s, "WAITING_FOR_RETRY 1") || !slices.Contains(s, "WAITING_FOR_RETRY 0") {
			t.Errorf("states %q", s)
		}
		// The log gives it again: the same words and no transmission.
		posts := len(r.posts)
		if out := r.handle(dead, true); out[0].ID != r.topic.of(canon.KindDeliveryReceipt)[0].ID && out[0].ID != r.topic.of(canon.KindDeliveryReceipt)[1].ID {
			t.Error("handled again it says something else")
		}
		if len(r.posts) != posts {
			t.Error("handled again it is sent again")
		}
	})
}

// Pauses, Retry-After, expiry and the end of a series are those of one in place.
func TestSeriesOnTheShelf(t *testing.T) {
	for name, tt := range map[string]struct {
		retry    pmode.Retry
		down     func(*http.Request) (*http.Response, error)
		want     []string
		attempts int
	}{
		"back-off": {steady, later, []string{"0s", "1m0s", "3m0s", "7m0s"}, 4},
		"expiry":   {pmode.Retry{Attempts: 4, Initial: time.Minute, Factor: 2, Max: time.Hour, Jitter: -1, Expiry: 2 * time.Minute}, later, []string{"0s", "1m0s"}, 2},
		"asked to wait": {steady, func(*http.Request) (*http.Response, error) {
			return status(503, "Retry-After", "300")
		}, []string{"0s", "5m0s", "10m0s", "15m0s"}, 4},
		"not reached": {steady, errRefused, []string{"0s", "1m0s", "3m0s", "7m0s"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inPushRig(t, tt.retry, func(r *pushRig) {
				r.set("sweden", tt.down)
				m := r.message("m", swedenID)
				r.handle(m, false)
				time.Sleep(time.Hour)
				for i := range tt.want {
					tt.want[i] = "sweden " + tt.want[i]
				}
				r.posted(tt.want...)
				r.one(m, canon.DeliveryFailed, tt.attempts, ebms.MissingReceipt)
			})
		})
	}
}

// A partner that is back gets at once all that waits for it.
func TestPartnerThatIsBackIsServedAtOnce(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		r.set("sweden", later) // each message makes its own attempt and has its own pause
		for i := range 40 {
			r.handle(r.message(fmt.Sprint("m", i), swedenID), false)
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Minute)
		r.set("sweden", nil)
		n := 0
		for time.Since(r.start) < time.Hour && n == 0 {
			time.Sleep(time.Second)
			synctest.Wait()
			n = len(r.topic.of(canon.KindDeliveryReceipt))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n = len(r.topic.of(canon.KindDeliveryReceipt)); n != 40 {
			t.Errorf("%d of 40 messages within a second of the first", n)
		}
	})
}

// A process that stops gives back what it was sending, and that attempt does not count.
// One that dies does not: when its lease ends the next one goes on.
func TestProcessEndsWhileItSends(t *testing.T) {
	for name, tt := range map[string]struct {
		dies bool
		want []string
		n    int
	}{
		"stops": {false, []string{"sweden 0s", "sweden 1m0s", "sweden 1m30s"}, 2},
		"dies":  {true, []string{"sweden 0s", "sweden 1m15s"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inPushRig(t, steady, func(r *pushRig) {
				r.set("sweden", later)
				m := r.message("m", swedenID)
				r.handle(m, false)
				r.set("sweden", func(req *http.Request) (*http.Response, error) {
					<-req.Context().Done()
					return nil, req.Context().Err()
				})
				if tt.dies {
					r.stop()
					time.Sleep(time.Minute)
					if s, err := r.shelf.Take(t.Context(), "push sweden", r.config.Now(), retryLease); s == nil || err != nil {
						t.Fatalf("Take = %v, %v", s, err)
					}
				} else {
					time.Sleep(90 * time.Second)
					r.stop()
				}
				r.set("sweden", nil)
				r.restart()
				r.tend()
				time.Sleep(5 * time.Minute)
				r.posted(tt.want...)
				r.one(m, canon.DeliveryAcknowledged, tt.n, "")
			})
		})
	}
}

// An attempt may be longer than the lease: nobody else makes it meanwhile.
func TestAttemptIsHeld(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		r.set("sweden", later)
		m := r.message("m", swedenID)
		r.handle(m, false)
		r.set("sweden", func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		time.Sleep(time.Minute + 3*retryLease)
		if s, err := r.shelf.Take(t.Context(), "push sweden", r.config.Now(), retryLease); s != nil || err != nil {
			t.Errorf("Take while it is sent = %v, %v; want nothing", s, err)
		}
		r.set("sweden", nil)
		time.Sleep(5 * time.Minute)
		r.one(m, canon.DeliveryAcknowledged, 3, "")
	})
}

// A process that dies after the peer has the message and before the log has the outcome:
// another says it, with the same ids, and sends nothing again where the outcome is known.
func TestOutcomeOfAWaitingMessageIsSaidAtLast(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		r.set("sweden", later)
		m := r.message("m", swedenID)
		r.handle(m, false)
		r.set("sweden", nil)
		down := errors.New("the log does not answer")
		r.topic.mu.Lock()
		r.topic.fail = func() error { return down }
		r.topic.mu.Unlock()
		time.Sleep(90 * time.Second)
		r.stop()
		r.topic.mu.Lock()
		down = nil
		r.topic.mu.Unlock()
		r.restart()
		r.tend()
		time.Sleep(5 * time.Minute)
		r.posted("sweden 0s", "sweden 1m0s")
		r.one(m, canon.DeliveryAcknowledged, 2, "")
	})
}

// What the shelf loses the log tells again.
func TestShelfIsLostWhileMessagesWait(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		r.set("sweden", later)
		m := r.message("m", swedenID)
		log := []canon.Message{m, r.message("sent", providerID)}
		r.handle(m, false)
		r.handle(log[1], true)
		r.sender.Unsent = func(_ context.Context, yield func(canon.Message) error) error {
			for _, m := range log { // the receipt of the second is not on the log yet
				if err := yield(m); err != nil {
					return err
				}
			}
			return nil
		}
		time.Sleep(time.Second)
		synctest.Wait() // the look at 0s is over
		r.shelf.mu.Lock()
		r.shelf.items, r.shelf.whole = map[canon.MessageID]*shelved{}, false
		r.shelf.mu.Unlock()
		r.set("sweden", nil)
		time.Sleep(10 * time.Second)
		r.handle(m, false) // the log gives it again
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r.posted("sweden 0s", "finland 0s", "sweden 1m5s")
		ds := r.topic.of(canon.KindDeliveryReceipt)
		if len(ds) != 2 { // that of the second comes twice: from Handle, and from here
			t.Fatalf("%d deliveries", len(ds))
		}
		for _, d := range ds {
			if d.Body.(*canon.DeliveryReceipt).Outcome != canon.DeliveryAcknowledged {
				t.Errorf("delivery %+v", d.Body)
			}
		}
	})
}

func TestForgottenWhileItWaits(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		r.set("sweden", later)
		m := r.message("m", swedenID)
		r.handle(m, false)
		r.stop()
		r.config.Codec = forgetful{}
		r.restart()
		r.tend()
		time.Sleep(5 * time.Minute)
		r.one(m, canon.DeliveryFailed, 1, "")
		if d := r.topic.of(canon.KindDeliveryReceipt)[0].Body.(*canon.DeliveryReceipt); d.Code != canon.CodePayloadForgotten {
			t.Errorf("delivery %+v", d)
		}
		r.posted("sweden 0s")
	})
}

// Agreements that were reloaded hold for what waits, unless they change what is signed.
func TestReloadWhileMessagesWait(t *testing.T) {
	for name, tt := range map[string]struct {
		edit    func(p *pmode.Partner)
		outcome canon.DeliveryOutcome
		host    string
	}{
		"new address":              {func(p *pmode.Partner) { p.URL = "https://sweden/moved" }, canon.DeliveryAcknowledged, "sweden"},
		"new name":                 {func(p *pmode.Partner) { p.Name = "sverige" }, canon.DeliveryAcknowledged, "sweden"},
		"other agreement":          {func(p *pmode.Partner) { p.Agreement.Value = "urn:new" }, canon.DeliveryFailed, ""},
		"fetches its messages now": {func(p *pmode.Partner) { p.MEP, p.MPC = pmode.Pull, nlMPC }, canon.DeliveryFailed, ""},
		"partner is gone":          {func(p *pmode.Partner) { p.Party.ID.ID = "AP_DK_01" }, canon.DeliveryFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inPushRig(t, steady, func(r *pushRig) {
				r.set("sweden", later)
				m := r.message("m", swedenID)
				r.handle(m, false)
				r.set("sweden", nil)
				p, _ := r.source.Table().Named("sweden")
				moved := *p
				tt.edit(&moved)
				r.source.Store(table(t, requesterID, ring().requester, moved))
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				attempts, code := 2, ebms.Code("")
				if tt.outcome == canon.DeliveryFailed {
					attempts, code = 1, ebms.ProcessingModeMismatch
				}
				r.one(m, tt.outcome, attempts, code)
			})
		})
	}
}

// A resend is a series of its own also where it waits.
func TestResendWaits(t *testing.T) {
	inPushRig(t, pmode.Retry{Attempts: 2, Initial: time.Minute, Max: time.Minute, Jitter: -1}, func(r *pushRig) {
		r.set("sweden", later)
		m := r.message("m", swedenID)
		r.handle(m, false)
		time.Sleep(2 * time.Minute)
		r.one(m, canon.DeliveryFailed, 2, ebms.MissingReceipt)
		m.Series, m.ReplayOf = 1, m.ID
		r.handle(m, false)
		r.handle(m, false) // again: it waits
		r.set("sweden", nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r.posted("sweden 0s", "sweden 1m0s", "sweden 2m0s", "sweden 3m0s")
		ds := r.topic.of(canon.KindDeliveryReceipt)
		if len(ds) != 2 || ds[1].ID == ds[0].ID {
			t.Fatalf("deliveries %v", ds)
		}
		if d := ds[1].Body.(*canon.DeliveryReceipt); d.Series != 1 || d.Attempts != 2 || d.Outcome != canon.DeliveryAcknowledged {
			t.Errorf("delivery %+v", d)
		}
	})
}

// A partner that is slow takes no more than its share of the attempts.
func TestAttemptsAtOnceOfOnePartner(t *testing.T) {
	inPushRig(t, steady, func(r *pushRig) {
		var mu sync.Mutex
		now, most := 0, 0
		r.set("sweden", later)
		for i := range 20 {
			r.handle(r.message(fmt.Sprint("m", i), swedenID), false)
		}
		r.set("sweden", func(*http.Request) (*http.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(30 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return status(503)
		})
		time.Sleep(3 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if most != retryOfPartner {
			t.Errorf("%d attempts at once, want %d", most, retryOfPartner)
		}
	})
}
