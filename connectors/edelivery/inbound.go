package edelivery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// inbound is one message on its way through the receiver.
type inbound struct {
	r         *Receiver
	req       *http.Request
	body      *paced
	client    string         // whose refusals are counted together
	table     *pmode.Table   // the one in force when the message came
	from      *pmode.Partner // whom we asked for it; nil where it came by itself
	raw       []byte         // the envelope
	env       wssec.Envelope
	header    *ebms.UserMessage
	signal    *ebms.Signal // in place of header
	partner   *pmode.Partner
	forbidden bool                // the connection is not one of the partner
	broken    error               // why the parts could not be read
	opened    *wssec.Opened       // once all of it was found to be the partner's
	sealed    []wssec.SealedPart  // as they came
	wire      [][sha256.Size]byte // digests of the parts as they came
	size      int64               // bytes of parts on the wire
	first     canon.Message       // what it means, first of all; zero for a test
}

func (r *Receiver) take(ctx context.Context, req *http.Request, body *paced) answer {
	return (&inbound{r: r, req: req, body: body, client: r.Client(req), table: r.PModes.Table()}).take(ctx)
}

func (in *inbound) take(ctx context.Context) answer {
	r := in.r
	reader, err := r.buffers.NewReader(in.req.Header.Get("Content-Type"), in.body, r.Limits)
	if err != nil {
		return in.refuse(ctx, err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			r.Logger.ErrorContext(ctx, "part files not given up", slog.Any("error", err))
		}
	}()
	if signal, err := in.read(ctx, reader); err != nil {
		return in.refuse(ctx, err)
	} else if signal {
		return in.answerSignal(ctx)
	}
	return in.once(ctx)
}

// envelopeLimits bound the header of a message; no document is in it.
var envelopeLimits = xmldoc.Limits{MaxDepth: 32, MaxNodes: 20_000, MaxAttributes: 64, MaxNamespaces: 64}

// read parses, finds the agreement, and opens the message.
func (in *inbound) read(ctx context.Context, reader *swa.Reader) (signal bool, err error) {
	r := in.r
	b, err := reader.Envelope()
	if err != nil {
		return false, err
	}
	in.raw = b
	limits := envelopeLimits
	limits.MaxBytes = int(r.Limits.Envelope)
	doc, err := xmldoc.ParseKept(b, limits)
	if err != nil {
		return false, &swa.Error{Problem: swa.Malformed, Reason: "envelope is not acceptable XML", Err: err}
	}
	if in.env, err = wssec.Locate(doc); err != nil {
		return false, err
	}
	m, err := ebms.Read(in.env.Messaging)
	if m.Signal != nil {
		in.signal = m.Signal
		return err == nil, err
	}
	in.header = m.User
	if in.header == nil {
		return false, err
	}
	partner, mismatch := in.table.Match(in.header)
	if partner == nil && r.Discovery != nil && err == nil {
		partner, mismatch = r.Discovery.Inbound(in.header)
	}
	if in.from != nil && (partner == nil || partner.Name != in.from.Name) {
		partner = in.from
		if mismatch == nil {
			mismatch = ebms.Errorf(ebms.ProcessingModeMismatch, "message is not of the partner who was asked")
		}
	}
	in.partner = partner // with an error too: its signature makes the answer count
	if err != nil {
		return false, err
	}
	if mismatch != nil {
		return false, mismatch
	}
	// Before anything costs more: who replays an old message has a valid signature.
	if err := in.fresh(); err != nil {
		return false, err
	}
	if err := in.connected(partner); err != nil {
		return false, ebms.Because(ebms.FailedAuthentication, err, "")
	}
	return false, in.open(ctx, reader)
}

// connected refuses a connection that is not the partner's. One that we opened is.
func (in *inbound) connected(p *pmode.Partner) error {
	if in.from != nil {
		return nil
	}
	err := p.TLS.Clients.Allow(in.req.TLS, in.r.Now())
	in.forbidden = err != nil
	return err
}

// open verifies the signature value and the certificate first: only who can sign for
// the partner makes us read parts. The limits of the agreement hold for them, whatever
// those of the access point are.
func (in *inbound) open(ctx context.Context, reader *swa.Reader) error {
	p := in.partner
	bounds := p.Bounds(in.header)
	// Compressed and encrypted bytes are hardly more than clear ones.
	part, message := sealedSize(bounds.Part), sealedSize(bounds.Message)
	reader.Bound(part, message)
	in.body.raise(wire(message, in.r.Limits.Envelope))
	if n := in.req.ContentLength; n > in.body.most {
		return &swa.Error{Problem: swa.TooLarge, Reason: "message is larger than agreed"}
	}
	sealed := make([]wssec.SealedPart, len(in.header.Parts))
	for i, info := range in.header.Parts {
		sealed[i].ID = info.ID
	}
	fetched := false
	opened, err := wssec.Open(ctx, wssec.Opening{
		Envelope: in.env,
		Parts:    sealed,
		Fetch: func(sealed []wssec.SealedPart) error {
			fetched = true
			in.broken = in.fetch(reader, sealed)
			return in.broken
		},
		Verifier: p.Verifier(),
		Profile:  p.Profile,
		Allow:    p.Allow,
		SignOnly: p.SignOnly,
		Decrypt:  in.table.Own().Decrypt,
		Now:      in.r.Now(),
	})
	if err != nil {
		return err
	}
	if !fetched { // no parts are agreed; there must be none
		if err := in.fetch(reader, nil); err != nil {
			return err
		}
	}
	in.opened, in.sealed, in.size = opened, sealed, reader.Size()
	return nil
}

