package node

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"oncegate/connectors/register/pgfake"
	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
)

// A node reaches registers that do not speak HTTP: a database, a directory of files, a
// pair of topics; each answers a query that was put on the log.
func TestANodeAsksRegistersOverEveryWire(t *testing.T) {
	w := newRegisterWorld(t, http.NotFoundHandler())
	settings := map[string]string{}

	// A database.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 3)
	name := "Fiktiva SIA"
	go func() {
		done <- pgfake.Serve(ctx, ln, pgfake.Config{
			User: "reader", Password: "of-a-test",
			Columns: func(string) ([]pgfake.Column, error) { return []pgfake.Column{{Name: "name", OID: 25}}, nil },
			Rows:    func(context.Context, string, []*string) ([][]*string, error) { return [][]*string{{&name}}, nil },
		})
	}()
	w.folderOver("database", "company", "transport:\n  kind: sql\n  statement: select name from companies where code = $1\n  args: [{from: subject/legal/identifier, required: true}]", "/rows/row")
	w.write("database.password", "of-a-test\n")
	settings["database"] = "{url: \"postgres://" + ln.Addr().String() + "/companies\", user: reader, password_file: database.password}"

	// A directory.
	const query = "\nquery:\n  rules: [{to: find/code, from: subject/legal/identifier, required: true}]"
	drop := filepath.Join(w.dir, "drop")
	for _, d := range []string{"out", "in"} {
		fatal(t, os.MkdirAll(filepath.Join(drop, d), 0o700))
	}
	go func() { done <- answerFiles(ctx, drop) }()
	w.folderOver("files", "company", "transport: {kind: files, ready: renamed, poll: 100ms}"+query, "/company")
	settings["files"] = "{url: \"file://" + drop + "\"}"

	// Topics.
	broker, err := kgo.NewClient(kgo.SeedBrokers(w.node.eng.Kafka), kgo.ConsumeTopics("company.requests"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fatal(t, err)
	defer broker.Close()
	theirs := kafkalog.Purpose{For: "a test", Basis: "none"}
	_, err = w.node.cluster.EnsureTopics(ctx,
		kafkalog.TopicSpec{Name: "company.requests", Partitions: 1, Purpose: theirs}, kafkalog.TopicSpec{Name: "company.replies", Partitions: 1, Purpose: theirs})
	fatal(t, err)
	go func() { done <- answerTopics(ctx, broker) }()
	w.folderOver("topics", "company", "transport: {kind: kafka, request_topic: company.requests, reply_topic: company.replies}"+query, "/company")
	settings["topics"] = "{personal_data_on_topic: accepted}"

	w.configureAs(settings)
	fatal(t, w.live.look(w.ctx, w.g, false))
	for register := range settings {
		rec := w.record(w.ask(register, "1"))
		if rec.Outcome != canon.RecordFound {
			t.Errorf("%s: outcome %s %s %s", register, rec.Outcome, rec.Code, rec.Detail)
		}
	}
	cancel()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

const fiktiva = "<company><name>Fiktiva SIA</name></company>"

// answerFiles is a register that looks into its folder.
func answerFiles(ctx context.Context, dir string) error {
	for ctx.Err() == nil {
		asked, err := filepath.Glob(filepath.Join(dir, "out", "*.xml"))
		if err != nil {
			return err
		}
		for _, q := range asked {
			part := filepath.Join(dir, "in", filepath.Base(q)+".part")
			if err := os.WriteFile(part, []byte(fiktiva), 0o600); err != nil {
				return err
			}
			if err := os.Rename(part, strings.TrimSuffix(part, ".part")); err != nil {
				return err
			}
			if err := os.Remove(q); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// answerTopics is a register that follows its topic.
func answerTopics(ctx context.Context, client *kgo.Client) error {
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			answer := &kgo.Record{Topic: "company.replies", Value: []byte(fiktiva)}
			for _, h := range r.Headers {
				if h.Key == "correlation-id" {
					answer.Headers = append(answer.Headers, h)
				}
			}
			client.Produce(ctx, answer, nil)
		})
	}
	return nil
}
