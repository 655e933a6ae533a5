package edelivery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// A Receiver takes messages of other access points. A signed receipt leaves it
// only after everything the message means is on the log (decision 3). It bounds how
// slowly a body may come; other timeouts of the connection are the server's.
type Receiver struct {
	node
	slots chan struct{}
}

var _ http.Handler = (*Receiver)(nil)

// NewReceiver returns a receiver.
func NewReceiver(c Config) (*Receiver, error) {
	c, err := c.withDefaults()
	if c.Publish == nil {
		err = errors.Join(err, errors.New("config: Publish is required"))
	}
	if err != nil {
		return nil, fmt.Errorf("configuring receiver: %w", err)
	}
	return &Receiver{node: node{Config: c, gzip: &wssec.Gzip{}}, slots: make(chan struct{}, c.Concurrent)}, nil
}

// An answer is what goes back over HTTP.
type answer struct {
	status  int
	body    []byte
	outcome string
	code    ebms.Code
	retry   bool // ask to come again
}

// drained is how much of a refused message is read all the same.
const drained = 8 << 20

// ServeHTTP takes one message.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	// Transfer encodings and part headers add to the content: twice is ample.
	body := &paced{
		r:    http.MaxBytesReader(w, req.Body, 2*(r.Limits.Message+r.Limits.Envelope)),
		conn: http.NewResponseController(w), end: time.Now().Add(r.Patience),
	}
	body.bound() // also what the server reads of a body that is not wanted
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST an AS4 message here.", http.StatusMethodNotAllowed)
		return
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default: // shed load before reading
		w.Header().Set("Retry-After", "5")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		r.Observe(Observation{Inbound: true, Outcome: "shed"})
		return
	}
	start := r.Now()
	ctx := req.Context()
	a := r.take(ctx, req.Header.Get("Content-Type"), body)
	// A peer that is still sending would see a broken connection instead of the answer.
	if _, err := io.CopyN(io.Discard, body, drained); err == nil {
		body.bound()
	} else if !errors.Is(err, io.EOF) {
		r.Logger.DebugContext(ctx, "rest of a message not read", slog.Any("error", err))
	}
	if a.status == http.StatusOK && a.code != "" && r.SOAPFaults {
		a.status = http.StatusInternalServerError
	}
	if a.retry {
		w.Header().Set("Retry-After", "5")
	}
	if len(a.body) > 0 {
		w.Header().Set("Content-Type", swa.SOAPType+"; charset=UTF-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if _, err := w.Write(a.body); err != nil {
		// The peer sends again and gets the same answer.
		r.Logger.InfoContext(ctx, "peer left before the answer", slog.Any("error", err))
	}
	r.Observe(Observation{Inbound: true, Outcome: a.outcome, Code: string(a.code), Duration: r.Now().Sub(start)})
}

// inbound is one message on its way through the receiver.
type inbound struct {
	r       *Receiver
	table   *pmode.Table // the one in force when the message came
	env     wssec.Envelope
	header  *ebms.UserMessage
	partner *pmode.Partner
	opened  *wssec.Opened
	digests map[string]string
}

func (r *Receiver) take(ctx context.Context, contentType string, body io.Reader) answer {
	in := &inbound{r: r, table: r.PModes.Table(), digests: map[string]string{}}
	reader, err := swa.NewReader(contentType, body, r.Limits)
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
		// Signals belong into the answers of our own messages; nothing follows from one here.
		return answer{status: http.StatusAccepted, outcome: "signal"}
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
	in.digests["envelope"] = digestOf(b)
	limits := envelopeLimits
	limits.MaxBytes = int(r.Limits.Envelope)
	doc, err := xmldoc.ParseBytes(b, limits)
	if err != nil {
		return false, &swa.Error{Problem: swa.Malformed, Reason: "envelope is not acceptable XML", Err: err}
	}
	if in.env, err = wssec.Locate(doc); err != nil {
		return false, err
	}
	m, err := ebms.Read(in.env.Messaging)
	if m.Signal != nil {
		if err == nil && m.Signal.Pull != nil {
			err = ebms.Errorf(ebms.FeatureNotSupported, "pull is not supported")
		}
		return err == nil, err
	}
	in.header = m.User
	if in.header == nil {
		return false, err
	}
	partner, mismatch := in.table.Match(in.header)
	in.partner = partner // with an error too: its signature makes the answer count
	if err != nil {
		return false, err
	}
	if mismatch != nil {
		return false, mismatch
	}
	// Compressed and encrypted bytes are hardly more than clear ones.
	reader.Bound(partner.Limits.Part+partner.Limits.Part/64+1024, partner.Limits.Message+partner.Limits.Message/64+1024)
	parts, err := reader.Parts()
	if err != nil {
		return false, err
	}
	return false, in.open(ctx, parts)
}