func sealedSize(clear int64) int64 { return clear + clear/64 + 1024 }

// fetch reads the parts, which must be those that the header names.
func (in *inbound) fetch(reader *swa.Reader, sealed []wssec.SealedPart) error {
	parts, err := reader.Parts()
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(parts))
	byID := make(map[string]*swa.Part, len(parts))
	for _, p := range parts {
		ids, byID[p.ID] = append(ids, p.ID), p
		in.wire = append(in.wire, p.Digest)
	}
	if err := in.header.CheckParts(ids); err != nil {
		return err
	}
	for i := range sealed {
		p := byID[sealed[i].ID]
		if sealed[i].Content, err = p.Content.Bytes(); err != nil {
			return &swa.Error{Problem: swa.Unreadable, Reason: "reading a part back", Err: err}
		}
		sealed[i].MediaType = p.MediaType
	}
	return nil
}

// fresh refuses what lies outside the time for which MessageIds are remembered:
// AS4 has no other protection against replay (i.9).
func (in *inbound) fresh() error {
	now := in.r.Now()
	if at := in.header.Timestamp; at.Before(now.Add(-in.retention())) || at.After(now.Add(in.r.Skew)) {
		return ebms.Errorf(ebms.ValueInconsistent, "Timestamp is outside the time that is accepted")
	}
	return nil
}

// retention is how long the partner's MessageIds are remembered.
func (in *inbound) retention() time.Duration {
	if d := in.partner.Retention; d > 0 {
		return d
	}
	return in.r.Retention
}

// remembers is how long a MessageId is kept: until fresh refuses its message as old,
// also one whose Timestamp lies ahead.
func (in *inbound) remembers() time.Duration { return in.retention() + 2*in.r.Skew }

// term is how long the work on the message may last, and so how long a claim on it
// holds: longer for a large one.
func (in *inbound) term() time.Duration {
	return in.r.Deadline + time.Duration(in.size/workPace)*time.Second
}

// workPace is how many bytes of parts are worked on in a second at least.
const workPace = 8 << 20

// identity is what makes two transmissions the same message: the header but for
// its Timestamp, and the signed digests of the parts. Ids of the envelope are no
// part of it: stacks make new ones for every attempt.
func (in *inbound) identity() string {
	m := in.header
	b := make([]byte, 0, 2<<10)
	field := func(values ...string) {
		for _, v := range values {
			b = append(strconv.AppendInt(b, int64(len(v)), 10), ' ') // so that no value can pass for two
			b = append(b, v...)
		}
	}
	properties := func(ps []ebms.Property) {
		b = append(strconv.AppendInt(b, int64(len(ps)), 10), '\n')
		for _, p := range ps {
			field(p.Name, p.Type, p.Value)
		}
	}
	field(m.MPC, m.RefToMessageID, m.Action, m.ConversationID)
	for _, p := range []ebms.Party{m.From, m.To} {
		field(p.ID.Scheme, p.ID.ID, p.Role)
	}
	field(m.Agreement.Value, m.Agreement.Type, m.Agreement.PMode, m.Service.Value, m.Service.Type)
	properties(m.Properties)
	for i, p := range m.Parts {
		field(p.ID, in.opened.Parts[i].Digest)
		properties(p.Properties)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (in *inbound) key() string {
	id := in.header.From.ID
	return "as4:in:" + canon.DeriveUUID("received", id.Scheme, id.ID, in.header.MessageID)
}

// digests are what the audit trail says of a message that was not taken.
func (in *inbound) digests() map[string]string {
	out := make(map[string]string, 1+len(in.wire))
	if in.raw != nil {
		out["envelope"] = digestOf(in.raw)
	}
	for i, d := range in.wire {
		out["part-"+strconv.Itoa(i+1)] = "sha256:" + hex.EncodeToString(d[:])
	}
	return out
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// hexDigest turns the base64 of a signature into the form of the log.
func hexDigest(b64 string) string {
	b, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return ""
	}
	return "sha256:" + hex.EncodeToString(b)
}
