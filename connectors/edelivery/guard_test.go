package edelivery

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// Who floods us with messages that are not his costs neither signatures nor records.
func TestFloodOfRefusalsIsMuted(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) {
		c.Refusals = 3
		c.Now = func() time.Time { return testNow.Add(time.Duration(passed.Load())) }
	})
	from := func(address string, ct string, body []byte) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
		req.Header.Set("Content-Type", ct)
		req.RemoteAddr = address
		rec := httptest.NewRecorder()
		r.receiver.ServeHTTP(rec, req)
		return rec
	}
	ct, forged := sealWith(t, ring().stranger, nil).close()
	for i := range 10 {
		rec := from(fmt.Sprintf("[2001:db8::%x]:443", i), ct, forged) // addresses of one network
		got, signed := readError(t, rec.Body.Bytes())
		want := http.StatusOK
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		if rec.Code != want || got.Code != ebms.FailedAuthentication || signed != (i < 3) || (rec.Header().Get("Retry-After") != "") != (i >= 3) {
			t.Errorf("refusal %d: %d %s signed=%v", i, rec.Code, got.Code, signed)
		}
	}
	if n := len(r.topic.of(canon.KindAudit)); n != 3 {
		t.Errorf("%d audit events, want 3", n)
	}
	if rec := from("192.0.2.1:443", ct, forged); rec.Code != http.StatusOK {
		t.Errorf("another address: %d", rec.Code)
	}
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	if rec := from("[2001:db8::1]:443", ct, body); !isReceipt(rec) {
		t.Errorf("a partner behind the same address: %d %s", rec.Code, rec.Body)
	}
	passed.Store(int64(muteFor))
	from("192.0.2.1:443", ct, body)
	var told []string
	for _, m := range r.topic.of(canon.KindAudit) {
		if e := m.Body.(*canon.AuditEvent); e.Outcome == "muted" {
			told = append(told, e.Reason)
		}
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "7 more messages") {
		t.Errorf("audit trail says %q", told)
	}
}

func TestGuardStaysBounded(t *testing.T) {
	t.Parallel()
	g := newGuard(2)
	for i := range 3 * maxClients {
		g.spend(fmt.Sprint(i), testNow)
	}
	if len(g.clients) > maxClients+1 {
		t.Errorf("%d addresses are held", len(g.clients))
	}
	if g.spend("new", testNow) {
		t.Error("more addresses than are counted are not bounded together")
	}
	if !g.spend("new", testNow.Add(muteFor)) || len(g.clients) > 1 {
		t.Errorf("%d addresses are held when all have rested", len(g.clients))
	}
}

// Only who can sign for the partner makes us read parts.
func TestPartsOfAForgerAreNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(rg *rig, _, _ *pmode.Partner, c *Config) {
		c.Limits = swa.Limits{Memory: 1, TempDir: filepath.Join(t.TempDir(), "is-not-there")}
	})
	part := wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: bytes.Repeat([]byte("x"), 1<<20)}
	ct, body := sealWith(t, ring().stranger, nil, part).close()
	rec := r.post(ct, body)
	if got, _ := readError(t, rec.Body.Bytes()); got.Code != ebms.FailedAuthentication {
		t.Errorf("%d %s", rec.Code, got.Code)
	}
	// The partner itself would have been read: there is no place for its part.
	ct, body = sealWith(t, ring().requester, nil, part).close()
	if rec := r.post(ct, body); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// A body that says that it is too large is refused before its parts are read, with a
// signed error.
func TestStatedSizeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	envelope := bytes.Index(body, []byte("</S12:Envelope>")) + 200
	source := bytes.NewReader(body)
	req := httptest.NewRequest(http.MethodPost, "/as4", source)
	req.Header.Set("Content-Type", ct)
	req.ContentLength = 1 << 40
	rec := httptest.NewRecorder()
	in := &paced{r: req.Body, conn: http.NewResponseController(rec), end: time.Now().Add(time.Minute), most: wire(8<<20, 1<<20)}
	a := r.receiver.take(t.Context(), req, in)
	if got, signed := readError(t, a.body); a.status != http.StatusRequestEntityTooLarge || got.Code != ebms.Other || !signed {
		t.Errorf("%d %s signed=%v", a.status, got.Code, signed)
	}
	if in.n > int64(envelope)+32<<10 {
		t.Errorf("%d bytes were read", in.n)
	}
}

