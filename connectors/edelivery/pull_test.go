package edelivery

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

func TestMessagesAreFetchedInOrderAndAcknowledged(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	a := r.lay("a", xmlDocument(1), pdfDocument(2))
	r.pass(time.Second)
	b := r.lay("b")
	r.drain(2)
	want := [][]string{{xmlDocument(1).content, pdfDocument(2).content}, nil}
	if d := cmp.Diff(want, r.codec.inbox); d != "" {
		t.Errorf("content (-want +got):\n%s", d)
	}
	in := r.codec.decoded[0].Header
	if in.MPC != nlMPC || in.MessageID != string(a.ID)+"@as4.example.org" {
		t.Errorf("header = %+v", in)
	}
	if got := len(r.fetcher.topic.of(canon.KindEvidenceRequest)); got != 2 {
		t.Errorf("fetcher published %d messages, want 2", got)
	}
	ds := r.deliveries()
	if len(ds) != 2 || ds[0].Of != a.ID || ds[1].Of != b.ID || ds[0].Outcome != canon.DeliveryAcknowledged || ds[0].Attempts != 1 {
		t.Fatalf("deliveries = %+v", ds)
	}
	if !slices.ContainsFunc(r.posts, func(p []byte) bool { return digestOf(p) == ds[0].Receipt }) {
		t.Error("the delivery does not name the receipt that was posted")
	}
	states := []canon.MessageState{canon.MessageReadyToPull, canon.MessageReadyToPull, canon.MessageBeingPulled, canon.MessageWaitingForReceipt, canon.MessageAcknowledged,
		canon.MessageBeingPulled, canon.MessageWaitingForReceipt, canon.MessageAcknowledged}
	if d := cmp.Diff(states, r.states()); d != "" {
		t.Errorf("states (-want +got):\n%s", d)
	}
	audits := r.holder.topic.of(canon.KindAudit)
	if len(audits) != 2 || audits[0].Body.(*canon.AuditEvent).Step != stepSent || len(audits[0].Body.(*canon.AuditEvent).Proof) == 0 {
		t.Errorf("audit = %+v", audits)
	}
}

// The ids are those of a message that is pushed: nobody who waits for the delivery can
// tell the two apart.
func TestOutcomeOfAFetchedMessageHasTheIdsOfAPush(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	m := r.lay("a", xmlDocument(1))
	r.drain(1)
	for kind, step := range map[canon.Kind]string{canon.KindDeliveryReceipt: "as4 delivery", canon.KindAudit: stepSent} {
		if got := r.holder.topic.of(kind); len(got) != 1 || got[0].ID != canon.Derive(m.ID, step) || got[0].Cause != m.ID {
			t.Errorf("%s = %+v", kind, got)
		}
	}
	// The log gives the message again: the same words, and nothing on the shelf.
	out, err := r.holder.sender.Handle(context.Background(), m)
	if err != nil || len(out) != 2 || out[0].ID != canon.Derive(m.ID, "as4 delivery") {
		t.Errorf("Handle again = %v, %v", out, err)
	}
	r.drain(0)
}

func TestNothingToFetchIsASignedWarning(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	n := r.fetcher.puller.receiver
	p, _ := n.PModes.Table().Named("provider")
	request, id, err := n.pullRequest(n.PModes.Table(), p)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(r.server.URL, "application/soap+xml", bytes.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	sig, ok, err := n.pullSignal(context.Background(), p, id, resp.Header.Get("Content-Type"), body.Bytes())
	if !ok || err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("answer: status %d, %v", resp.StatusCode, err)
	}
	if len(sig.Errors) != 1 || sig.Errors[0].Code != ebms.EmptyPartition || sig.Errors[0].Severity != ebms.SeverityWarning {
		t.Errorf("answer = %+v, want a warning EBMS:0006", sig)
	}
	if got := r.holder.topic.of(canon.KindAudit); len(got) != 0 {
		t.Errorf("%d audit events of nothing", len(got))
	}
}

