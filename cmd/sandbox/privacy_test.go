package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/cmd/node"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/payload"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// A ledger keeps everything that a search has to look through, by its place.
type ledger struct {
	mu     sync.Mutex
	places map[string]*bytes.Buffer
}

func (l *ledger) add(place string, texts ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == nil {
		l.places = map[string]*bytes.Buffer{}
	}
	b := l.places[place]
	if b == nil {
		b = &bytes.Buffer{}
		l.places[place] = b
	}
	for _, t := range texts {
		b.Write(t)
		b.WriteByte('\n')
	}
}

// leaks searches every place and returns what was found where.
func (l *ledger) leaks(s *search) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for place, b := range l.places {
		for _, w := range s.find(b.Bytes()) {
			found = append(found, place+": "+w)
		}
	}
	return found
}

// place is a Writer into one place.
type place struct {
	l    *ledger
	name string
}

func (p place) Write(b []byte) (int, error) { p.l.add(p.name, b); return len(b), nil }

// log writes into a place at the most talkative level, in both formats.
func (l *ledger) log(name string) *slog.Logger {
	opt := &slog.HandlerOptions{Level: slog.LevelDebug - 8, AddSource: true}
	return slog.New(slog.NewMultiHandler(slog.NewJSONHandler(place{l, name}, opt), slog.NewTextHandler(place{l, name}, opt)))
}

// requests wraps a server: what it is asked for, and with which headers.
func (l *ledger) requests(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.add("url of "+name, []byte(r.Method+" "+r.Host+r.RequestURI), []byte(r.Referer()))
		next.ServeHTTP(w, r)
	})
}

// watchedTransport notes what a browser asks for.
type watchedTransport struct {
	l    *ledger
	next http.RoundTripper
}

func (t watchedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.l.add("url of the browser", []byte(r.URL.String()), []byte(r.Referer()))
	return t.next.RoundTrip(r)
}

// watched is a landscape whose every sink is noted.
func watched(t *testing.T, ctx context.Context, edit ...func(*Config)) (*Landscape, *ledger) {
	t.Helper()
	led := &ledger{}
	cfg := Config{
		Dir: t.TempDir(), Logger: led.log("log of the landscape"),
		Options: func(member string) node.Options {
			return node.Options{Logger: led.log("log of " + member), HTTP: func(name string, next http.Handler) http.Handler {
				return led.requests(member+" "+name, next)
			}}
		},
		Outside: func(name string, next http.Handler) http.Handler {
			noted := led.requests(name, next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// The number of a company is in the URLs of a public register and is no person's.
				if name == "registers" && strings.HasPrefix(r.URL.Path, "/companies/") {
					next.ServeHTTP(w, r)
					return
				}
				noted.ServeHTTP(w, r)
			})
		},
	}
	for _, f := range edit {
		f(&cfg)
	}
	l, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, led
}

// topics notes every record of every topic of a member and returns how many.
func (l *ledger) topics(ctx context.Context, n *node.Node, member string) (records int, err error) {
	infos, err := n.Cluster().Topics(ctx)
	if err != nil {
		return 0, err
	}
	for _, info := range infos {
		at := member + " topic " + info.Name
		err := n.Cluster().Scan(ctx, kafkalog.Range{Topic: info.Name}, func(r kafkalog.Record) error {
			records++
			l.add(at, r.Key, r.Value)
			for _, h := range r.Headers {
				l.add(at, []byte(h.Key), h.Value)
			}
			return nil
		})
		if err != nil {
			return records, fmt.Errorf("%s: %w", at, err)
		}
	}
	return records, nil
}

// memoryOf connects to the embedded memory of a member.
func memoryOf(t testing.TB, l *Landscape, member string) *redis.Client {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.member(member).Dir, "data", "engines.json"))
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ Redis string }
	if err := json.Unmarshal(data, &at); err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: at.Redis})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// memory notes every key and value of a member's memory and returns how many.
