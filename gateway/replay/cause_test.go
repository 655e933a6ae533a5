package replay_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

func headers(nameValues ...string) (out []replay.Header) {
	for i := 0; i < len(nameValues); i += 2 {
		out = append(out, replay.Header{Key: nameValues[i], Value: []byte(nameValues[i+1])})
	}
	return out
}

var foreign = map[string]struct {
	headers []replay.Header
	want    replay.Letter
}{
	"Kafka Connect": {
		headers("__connect.errors.topic", "births", "__connect.errors.partition", "2", "__connect.errors.offset", "9", "__connect.errors.connector.name", "sink",
			"__connect.errors.stage", "VALUE_CONVERTER", "__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException", "__connect.errors.exception.message", "no schema"),
		replay.Letter{Origin: replay.Origin{Topic: "births", Partition: 2, Offset: 9}, Group: "sink", Stage: "VALUE_CONVERTER", Failure: "org.apache.kafka.connect.errors.DataException", Cause: "no schema"},
	},
	"Spring": {
		headers("kafka_dlt-original-topic", "births", "kafka_dlt-original-partition", "\x00\x00\x00\x03", "kafka_dlt-original-offset", "\x00\x00\x00\x01\x00\x00\x00\x02",
			"kafka_dlt-original-consumer-group", "mapper", "kafka_dlt-exception-fqcn", "java.lang.IllegalStateException", "kafka_dlt-exception-message", "person Aino"),
		replay.Letter{Origin: replay.Origin{Topic: "births", Partition: 3, Offset: 1<<32 + 2}, Group: "mapper", Failure: "java.lang.IllegalStateException"},
	},
	"watermill": {
		headers("reason_poisoned", "no such place", "topic_poisoned", "births", "handler_poisoned", "h", "subscriber_poisoned", "kafka.Subscriber"),
		replay.Letter{Origin: replay.Origin{Topic: "births", Partition: -1, Offset: -1}, Group: "kafka.Subscriber", Cause: "no such place"},
	},
	"ours before others": {
		headers("kafka_dlt-original-topic", "other", "kafka_dlt-original-partition", "\x00\x00\x00\x03", "topic_poisoned", "third", "__connect.errors.topic", "births"),
		replay.Letter{Origin: replay.Origin{Topic: "births", Partition: -1, Offset: -1}},
	},
	"numbers that are none": {
		headers("kafka_dlt-original-topic", "births", "kafka_dlt-original-partition", "3", "kafka_dlt-original-offset", "\xff\xff\xff\xff\xff\xff\xff\x00", "gw_attempts", "-4", "gw_first_failed_at", "yesterday"),
		replay.Letter{Origin: replay.Origin{Topic: "births", Partition: -1, Offset: -1}},
	},
	"negative numbers": {
		headers("__connect.errors.topic", "births", "__connect.errors.partition", "-2", "__connect.errors.offset", "9223372036854775808"),
		replay.Letter{Origin: replay.Origin{Topic: "births", Partition: -1, Offset: -1}},
	},
	"nothing": {nil, replay.Letter{Origin: replay.Origin{Topic: queries, Partition: -1, Offset: -1}}},
}

// A letter is read whoever wrote it; it is sent to its own topic, whatever it
// says, and without what it says of its death.
func TestLettersOfOtherSoftware(t *testing.T) {
	for name, tc := range foreign {
		t.Run(name, func(t *testing.T) {
			x := newRoom(t)
			r := record(queries+".dlq", 1, 1, tc.headers...)
			x.write(t, r)
			tc.want.Position, tc.want.Topic, tc.want.Kind = queries+".dlq/0/0", queries, queries
			tc.want.ID, tc.want.Conversation, tc.want.Size = message(1), conversation(1), len(r.Value)
			if diff := cmp.Diff([]replay.Letter{tc.want}, x.letters(t, false), cmpopts.IgnoreFields(replay.Letter{}, "DiedAt")); diff != "" {
				t.Errorf("letter (-want +got):\n%s", diff)
			}
			x.run(t, x.plan(t, replay.Selection{Topics: []string{queries}, Dead: true}, false), replay.RunOptions{})
			sent := x.log.all(queries)
			if len(sent) != 1 {
				t.Fatalf("%d records on the topic of the letter, want 1", len(sent))
			}
			for _, h := range sent[0].Headers {
				if replay.IsCause(h.Key) {
					t.Errorf("redriven with %s", h.Key)
				}
			}
		})
	}
}

func FuzzLetter(f *testing.F) {
	for _, tc := range foreign {
		for _, h := range tc.headers {
			f.Add(h.Key, h.Value, []byte("key"))
		}
	}
	f.Add(replay.HeaderKind, []byte(strings.Repeat("\x1b\xff", 4000)), []byte(nil))
	f.Fuzz(func(t *testing.T, name string, value, key []byte) {
		x := newRoom(t)
		x.write(t, replay.Record{Topic: queries + ".dlq", Key: key, Value: []byte("?"), Headers: []replay.Header{
			{Key: replay.HeaderOriginTopic, Value: value}, {Key: name, Value: value}}})
		letters := x.letters(t, true)
		if len(letters) != 1 {
			t.Fatalf("%d letters", len(letters))
		}
		l := letters[0]
		for _, s := range []string{l.Origin.String(), l.Group, l.Stage, l.Failure, l.Cause, string(l.Kind)} {
			if utf8.RuneCountInString(s) > 600 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x07\x1b\n\x7f") {
				t.Errorf("shown: %q", s)
			}
		}
		if l.Topic != queries || l.Kind == "" || l.Origin.Partition < -1 || l.Origin.Offset < -1 || l.Attempts < 0 {
			t.Errorf("letter %+v", l)
		}
		if l.Code != "" && l.Code.NextStep() == "" || l.ID != "" && !canon.ValidUUID(string(l.ID)) {
			t.Errorf("letter %+v", l)
		}
	})
}
