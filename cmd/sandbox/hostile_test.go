package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
)

// A post is one AS4 message as it went over the wire, with its answer.
type post struct {
	contentType string
	body        []byte
	status      int
	answer      []byte
}

// A postbox stands before access points and may post again what comes in.
type postbox struct {
	again func(n int) (concurrently, inSequence int) // for the n-th message of a member, from 0

	mu    sync.Mutex
	posts map[string][]post
	other []string // answers that differ
}

func (b *postbox) into(cfg *Config) {
	options := cfg.Options
	cfg.Options = func(member string) node.Options {
		o := options(member)
		wrap := o.HTTP
		o.HTTP = func(name string, next http.Handler) http.Handler {
			next = wrap(name, next)
			if name != node.RoleEDelivery {
				return next
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(member, w, r, next) })
		}
		return o
	}
}

func (b *postbox) serve(member string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	if b.again == nil && b.count(member) > 0 { // the first is kept; the rest passes as it comes
		next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	together, inSequence := 1, 0
	if b.again != nil {
		together, inSequence = b.again(b.count(member))
	}
	all := make([]*recorded, together)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = serveAgain(next, r, body) })
	}
	wg.Wait()
	for range inSequence {
		all = append(all, serveAgain(next, r, body))
	}
	first := all[0]
	b.mu.Lock()
	if b.posts == nil {
		b.posts = map[string][]post{}
	}
	b.posts[member] = append(b.posts[member], post{r.Header.Get("Content-Type"), body, first.status, first.body.Bytes()})
	for i, a := range all {
		if a.status != http.StatusOK || !bytes.Equal(a.body.Bytes(), first.body.Bytes()) {
			b.other = append(b.other, fmt.Sprintf("%s, post %d of %d: %d %s", member, i, len(all), a.status, a.body.Bytes()))
		}
	}
	b.mu.Unlock()
	for k, v := range first.header {
		w.Header()[k] = v
	}
	w.WriteHeader(first.status)
	_, _ = w.Write(first.body.Bytes()) // the sender may be gone
}

func (b *postbox) count(member string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.posts[member])
}

// Every AS4 message of an exchange comes a hundred times, at once and one after
// the other: each is one record, and every post gets the same receipt.
func TestSameMessageHundredTimes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	box := &postbox{again: func(n int) (int, int) {
		if n == 0 {
			return 50, 50
		}
		return 3, 2
	}}
	l, _ := watched(t, ctx, box.into)
	res, err := l.Play(ctx, Script{Register: "births"})
	if err != nil || res.Outcome != "delivered" {
		t.Fatalf("outcome %q, %v\nsteps: %q", res.Outcome, err, res.Steps)
	}
	if err := l.settle(ctx, &Report{Requester: res.Exchange}); err != nil {
		t.Fatal(err)
	}
	for _, o := range box.other {
		t.Error("another answer: " + o)
	}
	for member, want := range map[string][]canon.Kind{
		Spain:    {canon.KindEvidenceRequest, canon.KindEvidenceRequest},
		Slovenia: {canon.KindPreviewRequired, canon.KindEvidenceResponse},
	} {
		if n := box.count(member); n != len(want) {
			t.Errorf("%s got %d different messages, want %d", member, n, len(want))
		}
		for _, p := range box.posts[member] {
			if !bytes.Contains(p.answer, []byte("NonRepudiationInformation")) {
				t.Errorf("%s: no receipt: %s", member, p.answer)
			}
		}
		var came []canon.Kind
		records := map[string]int{}
		for _, k := range canon.Kinds() {
			scan(t, ctx, l.Node(member), kafkalog.TopicOf(k), func(m canon.Message) {
				if e := canon.EnvelopeOf(m.Body); e != nil && e.Leg == canon.LegIn && e.AS4 != "" {
					came = append(came, k)
					records[e.AS4]++
				}
			})
		}
		slices.Sort(came)
		slices.Sort(want)
		if diff := cmp.Diff(want, came); diff != "" {
			t.Errorf("%s: messages that came in (-want +got):\n%s", member, diff)
		}
		for as4, n := range records {
			if n != 1 {
				t.Errorf("%s: %d records for %s", member, n, as4)
			}
		}
	}
	if n := l.regs.count("births"); n != 1 {
		t.Errorf("the register was asked %d times", n)
	}
}

