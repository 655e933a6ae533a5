package register

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"oncegate/connectors/register/capture"
	"oncegate/connectors/register/care"
	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// Config is what a connector needs of the house.
type Config struct {
	Payloads canon.Payloads   // Required
	Now      func() time.Time // Required
	Log      *slog.Logger     // Required

	Budgets care.Budgets           // Default: of this connector, which nobody asked before; to hold over all instances, give one
	Asked   care.Asked             // Default: of this connector. Which calls were made, where they must not be made twice
	Recall  time.Duration          // Default 40 days: how long Asked knows a call; more than the log keeps queries
	Observe func(care.Observation) // Default: nobody looks

	Bus Bus // Default: none. Required for registers on Kafka

	Shadow   *Definition        // another version, which runs beside and only reports. Default: none
	Shadowed func(ShadowReport) // Default: differences are logged only
	Recorder *capture.Recorder  // Default: nothing is recorded
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var errs []error
	if c.Payloads == nil {
		errs = append(errs, errors.New("payloads are required"))
	}
	if c.Now == nil {
		errs = append(errs, errors.New("a clock is required"))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("a logger is required"))
	}
	return errors.Join(errs...)
}

// A Connector asks one register. It is safe for concurrent use.
type Connector struct {
	def     *Definition
	with    Config
	wire    wire
	secrets mapping.Secrets
	guard   *care.Guard
	cache   *care.Cache[result]
}

// New makes the connector of one register at one endpoint.
func New(def *Definition, endpoint Endpoint, with Config) (*Connector, error) {
	if err := errors.Join(endpoint.Validate(), with.Validate()); err != nil {
		return nil, fmt.Errorf("register %s: %w", def.Name, err)
	}
	if err := def.hasSecrets(endpoint); err != nil {
		return nil, fmt.Errorf("register %s: %w", def.Name, err)
	}
	terms, err := def.care.Tighten(endpoint.Care, endpoint.Timeout)
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", def.Name, err)
	}
	guard, err := with.guard(def.Name, terms)
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", def.Name, err)
	}
	called := with
	called.Log = with.Log.With("register", def.Name)
	w, err := def.transport.dial(endpoint.within(terms), called)
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", def.Name, err)
	}
	return &Connector{def: def, with: with, wire: w, secrets: endpoint.secret, guard: guard, cache: care.NewCache[result](terms.Cache, with.Now)}, nil
}

// Close ends idle connections and forgets answers.
func (c *Connector) Close() {
	c.wire.Close()
	c.cache.Close()
}

// stepRecord is the step under which the id of the answer is derived.
const stepRecord = "register.record"

// Handle asks the register and returns one register.record.v1. It is a
// canon.Handler: the same query gives a message with the same id, and the same
// bytes where the register answers the same.
func (c *Connector) Handle(ctx context.Context, m canon.Message) ([]canon.Message, error) {
	q, ok := m.Body.(*canon.RegisterQuery)
	if !ok || q.Register != c.def.Name {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "not a query for register %s", c.def.Name)
	}
	rec, err := c.earlier(ctx, m)
	if rec == nil && err == nil {
		rec, err = c.answer(ctx, m, q)
	}
	if err != nil {
		return nil, err
	}
	return []canon.Message{canon.Follow(m, stepRecord, c.with.Now(), rec)}, nil
}

