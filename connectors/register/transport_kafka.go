package register

import (
	"context"
	"errors"
	"mime"
	"regexp"
	"time"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
	"oncegate/schemas/canon"
)

// A Bus asks over topics of a Kafka cluster. cmd gives one to registers that are
// asked so.
type Bus interface {
	// Ask writes a request, unless one of its id is there since Since, and waits for
	// the reply that names the id, which may be there already. It returns when ctx
	// ends; the reply may still come, and the next Ask of the same id finds it.
	// Errors are canon.Fault: Unavailable where the next Ask may do better.
	Ask(ctx context.Context, r BusRequest) (BusReply, error)
}

// A BusRequest is one question.
type BusRequest struct {
	Topic, Replies string          // of the requests, and of their replies
	ID             canon.MessageID // key and correlation id
	Since          time.Time       // not after it was asked first
	Media          string
	Body           []byte
}

// A BusReply is one reply.
type BusReply struct {
	Media string // empty where nobody said
	Body  []byte
}

// kafkaTransport is a register that is asked over topics.
type kafkaTransport struct{ requests, replies string }

var topicPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

func readKafka(v yamldoc.Value, _ *mapping.Scope) transport {
	f := v.Fields("kind", "request_topic", "reply_topic")
	t := &kafkaTransport{f["request_topic"].RequiredText(v, "request_topic"), f["reply_topic"].RequiredText(v, "reply_topic")}
	for _, key := range []string{"request_topic", "reply_topic"} {
		if text := f[key].Text(); text != "" && !topicPattern.MatchString(text) {
			f[key].Fault("want the name of a topic: letters, digits and . _ -")
		}
	}
	if t.requests != "" && t.requests == t.replies {
		f["reply_topic"].Fault("requests and replies want a topic each")
	}
	return t
}

func (t *kafkaTransport) needsDocument() bool { return true }

func (t *kafkaTransport) request(_ any, query *mapping.Element) (*request, error) {
	body, err := document(query)
	if err != nil {
		return nil, err
	}
	return &request{body: body}, nil
}

func (t *kafkaTransport) read(r *raw) answer {
	if media, _, err := mime.ParseMediaType(r.media); err == nil && media == "application/json" {
		text, err := jsonxml.Document("json", r.body)
		if err != nil {
			return unreadable(err)
		}
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			return unreadable(err)
		}
		return answer{root: doc.Root()}
	}
	doc, err := r.document()
	if err != nil {
		return unreadable(err)
	}
	return answer{root: doc.Root()}
}

func (t *kafkaTransport) dial(e Endpoint, with Config) (wire, error) {
	switch {
	case with.Bus == nil:
		return nil, errors.New("this process has no Kafka for registers")
	case e.URL != "":
		return nil, errors.New("a register on Kafka has no url: it is asked on the cluster of the deployment")
	case !e.PersonalDataOnTopic:
		// docs/architecture.md, decision 10: our own topics hold no person in clear.
		return nil, errors.New("queries and records would stand on topics in clear: say personal_data_on_topic: accepted where their readers and their retention are as the law wants them")
	}
	return &kafkaWire{t, with.Bus, e.MaxReply}, nil
}

// kafkaWire is the way to one register over topics.
type kafkaWire struct {
	*kafkaTransport
	bus     Bus
	maxSize int64
}

func (w *kafkaWire) Close() {} // the bus is the house's

func (w *kafkaWire) exchange(ctx context.Context, r *request) (*raw, error) {
	reply, err := w.bus.Ask(ctx, BusRequest{
		Topic: w.requests, Replies: w.replies, ID: r.id, Since: r.at, Media: "application/xml", Body: r.body,
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &callError{outcome: outcomeUnavailable, detail: "the register has not replied yet"}
	case err != nil:
		f := canon.AsFault(err)
		e := &callError{outcome: outcomeUnavailable, detail: "the topics of the register cannot be used", err: err}
		if f.Kind == canon.Invalid || f.Kind == canon.Denied {
			e.outcome = outcomeInvalid
		}
		return nil, e
	case int64(len(reply.Body)) > w.maxSize:
		return nil, &callError{outcome: outcomeInvalid, detail: "the reply is too large"}
	}
	return &raw{media: reply.Media, body: reply.Body}, nil
}
