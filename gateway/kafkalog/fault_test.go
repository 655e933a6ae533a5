package kafkalog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Faults that a broker can be told to have: on the in-process broker only.

func fake(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *site) {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, &site{addr: k.ListenAddrs()[0], embedded: true, prefix: "t."}
}

func TestWriteIsRepeatedUntilTheBrokerCan(t *testing.T) {
	for name, e := range map[string]*kerr.Error{
		"not leader": kerr.NotLeaderForPartition, "timed out": kerr.RequestTimedOut, "too few replicas": kerr.NotEnoughReplicas,
		"too few after append": kerr.NotEnoughReplicasAfterAppend, "disk": kerr.UnknownServerError, "storage": kerr.KafkaStorageError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, s := fake(t)
			c := s.cluster(t)
			s.topics(t, c, "again")
			h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 3})
			p := s.producer(t, c)
			for i := range 3 {
				if err := p.Produce(deadline(t), &Record{Topic: "again", Partition: 0, Value: fmt.Append(nil, i)}); err != nil {
					t.Fatal(err)
				}
			}
			if h.Hits() != 3 {
				t.Errorf("%d faults, want 3", h.Hits())
			}
			wantValues(t, c, "again", 3)
		})
	}
}

func TestRefusalIsTheCallersToKnow(t *testing.T) {
	k, s := fake(t)
	c := s.cluster(t)
	s.topics(t, c, "acl")
	p := s.producer(t, c)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: 1})
	if err := p.Produce(deadline(t), &Record{Topic: "acl", Partition: 0, Value: []byte("no")}); err == nil || errors.Is(err, ErrOutcomeUnknown) || !strings.Contains(err.Error(), "Authorization") {
		t.Errorf("got %v", err)
	}
	if err := p.Produce(deadline(t), &Record{Topic: "acl", Partition: 0, Value: []byte("0")}); err != nil {
		t.Error(err)
	}
	wantValues(t, c, "acl", 1)
}

func TestLostSequencesBeginAnewWithoutLossOrDuplicate(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch} {
		t.Run(e.Message, func(t *testing.T) {
			t.Parallel()
			k, s := fake(t)
			c := s.cluster(t)
			w := c.wired(t)
			s.topics(t, c, "state")
			p := s.producer(t, c)
			put := func(i int) {
				t.Helper()
				if err := p.Produce(deadline(t), &Record{Topic: "state", Partition: 0, Value: fmt.Append(nil, i)}); err != nil {
					t.Fatal(err)
				}
			}
			put(0)
			// The broker has not taken the batch and knows us no more.
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 1})
			put(1)
			put(2)
			// It has taken it, the answer is lost, and it knows us no more: the log says
			// that the batch is there.
			var h *kfake.FaultHandle
			w.on(protocol.Produce, 1, func([]byte) []byte {
				h = k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 1})
				return nil
			})
			put(3)
			if h.Hits() != 1 {
				t.Errorf("%d faults, want 1", h.Hits())
			}
			put(4)
			wantValues(t, c, "state", 5)
		})
	}
}

// A batch that was taken and then refused leaves no sequence behind that the next
// batch could be mistaken for.
func TestRefusalAfterALostAnswerLosesNoSuccessor(t *testing.T) {
	k, s := fake(t)
	c := s.cluster(t)
	w := c.wired(t)
	s.topics(t, c, "mixed")
	p := s.producer(t, c)
	w.on(protocol.Produce, 1, func([]byte) []byte {
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: 1})
		return nil
	})
	if err := p.Produce(deadline(t), &Record{Topic: "mixed", Partition: 0, Value: []byte("0")}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v, want an unknown outcome", err)
	}
	for i := range 3 {
		if err := p.Produce(deadline(t), &Record{Topic: "mixed", Partition: 0, Value: fmt.Append(nil, i+1)}); err != nil {
			t.Fatal(err)
		}
	}
	wantValues(t, c, "mixed", 4)
}