// answer asks the register. An error is no answer: the query is tried again.
func (c *Connector) answer(ctx context.Context, m canon.Message, q *canon.RegisterQuery) (*canon.RegisterRecord, error) {
	rec := &canon.RegisterRecord{Register: c.def.Name, Mapping: c.def.Version, Query: m.ID}
	private, ok := q.Private.Get()
	if !ok { // the exchange is over: nothing can be asked
		return forgotten(rec), nil
	}
	in, err := queryValue(m.ID, q, private.Subject)
	if err != nil {
		return nil, canon.NewFault(canon.CodeInternal, err, "reading the query")
	}
	res := c.pages(m, c.ask(ctx, m, q, private.Subject, in))
	row := outcomeTable()[res.outcome]
	if res.code == "" {
		res.code = row.code
	}
	switch res.outcome {
	case outcomeFound:
		err := c.hold(ctx, func(ctx context.Context) error { return c.keep(ctx, m, rec, res) })
		if errors.Is(err, canon.ErrForgotten) { // meanwhile: nobody waits for it
			return forgotten(rec), nil
		}
		if err != nil {
			return nil, err
		}
		rec.Outcome = canon.RecordFound
		if !res.asOf.IsZero() {
			rec.Detail = "from the cache: the register gave this answer at " + res.asOf.UTC().Format(time.RFC3339)
		}
	case outcomeUnavailable:
		if err := ctx.Err(); err != nil {
			return nil, err // we are being stopped: the register is not to blame
		}
		c.putAway(ctx, res)
		return nil, canon.NewFault(res.code, res.err, "register %s: %s", c.def.Name, res.detail)
	case outcomeDeferred:
		rec.Outcome, rec.AvailableAt = row.record, res.available
	default:
		rec.Outcome, rec.Code, rec.Detail = row.record, res.code, res.detail
	}
	c.settle(ctx, m, rec)
	c.putAway(ctx, res)
	return rec, nil
}

// putAway ends a reply that lies somewhere. Where that fails the record is made
// nevertheless: what is left there is found by the next who asks the same.
func (c *Connector) putAway(ctx context.Context, res result) {
	if res.putAway == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, putAwayTime)
	defer cancel()
	if err := res.putAway(ctx, res); err != nil {
		c.with.Log.WarnContext(ctx, "a reply is not put away", "register", c.def.Name, "error", err)
	}
}

const putAwayTime = 10 * time.Second

// forgotten is the answer where the conversation's key is gone.
func forgotten(rec *canon.RegisterRecord) *canon.RegisterRecord {
	return &canon.RegisterRecord{
		Register: rec.Register, Mapping: rec.Mapping, Query: rec.Query,
		Outcome: canon.RecordFailed, Code: canon.CodePayloadForgotten,
	}
}

// result is an outcome with what belongs to it.
type result struct {
	outcome  outcome
	code     canon.Code // where the outcome's own code is too coarse
	detail   string     // place and rule; never a person
	err      error
	record   []byte // found: canonical JSON
	evidence []byte // found: the evidence document
	issuedOn string
	with     []attachment
	report   mapping.Report
	broken   []string // how the answer breaks its schema, where that is only reported

	available time.Time // deferred
	asOf      time.Time // from the cache: when the register gave it
	fate      care.Fate // unavailable: what is known of the call; zero where nothing is

	putAway func(ctx context.Context, res result) error // raw.settle; nil where there is nothing to put away
}

func (c *Connector) warn(ctx context.Context, res result) {
	for _, u := range res.report.Unmapped { // the record may be good without it, so nobody else would tell
		c.with.Log.WarnContext(ctx, "code not in list", "register", c.def.Name, "list", u.List, "line", u.Line, "count", u.Count)
	}
}

func failedCall(err error) result {
	var ce *callError
	if !errors.As(err, &ce) {
		return result{outcome: outcomeUnavailable, code: canon.CodeRegisterDown, detail: "the call was stopped", err: err}
	}
	res := result{outcome: ce.outcome, detail: ce.detail, err: ce.err, fate: ce.fate, available: ce.available}
	if ce.outcome == outcomeUnavailable {
		res.code = canon.CodeRegisterDown
	}
	return res
}

// makeRequest runs the query rules. The request is nil when they fail.
func (d *Definition) makeRequest(in any, secrets mapping.Secrets) (*request, result) {
	req, err := d.requestWith(in, secrets)
	if err != nil {
		return nil, result{outcome: outcomeInvalid, code: canon.CodeMappingFailed, detail: firstFault(err), err: err}
	}
	req.encoding = d.reply.encoding
	return req, result{}
}

// rawRequest is the request with placeholders where secrets stand.
func (d *Definition) rawRequest(in any) (*request, error) { return d.requestWith(in, nil) }

