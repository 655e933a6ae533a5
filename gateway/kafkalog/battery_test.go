package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"oncegate/gateway/kafkalog/embedded"
	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/schemas/canon"
)

// The battery: every test that calls onEach runs against the embedded broker and
// against a real Apache Kafka, where ONCEGATE_TEST_KAFKA names one
// (testdata/services/services.sh start). Tests of a fault that only one of them
// can be made to show are named for it.

const patience = 30 * time.Second // far beyond what any wait should take

// A site is one broker under test and a name space of its own on it.
type site struct {
	addr     string
	embedded bool
	prefix   string
}

var siteNumber atomic.Int64

func onEach(t *testing.T, f func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		b, err := embedded.Start(embedded.Config{MinSessionTimeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		f(t, &site{addr: b.Addr(), embedded: true, prefix: "t."})
	})
	t.Run("kafka", func(t *testing.T) {
		t.Parallel()
		f(t, realSite(t))
	})
}

func realSite(t *testing.T) *site {
	t.Helper()
	addr := os.Getenv("ONCEGATE_TEST_KAFKA")
	if addr == "" {
		if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
			t.Fatal("ONCEGATE_TEST_KAFKA is not set: the services are required here")
		}
		t.Skip("ONCEGATE_TEST_KAFKA is not set: run testdata/services/services.sh start")
	}
	s := &site{addr: addr, prefix: fmt.Sprintf("t%d-%d-%d.", os.Getpid(), time.Now().UnixNano(), siteNumber.Add(1))}
	t.Cleanup(func() { s.sweep(t) })
	return s
}

// sweep deletes the topics of the test.
func (s *site) sweep(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	transport := &kafka.Transport{} // the default one would answer from an old cache
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(s.addr), Transport: transport}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		t.Logf("sweeping: %v", err)
		return
	}
	var names []string
	for _, topic := range meta.Topics {
		if strings.HasPrefix(topic.Name, s.prefix) {
			names = append(names, topic.Name)
		}
	}
	if len(names) > 0 {
		_, _ = client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names})
	}
}

func (s *site) cluster(t *testing.T, change ...func(*Config)) *Cluster {
	t.Helper()
	cfg := Config{Brokers: []string{s.addr}, Prefix: s.prefix, Embedded: s.embedded, Partitions: 3, Logger: testLog(t)}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// topics makes plain topics with three partitions.
func (s *site) topics(t *testing.T, c *Cluster, names ...string) {
	t.Helper()
	var specs []TopicSpec
	for _, n := range names {
		spec := TopicSpec{Name: n, Settings: c.kept(0), Purpose: Purpose{For: "test"}}
		if strings.HasSuffix(n, deadSuffix) {
			spec.Partitions = 1
		}
		specs = append(specs, spec)
	}
	if _, err := c.EnsureTopics(deadline(t), specs...); err != nil {
		t.Fatal(err)
	}
}

func (s *site) producer(t *testing.T, c *Cluster, change ...func(*ProducerConfig)) *Producer {
	t.Helper()
	var cfg ProducerConfig
	for _, f := range change {
		f(&cfg)
	}
	p, err := NewProducer(c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx) // some tests leave a broker behind that never answers
	})
	return p
}