func (l *ledger) memory(ctx context.Context, c *redis.Client, member string) (keys int, err error) {
	at := member + " memory"
	names, err := c.Keys(ctx, "*").Result()
	if err != nil {
		return 0, err
	}
	for _, k := range names {
		l.add(at, []byte(k))
		var v any
		kind, err := c.Type(ctx, k).Result()
		if err != nil {
			return keys, err
		}
		switch kind {
		case "none":
			continue // its time was over
		case "string":
			v, err = c.Get(ctx, k).Result()
		case "hash":
			v, err = c.HGetAll(ctx, k).Result()
		case "set":
			v, err = c.SMembers(ctx, k).Result()
		case "zset":
			v, err = c.ZRange(ctx, k, 0, -1).Result()
		case "list":
			v, err = c.LRange(ctx, k, 0, -1).Result()
		default:
			return keys, fmt.Errorf("%s is a %s, which nobody searches", k, kind)
		}
		if errors.Is(err, redis.Nil) {
			continue
		} else if err != nil {
			return keys, err
		}
		keys++
		l.add(at, fmt.Appendf(nil, "%s", v))
	}
	return keys, nil
}

// get notes what an address answers.
func (l *ledger) get(ctx context.Context, c *http.Client, name, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	l.add(name, b)
	return resp.StatusCode, err
}

// files notes every file below a directory and returns how many.
func (l *ledger) files(dir string) (n int, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a segment that was just replaced
			}
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		n++
		rel, _ := filepath.Rel(dir, name) // both are absolute
		l.add("file "+rel, []byte(rel), b)
		return nil
	})
	return n, err
}

// No name, identifier, birth date or evidence of anybody is in clear on a topic,
// in the memory, in a log line, a metric, a URL or a file: decision 10.
//
// Covers: B-034, B-045, B-048, B-049
func TestNobodyIsInClearAnywhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l, led := watched(t, ctx)
	s := newSearch(personal(t)...)
	memories := map[string]*redis.Client{}
	for _, m := range []string{Slovenia, Spain} {
		memories[m] = memoryOf(t, l, m)
	}
	most := 0
	snapshot := func(ctx context.Context) error {
		for m, c := range memories {
			n, err := led.memory(ctx, c, m)
			if err != nil {
				return err
			}
			most = max(most, n)
		}
		return nil
	}
	for _, c := range []struct {
		name   string
		script Script
		want   string // outcome
		code   string // EDM
	}{
		{"birth delivered", Script{Register: "births"}, "delivered", ""},
		{"residence delivered", Script{Register: "residence"}, "delivered", ""},
		{"company delivered", Script{Register: "companies"}, "delivered", ""},
		{"birth declined", Script{Register: "births", Decline: true}, "declined", ""},
		{"company declined", Script{Register: "companies", Decline: true}, "declined", ""},
		{"nobody found", Script{Register: "births", Persona: "ingrid"}, "refused", "EDM:ERR:0004"},
		{"nobody found at the second register", Script{Register: "residence", Persona: "ingrid"}, "refused", "EDM:ERR:0004"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.script.AtPreview = snapshot
			c.script.Through = func(next http.RoundTripper) http.RoundTripper { return watchedTransport{led, next} }
			play, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			res, err := l.Play(play, c.script)
			if err != nil {
				t.Fatalf("%v\nsteps: %q", err, res.Steps)
			}
			t.Logf("outcome %q, code %q, EDM %q", res.Outcome, res.Code, res.EDM)
			if c.want != "" && res.Outcome != c.want || c.code != "" && res.EDM != c.code {
				t.Errorf("outcome %q, EDM %q, want %q, %q", res.Outcome, res.EDM, c.want, c.code)
			}
			if res.Outcome == "delivered" && len(s.find(res.Evidence)) < 5 {
				t.Errorf("the evidence names nobody: the search would not find it elsewhere either")
			}
			if err := snapshot(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("somebody else at the preview", func(t *testing.T) { somebodyElse(t, ctx, l, led) })
	t.Run("requests that the API refuses", func(t *testing.T) { refusedByTheAPI(t, ctx, l) })

	for _, m := range []string{Slovenia, Spain} {
		n, err := led.topics(ctx, l.Node(m), m)
		if err != nil {
			t.Fatal(err)
		}
		if n < 50 {
			t.Errorf("%s: only %d records were searched", m, n)
		}
		status, err := led.get(ctx, l.client, m+" metrics", l.member(m).API+"/metrics")
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: metrics answer %d, %v", m, status, err)
		}
		n, err = led.files(l.member(m).Dir)
		if err != nil {
			t.Fatal(err)
		}
		if n < 20 {
			t.Errorf("%s: only %d files were searched", m, n)
		}
	}
	if most < 3 {
		t.Errorf("the memory held at most %d keys while somebody was looking at a preview", most)
	}
	size := 0
	for _, p := range []string{"log of " + Slovenia, "log of " + Spain, "url of the browser", "url of portal", "url of eid", "url of registers", "url of " + Spain + " edelivery", "url of " + Slovenia + " edelivery", "url of " + Spain + " web", Spain + " topic " + kafkalog.TopicPayload, Spain + " topic " + kafkalog.TopicPayloadKey} {
		b := led.places[p]
		if b == nil || b.Len() == 0 {
			t.Errorf("nothing was noted at %q", p)
			continue
		}
	}
	for _, b := range led.places {
		size += b.Len()
	}
	for _, found := range led.leaks(s) {
		t.Error(found)
	}
	t.Logf("%d words in %d places, %d bytes", len(s.words), len(led.places), size)

	// The search would have found them: the same words are planted through the same
	// doors, last, so that nothing above can have seen them.
	t.Run("planted", func(t *testing.T) { planted(t, ctx, l, s, memories[Spain]) })
}

// somebodyElse comes to a preview that is not theirs: the pages say so, and say
// nothing of the person that it belongs to.
func somebodyElse(t *testing.T, ctx context.Context, l *Landscape, led *ledger) {
	seen := &ledger{}
	asked := l.regs.count("residence")
	_, err := l.Play(ctx, Script{Register: "residence", Other: "lucia", Through: func(next http.RoundTripper) http.RoundTripper {
		return pages{seen, hostOf(l.es.Web + "/"), watchedTransport{led, next}}
	}})
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("came to %v, want a page that refuses", err)
	}
	if n := l.regs.count("residence"); n != asked {
		t.Errorf("the register was asked %d times for somebody who is not the person", n-asked)
	}
	if b := seen.places["pages"]; b == nil || !strings.Contains(b.String(), "another person") {
		t.Error("no page was noted")
	}
	oskar, _ := personaByID("oskar")
	n := oskar.Subject.Natural
	for _, found := range seen.leaks(newSearch(n.FamilyName, n.GivenName, n.BirthDate, n.Identifier)) {
		t.Error(found)
	}
}

