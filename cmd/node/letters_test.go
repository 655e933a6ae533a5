package node

import (
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oncegate/gateway/api"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/kafkalog/embedded"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// The page of dead letters leaves out what was dealt with on the command line:
// both read the same settlements.
func TestDeadLettersArePaged(t *testing.T) {
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cluster, err := kafkalog.New(kafkalog.Config{Brokers: []string{broker.Addr()}, Embedded: true, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	if _, err := cluster.EnsureTopics(t.Context(), cluster.Catalogue()...); err != nil {
		t.Fatal(err)
	}
	producer, err := kafkalog.NewProducer(cluster, kafkalog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = producer.Close(t.Context()) }) // everything was written
	n := &Node{cluster: cluster, log: slog.New(slog.DiscardHandler)}

	var want []api.DeadLetter
	for _, kind := range []canon.Kind{canon.KindConsentDecision, canon.KindRegisterQuery} { // by name of the topic
		topic := kafkalog.TopicOf(kind)
		for i := range 4 {
			conversation := canon.DeriveUUID("conversation", topic, strconv.Itoa(i))
			id := canon.Derive(canon.MessageID(conversation), "x")
			r := &kafkalog.Record{Topic: kafkalog.DeadLetters(topic), Key: []byte(conversation), Value: []byte("?")}
			for name, value := range map[string]string{
				replay.HeaderID: string(id), replay.HeaderKind: string(kind), replay.HeaderOriginTopic: topic, replay.HeaderOriginPartition: "2",
				replay.HeaderOriginOffset: strconv.Itoa(10 + i), replay.HeaderErrorCode: string(canon.CodeMappingFailed),
				replay.HeaderCause: fmt.Sprintf("births.yaml:%d", i), replay.HeaderAttempts: "3",
			} {
				r.Headers = append(r.Headers, kafkalog.Header{Key: name, Value: []byte(value)})
			}
			if err := producer.Produce(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			want = append(want, api.DeadLetter{
				Topic: r.Topic, Offset: int64(i), SourceTopic: topic, SourcePartition: 2, SourceOffset: int64(10 + i), Conversation: conversation,
				Message: string(id), Kind: string(kind), Code: canon.CodeMappingFailed, Detail: fmt.Sprintf("births.yaml:%d", i),
				NextStep: canon.CodeMappingFailed.NextStep(), Attempts: 3,
			})
		}
	}
	// The second of the first topic is put away.
	settled := &kafkalog.Record{Topic: want[1].Topic, Value: []byte{}, Headers: []kafkalog.Header{
		{Key: replay.HeaderSettles, Value: []byte(want[1].Topic + "/0/1")}, {Key: replay.HeaderSettlement, Value: []byte(replay.SettledDiscarded)}}}
	if err := producer.Produce(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	want = append(want[:1], want[2:]...)

	for _, limit := range []int{1, 2, 3, 7, 8} {
		var got []api.DeadLetter
		pages, cursor := 0, ""
		for {
			page, next, err := n.DeadLetters(t.Context(), cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 || len(page) > limit {
				t.Fatalf("a page of %d, limit %d", len(page), limit)
			}
			got, pages, cursor = append(got, page...), pages+1, next
			if next == "" {
				break
			}
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(api.DeadLetter{}, "FailedAt")); d != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, d)
		}
		if wantPages := (7 + limit - 1) / limit; pages != wantPages {
			t.Errorf("%d pages of %d, want %d", pages, limit, wantPages)
		}
		if got[0].FailedAt.IsZero() || time.Since(got[0].FailedAt) > time.Hour {
			t.Errorf("failed at %v", got[0].FailedAt)
		}
	}
	for _, cursor := range []string{"-1", "x", "1.5", "5000001", "99999999999999999999"} {
		if _, _, err := n.DeadLetters(t.Context(), cursor, 1); canon.AsFault(err).Code != canon.CodeBadInput {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	if page, next, err := n.DeadLetters(t.Context(), "5000000", 1); err != nil || len(page) != 0 || next != "" {
		t.Errorf("beyond the last: %v, %q, %v", page, next, err)
	}
}
