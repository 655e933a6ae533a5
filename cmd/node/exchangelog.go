package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/regrep"
	"oncegate/gateway/exchangelog"
	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
)

// ExchangeLogConfig says how the record of every message is kept that the law
// wants (IR 2022/1463 Art. 17): on the log, sealed to keys of its own.
type ExchangeLogConfig struct {
	Term Duration       `yaml:"term"` // how long records are kept. Default: 8808h, twelve months and a day; not less
	Keys []LogKeyConfig `yaml:"keys"` // Required for edelivery: dated public keys, at least one
}

// A LogKeyConfig is one public key of the exchange log.
type LogKeyConfig struct {
	ID    string    `yaml:"id"`
	File  string    `yaml:"file"`  // X25519 public key in PEM; the private key belongs elsewhere
	From  time.Time `yaml:"from"`  // seals records from then on
	Until time.Time `yaml:"until"` // last record; destroy the private key a term later
}

func (c *Config) validateExchangeLog(bad func(string, string, ...any), file func(string, string, bool)) {
	if d := time.Duration(c.ExchangeLog.Term); d != 0 && d < exchangelog.Term {
		bad("exchange_log.term", "%v is shorter than twelve months and a day (IR 2022/1463 Art. 17(4))", d)
	}
	if !c.Has(RoleEDelivery) {
		return
	}
	if len(c.ExchangeLog.Keys) == 0 {
		bad("exchange_log.keys", "at least one public key is required: openssl genpkey -algorithm X25519 -out log.key; openssl pkey -in log.key -pubout -out log.pub")
	}
	for i, k := range c.ExchangeLog.Keys {
		file(fmt.Sprintf("exchange_log.keys[%d].file", i), k.File, true)
	}
}

// recipients reads the keys of the exchange log.
func (c *Config) recipients() ([]exchangelog.Recipient, error) {
	var out []exchangelog.Recipient
	var errs []error
	for i, k := range c.ExchangeLog.Keys {
		data, err := os.ReadFile(c.path(k.File))
		if err == nil {
			r := exchangelog.Recipient{ID: k.ID, From: k.From, Until: k.Until}
			if r.Key, err = exchangelog.ParsePublicKey(data); err == nil {
				out = append(out, r)
				continue
			}
		}
		errs = append(errs, fmt.Errorf("exchange_log.keys[%d]: %w", i, err))
	}
	return out, errors.Join(errs...)
}

// exchangeLog says whether messages can be recorded now and for some time: when they
// cannot, none is taken or sent.
func (d *doctor) exchangeLog() {
	if !d.c.Has(RoleEDelivery) || len(d.c.ExchangeLog.Keys) == 0 {
		return // the configuration says what is missing
	}
	const check, place, remedy = "exchange log", "exchange_log.keys", "add a key that begins before; see docs/operating.md, Exchange log"
	keys, err := d.c.recipients()
	if err != nil {
		d.fail(check, place, remedy, "%v", err)
		return
	}
	log, err := exchangelog.New(keys)
	if err != nil {
		d.fail(check, place, remedy, "%v", err)
		return
	}
	until, err := log.Until(d.now)
	switch left := until.Sub(d.now); {
	case err != nil:
		d.fail(check, place, remedy, "%v", err)
	case left < logKeyNotice:
		d.warn(check, place, remedy, "the last key ends in %d days", int(left.Hours()/24))
	default:
		d.ok(check, place, "messages can be recorded until %s", until.Format(time.DateOnly))
	}
}

// logKeyNotice is how long before its end the last key is complained about.
const logKeyNotice = 30 * 24 * time.Hour

// recorder adapts the exchange log to the access point.
type recorder struct{ log *exchangelog.Recorder }

func (n *Node) recorder() (edelivery.Recorder, error) {
	keys, err := n.cfg.recipients()
	if err != nil {
		return nil, err
	}
	log, err := exchangelog.New(keys)
	if err != nil {
		return nil, err
	}
	return recorder{log}, nil
}

// Record implements edelivery.Recorder.
func (r recorder) Record(_ context.Context, t edelivery.Transfer) ([]canon.Message, error) {
	out := exchangelog.Transfer{
		Direction: t.Direction, Action: t.Action, AS4: t.AS4, RefTo: t.RefTo, From: t.From, To: t.To, Message: t.Message,
	}
	for _, p := range t.Parts {
		// What a peer adds to a type, such as the name of a file, may be a person's.
		kind, _, _ := strings.Cut(p.MediaType, ";")
		out.Parts = append(out.Parts, canon.RecordedPart{ID: p.ID, MediaType: strings.TrimSpace(kind), Size: p.Size})
	}
	// An answer may hold its document after the evidence, which is never recorded.
	at := slices.IndexFunc(out.Parts, func(p canon.RecordedPart) bool { return strings.EqualFold(p.MediaType, regrep.MediaType) })
	if at >= 0 {
		var err error
		if out.Document, err = document(t.Parts[at]); err != nil {
			return nil, err
		}
	}
	return r.log.Record(out, time.Now().UTC())
}