// Only the partner of a partition fetches from it.
func TestPullRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	keys := ring()
	for _, tt := range []struct {
		name string
		code ebms.Code
		make func(r *pullRig, n *node, table *pmode.Table, p *pmode.Partner) []byte
	}{
		{"unknown partition", ebms.ProcessingModeMismatch, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			q := *p
			q.Fetch.MPC = "urn:mpc:other"
			b, _, _ := n.pullRequest(tab, &q)
			return b
		}},
		{"default partition", ebms.ProcessingModeMismatch, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			q := *p
			q.Fetch.MPC = ebms.DefaultMPC
			b, _, _ := n.pullRequest(tab, &q)
			return b
		}},
		{"another signer", ebms.FailedAuthentication, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			b, _, _ := n.pullRequest(table(r.t, requesterID, keys.stranger, *p), p)
			return b
		}},
		{"not signed", ebms.FailedAuthentication, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			s := &ebms.Signal{Timestamp: testNow, MessageID: "p@x"}
			b := []byte(`<S12:Envelope xmlns:S12="` + ebms.SOAPNamespace + `"><S12:Header>`)
			b = ebms.AppendPullRequest(b, s, nlMPC, "i")
			return append(b, `</S12:Header><S12:Body></S12:Body></S12:Envelope>`...)
		}},
		{"changed after it was signed", ebms.FailedAuthentication, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			q := *p
			q.Fetch.MPC = "urn:mpc:ap-nl-02"
			b, _, _ := n.pullRequest(tab, &q)
			return bytes.ReplaceAll(b, []byte("urn:mpc:ap-nl-02"), []byte(nlMPC))
		}},
		{"too old", ebms.ValueInconsistent, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			b, _, _ := n.pullRequest(tab, p)
			r.pass(11 * time.Minute)
			return b
		}},
		{"from the future", ebms.ValueInconsistent, func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner) []byte {
			r.pass(11 * time.Minute)
			b, _, _ := n.pullRequest(tab, p)
			r.pass(-11 * time.Minute)
			return b
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newPullRig(t)
			m := r.lay("a", xmlDocument(1))
			n := &r.fetcher.puller.receiver.node
			p, _ := n.PModes.Table().Named("provider")
			sig, status := r.ask(tt.make(r, n, n.PModes.Table(), p))
			if sig == nil || len(sig.Errors) != 1 || sig.Errors[0].Code != tt.code || status != http.StatusOK {
				t.Fatalf("answer = %+v with status %d, want %s", sig, status, tt.code)
			}
			if s, err := r.holder.shelf.Find(context.Background(), m.ID); err != nil || s.Taken != 0 {
				t.Errorf("message was handed out: %+v, %v", s, err)
			}
			if got := r.holder.topic.of(canon.KindAudit); len(got) != 1 || got[0].Body.(*canon.AuditEvent).Step != stepRefused {
				t.Errorf("audit = %+v, want the refusal", got)
			}
		})
	}
}