// A body without a stated size ends at the limit of what its sender may cost.
func TestBodyWithoutEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, a, _ *pmode.Partner, c *Config) {
		a.Limits.Part, a.Limits.Message = 1000, 1000
		c.Limits.Envelope = 32 << 10
	})
	srv := httptest.NewServer(r.receiver)
	t.Cleanup(srv.Close)
	p := sealWith(t, ring().requester, nil, wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: make([]byte, 32<<20)})
	ct, body := p.close()
	req, err := http.NewRequest(http.MethodPost, srv.URL, struct{ *bytes.Reader }{bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1 // chunked
	req.Header.Set("Content-Type", ct)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Skipf("the connection ended before the answer was read: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// A connection must be one of the partner where the agreement says so.
func TestConnectionOfThePartner(t *testing.T) {
	t.Parallel()
	keys := ring()
	for name, tt := range map[string]struct {
		state *tls.ConnectionState
		ok    bool
	}{
		"of the partner":      {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{keys.requester.cert}}, true},
		"of somebody else":    {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{keys.stranger.cert}}, false},
		"without certificate": {&tls.ConnectionState{}, false},
		"without TLS":         {nil, false},
	} {
		r := newRig(t, func(_ *rig, a, _ *pmode.Partner, _ *Config) {
			a.TLS.Clients = pmode.Clients{Pinned: []*x509.Certificate{keys.requester.cert}}
		})
		ct, body := r.letter(t, r.message("m", xmlDocument(0)))
		req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
		req.Header.Set("Content-Type", ct)
		req.TLS = tt.state
		rec := httptest.NewRecorder()
		r.receiver.ServeHTTP(rec, req)
		if isReceipt(rec) != tt.ok {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		if !tt.ok {
			if got, signed := readError(t, rec.Body.Bytes()); rec.Code != http.StatusForbidden || got.Code != ebms.FailedAuthentication || !signed {
				t.Errorf("%s: %d %s signed=%v", name, rec.Code, got.Code, signed)
			}
			if rec.Header().Get("Connection") != "close" {
				t.Errorf("%s: the connection goes on, on which no other certificate can be shown", name)
			}
		}
	}
}

// stuck is a body of which nothing comes.
type stuck struct {
	asked chan<- struct{}
	end   <-chan struct{}
}

func (s stuck) Read([]byte) (int, error) {
	s.asked <- struct{}{}
	<-s.end
	return 0, io.ErrUnexpectedEOF
}

// A client that sends slowly, for which it needs no key, leaves slots to the others.
func TestOneClientDoesNotHoldEverySlot(t *testing.T) {
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) {
		c.Concurrent = 4
		c.Client = func(req *http.Request) string { return req.Header.Get("X-Client") }
	})
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	post := func(client string, body io.Reader) int {
		req := httptest.NewRequest(http.MethodPost, "/as4", body)
		req.Header.Set("Content-Type", ct)
		req.Header.Set("X-Client", client)
		rec := httptest.NewRecorder()
		r.receiver.ServeHTTP(rec, req)
		return rec.Code
	}
	asked, end := make(chan struct{}, 3), make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { post("slow", stuck{asked, end}) })
	}
	for range 3 {
		<-asked
	}
	if got := post("slow", bytes.NewReader(body)); got != http.StatusServiceUnavailable {
		t.Errorf("one more of the slow client: %d", got)
	}
	if got := post("other", bytes.NewReader(body)); got != http.StatusOK {
		t.Errorf("another client: %d", got)
	}
	close(end)
	go func() { // what is read of the rest
		for range asked {
		}
	}()
	wg.Wait()
	close(asked)
	if got := post("slow", bytes.NewReader(body)); got != http.StatusOK {
		t.Errorf("the slow client, when it is done: %d", got)
	}
	if n := len(r.receiver.seats.held); n != 0 {
		t.Errorf("%d clients are held", n)
	}
}