func (d *Definition) requestWith(in any, secrets mapping.Secrets) (*request, error) {
	if d.query == nil {
		return d.transport.request(in, nil)
	}
	if t, ok := d.transport.(valueTransport); ok && t.sendsValue() {
		query, _, err := d.query.ConvertWith(in, secrets)
		if err != nil {
			return nil, err
		}
		return t.requestValue(in, query)
	}
	query, _, err := d.query.BuildWith(in, secrets)
	if err == nil {
		err = d.keepsQuery(query)
	}
	if err != nil {
		return nil, err
	}
	return d.transport.request(in, query)
}

// read turns a reply into an outcome: form, protocol, what the definition names,
// number of hits, rules, person, evidence. Without a query (nil) the person is
// not compared.
func (d *Definition) read(reply *raw, in any) result {
	return d.readWith(reply, in, d.reply.record.Read)
}

// readWith is read with the rules opened by somebody who follows them.
func (d *Definition) readWith(reply *raw, in any, open func(mapping.Node) (*mapping.Reading, error)) result {
	invalid := func(detail string, err error) result {
		return result{outcome: outcomeInvalid, detail: detail, err: err}
	}
	a := answer{}
	reply.encoding = d.reply.encoding
	if reply.form == nil {
		a = d.transport.read(reply)
	}
	if a.root.IsZero() {
		if o, ok := d.saidByStatus(reply); ok {
			return result{outcome: o, detail: "the register says so"}
		}
		switch byStatus := statusError(reply.status); {
		case byStatus != nil:
			// A reply of another form with a bad status is what gateways in between
			// send: the status speaks.
			return failedCall(byStatus)
		case reply.form != nil:
			return failedCall(reply.form)
		}
		return result{outcome: a.outcome, detail: a.detail, err: a.err}
	}
	refused, reported := d.keepsSchema(reply, a)
	if refused != "" {
		return invalid(refused, nil)
	}
	res := d.rules(a, reply, in, open)
	res.broken = reported
	return res
}

// rules reads an answer whose form is right.
func (d *Definition) rules(a answer, reply *raw, in any, open func(mapping.Node) (*mapping.Reading, error)) result {
	invalid := func(detail string, err error) result {
		return result{outcome: outcomeInvalid, detail: detail, err: err}
	}
	reading, err := open(Node(a.root))
	if err != nil {
		return invalid(err.Error(), err)
	}
	defer reading.Close()
	for _, o := range d.reply.outcomes {
		ok := o.status == 0 || o.status == reply.status
		if ok && o.when != nil {
			if ok, err = reading.True(o.when); err != nil {
				return invalid(firstFault(err), err)
			}
		}
		if ok {
			res := result{outcome: o.means, detail: "the register says so"}
			if o.means != outcomeDeferred {
				return res
			}
			text, err := reading.Text(o.available)
			if err != nil {
				return invalid(firstFault(err), err)
			}
			if res.available, err = moment(text); err != nil {
				return invalid(err.Error(), err)
			}
			return res
		}
	}
	if a.outcome != outcomeUnset {
		return result{outcome: a.outcome, detail: a.detail}
	}
	if byStatus := statusError(reply.status); byStatus != nil {
		return failedCall(byStatus)
	}
	hits, err := reading.Count(d.reply.hits)
	switch {
	case err != nil:
		return invalid(firstFault(err), err)
	case hits == 0:
		// An empty answer that the definition does not call "not found" might be
		// a misread one; only outcomes may say that nothing is there.
		return invalid("the reply holds neither a record nor an outcome that the definition names", nil)
	case hits > 1:
		return result{outcome: outcomeAmbiguous, detail: fmt.Sprintf("%d records match", hits)}
	}
	return d.render(reading, in)
}

// saidByStatus finds the outcome of a reply whose body says nothing. A page of
// somebody in between, of another media type, is not the register's word.
func (d *Definition) saidByStatus(reply *raw) (outcome, bool) {
	for _, o := range d.reply.outcomes {
		if reply.form == nil && o.status != 0 && o.status == reply.status && o.when == nil && o.means != outcomeDeferred {
			return o.means, true
		}
	}
	return outcomeUnset, false
}