// A request that is played back takes no message.
func TestPullRequestCountsOnce(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	r.lay("a")
	r.pass(time.Second)
	b := r.lay("b")
	n := &r.fetcher.puller.receiver.node
	p, _ := n.PModes.Table().Named("provider")
	request, _, err := n.pullRequest(n.PModes.Table(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, status := r.ask(request); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	sig, _ := r.ask(request)
	if sig == nil || len(sig.Errors) != 1 || sig.Errors[0].Code != ebms.ValueInconsistent {
		t.Errorf("answer = %+v, want EBMS:0003", sig)
	}
	if s, _ := r.holder.shelf.Find(context.Background(), b.ID); s.Taken != 0 {
		t.Error("the second message was handed out")
	}
}

// lost makes the wire swallow the n-th receipt that is posted, after or before the
// holder had it.
func (r *pullRig) lostReceipt(times int) {
	r.wire = func(w http.ResponseWriter, req *http.Request, body []byte, next http.Handler) {
		if bytes.Contains(body, []byte("<eb:Receipt>")) && times > 0 {
			times--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		next.ServeHTTP(w, req)
	}
}

func TestLostReceipt(t *testing.T) {
	t.Parallel()
	t.Run("comes again with the message, which is taken once", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		m := r.lay("a", xmlDocument(1))
		r.lostReceipt(1)
		if _, err := r.fetcher.puller.drain(context.Background(), "provider"); err == nil {
			t.Fatal("a receipt that was not posted is no success")
		}
		r.drain(0) // the lease runs
		r.pass(time.Minute)
		r.drain(1)
		r.one(canon.DeliveryAcknowledged, 2, "")
		if got := len(r.fetcher.topic.of(canon.KindEvidenceRequest)); got != 1 {
			t.Errorf("fetcher published %d messages, want 1", got)
		}
		var receipts [][]byte
		for _, p := range r.posts {
			if bytes.Contains(p, []byte("<eb:Receipt>")) {
				receipts = append(receipts, p)
			}
		}
		if len(receipts) != 2 || !bytes.Equal(receipts[0], receipts[1]) {
			t.Errorf("%d receipts, want the same one twice", len(receipts))
		}
		if s, _ := r.holder.shelf.Find(context.Background(), m.ID); s != nil {
			t.Error("message is still on the shelf")
		}
	})
	t.Run("a large message has the time of its way", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		content := make([]byte, 3*outPace)
		if _, err := rand.Read(content); err != nil {
			t.Fatal(err)
		}
		r.lay("a", document{"large@example.org", "application/pdf", string(content)})
		r.lostReceipt(1)
		_, _ = r.fetcher.puller.drain(context.Background(), "provider")
		r.pass(time.Minute + time.Second)
		r.drain(0)
		r.pass(2 * time.Second)
		r.drain(1)
		r.one(canon.DeliveryAcknowledged, 2, "")
	})
	t.Run("a late one counts", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		r.lay("a", xmlDocument(1))
		var late []byte
		r.wire = func(w http.ResponseWriter, req *http.Request, body []byte, next http.Handler) {
			if bytes.Contains(body, []byte("<eb:Receipt>")) {
				late = body
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
			next.ServeHTTP(w, req)
		}
		_, _ = r.fetcher.puller.drain(context.Background(), "provider")
		r.pass(2 * time.Minute)
		r.wire = nil
		if sig, status := r.ask(late); sig != nil || status != http.StatusAccepted {
			t.Errorf("answer to a late receipt = %+v, %d", sig, status)
		}
		r.one(canon.DeliveryAcknowledged, 1, "")
		r.drain(0)
		// And once more, when everything is over.
		if sig, status := r.ask(late); sig != nil || status != http.StatusAccepted {
			t.Errorf("answer to a second receipt = %+v, %d", sig, status)
		}
		r.one(canon.DeliveryAcknowledged, 1, "")
	})
	t.Run("attempts used up", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		m := r.lay("a", xmlDocument(1))
		r.lostReceipt(2)
		for range 2 {
			_, _ = r.fetcher.puller.drain(context.Background(), "provider")
			r.tend()
			if ds := r.deliveries(); len(ds) != 0 {
				t.Fatalf("given up before the lease ended: %+v", ds)
			}
			r.pass(time.Minute)
		}
		r.drain(0)
		r.tend()
		r.tend()
		d := r.one(canon.DeliveryFailed, 2, ebms.MissingReceipt)
		if d.Code != canon.CodePeerUnreachable || d.Of != m.ID {
			t.Errorf("delivery = %+v", d)
		}
		out, err := r.holder.sender.Handle(context.Background(), m)
		if err != nil || len(out) != 2 {
			t.Errorf("Handle again = %v, %v; want the same outcome", out, err)
		}
	})
}

