package sandbox

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
)

// onServices returns the configuration of a landscape on the real Kafka and the
// real Redis that the environment names, with topics and keys of its own, which
// are swept away with the test. Where there are none the test is skipped by name.
func onServices(t *testing.T) Config {
	t.Helper()
	broker, memory := os.Getenv("ONCEGATE_TEST_KAFKA"), os.Getenv("ONCEGATE_TEST_REDIS")
	if broker == "" || memory == "" {
		const why = "ONCEGATE_TEST_KAFKA and ONCEGATE_TEST_REDIS are not both set: run testdata/services/test.sh"
		if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	s := &services{broker: broker, memory: memory, prefix: "s" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-"}
	t.Cleanup(func() { s.sweep(t) })
	return Config{Brokers: []string{broker}, Redis: memory, Prefix: s.prefix, Dir: t.TempDir()}
}

// services are a broker and a memory that others may use too.
type services struct{ broker, memory, prefix string }

// client asks the broker beside the gateway's own room.
func (s *services) client() (*kafka.Client, func()) {
	transport := &kafka.Transport{} // the default one would answer from an old cache
	return &kafka.Client{Addr: kafka.TCP(s.broker), Transport: transport}, transport.CloseIdleConnections
}

// topics returns the topics below prefix with the number of their partitions.
func (s *services) topics(ctx context.Context, c *kafka.Client) (map[string]int, error) {
	meta, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	out := map[string]int{}
	for _, topic := range meta.Topics {
		if strings.HasPrefix(topic.Name, s.prefix) {
			out[topic.Name] = len(topic.Partitions)
		}
	}
	return out, nil
}

func (s *services) sweep(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, end := s.client()
	defer end()
	topics, err := s.topics(ctx, c)
	if err != nil {
		t.Logf("sweeping: %v", err)
		return
	}
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	if len(names) > 0 {
		if _, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names}); err != nil {
			t.Logf("sweeping: %v", err)
		}
	}
	r := redis.NewClient(&redis.Options{Addr: s.memory})
	defer r.Close()
	for keys := r.Scan(ctx, 0, s.prefix+"*", 1000).Iterator(); keys.Next(ctx); {
		r.Del(ctx, keys.Val())
	}
}

// lag returns how many records of a Member State nobody has committed as done.
func (s *services) lag(ctx context.Context, member string, roles ...string) (string, error) {
	c, end := s.client()
	defer end()
	topics, err := s.topics(ctx, c)
	if err != nil {
		return "", err
	}
	ask, ends := map[string][]int{}, map[string][]kafka.OffsetRequest{}
	for name, n := range topics {
		if !strings.HasPrefix(name, s.prefix+member+".") {
			continue
		}
		for p := range n {
			ask[name] = append(ask[name], p)
			ends[name] = append(ends[name], kafka.LastOffsetOf(p))
		}
	}
	last, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ends})
	if err != nil {
		return "", fmt.Errorf("asking for the ends of topics: %w", err)
	}
	end2 := map[string]int64{}
	for topic, ps := range last.Topics {
		for _, p := range ps {
			end2[fmt.Sprint(topic, "/", p.Partition)] = p.LastOffset
		}
	}
	behind := ""
	for _, role := range roles {
		done, err := c.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: s.prefix + member + ".oncegate." + role, Topics: ask})
		if err != nil {
			return "", fmt.Errorf("asking for offsets: %w", err)
		}
		for topic, ps := range done.Topics {
			for _, p := range ps {
				// A group without an offset does not read the topic, or has not met a record.
				if at := fmt.Sprint(topic, "/", p.Partition); p.CommittedOffset >= 0 && p.CommittedOffset < end2[at] {
					behind += fmt.Sprintf(" %s:%s %d<%d", role, at, p.CommittedOffset, end2[at])
				}
			}
		}
	}
	return behind, nil
}