// kgo is another client's view of the same broker.
func (s *site) kgo(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.addr), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// scan returns all committed records of a topic.
func scan(t *testing.T, c *Cluster, topic string) []Record {
	t.Helper()
	var out []Record
	if err := c.Scan(deadline(t), Range{Topic: topic}, func(r Record) error { out = append(out, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await polls a state that another process brings about.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// receive takes from a channel that must not stay empty.
func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain for %s", patience, what)
		panic("unreachable")
	}
}

// testLog shows what the code logs only where the test fails, and drops what
// comes after its end.
func testLog(t *testing.T) *slog.Logger {
	w := &logSink{t: t}
	t.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type logSink struct {
	mu sync.Mutex
	t  *testing.T
}

func (w *logSink) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Logf("%s", b)
	}
	return len(b), nil
}

func (w *logSink) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

// A room is a whole set of parts over one site, for tests of messages.
type room struct {
	*site
	c        *Cluster
	producer *Producer
	codec    *Codec
	writer   *Writer
	sealer   canon.Sealer
}

func (s *site) room(t *testing.T, change ...func(*Config)) *room {
	t.Helper()
	r := &room{site: s, c: s.cluster(t, change...)}
	var topics []string
	for _, k := range testKinds {
		topics = append(topics, TopicOf(k), DeadLetters(TopicOf(k)))
	}
	s.topics(t, r.c, topics...)
	ring, err := payload.NewRing(payload.KEK{ID: "test", NotBefore: time.Unix(0, 0), Term: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Key: payload.Secret{1}})
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := payload.NewKeyring(payload.KeyringConfig{Keys: new(payloadtest.MemoryKeys), Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	r.sealer = keyring
	if r.codec, err = NewCodec(CodecConfig{Source: "urn:oncegate:test", Sealer: keyring}); err != nil {
		t.Fatal(err)
	}
	r.producer = s.producer(t, r.c)
	r.writer = NewWriter(r.codec, r.producer)
	return r
}

// consumer runs a consumer with short waits; stop ends it and reports how Run
// returned.
func (r *room) consumer(t *testing.T, group string, h canon.Handler, change ...func(*ConsumerConfig)) (k *Consumer, stop func() error) {
	t.Helper()
	cfg := ConsumerConfig{
		Group: group, Kinds: []canon.Kind{canon.KindConsentDecision}, Codec: r.codec, Writer: r.writer, Handler: h,
		RetryFirst: time.Millisecond, RetryLimit: 10 * time.Millisecond, SessionTimeout: 2 * time.Second,
		RebalanceTimeout: 2 * time.Second, RejoinWait: 20 * time.Millisecond, MaxWait: 100 * time.Millisecond,
		CommitEvery: 5 * time.Millisecond, DrainTimeout: time.Second,
	}
	for _, f := range change {
		f(&cfg)
	}
	k, err := NewConsumer(r.c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("consumer does not end")
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return k, stop
}

var testKinds = []canon.Kind{canon.KindConsentDecision, canon.KindPreviewOpened, canon.KindAudit}

func conversationID(n any) canon.ConversationID {
	return canon.ConversationID(canon.DeriveUUID("conversation", fmt.Sprint(n)))
}

// decision is a message without, opened one with a private part.
func decision(conversation canon.ConversationID, n int) canon.Message {
	return canon.Message{
		ID: canon.Derive(canon.MessageID(conversation), fmt.Sprint("decision", n)), Kind: canon.KindConsentDecision, Conversation: conversation,
		At: time.Date(2026, 3, 4, 5, 6, 7, n, time.UTC),
		Body: &canon.ConsentDecision{
			Exchange:  canon.ExchangeID(canon.DeriveUUID("exchange", string(conversation))),
			Decisions: []canon.DocumentDecision{{Document: canon.DeriveUUID("document", fmt.Sprint(n)), Approved: true}},
		},
	}
}

func opened(conversation canon.ConversationID) canon.Message {
	return canon.Message{
		ID: canon.Derive(canon.MessageID(conversation), "opened"), Kind: canon.KindPreviewOpened, Conversation: conversation,
		Cause: canon.Derive(canon.MessageID(conversation), "cause"), At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Body: &canon.PreviewOpened{
			Exchange: canon.ExchangeID(canon.DeriveUUID("exchange", string(conversation))),
			Private: canon.Clear(canon.OpenedPrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{
				Identifier: "LV/EE/32990000001", FamilyName: "Bērziņa", GivenName: "Ilze", BirthDate: "1990-02-03",
			}}}),
		},
	}
}

func consent(m canon.Message) int {
	var n int
	for i := range 1000 {
		if m.ID == canon.Derive(canon.MessageID(m.Conversation), fmt.Sprint("decision", i)) {
			n = i
			break
		}
	}
	return n
}

// commitAt sets a committed offset as another client would.
func commitAt(ctx context.Context, s *site, c *Cluster, group, topic string, partition int, offset int64) error {
	res, err := c.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: c.wireName(group), GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{c.wireName(topic): {{Partition: partition, Offset: offset}}},
	})
	if err != nil {
		return err
	}
	for _, p := range res.Topics[c.wireName(topic)] {
		if p.Error != nil {
			return p.Error
		}
	}
	return nil
}