func (r *pullRig) tend() {
	r.t.Helper()
	if err := r.holder.sender.tend(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func TestNobodyFetchesInTime(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	r.lay("a", xmlDocument(1))
	r.pass(59 * time.Minute)
	r.tend()
	if ds := r.deliveries(); len(ds) != 0 {
		t.Fatalf("given up before its time: %+v", ds)
	}
	r.pass(time.Minute)
	r.drain(0)
	r.tend()
	r.one(canon.DeliveryFailed, 0, ebms.MissingReceipt)
}

// An operator sends a message again that nobody fetched: a series of its own.
func TestResendOfAMessageThatIsFetched(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	m := r.lay("a", xmlDocument(1))
	r.pass(time.Hour)
	r.tend()
	m.Series = 1
	r.handle(m)
	r.drain(1)
	ds := r.holder.topic.of(canon.KindDeliveryReceipt)
	if len(ds) != 2 || ds[0].ID == ds[1].ID || ds[1].Body.(*canon.DeliveryReceipt).Outcome != canon.DeliveryAcknowledged || ds[1].Body.(*canon.DeliveryReceipt).Series != 1 {
		t.Errorf("deliveries = %+v", r.deliveries())
	}
}

func TestSignalsAboutFetchedMessages(t *testing.T) {
	t.Parallel()
	keys := ring()
	for _, tt := range []struct {
		name    string
		make    func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte
		code    ebms.Code // of the answer; empty for 202
		outcome canon.DeliveryOutcome
		error   ebms.Code
	}{
		{"the partner refuses it", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.signedError(tab, p, as4, ebms.Errorf(ebms.FailedDecryption, ""))
			return b
		}, "", canon.DeliveryFailed, ebms.FailedDecryption},
		{"the partner has it already", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.signedError(tab, p, as4, ebms.Errorf(ebms.DuplicateDetected, ""))
			return b
		}, "", canon.DeliveryAcknowledged, ebms.DuplicateDetected},
		{"it cannot take it now", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.signedError(tab, p, as4, ebms.Errorf(ebms.DeliveryFailure, ""))
			return b
		}, "", "", ""},
		{"a warning", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.signedError(tab, p, as4, ebms.Errorf(ebms.FeatureNotSupported, ""))
			return b
		}, "", "", ""},
		{"an error of somebody else", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.signedError(table(r.t, requesterID, keys.stranger, *p), p, as4, ebms.Errorf(ebms.Other, ""))
			return b
		}, "", "", ""},
		{"an unsigned error", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			return n.plainError(tab, as4, ebms.Errorf(ebms.Other, ""))
		}, "", "", ""},
		{"a receipt of somebody else", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.receipt(table(r.t, requesterID, keys.stranger, *p), p, as4, nil)
			return b
		}, ebms.InvalidReceipt, "", ""},
		{"a receipt for other content", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.receipt(tab, p, as4, nil)
			return b
		}, ebms.InvalidReceipt, "", ""},
		{"a receipt for an unknown message", func(r *pullRig, n *node, tab *pmode.Table, p *pmode.Partner, as4 string) []byte {
			b, _ := n.receipt(tab, p, canon.DeriveUUID("other")+"@as4.example.org", nil)
			return b
		}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newPullRig(t)
			m := r.lay("a", xmlDocument(1))
			r.lostReceipt(1)
			_, _ = r.fetcher.puller.drain(context.Background(), "provider")
			n := &r.fetcher.puller.receiver.node
			p, _ := n.PModes.Table().Named("provider")
			sig, status := r.ask(tt.make(r, n, n.PModes.Table(), p, string(m.ID)+"@as4.example.org"))
			if tt.code == "" && (sig != nil || status != http.StatusAccepted) {
				t.Errorf("answer = %+v, %d; want 202 and nothing", sig, status)
			}
			if tt.code != "" && (sig == nil || len(sig.Errors) != 1 || sig.Errors[0].Code != tt.code) {
				t.Errorf("answer = %+v, %d; want %s", sig, status, tt.code)
			}
			if tt.outcome != "" {
				r.one(tt.outcome, 1, tt.error)
				return
			}
			if ds := r.deliveries(); len(ds) != 0 {
				t.Errorf("deliveries = %+v, want none", ds)
			}
			r.pass(time.Minute)
			r.drain(1)
			r.one(canon.DeliveryAcknowledged, 2, "")
		})
	}
}