// scan reads the messages of a topic.
func scan(t testing.TB, ctx context.Context, n *node.Node, topic string, f func(canon.Message)) {
	t.Helper()
	err := n.Cluster().Scan(ctx, kafkalog.Range{Topic: topic}, func(r kafkalog.Record) error {
		m, err := n.Codec().Decode(ctx, &r)
		if err == nil {
			f(m)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", topic, err)
	}
}

// An enemy knows one message of a real exchange and holds the keys of the partner:
// what it posts is as good as a message can be but for the one thing that is wrong.
type enemy struct {
	l       *Landscape
	genuine post
	header  ebms.UserMessage
	clear   []wssec.OutPart // compressed, as they were signed
	si, es  *pmode.Table
	serial  atomic.Int64
}

func agreements(t testing.TB, m *member) *pmode.Table {
	t.Helper()
	file := filepath.Join(m.Dir, "pmodes.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table, err := pmode.Load(file, data, func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(m.Dir, name)) })
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func newEnemy(t testing.TB, l *Landscape, genuine post) *enemy {
	t.Helper()
	e := &enemy{l: l, genuine: genuine, si: agreements(t, l.si), es: agreements(t, l.es)}
	p := e.parcel(t)
	doc, err := xmldoc.ParseBytes([]byte(p.envelope), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		t.Fatal(err)
	}
	in := wssec.Opening{Envelope: env, Verifier: partner(t, e.es, Slovenia).Verifier(), Decrypt: e.es.Own().Decrypt, Now: time.Now()}
	for _, part := range p.parts {
		in.Parts = append(in.Parts, wssec.SealedPart{ID: part.ID, Content: part.Content})
	}
	opened, err := wssec.Open(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ebms.Read(opened.Messaging)
	if err != nil {
		t.Fatal(err)
	}
	e.header = *m.User
	for _, part := range opened.Parts {
		e.clear = append(e.clear, wssec.OutPart{ID: part.ID, MediaType: ebms.CompressionGzip, Content: bytes.Clone(part.Content)})
	}
	return e
}

// A parcel is a message taken apart.
type parcel struct {
	t        testing.TB
	envelope string
	parts    []swa.OutPart
}

// parcel takes the genuine message apart.
func (e *enemy) parcel(t testing.TB) *parcel {
	t.Helper()
	rd, err := swa.NewReader(e.genuine.contentType, bytes.NewReader(e.genuine.body), swa.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close() //nolint:errcheck // everything was copied
	env, err := rd.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := rd.Parts()
	if err != nil {
		t.Fatal(err)
	}
	p := &parcel{t: t, envelope: string(env)}
	for _, part := range parts {
		b, err := part.Content.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		p.parts = append(p.parts, swa.OutPart{ID: part.ID, MediaType: part.MediaType, Content: bytes.Clone(b)})
	}
	return p
}

// sealed makes a new message by hand, signed by the partner.
func (e *enemy) sealed(t testing.TB, edit func(*ebms.UserMessage), parts ...wssec.OutPart) *parcel {
	t.Helper()
	h := e.header
	h.MessageID = fmt.Sprintf("by-hand-%d@ap.slovenia.example", e.serial.Add(1))
	h.Timestamp = time.Now().UTC()
	h.ConversationID = canon.DeriveUUID("by hand", h.MessageID)
	if edit != nil {
		edit(&h)
	}
	done, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return ebms.AppendUserMessage(nil, &h, id) },
		MessageID: h.MessageID, Parts: parts, Sign: e.si.Own().Sign, Recipient: partner(t, e.si, Spain).Encrypt[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	return &parcel{t: t, envelope: string(done.Envelope), parts: done.Parts}
}

// document returns the clear parts with the leading one changed.
func (e *enemy) document(t testing.TB, edit func(xml string) string) []wssec.OutPart {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(e.clear[0].Content))
	if err != nil {
		t.Fatal(err)
	}
	xml, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := new(wssec.Gzip).Compress(&b, strings.NewReader(edit(string(xml)))); err != nil {
		t.Fatal(err)
	}
	parts := slices.Clone(e.clear)
	parts[0].Content = b.Bytes()
	return parts
}

func (p *parcel) swap(old, new string) {
	p.t.Helper()
	if n := strings.Count(p.envelope, old); n != 1 {
		p.t.Fatalf("%d places with %q", n, old)
	}
	p.envelope = strings.Replace(p.envelope, old, new, 1)
}

func (p *parcel) cut(start, end string) string {
	p.t.Helper()
	_, rest, ok := strings.Cut(p.envelope, start)
	inner, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		p.t.Fatalf("no %q followed by %q", start, end)
	}
	text := start + inner + end
	p.swap(text, "")
	return text
}

// wrapped moves the signed header aside and puts a forged one in its place.
func (p *parcel) wrapped(forge func(messaging string) string) {
	m := p.cut("<eb:Messaging ", "</eb:Messaging>")
	forged := strings.Replace(m, ">ExecuteQueryRequest<", ">ExecuteQueryResponse<", 1)
	p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w">`+m+"</w:Wrap>"+forge(forged)+"</S12:Header>")
}

func (p *parcel) body() *swa.Body { return swa.Write([]byte(p.envelope), p.parts, "HOSTILEBOUNDARY") }

// An attack is one message that must not be taken.
type attack struct {
	name   string
	codes  []ebms.Code
	status int // default 200
	body   func(t *testing.T) (contentType string, body io.Reader)
	flat   bool // what it costs is measured
}

func (e *enemy) attacks() []attack {
	changed := func(f func(p *parcel)) func(*testing.T) (string, io.Reader) {
		return func(t *testing.T) (string, io.Reader) {
			p := e.parcel(t)
			f(p)
			b := p.body()
			return b.ContentType, b.Reader()
		}
	}
	return []attack{
		{name: "tampered attachment", codes: []ebms.Code{ebms.FailedAuthentication, ebms.FailedDecryption},
			body: changed(func(p *parcel) { p.parts[0].Content[40] ^= 1 })},
		{name: "missing signature", codes: []ebms.Code{ebms.PolicyNoncompliance},
			body: changed(func(p *parcel) { p.cut("<ds:Signature ", "</ds:Signature>") })},
		{name: "wrapped signature, another id", codes: []ebms.Code{ebms.FailedAuthentication, ebms.PolicyNoncompliance},
			body: changed(func(p *parcel) {
				p.wrapped(func(m string) string { return strings.Replace(m, `wsu:Id="msg-`, `wsu:Id="forged-`, 1) })
			})},
		{name: "wrapped signature, the same id", codes: []ebms.Code{ebms.FailedAuthentication, ebms.PolicyNoncompliance},
			body: changed(func(p *parcel) { p.wrapped(func(m string) string { return m }) })},
		{name: "DOCTYPE", codes: []ebms.Code{ebms.InvalidHeader}, status: http.StatusBadRequest,
			body: changed(func(p *parcel) {
				p.swap("<S12:Envelope ", `<!DOCTYPE S12:Envelope [<!ENTITY x SYSTEM "file:///etc/passwd">]><S12:Envelope `)
			})},
		{name: "duplicate id in the envelope", codes: []ebms.Code{ebms.FailedAuthentication},
			body: changed(func(p *parcel) {
				id := regexp.MustCompile(`wsu:Id="(msg-[^"]+)"`).FindStringSubmatch(p.envelope)[1]
				p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w" Id="`+id+`"/></S12:Header>`)
			})},
		{name: "duplicate Content-ID", codes: []ebms.Code{ebms.MimeInconsistency},
			body: changed(func(p *parcel) { p.parts = append(p.parts, p.parts[0]) })},
		{name: "MessageId used for other content", codes: []ebms.Code{ebms.ValueInconsistent},
			body: func(t *testing.T) (string, io.Reader) {
				other := e.document(t, func(xml string) string { return xml + "<!-- other -->" })
				b := e.sealed(t, func(h *ebms.UserMessage) { h.MessageID = e.header.MessageID }, other...).body()
				return b.ContentType, b.Reader()
			}},
		{name: "new message for an exchange that has ended", codes: []ebms.Code{ebms.Other},
			body: func(t *testing.T) (string, io.Reader) {
				b := e.sealed(t, nil, e.clear...).body()
				return b.ContentType, b.Reader()
			}},
		{name: "10 GB gzip bomb", codes: []ebms.Code{ebms.DecompressionFailure}, flat: true,
			body: func(t *testing.T) (string, io.Reader) {
				b := e.sealed(t, nil, append([]wssec.OutPart{{ID: e.clear[0].ID, MediaType: ebms.CompressionGzip, Content: bomb(t)}}, e.clear[1:]...)...).body()
				return b.ContentType, b.Reader()
			}},
		{name: "envelope without an end", codes: []ebms.Code{ebms.Other}, status: http.StatusRequestEntityTooLarge, flat: true,
			body: func(t *testing.T) (string, io.Reader) {
				p := e.parcel(t)
				head, _, _ := strings.Cut(p.envelope, "<eb:Messaging ")
				return `multipart/related; boundary="B"; type="application/soap+xml"`, io.MultiReader(
					strings.NewReader("--B\r\nContent-Type: application/soap+xml\r\n\r\n"+head), endless("<a>"))
			}},
		{name: "attachment without an end", codes: []ebms.Code{ebms.Other}, status: http.StatusRequestEntityTooLarge, flat: true,
			body: func(t *testing.T) (string, io.Reader) {
				p := e.parcel(t)
				return `multipart/related; boundary="B"; type="application/soap+xml"`, io.MultiReader(
					strings.NewReader("--B\r\nContent-Type: application/soap+xml\r\n\r\n"+p.envelope+
						"\r\n--B\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <"+p.parts[0].ID+">\r\n\r\n"),
					endless(strings.Repeat("never ends ", 1000)))
			}},
	}
}

// bomb is 10 GB of zeros in 1,000 gzip members, 10 MB compressed.
func bomb(t testing.TB) []byte {
	t.Helper()
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	if _, err := w.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(member.Bytes(), 1000)
}

// endless repeats a text for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// counts are the records of every topic.
func counts(t testing.TB, ctx context.Context, n *node.Node) map[string]int64 {
	t.Helper()
	infos, err := n.Cluster().Topics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, i := range infos {
		out[i.Name] = i.Records
	}
	return out
}

// quiet waits until nothing is written any more, and returns what there is.
func quiet(t testing.TB, ctx context.Context, n *node.Node) map[string]int64 {
	t.Helper()
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for last := counts(t, ctx, n); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		now := counts(t, ctx, n)
		if cmp.Equal(last, now) {
			return now
		}
		last = now
	}
}

// heapPeak returns how much the heap grew while f ran, at most.
func heapPeak(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	runtime.GC()
	base := read()
	top := base
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				top = max(top, read())
			}
		}
	}()
	f()
	close(stop)
	<-done
	return max(top, read()) - base
}