// pages notes what a server shows.
type pages struct {
	l    *ledger
	host string
	next http.RoundTripper
}

func (p pages) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(r)
	if err != nil || r.URL.Host != p.host {
		return resp, err
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	p.l.add("pages", b)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, err
}

// refusedByTheAPI sends requests that name somebody and break a rule.
func refusedByTheAPI(t *testing.T, ctx context.Context, l *Landscape) {
	lucia, _ := personaByID("lucia")
	n := lucia.Subject.Natural
	for name, body := range map[string]string{
		"not JSON":        `{"subject": {"natural": {"familyName": "` + n.FamilyName + `", "givenName": ` + n.GivenName + `}}}`,
		"unknown field":   `{"` + n.FamilyName + `": "` + n.Identifier + `"}`,
		"wrong type":      `{"subject": "` + n.FamilyName + `", "procedure": "` + n.GivenName + `"}`,
		"broken birthday": `{"procedure":"T2","subject":{"natural":{"assurance":"High","identifier":"` + n.Identifier + `","familyName":"` + n.FamilyName + `","givenName":"` + n.GivenName + `","birthDate":"` + n.BirthDate + `T00"}}}`,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.si.API+"/api/v1/evidence-requests", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+l.si.Token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "refused-"+strings.ReplaceAll(name, " ", "-"))
		resp, err := l.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s: %s %v", name, resp.Status, err)
		}
		if found := newSearch(personal(t)...).find(answer); len(found) != 0 {
			t.Errorf("%s: the answer repeats %q", name, found)
		}
	}
}