// render makes record and evidence of the one hit.
func (d *Definition) render(reading *mapping.Reading, in any) result {
	fail := func(err error) result {
		return result{outcome: outcomeInvalid, detail: firstFault(err), err: err}
	}
	value, report, err := reading.Record(d.reply.hits)
	if err != nil {
		res := fail(err)
		res.report = report
		return res
	}
	if err := d.samePerson(in, value); err != nil {
		return fail(err)
	}
	res := result{outcome: outcomeFound, report: report}
	if res.issuedOn, err = reading.Text(d.reply.issuedOn); err != nil {
		return fail(err)
	}
	if res.issuedOn != "" {
		if _, err := time.Parse(time.DateOnly, res.issuedOn); err != nil {
			return fail(errors.New("issued_on is not a date of the form YYYY-MM-DD"))
		}
	}
	res.record = value.AppendJSON(nil)
	if err := d.checkRecord(value); err != nil {
		return fail(err)
	}
	e, evidenceReport, err := d.evidence.Build(value)
	res.report.Unmapped = append(res.report.Unmapped, evidenceReport.Unmapped...)
	if err != nil {
		failed := fail(err)
		failed.code = canon.CodeMappingFailed
		return failed
	}
	if res.evidence, err = document(e); err != nil {
		return fail(err)
	}
	for i := range d.supplements {
		a, ok, report, err := d.supplements[i].make(reading, value)
		res.report.Unmapped = append(res.report.Unmapped, report.Unmapped...)
		if err != nil {
			failed := fail(fmt.Errorf("supplement %d: %w", i+1, err))
			failed.code = canon.CodeMappingFailed
			return failed
		}
		if ok {
			res.with = append(res.with, a)
		}
	}
	return res
}

// moment reads a time, or a day, which begins in UTC.
func moment(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("available is not a time of the form YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ")
}

// firstFault is the place and rule of the first of several faults. Faults of a
// mapping name rules, not data.
func firstFault(err error) string {
	var e *mapping.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}

// keep stores record and evidence and refers to them.
func (c *Connector) keep(ctx context.Context, m canon.Message, rec *canon.RegisterRecord, res result) error {
	var err error
	if rec.Record, err = c.with.Payloads.Put(ctx, m.Conversation, "application/json", bytes.NewReader(res.record)); err != nil {
		return fmt.Errorf("storing the record: %w", err)
	}
	evidence, err := c.with.Payloads.Put(ctx, m.Conversation, "application/xml", bytes.NewReader(res.evidence))
	if err != nil {
		return fmt.Errorf("storing the evidence: %w", err)
	}
	issued := issuedOn(m, res)
	dist := c.def.EvidenceType.Distributions[0]
	main := canon.Document{
		ID:             evidenceID(m),
		Role:           canon.RoleMain,
		Classification: c.def.EvidenceType.Classification,
		Titles:         c.def.EvidenceType.Titles,
		Issuer:         c.def.Issuer,
		IssuedOn:       issued,
		Languages:      dist.Languages,
		ConformsTo:     dist.ConformsTo,
		Payload:        evidence,
	}
	rec.Documents = []canon.Document{main}
	for i, a := range res.with {
		ref, err := c.with.Payloads.Put(ctx, m.Conversation, a.def.format, bytes.NewReader(a.content))
		if err != nil {
			return fmt.Errorf("storing a supplement: %w", err)
		}
		rec.Documents = append(rec.Documents, canon.Document{
			ID: canon.DeriveUUID("document", string(m.ID), strconv.Itoa(i+1)), Role: a.def.role, For: main.ID,
			Classification: main.Classification, Titles: a.def.titles, Issuer: main.Issuer, IssuedOn: issued,
			Languages: a.def.languages, ConformsTo: a.def.conformsTo, Payload: ref,
		})
	}
	return nil
}

// queryValue is what query rules see: the open part of the query, the id of the
// message, and the subject.
func queryValue(id canon.MessageID, q *canon.RegisterQuery, subject canon.Subject) (any, error) {
	open := *q
	open.Private = canon.Sealed[canon.QueryPrivate]{}
	text, err := json.Marshal(struct {
		canon.RegisterQuery
		Message canon.MessageID `json:"message"`
		Subject canon.Subject   `json:"subject"`
	}{open, id, subject})
	if err != nil {
		return nil, err
	}
	return mapping.DecodeJSON(text)
}