// flat is how much the heap may grow for a message of any size.
const flat = 64 << 20

// post sends a message over the network and returns the answer.
func (e *enemy) post(t testing.TB, ctx context.Context, contentType string, body io.Reader) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.l.es.AS4, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := e.l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

var errorCode = regexp.MustCompile(`errorCode="(EBMS:\d{4})"`)

// A running node refuses what is forged, broken or without an end: with the right
// error, nothing but one audit event on the log, and flat memory. It then goes on
// as if nothing had been.
//
// Covers: B-050
func TestHostileMessages(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	box := &postbox{}
	l, led := watched(t, ctx, box.into)
	exchange := func() {
		t.Helper()
		res, err := l.Play(ctx, Script{Register: "births"})
		if err != nil || res.Outcome != "delivered" {
			t.Fatalf("outcome %q, %v\nsteps: %q", res.Outcome, err, res.Steps)
		}
		if err := l.settle(ctx, &Report{Requester: res.Exchange}); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	es := l.Node(Spain)
	e := newEnemy(t, l, box.posts[Spain][0])
	again := func(t *testing.T) {
		t.Helper()
		status, answer := e.post(t, ctx, e.genuine.contentType, bytes.NewReader(e.genuine.body))
		if status != http.StatusOK || !bytes.Equal(answer, e.genuine.answer) {
			t.Errorf("the genuine message gets %d %s, want the receipt that it got before", status, answer)
		}
	}
	before := quiet(t, ctx, es)
	again(t)
	for _, a := range e.attacks() {
		t.Run(a.name, func(t *testing.T) {
			contentType, body := a.body(t)
			var status int
			var answer []byte
			grown := heapPeak(func() { status, answer = e.post(t, ctx, contentType, body) })
			if a.flat {
				t.Logf("the heap grew by %d KiB at most", grown>>10)
				if grown > flat {
					t.Errorf("the heap grew by %d MiB", grown>>20)
				}
			}
			if want := max(a.status, http.StatusOK); status != want {
				t.Errorf("status %d, want %d", status, want)
			}
			code := errorCode.FindSubmatch(answer)
			if code == nil || !slices.Contains(a.codes, ebms.Code(code[1])) {
				t.Errorf("the answer is not %v: %s", a.codes, answer)
			}
			after := counts(t, ctx, es)
			before["audit.v1"]++
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("records, with one audit event more (-want +got):\n%s", diff)
			}
			before = after
			var refused []string
			scan(t, ctx, es, "audit.v1", func(m canon.Message) {
				if b, ok := m.Body.(*canon.AuditEvent); ok && b.Step == "as4.refused" {
					refused = append(refused, b.Reason)
				}
			})
			if n := len(refused); n == 0 || code != nil && !slices.ContainsFunc(refused, func(r string) bool { return strings.HasPrefix(r, string(code[1])) }) {
				t.Errorf("no audit event with the reason; there are %q", refused)
			}
			again(t)
		})
	}
	t.Run("made by hand and good", func(t *testing.T) { e.good(t, ctx, es) })
	t.Run("a document that nobody can read", func(t *testing.T) { e.unreadable(t, ctx, es) })
	exchange()
	// What was refused is in no log line and no record either.
	for _, m := range []string{Slovenia, Spain} {
		if _, err := led.topics(ctx, l.Node(m), m); err != nil {
			t.Fatal(err)
		}
	}
	s := newSearch(personal(t)...)
	for _, found := range led.leaks(s) {
		t.Error(found)
	}
}