func TestTopicThatIsGoneIsGivenUp(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "gone")
		p := s.producer(t, c)
		put := func() error { return p.Produce(deadline(t), &Record{Topic: "gone", Partition: 0, Value: []byte("0")}) }
		if err := put(); err != nil {
			t.Fatal(err)
		}
		s.sweep(t)
		await(t, "the topic to be gone", func() bool {
			ts, err := c.Topics(deadline(t))
			return err == nil && len(ts) == 0
		})
		if err := put(); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("got %v, want %v", err, ErrUnknownTopic)
		}
		s.topics(t, c, "gone")
		if err := put(); err != nil {
			t.Errorf("after the topic came back: %v", err)
		}
		wantValues(t, c, "gone", 1)
	})
}

func TestLeaderMovesUnderWriterAndReader(t *testing.T) {
	k, s := fake(t, kfake.NumBrokers(3))
	c := s.cluster(t)
	s.topics(t, c, "move")
	p := s.producer(t, c)
	ch := make(chan string, 100)
	startGroup(t, c, "move", []string{"move"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil })
	for i := range 12 {
		if i%3 == 0 {
			if err := k.MoveTopicPartition(s.prefix+"move", 0, int32(i/3%3)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Produce(deadline(t), &Record{Topic: "move", Partition: 0, Value: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, "the record", ch); got != fmt.Sprint(i) {
			t.Errorf("got %s, want %d", got, i)
		}
	}
	wantValues(t, c, "move", 12)
}

func TestFetchErrorsAreTriedAgain(t *testing.T) {
	k, s := fake(t)
	c := s.cluster(t)
	s.topics(t, c, "fetch")
	p := s.producer(t, c)
	if err := p.Produce(deadline(t), &Record{Topic: "fetch", Partition: 0, Value: []byte("0")}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.UnknownServerError, kerr.OffsetNotAvailable} {
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: e, Count: 2})
	}
	ch := make(chan string, 1)
	startGroup(t, c, "fetch", []string{"fetch"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil })
	receive(t, "the record", ch)
}

// Fetches that fail for long raise an alarm; when they succeed work goes on.
func TestFetchesThatFailForLongRaiseAnAlarm(t *testing.T) {
	k, s := fake(t)
	c := s.cluster(t)
	s.topics(t, c, "stall")
	p := s.producer(t, c)
	alarms := make(chan Alarm, 1000)
	ch := make(chan string, 10)
	startGroup(t, c, "stall", []string{"stall"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil }, func(g *groupConfig) {
		g.stall = 50 * time.Millisecond
		g.alarm = func(a Alarm) { alarms <- a }
	})
	if err := p.Produce(deadline(t), &Record{Topic: "stall", Partition: 0, Value: []byte("0")}); err != nil {
		t.Fatal(err)
	}
	receive(t, "the record before", ch)
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	if a := receive(t, "the alarm", alarms); a.Reason != AlarmStalled || a.Topic != "stall" || a.Err == nil {
		t.Errorf("alarm %+v", a)
	}
	h.Remove()
	if err := p.Produce(deadline(t), &Record{Topic: "stall", Partition: 0, Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the record after", ch); got != "1" {
		t.Errorf("got %s", got)
	}
}

// A worker that does not take what was fetched for it is noticed, and the group
// is joined anew: here the handler of an earlier generation holds its partition.
func TestPartitionWithoutProgressIsNoticed(t *testing.T) {
	_, s := fake(t)
	c := s.cluster(t)
	s.topics(t, c, "held")
	p := s.producer(t, c)
	if err := p.Produce(deadline(t), &Record{Topic: "held", Partition: 0, Value: []byte("0")}); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	entered := make(chan struct{}, 10)
	gens := make(chan struct{}, 1000)
	stalled := make(chan Alarm, 1000)
	stop := startGroup(t, c, "held", []string{"held"}, func(context.Context, *Record) error {
		entered <- struct{}{}
		<-hold
		return nil
	}, func(g *groupConfig) {
		g.stall, g.drain = 60*time.Millisecond, 10*time.Millisecond
		g.assigned = func(map[string][]int) { gens <- struct{}{} }
		g.alarm = func(a Alarm) {
			if a.Reason == AlarmStalled {
				stalled <- a
			}
		}
	})
	receive(t, "the first generation", gens)
	receive(t, "the handler", entered)
	// A second member comes and goes: new generations, and the handler still holds.
	joined := make(chan struct{}, 10)
	leave := startGroup(t, c, "held", []string{"held"}, func(context.Context, *Record) error { return errors.New("stays where it is") },
		func(g *groupConfig) { g.assigned = func(map[string][]int) { joined <- struct{}{} } })
	receive(t, "the second member", joined)
	leave()
	receive(t, "the next generation", gens)
	if a := receive(t, "the alarm", stalled); a.Topic != "held" || a.Partition != 0 || a.Offset != 0 {
		t.Errorf("alarm %+v", a)
	}
	close(hold)
	receive(t, "the record, handled again", entered)
	await(t, "lag 0", func() bool { return lagOf(t, c, "held", "held") == 0 })
	stop()
}

func TestConsumerOfAnUnknownTopicIsRefused(t *testing.T) {
	_, s := fake(t)
	g := newGroup(s.cluster(t), groupConfig{name: "g", topics: []string{"nowhere"}}, nil)
	if err := g.run(deadline(t)); !errors.Is(err, ErrUnknownTopic) {
		t.Errorf("got %v, want %v", err, ErrUnknownTopic)
	}
}

// A bit that changed on the disk: the broker does not notice, we do.
func TestCorruptSegmentOnDiskIsNotDelivered(t *testing.T) {
	dir := t.TempDir()
	_, s := fake(t, kfake.DataDir(dir), kfake.NumBrokers(1))
	c := s.cluster(t)
	s.topics(t, c, "disk")
	p := s.producer(t, c)
	for i := range 3 {
		if err := p.Produce(deadline(t), &Record{Topic: "disk", Partition: 0, Value: fmt.Appendf(nil, "unmistakable-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	flipped := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".dat") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		i := strings.Index(string(data), "unmistakable-1")
		if i < 0 {
			return nil
		}
		flipped++
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt([]byte{data[i] ^ 4}, int64(i))
		return err
	})
	if err != nil || flipped != 1 {
		t.Fatalf("%d segments were changed, %v", flipped, err)
	}
	alarms := make(chan Alarm, 10)
	ch := make(chan string, 10)
	startGroup(t, c, "disk", []string{"disk"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil },
		func(g *groupConfig) { g.alarm = func(a Alarm) { alarms <- a } })
	if got := receive(t, "the good record", ch); got != "unmistakable-0" {
		t.Errorf("got %s", got)
	}
	if a := receive(t, "the alarm", alarms); a.Reason != AlarmCorrupt || a.Offset != 1 {
		t.Errorf("alarm %+v", a)
	}
	if len(ch) != 0 {
		t.Errorf("delivered %s", <-ch)
	}
}

func TestLoginAndTLS(t *testing.T) {
	cert := certificate(t)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			_, s := fake(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "gateway", "right"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
			secure := func(password Secret) func(*Config) {
				return func(cfg *Config) {
					cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
					cfg.SASL = SASL{mechanism, "gateway", password}
				}
			}
			c := s.cluster(t, secure("right"))
			s.topics(t, c, "secure")
			p := s.producer(t, c)
			if err := p.Produce(deadline(t), &Record{Topic: "secure", Partition: 0, Value: []byte("0")}); err != nil {
				t.Fatal(err)
			}
			ch := make(chan string, 1)
			startGroup(t, c, "secure", []string{"secure"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil })
			receive(t, "the record", ch)
			err := s.cluster(t, secure("wrong-password")).Ping(deadline(t))
			if err == nil || strings.Contains(err.Error(), "wrong-password") {
				t.Errorf("with a wrong password: %v", err)
			}
			if err := s.cluster(t).Ping(deadline(t)); err == nil {
				t.Error("without TLS: no error")
			}
		})
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestConfigReportsAllFaultsAndNoSecret(t *testing.T) {
	_, err := New(Config{Brokers: []string{"nohost"}, Prefix: "Ä", Partitions: -1, MaxMessageBytes: 5, SASL: SASL{"MD5", "u", "secret-word"}, Retention: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"brokers", "prefix", "partitions", "max message bytes", "sasl", "retention"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	cfg := Config{SASL: SASL{"PLAIN", "u", "secret-word"}}
	if s := fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.SASL.Password); strings.Contains(s, "secret-word") || strings.Contains(err.Error(), "secret-word") {
		t.Errorf("a secret is printed: %s", s)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no brokers: no error")
	}
}