func document(p edelivery.Part) ([]byte, error) {
	large := canon.NewFault(canon.CodeMessageInvalid, nil, "the document is too large for the exchange log: more than %d bytes", exchangelog.MaxDocument)
	if p.Size > exchangelog.MaxDocument {
		return nil, large
	}
	f, err := p.Open()
	if err != nil {
		return nil, fmt.Errorf("opening the document: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, exchangelog.MaxDocument+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	if len(data) > exchangelog.MaxDocument {
		return nil, large
	}
	return data, nil
}

// An Export is all that is kept of one exchange: the records of its messages and
// its audit events, oldest first.
type Export struct {
	Conversation canon.ConversationID `json:"conversation"`
	Records      []ExportedRecord     `json:"records"`
	Events       []ExportedEvent      `json:"events"`
}

// An ExportedRecord is one record, with its document where the key was at hand.
type ExportedRecord struct {
	At       time.Time             `json:"at"`
	ID       canon.MessageID       `json:"id"`
	Record   *canon.ExchangeRecord `json:"record"`
	Document []byte                `json:"-"`
	XML      string                `json:"document,omitempty"`
	Problem  string                `json:"problem,omitempty"` // why there is no document
}

// An ExportedEvent is one audit event with its place on the log.
type ExportedEvent struct {
	At       time.Time         `json:"at"`
	ID       canon.MessageID   `json:"id"`
	Position string            `json:"position"`
	Event    *canon.AuditEvent `json:"event"`
}

// ExportExchange reads what the law wants kept of one exchange. Open is asked for
// the document of each record; nil leaves documents sealed. That it was read is
// recorded first, with actor and reason.
func (n *Node) ExportExchange(ctx context.Context, id canon.ConversationID, actor, reason string, open func(canon.Message) ([]byte, error)) (*Export, error) {
	at := time.Now().UTC()
	event := &canon.AuditEvent{Step: "record.exported", Room: "node", Outcome: "ok", Actor: actor, Reason: reason}
	err := n.writer.Publish(ctx, canon.Message{
		ID:   canon.MessageID(canon.DeriveUUID("record.exported", string(id), actor, at.Format(time.RFC3339Nano))),
		Kind: canon.KindAudit, Conversation: id, At: at, Body: event,
	})
	if err != nil {
		return nil, fmt.Errorf("recording the export: %w", err)
	}
	out := &Export{Conversation: id, Records: []ExportedRecord{}, Events: []ExportedEvent{}}
	seen := map[canon.MessageID]bool{}
	for _, k := range []canon.Kind{canon.KindExchangeRecord, canon.KindAudit} {
		err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k), Conversation: id}, func(r kafkalog.Record) error {
			m, err := n.codec.Decode(ctx, &r)
			if err != nil && canon.AsFault(err).Kind != canon.Invalid { // invalid: it lies in the dead letters
				return err
			}
			if err != nil || seen[m.ID] { // at least once on the log
				return nil
			}
			seen[m.ID] = true
			switch b := m.Body.(type) {
			case *canon.ExchangeRecord:
				out.Records = append(out.Records, exported(m, b, open))
			case *canon.AuditEvent:
				out.Events = append(out.Events, ExportedEvent{At: m.At, ID: m.ID, Position: r.Topic + "/" + strconv.Itoa(r.Partition) + "/" + strconv.FormatInt(r.Offset, 10), Event: b})
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", k, err)
		}
	}
	slices.SortStableFunc(out.Records, func(a, b ExportedRecord) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

func exported(m canon.Message, b *canon.ExchangeRecord, open func(canon.Message) ([]byte, error)) ExportedRecord {
	r := ExportedRecord{At: m.At, ID: m.ID, Record: b}
	if open == nil {
		return r
	}
	var err error
	if r.Document, err = open(m); err != nil {
		r.Problem = err.Error()
	}
	r.XML = string(r.Document)
	return r
}

// FindRecorded returns the conversations in whose records an identifier stands: of
// the exchange, the session, an AS4 message, a request, an answer or an evidence. It
// finds what the memory and the topics of the exchange have long forgotten, and so
// reads the whole topic of records.
func (n *Node) FindRecorded(ctx context.Context, id string) ([]canon.ConversationID, error) {
	var out []canon.ConversationID
	err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(canon.KindExchangeRecord)}, func(r kafkalog.Record) error {
		m, err := n.codec.Decode(ctx, &r)
		if err != nil && canon.AsFault(err).Kind != canon.Invalid {
			return err
		}
		b, ok := m.Body.(*canon.ExchangeRecord)
		if err != nil || !ok || slices.Contains(out, m.Conversation) {
			return nil
		}
		names := []string{string(m.Conversation), string(m.ID), string(b.Exchange), string(b.Session), b.AS4, string(b.Message), string(b.Request), b.Response}
		if slices.Contains(append(names, b.Evidence...), id) {
			out = append(out, m.Conversation)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", canon.KindExchangeRecord, err)
	}
	return out, nil
}