// A worker that dies at any step leaves a message that ends once.
func TestHolderDiesAnywhere(t *testing.T) {
	t.Parallel()
	dead := errors.New("dead")
	t.Run("before the outcome was published", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		r.lay("a", xmlDocument(1))
		deaths := 1
		r.holder.topic.fail = func() error {
			if deaths--; deaths >= 0 {
				return dead
			}
			return nil
		}
		if _, err := r.fetcher.puller.drain(context.Background(), "provider"); err == nil {
			t.Fatal("a receipt that was not recorded is no success")
		}
		r.pass(time.Minute)
		r.drain(0) // its outcome is known: it is said, and the message not handed out
		r.one(canon.DeliveryAcknowledged, 1, "")
	})
	t.Run("and nobody fetches any more", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		r.lay("a", xmlDocument(1))
		deaths := 1
		r.holder.topic.fail = func() error {
			if deaths--; deaths >= 0 {
				return dead
			}
			return nil
		}
		_, _ = r.fetcher.puller.drain(context.Background(), "provider")
		r.pass(time.Hour)
		r.tend()
		r.one(canon.DeliveryAcknowledged, 1, "")
	})
	t.Run("with the whole memory", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		r.lay("a", xmlDocument(1))
		r.drain(1)
		r.pass(time.Second)
		b := r.lay("b", pdfDocument(1))
		r.forget()
		r.drain(0)
		r.tend()
		r.drain(1)
		if ds := r.deliveries(); len(ds) != 2 || ds[1].Of != b.ID || ds[1].Outcome != canon.DeliveryAcknowledged {
			t.Errorf("deliveries = %+v", ds)
		}
	})
	t.Run("with the memory while the partner has the message", func(t *testing.T) {
		t.Parallel()
		r := newPullRig(t)
		r.lay("a", xmlDocument(1))
		r.lostReceipt(1)
		_, _ = r.fetcher.puller.drain(context.Background(), "provider")
		r.forget()
		r.tend()
		r.drain(1) // the same digests, so the same receipt
		r.one(canon.DeliveryAcknowledged, 1, "")
		if got := len(r.fetcher.topic.of(canon.KindEvidenceRequest)); got != 1 {
			t.Errorf("fetcher published %d messages, want 1", got)
		}
	})
}

// forget empties the holder's memory, as a Redis that lost everything.
func (r *pullRig) forget() {
	s := r.holder.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items, s.whole = map[canon.MessageID]*shelved{}, false
	for _, m := range []Remembered{r.holder.sender.Remembered} {
		mem := m.(*Memory)
		mem.mu.Lock()
		mem.entries = map[string]entry{}
		mem.mu.Unlock()
	}
}

func TestShelvedMessageThatCannotBeHandedOut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		code canon.Code
	}{
		{"what it carries was forgotten", canon.ErrForgotten, canon.CodePayloadForgotten},
		{"it cannot be encoded any more", canon.NewFault(canon.CodeMessageInvalid, nil, "no"), canon.CodeMessageInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newPullRig(t)
			r.lay("a", xmlDocument(1))
			r.pass(time.Second)
			r.lay("b")
			first := true
			r.holder.receiver.Codec = failing{r.codec, func() error {
				if first {
					first = false
					return tt.err
				}
				return nil
			}}
			r.drain(1) // the next one is not held up
			ds := r.deliveries()
			if len(ds) != 2 || ds[0].Outcome != canon.DeliveryFailed || ds[0].Code != tt.code {
				t.Errorf("deliveries = %+v", ds)
			}
		})
	}
}

type failing struct {
	Codec
	fail func() error
}

func (f failing) Encode(ctx context.Context, m canon.Message, p canon.Payloads) (Outgoing, bool, error) {
	if err := f.fail(); err != nil {
		return Outgoing{}, false, err
	}
	return f.Codec.Encode(ctx, m, p)
}

// A message that cannot be read, or not be ended, does not keep others on the shelf.
func TestTendBesideADamagedItem(t *testing.T) {
	r := newPullRig(t, func(holder, _ *Config, _, _ *pmode.Partner) { holder.Shelf = half{holder.Shelf.(*MemoryShelf)} })
	r.lay("nobody comes", xmlDocument(1))
	r.pass(2 * time.Hour)
	if err := r.holder.sender.tend(context.Background()); err == nil {
		t.Error("nobody learns of the damaged item")
	}
	r.one(canon.DeliveryFailed, 0, ebms.MissingReceipt)
}
