package edelivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// How often to look whether the first transmission of a message has ended.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// once takes the message, or answers for the one that was taken before.
func (in *inbound) once(ctx context.Context) answer {
	r := in.r
	key, identity := in.key(), in.identity()
	// A claim of a worker that died ends while its message waits here, so that the
	// first resend is taken.
	waiting, cancel := context.WithTimeout(ctx, in.term()+time.Second)
	defer cancel()
	for look := firstLook; ; look = min(2*look, lastLook) {
		state, stored, err := r.Remembered.Claim(waiting, key, identity, in.term())
		if err != nil {
			return in.refuse(ctx, fmt.Errorf("asking what was received: %w", err))
		}
		switch state {
		case StateClaimed:
			return in.deliver(ctx, key, identity)
		case StateDone:
			return in.again(ctx, stored)
		case StateConflict:
			return in.refuseAs(ctx, "conflict", ebms.Errorf(ebms.ValueInconsistent, "MessageId was used for other content"))
		case StateBusy:
			// The first transmission is in progress: answer when it has ended (c.1).
			if !wait(waiting, look) {
				return answer{status: http.StatusServiceUnavailable, outcome: "busy", code: ebms.DeliveryFailure, retry: come,
					body: r.plainError(in.table, in.header.MessageID, ebms.Errorf(ebms.DeliveryFailure, "message is in progress"))}
			}
		default:
			return in.refuse(ctx, fmt.Errorf("asking what was received: unknown state %q", state))
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// again answers a message that was received before: with the same receipt, or
// with a new one for the references of this transmission.
func (in *inbound) again(ctx context.Context, stored []byte) answer {
	set, receipt, ok := unpack(stored)
	if !ok || set != referenceSet(in.opened.References) {
		var err error
		if receipt, err = in.r.receipt(in.table, in.partner, in.header.MessageID, in.opened.References); err != nil {
			return in.refuse(ctx, err)
		}
	}
	return answer{status: http.StatusOK, body: receipt, outcome: "duplicate"}
}

// deliver publishes what the message means and signs the receipt.
func (in *inbound) deliver(ctx context.Context, key, identity string) answer {
	r := in.r
	// The claim holds no longer than the work may last.
	working, done := context.WithTimeout(ctx, in.term())
	defer done()
	receipt, err := in.publish(working)
	// What must happen although the peer has left.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Deadline)
	defer cancel()
	if err != nil {
		if err := r.Remembered.Release(after, key, identity); err != nil {
			r.Logger.ErrorContext(ctx, "claim not released; the peer waits for its end", slog.String("as4", in.header.MessageID), slog.Any("error", err))
		}
		return in.refuse(ctx, err)
	}
	in.note(after)
	ours := pack(referenceSet(in.opened.References), receipt)
	stored, err := r.Remembered.Complete(after, key, identity, ours, in.remembers())
	if err != nil {
		// The message is on the log, so the receipt is true; a resend publishes the same ids.
		r.Logger.ErrorContext(ctx, "receipt not remembered", slog.String("as4", in.header.MessageID), slog.Any("error", err))
		return answer{status: http.StatusOK, body: receipt, outcome: "accepted"}
	}
	if bytes.Equal(stored, ours) {
		return answer{status: http.StatusOK, body: receipt, outcome: "accepted"}
	}
	a := in.again(ctx, stored) // the first answer wins
	if a.outcome == "duplicate" {
		a.outcome = "accepted"
	}
	return a
}

// note tells the journal of a message that was taken.
func (in *inbound) note(ctx context.Context) {
	n := canon.MessageNote{
		AS4: in.header.MessageID, Direction: canon.MessageIn, Peer: in.header.From.ID, Action: in.header.Action,
		State: canon.MessageReceived, Parts: len(in.header.Parts), Bytes: in.size,
	}
	if m := in.first; m.ID != "" {
		n.Message, n.Kind, n.Conversation = m.ID, m.Kind, m.Conversation
		if env := canon.EnvelopeOf(m.Body); env != nil {
			n.Exchange = env.Exchange
		}
	}
	in.r.node.note(ctx, n)
}

// publish writes what the message means to the log and returns the receipt. It is
// signed before, so that the audit trail has it, and leaves us after: a receipt means
// "on the log" (decision 3).
func (in *inbound) publish(ctx context.Context) ([]byte, error) {
	r := in.r
	parts, err := in.clear()
	if err != nil {
		return nil, err
	}
	var ms []canon.Message
	if !in.header.IsTest() { // a test is processed, not delivered (ebMS3 5.2.2.8)
		ms, err = r.Codec.Decode(ctx, Incoming{Header: *in.header, Parts: parts, Now: r.Now()}, r.Payloads)
		if err != nil {
			return nil, decodeError(err)
		}
		if ms, err = in.withRecord(ctx, ms, parts); err != nil {
			return nil, decodeError(err)
		}
	}
	if len(ms) > 0 {
		in.first = ms[0]
	}
	receipt, err := r.receipt(in.table, in.partner, in.header.MessageID, in.opened.References)
	if err != nil {
		return nil, err
	}
	err = r.Publish(ctx, append(ms, in.audit(ms, receipt))...)
	if errors.Is(err, canon.ErrForgotten) {
		var taken bool
		if taken, err = in.taken(ctx, ms, err); taken {
			return receipt, nil
		}
	}
	if e, ok := errors.AsType[*ebms.Error](err); ok {
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("publishing message: %w", err)
	}
	return receipt, nil
}

// taken looks whether the message of a forgotten exchange is on the log already:
// a worker may have died between publishing it and the receipt.
func (in *inbound) taken(ctx context.Context, ms []canon.Message, forgotten error) (bool, error) {
	if len(ms) > 0 {
		// No writer of ours had it before the peer made it.
		taken, err := in.r.Taken(ctx, ms[0], in.header.Timestamp.Add(-in.r.Skew))
		if err != nil {
			return false, fmt.Errorf("looking for the message on the log: %w", err)
		}
		if taken {
			return true, nil
		}
	}
	// Its key was destroyed: it will never be taken, so the peer is not asked to come again.
	return false, ebms.Because(ebms.Other, forgotten, "exchange has ended")
}

// decodeError keeps failures that will pass as they are and names the others.
func decodeError(err error) error {
	if e, ok := errors.AsType[*ebms.Error](err); ok {
		return e
	}
	switch canon.AsFault(err).Kind {
	case canon.Unavailable, canon.Internal:
		return fmt.Errorf("decoding message: %w", err)
	}
	return ebms.Because(ebms.Other, err, "message cannot be processed")
}

// clear checks and decompresses the parts. Small ones are kept, large ones are
// counted now and decompressed again when they are read: clear bytes never wait
// on a disk.
func (in *inbound) clear() ([]Part, error) {
	limits := in.partner.Bounds(in.header)
	left, keep := limits.Message, int64(kept)
	out := make([]Part, 0, len(in.header.Parts))
	sizes := make(map[string]int64, len(in.header.Parts))
	for i, info := range in.header.Parts {
		content := in.opened.Parts[i].Content
		p := Part{ID: info.ID, Size: int64(len(content))}
		p.MediaType, _ = info.Property(ebms.PropertyMimeType)
		compressed := false
		for _, prop := range info.Properties {
			switch {
			case prop.Name == ebms.PropertyCompressionType:
				compressed = true // not passed on (AS4 1.0, 3.1)
				continue
			case prop.Name == ebms.PropertyCharacterSet && rewritten(in.sealed[i].Content, content) && isXML(p.MediaType):
				prop.Value = "UTF-8" // what was signed, and is handed on, is the canonical form
			}
			p.Properties = append(p.Properties, prop)
		}
		bounds := wssec.Bounds{Bytes: min(limits.Part, left), Ratio: limits.Ratio}
		if !compressed {
			if p.Size > bounds.Bytes {
				return nil, ebms.Errorf(ebms.Other, "message is larger than agreed")
			}
			p.Open = reopen(content)
		} else if err := in.decompress(&p, content, bounds, &keep); err != nil {
			return nil, err
		}
		left -= p.Size
		sizes[p.ID] = p.Size
		out = append(out, p)
	}
	return out, in.partner.CheckSizes(in.header, sizes)
}

// rewritten reports that what was signed of a part are not the octets that came: of
// uncompressed XML it is the canonical form.
func rewritten(came, signed []byte) bool {
	return len(came) > 0 && len(signed) > 0 && &came[0] != &signed[0]
}

func reopen(content []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

// kept is how many clear bytes of one message are held.
const kept = 512 << 10

// usual is how many clear bytes XML has for one compressed byte, seldom more.
const usual = 16

func (in *inbound) decompress(p *Part, content []byte, b wssec.Bounds, keep *int64) error {
	open := func() (io.ReadCloser, error) { return in.r.gzip.Decompress(content, b) }
	z, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // gives the decompressor back, cannot fail
	var head bytes.Buffer
	// Room for what the part says that it is, as far as XML would swell to it: a hundred
	// small parts may say anything.
	head.Grow(int(min(*keep, wssec.ClearSize(content), usual*int64(len(content)))) + bytes.MinRead)
	n, err := io.Copy(&head, io.LimitReader(z, *keep))
	if err != nil {
		return err
	}
	more, err := io.Copy(io.Discard, z)
	if err != nil {
		return err
	}
	if p.Size = n + more; more == 0 {
		p.Open = reopen(head.Bytes())
		*keep -= n
	} else {
		p.Open = open
	}
	return nil
}

// audit is the event of a message that was taken. It follows from the first
// canonical message, whose conversation it joins.
func (in *inbound) audit(ms []canon.Message, receipt []byte) canon.Message {
	event := &canon.AuditEvent{
		Step: stepReceived, Room: room, Outcome: "accepted",
		Peer: in.header.From.ID, AS4: in.header.MessageID,
		Digests: map[string]string{"receipt": digestOf(receipt)},
	}
	if in.header.IsTest() {
		event.Outcome = "test"
	}
	if len(receipt) <= maxProof {
		event.Proof = receipt
	}
	for i, p := range in.opened.Parts {
		event.Digests["part-"+strconv.Itoa(i+1)] = hexDigest(p.Digest)
	}
	cause := canon.Message{
		ID:           canon.MessageID(canon.DeriveUUID("as4 message", in.header.From.ID.Scheme, in.header.From.ID.ID, in.header.MessageID)),
		Conversation: conversationOf(in.header.From.ID, in.header.MessageID),
	}
	if len(ms) > 0 {
		cause = ms[0]
		if env := canon.EnvelopeOf(ms[0].Body); env != nil {
			event.Exchange = env.Exchange
		}
	}
	return canon.Follow(cause, stepReceived, in.r.Now(), event)
}