// planted shows that the search sees what goes through a topic, the memory, a
// log, a URL and a file.
func planted(t *testing.T, ctx context.Context, l *Landscape, s *search, memory *redis.Client) {
	led := &ledger{}
	n := l.Node(Spain)
	producer, err := kafkalog.NewProducer(n.Cluster(), kafkalog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(ctx) //nolint:errcheck // the landscape ends here
	lucia, _ := personaByID("lucia")
	oskar, _ := personaByID("oskar")
	if err := producer.Produce(ctx, &kafkalog.Record{
		Topic: kafkalog.DeadLetters("evidence.request.v1"), Key: []byte("k"), Value: []byte(`{"family":"` + oskar.Subject.Natural.FamilyName + `"}`),
		Headers: []kafkalog.Header{{Key: "cause", Value: []byte(lucia.Subject.Natural.Identifier)}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := memory.HSet(ctx, "planted", "field", base64.StdEncoding.EncodeToString([]byte("born "+lucia.Subject.Natural.BirthDate))).Err(); err != nil {
		t.Fatal(err)
	}
	led.log("log").Debug("planted", "error", fmt.Errorf("no record of %s", oskar.Subject.Natural.FamilyName))
	if err := os.WriteFile(filepath.Join(l.dir, Spain, "planted"), []byte("x Pr\xf8veland x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := led.topics(ctx, n, Spain); err != nil {
		t.Fatal(err)
	}
	if _, err := led.memory(ctx, memory, Spain); err != nil {
		t.Fatal(err)
	}
	if _, err := led.files(l.es.Dir); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(led.leaks(s), "\n")
	for _, want := range []string{
		Spain + ` topic evidence.request.v1.dlq: "Prøveland" (utf-8)`,
		Spain + ` topic evidence.request.v1.dlq: "ES/SI/test-00017-lm" (utf-8)`,
		Spain + ` memory: "1994-03-17" (utf-8, base64)`,
		`log: "Prøveland" (utf-8)`,
		`file planted: "Prøveland" (iso-8859-1)`,
		`file data/kafka`,
	} {
		if !strings.Contains(found, want) {
			t.Errorf("the search missed %s; it found\n%s", want, found)
		}
	}
}

// vaultOf opens a member's payloads and private parts as somebody would who got
// hold of the log and of the key-encryption key.
func vaultOf(t testing.TB, ctx context.Context, l *Landscape, member string) (*payload.Vault, *kafkalog.Codec) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.member(member).Dir, "wrap-1.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ring, err := payload.NewRing(payload.KEK{ID: "wrap-1", NotBefore: now.Add(-time.Hour), Term: now.Add(time.Hour), Key: payload.Secret(key)})
	if err != nil {
		t.Fatal(err)
	}
	cluster := l.Node(member).Cluster()
	producer, err := kafkalog.NewProducer(cluster, kafkalog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	keys := kafkalog.NewKeys(cluster, producer)
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- keys.Run(run) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = producer.Close(context.Background())
	})
	keyring, err := payload.NewKeyring(payload.KeyringConfig{Keys: keys, Ring: ring, CacheTTL: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := payload.NewVault(payload.VaultConfig{Keyring: keyring, Store: "kafka", Blobs: kafkalog.NewChunks(cluster, producer)})
	if err != nil {
		t.Fatal(err)
	}
	codec, err := kafkalog.NewCodec(kafkalog.CodecConfig{Source: "/test", Sealer: keyring})
	if err != nil {
		t.Fatal(err)
	}
	return vault, codec
}

// sealedOf says of every message of a conversation whether its private part can
// be read, and returns the payloads that it names.
func sealedOf(ctx context.Context, n *node.Node, codec *kafkalog.Codec, id canon.ConversationID) (open, closed int, refs []canon.PayloadRef, err error) {
	count := func(isZero, forgotten bool) {
		switch {
		case isZero:
		case forgotten:
			closed++
		default:
			open++
		}
	}
	for _, k := range canon.Kinds() {
		err = n.Cluster().Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k), Conversation: id}, func(r kafkalog.Record) error {
			m, err := codec.Decode(ctx, &r)
			if err != nil {
				return err
			}
			switch b := m.Body.(type) {
			case *canon.EvidenceRequest:
				count(b.Private.IsZero(), b.Private.Forgotten())
			case *canon.EvidenceResponse:
				count(b.Private.IsZero(), b.Private.Forgotten())
			case *canon.PreviewOpened:
				count(b.Private.IsZero(), b.Private.Forgotten())
			case *canon.RegisterQuery:
				count(b.Private.IsZero(), b.Private.Forgotten())
			case *canon.RegisterRecord:
				refs = append(refs, b.Record)
				for _, d := range b.Documents {
					refs = append(refs, d.Payload)
				}
			}
			return nil
		})
		if err != nil {
			return open, closed, refs, err
		}
	}
	return open, closed, refs, nil
}

// After delivery the provider's key is gone: what was said of the person cannot
// be read any more, and everything else still works.
//
// Covers: B-014, B-034, B-041, B-047
func TestProviderForgetsAfterDelivery(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, _ := watched(t, ctx)
	es := l.Node(Spain)
	vault, codec := vaultOf(t, ctx, l, Spain)
	var refs []canon.PayloadRef
	var id canon.ConversationID
	read := func(ref canon.PayloadRef) (int, error) {
		r, err := vault.Open(ctx, id, ref)
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(io.Discard, r)
		return int(n), errors.Join(err, r.Close())
	}
	res, err := l.Play(ctx, Script{Register: "births", AtPreview: func(ctx context.Context) error {
		list, err := es.Exchanges().List(ctx, 10)
		if err != nil || len(list) != 1 {
			return fmt.Errorf("%d exchanges: %w", len(list), err)
		}
		id = list[0].ID
		var open, closed int
		if open, closed, refs, err = sealedOf(ctx, es, codec, id); err != nil {
			return err
		}
		if open < 3 || closed != 0 || len(refs) == 0 {
			t.Errorf("before: %d private parts can be read and %d cannot, %d payloads", open, closed, len(refs))
		}
		for _, ref := range refs {
			if n, err := read(ref); err != nil || n == 0 {
				t.Errorf("before: payload of %d bytes: %v", n, err)
			}
		}
		return nil
	}})
	if err != nil || res.Outcome != "delivered" {
		t.Fatalf("outcome %q, %v\nsteps: %q", res.Outcome, err, res.Steps)
	}
	if err := l.settle(ctx, &Report{Requester: res.Exchange}); err != nil {
		t.Fatal(err)
	}
	// The end of the exchange and the end of its key are two steps.
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		_, err := read(refs[0])
		if errors.Is(err, canon.ErrForgotten) {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("payload can be read after delivery: %v", err)
		}
	}
	for _, ref := range refs {
		if _, err := read(ref); !errors.Is(err, canon.ErrForgotten) {
			t.Errorf("payload after delivery: %v, want %v", err, canon.ErrForgotten)
		}
	}
	for name, c := range map[string]*kafkalog.Codec{"the node": es.Codec(), "another reader": codec} {
		open, closed, _, err := sealedOf(ctx, es, c, id)
		if err != nil || open != 0 || closed < 3 {
			t.Errorf("%s: %d private parts can be read, %d cannot, %v; want none and some", name, open, closed, err)
		}
	}
	hops, err := es.Timeline(ctx, id)
	if err != nil || len(hops) < 10 {
		t.Errorf("time line has %d hops, %v", len(hops), err)
	}
	replayer, err := es.Replayer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := replayer.Plan(ctx, replay.Selection{Topics: []string{"evidence.request.v1", "register.query.v1", "register.record.v1"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Messages != 0 || plan.Skipped[replay.SkipForgotten] < 4 {
		t.Errorf("a replay would send %d messages and leave out %v; want none, and all as forgotten", plan.Messages, plan.Skipped)
	}
	// The requester's evidence waits for its portal, which then closes the request.
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, l.si.API+"/api/v1/evidence-requests/"+string(res.Exchange), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.si.Token)
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("closing the request answers %s", resp.Status)
	}
	_, theirs := vaultOf(t, ctx, l, Slovenia)
	open, closed, _, err := sealedOf(ctx, l.Node(Slovenia), theirs, res.Exchange)
	if err != nil || open != 0 || closed < 2 {
		t.Errorf("requester: %d private parts can be read, %d cannot, %v; want none and some", open, closed, err)
	}
}