// another names an exchange that there was not yet.
func another(name string) func(*ebms.UserMessage) {
	return func(h *ebms.UserMessage) {
		h.Properties = slices.Clone(h.Properties)
		for i, p := range h.Properties {
			if p.Name == "ExchangeId" {
				h.Properties[i].Value = canon.DeriveUUID("another exchange", name)
			}
		}
	}
}

// good shows that the attacks fail for their own reasons: the same craft makes a
// message that is taken.
func (e *enemy) good(t *testing.T, ctx context.Context, es *node.Node) {
	before := quiet(t, ctx, es)
	b := e.sealed(t, another("good"), e.clear...).body()
	status, answer := e.post(t, ctx, b.ContentType, b.Reader())
	if status != http.StatusOK || !bytes.Contains(answer, []byte("NonRepudiationInformation")) {
		t.Fatalf("answer %d %s", status, answer)
	}
	after := quiet(t, ctx, es)
	if n := after["evidence.request.v1"] - before["evidence.request.v1"]; n != 1 {
		t.Errorf("%d requests on the log, want one", n)
	}
	if n := after["evidence.request.v1.dlq"]; n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// unreadable is the message of a partner whose document breaks the rules of EDM,
// beside the name of a person: it is received, answered, and goes no further.
func (e *enemy) unreadable(t *testing.T, ctx context.Context, es *node.Node) {
	before := quiet(t, ctx, es)
	lucia, _ := personaByID("lucia")
	born := lucia.Subject.Natural.BirthDate
	b := e.sealed(t, another("unreadable"), e.document(t, func(xml string) string {
		if strings.Count(xml, born) != 1 {
			t.Fatalf("the request names %d birth dates", strings.Count(xml, born))
		}
		return strings.Replace(xml, born, born+"-"+lucia.Subject.Natural.FamilyName, 1)
	})...).body()
	status, answer := e.post(t, ctx, b.ContentType, b.Reader())
	if status != http.StatusOK || !bytes.Contains(answer, []byte("NonRepudiationInformation")) {
		t.Fatalf("answer %d %s", status, answer)
	}
	after := quiet(t, ctx, es)
	if n := after["evidence.request.v1"] - before["evidence.request.v1"]; n != 0 {
		t.Errorf("%d requests on the log", n)
	}
	var codes []string
	scan(t, ctx, es, "evidence.refusal.v1", func(m canon.Message) {
		if r, ok := m.Body.(*canon.EvidenceRefusal); ok && r.Leg == canon.LegOut {
			codes = append(codes, r.ErrorCode)
		}
	})
	if !slices.Contains(codes, "EDM:ERR:0003") {
		t.Errorf("refusals %q, want EDM:ERR:0003", codes)
	}
}

// partner returns the agreement with one member.
func partner(t testing.TB, table *pmode.Table, name string) *pmode.Partner {
	t.Helper()
	for _, p := range table.Partners() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no agreement with %s", name)
	return nil
}