func (in *inbound) open(ctx context.Context, parts []*swa.Part) error {
	sealed := make([]wssec.SealedPart, 0, len(parts))
	ids := make([]string, 0, len(parts))
	byID := make(map[string]*swa.Part, len(parts))
	for i, p := range parts {
		ids, byID[p.ID] = append(ids, p.ID), p
		in.digests["part-"+strconv.Itoa(i+1)] = "sha256:" + hex.EncodeToString(p.Digest[:])
	}
	if err := in.header.CheckParts(ids); err != nil {
		return err
	}
	for _, info := range in.header.Parts {
		content, err := byID[info.ID].Content.Bytes()
		if err != nil {
			return &swa.Error{Problem: swa.Unreadable, Reason: "reading a part back", Err: err}
		}
		sealed = append(sealed, wssec.SealedPart{ID: info.ID, Content: content})
	}
	opened, err := wssec.Open(ctx, wssec.Opening{
		Envelope: in.env,
		Parts:    sealed,
		Verifier: in.partner.Verifier(),
		Allow:    in.partner.Allow,
		Decrypt:  in.table.Own().Decrypt,
		Now:      in.r.Now(),
	})
	if err != nil {
		return err
	}
	in.opened = opened
	return in.fresh()
}

// fresh refuses what lies outside the time for which MessageIds are remembered:
// AS4 has no other protection against replay (i.9).
func (in *inbound) fresh() error {
	now := in.r.Now()
	if at := in.header.Timestamp; at.Before(now.Add(-in.r.Retention)) || at.After(now.Add(in.r.Skew)) {
		return ebms.Errorf(ebms.ValueInconsistent, "Timestamp is outside the time that is accepted")
	}
	return nil
}

// identity is what makes two transmissions the same message: the header but for
// its Timestamp, and the signed digests of the parts. Ids of the envelope are no
// part of it: stacks make new ones for every attempt.
func (in *inbound) identity() string {
	h := sha256.New()
	m := *in.header
	fmt.Fprintf(h, "%q %q %q %q %q %q %q %q %q\n", m.MPC, m.RefToMessageID, m.From, m.To, m.Agreement, m.Service, m.Action, m.ConversationID, m.Properties)
	for i, p := range m.Parts {
		fmt.Fprintf(h, "%q %q\n", p, in.opened.Parts[i].Digest)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (in *inbound) key() string {
	id := in.header.From.ID
	return "as4:in:" + canon.DeriveUUID("received", id.Scheme, id.ID, in.header.MessageID)
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

// refuse answers with an error: signed where the partner is known.
func (in *inbound) refuse(ctx context.Context, err error) answer {
	return in.refuseAs(ctx, "refused", err)
}

func (in *inbound) refuseAs(ctx context.Context, outcome string, err error) answer {
	a := answer{status: http.StatusOK, outcome: outcome}
	var e *ebms.Error
	var framing *swa.Error
	known := in.partner != nil
	switch {
	case errors.As(err, &e):
	case errors.As(err, &framing):
		e, a.status = framingError(framing)
		if framing.Problem == swa.TooLarge || framing.Problem == swa.Inconsistent {
			break
		}
		known, a.retry = false, a.status == http.StatusServiceUnavailable
	default:
		e, a.status, a.retry, known = ebms.Because(ebms.DeliveryFailure, err, "message cannot be taken now"), http.StatusServiceUnavailable, true, false
	}
	var messageID string
	var peer canon.Participant
	if in.header != nil {
		messageID = in.header.MessageID
	}
	if in.partner != nil {
		peer = in.partner.Party.ID
	}
	a.code = e.Code
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.r.Deadline)
	defer cancel()
	in.r.auditRefusal(ctx, refusal{peer: peer, proven: in.opened != nil, messageID: messageID, outcome: a.outcome, err: e, digests: in.digests})
	if known {
		b, err := in.r.signedError(in.table, in.partner, messageID, e)
		if err == nil {
			a.body = b
			return a
		}
		in.r.Logger.ErrorContext(ctx, "error signal not signed", slog.Any("error", err))
	}
	a.body = in.r.plainError(in.table, messageID, e)
	if in.r.SOAPFaults {
		a.body = withFault(a.body)
	}
	return a
}

// framingError is the one table from problems of a package to ebMS and HTTP (c.4).
func framingError(e *swa.Error) (*ebms.Error, int) {
	switch e.Problem {
	case swa.WrongType:
		return ebms.Because(ebms.MimeInconsistency, e, "content type is not one of AS4"), http.StatusUnsupportedMediaType
	case swa.TooLarge:
		return ebms.Because(ebms.Other, e, "message is larger than agreed"), http.StatusRequestEntityTooLarge
	case swa.Inconsistent:
		return ebms.Because(ebms.MimeInconsistency, e, e.Reason), http.StatusOK
	case swa.Unreadable:
		if too := (*http.MaxBytesError)(nil); errors.As(e, &too) {
			return ebms.Because(ebms.Other, e, "message is larger than agreed"), http.StatusRequestEntityTooLarge
		}
		return ebms.Because(ebms.DeliveryFailure, e, "message was not read to its end"), http.StatusServiceUnavailable
	}
	if bad := (*xmldoc.ParseError)(nil); errors.As(e, &bad) {
		return ebms.Because(ebms.InvalidHeader, e, e.Reason), http.StatusBadRequest
	}
	return ebms.Because(ebms.MimeInconsistency, e, "message is not multipart/related"), http.StatusBadRequest
}
