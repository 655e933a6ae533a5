package edelivery

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// One-Way/Pull, the side that is asked (a.5): Handle lays the message on the shelf, a
// signed PullRequest takes it, the receipt that is posted later ends it.

// shelve lays a message on the shelf of the partner that fetches it.
func (n *node) shelve(ctx context.Context, e *errand) error {
	if n.Shelf == nil {
		return canon.NewFault(canon.CodeInternal, nil, "no shelf for partner %s, who fetches its messages", e.partner.Name)
	}
	from := e.m.At
	if e.m.Series > 0 { // an operator sends an old message again
		from = n.Now()
	}
	term := e.partner.Retry.Expiry
	if term <= 0 {
		term = n.Retention
	}
	err := n.Shelf.Put(ctx, canon.Shelved{
		Message: e.m, Partition: e.partner.MPC, Attempts: e.partner.Retry.Attempts, Expires: from.Add(term),
	})
	if err != nil {
		return fmt.Errorf("laying message on the shelf: %w", err)
	}
	n.noteOut(ctx, e, canon.MessageNote{State: canon.MessageReadyToPull})
	return nil
}

// answerSignal answers a signal that a peer posts: a request for a message of ours, or
// what became of one that it fetched.
func (in *inbound) answerSignal(ctx context.Context) answer {
	if in.from != nil { // signals in answers to a request of ours were read before
		return answer{status: http.StatusBadGateway, outcome: "signal"}
	}
	if in.signal.Pull != nil {
		return in.serve(ctx)
	}
	return in.fetched(ctx)
}

// verify checks that the signal is the partner's.
func (in *inbound) verify(ctx context.Context, p *pmode.Partner) error {
	opened, err := wssec.Open(ctx, wssec.Opening{Envelope: in.env, Verifier: p.Verifier(), Profile: p.Profile, Allow: p.Allow, Now: in.r.Now()})
	in.opened = opened
	return err
}

// serve hands out the oldest message of a partition.
func (in *inbound) serve(ctx context.Context) answer {
	r, mpc := in.r, in.signal.Pull.MPC
	p, ok := in.table.Puller(mpc)
	if !ok || r.Shelf == nil {
		return in.refuse(ctx, ebms.Errorf(ebms.ProcessingModeMismatch, "no agreement for this partition"))
	}
	in.partner = p
	if err := in.connected(p); err != nil {
		return in.refuse(ctx, ebms.Because(ebms.FailedAuthentication, err, ""))
	}
	if err := in.verify(ctx, p); err != nil {
		// Whoever is not the partner may not fetch, whatever is wrong with the request.
		return in.refuse(ctx, ebms.Because(ebms.FailedAuthentication, err, ""))
	}
	if err := in.unheard(ctx); err != nil {
		return in.refuse(ctx, err)
	}
	for {
		s, err := r.Shelf.Take(ctx, mpc, r.Now(), p.Timeout)
		if err != nil {
			return in.refuse(ctx, fmt.Errorf("looking on the shelf: %w", err))
		}
		if s == nil {
			return in.empty(ctx)
		}
		e, l, err := in.handOut(ctx, s)
		if err != nil {
			return in.refuse(ctx, err)
		}
		if l == nil {
			continue
		}
		// A large message is longer on its way than the lease that it was taken for.
		until := r.Now().Add(span(p, l))
		if err := r.Shelf.Hold(ctx, s.Message.ID, s.Message.Series, until); err != nil {
			l.close(ctx, r.Logger)
			return in.refuse(ctx, fmt.Errorf("holding a message that is fetched: %w", err))
		}
		r.noteOut(ctx, e, canon.MessageNote{State: canon.MessageBeingPulled, Attempts: s.Taken})
		return answer{status: http.StatusOK, outcome: "pulled", letter: l, sent: func(ctx context.Context) {
			r.noteOut(ctx, e, canon.MessageNote{State: canon.MessageWaitingForReceipt, Attempts: s.Taken, Next: until})
		}}
	}
}

// unheard refuses a pull request that is old or came before: who records one and plays
// it back would use up the attempts of our messages.
func (in *inbound) unheard(ctx context.Context) error {
	now, at := in.r.Now(), in.signal.Timestamp
	if at.Before(now.Add(-in.r.Skew)) || at.After(now.Add(in.r.Skew)) {
		return ebms.Errorf(ebms.ValueInconsistent, "Timestamp is outside the time that is accepted")
	}
	id := in.partner.Party.ID
	key := "as4:pull:" + canon.DeriveUUID("pulled", id.Scheme, id.ID, in.signal.MessageID)
	state, _, err := in.r.Remembered.Claim(ctx, key, in.signal.MessageID, 2*in.r.Skew+time.Second)
	switch {
	case err != nil:
		return fmt.Errorf("asking what was received: %w", err)
	case state != StateClaimed:
		return ebms.Errorf(ebms.ValueInconsistent, "MessageId was used before")
	}
	return nil
}

// empty says that nothing is there: a warning, signed, and nothing for the audit.
func (in *inbound) empty(ctx context.Context) answer {
	b, err := in.r.signedError(in.table, in.partner, in.signal.MessageID, ebms.Errorf(ebms.EmptyPartition, "no message is waiting in this partition"))
	if err != nil {
		return in.refuse(ctx, err)
	}
	return answer{status: http.StatusOK, outcome: "empty", body: b}
}

// handOut seals a message for the partner that fetches it. Without a letter the
// message is over, and the next one may be taken.
func (in *inbound) handOut(ctx context.Context, s *canon.Shelved) (*errand, *letter, error) {
	r := in.r
	e := r.errand(s.Message, canon.EnvelopeOf(s.Message.Body))
	e.table = in.table
	l, err := r.unshelve(ctx, e, s)
	if err != nil || l == nil {
		return e, nil, err
	}
	if e.partner.MEP != pmode.Pull || e.partner.MPC != in.partner.MPC {
		l.close(ctx, r.Logger)
		return e, nil, r.settle(ctx, e, r.failed(s.Taken, canon.CodeNoAgreement, ebms.ProcessingModeMismatch, "the agreement has changed: this partner does not fetch it any more"))
	}
	set := keep(l.signed())
	if err := r.Shelf.Keep(ctx, s.Message.ID, set[:]); err != nil {
		l.close(ctx, r.Logger)
		return e, nil, fmt.Errorf("keeping what the receipt must match: %w", err)
	}
	return e, l, nil
}

// unshelve seals a message that lies on the shelf. Without a letter, and an error, the
// message is over.
func (n *node) unshelve(ctx context.Context, e *errand, s *canon.Shelved) (*letter, error) {
	if known, err := n.settled(ctx, e, s); known || err != nil {
		return nil, err
	}
	over := func(d delivery) (*letter, error) {
		d.Attempts = s.Taken
		if pushed(s.Partition) { // this one was not made
			d.Attempts--
		}
		return nil, n.settle(ctx, e, d)
	}
	out, ok, err := n.Codec.Encode(ctx, s.Message, n.Payloads)
	switch {
	case errors.Is(err, canon.ErrForgotten):
		return over(n.failed(0, canon.CodePayloadForgotten, "", "what it should carry was forgotten"))
	case err != nil && canon.AsFault(err).Kind == canon.Invalid:
		n.Logger.ErrorContext(ctx, "shelved message cannot be encoded", slog.String("as4", e.id), slog.Any("error", err))
		return over(n.failed(0, canon.AsFault(err).Code, "", "it cannot be encoded"))
	case err != nil:
		return nil, fmt.Errorf("encoding message: %w", err)
	case !ok:
		return nil, n.Shelf.Drop(ctx, s.Message.ID, s.Message.Series)
	}
	e.action = out.Action
	l, d, err := n.letter(ctx, e, out)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return over(d)
	}
	e.parts, e.bytes = len(out.Parts), l.body.Length
	return l, nil
}

// keep is the identity of a set of references, each its URI and its digest.
func keep(references []string) [sha256.Size]byte {
	sorted := slices.Sorted(slices.Values(references))
	return sha256.Sum256([]byte(strings.Join(sorted, "\n")))
}

// fetched handles what a partner posts about a message that it fetched. Other signals
// belong into the answers of our own messages: nothing follows from them.
func (in *inbound) fetched(ctx context.Context) answer {
	r, sig := in.r, in.signal
	noted := answer{status: http.StatusAccepted, outcome: "signal"}
	id, ours := strings.CutSuffix(sig.RefToMessageID, "@"+in.table.Own().Domain)
	if !ours || r.Shelf == nil || !canon.ValidUUID(id) {
		return noted
	}
	s, err := r.Shelf.Find(ctx, canon.MessageID(id))
	if err != nil {
		return in.refuse(ctx, fmt.Errorf("looking on the shelf: %w", err))
	}
	if s == nil {
		return noted // it came before, or too late
	}
	p, ok := in.table.Puller(s.Partition)
	if !ok {
		return noted
	}
	in.partner = p
	if err := in.verify(ctx, in.partner); err != nil {
		if sig.Receipt == nil {
			r.Logger.WarnContext(ctx, "an error that the partner did not sign is not believed", slog.String("as4", sig.RefToMessageID), slog.String("partner", in.partner.Name), slog.Any("error", err))
			return noted // an error is never answered with one
		}
		return in.refuse(ctx, ebms.Because(ebms.InvalidReceipt, err, ""))
	}
	e := r.errand(s.Message, canon.EnvelopeOf(s.Message.Body))
	e.partner = in.partner
	v := verdict{}
	if sig.Receipt != nil {
		references := make([]string, len(sig.Receipt.References))
		for i, ref := range sig.Receipt.References {
			references[i] = ref.URI + " " + ref.Digest
		}
		if set := keep(references); !sig.Answers(e.id) || string(set[:]) != string(s.Kept) {
			return in.refuse(ctx, ebms.Errorf(ebms.InvalidReceipt, "receipt is not for this content"))
		}
		v.receipt = digestOf(in.raw)
		if len(in.raw) <= maxProof {
			v.proof = in.raw
		}
	} else {
		at := slices.IndexFunc(sig.Errors, func(e ebms.SignalError) bool { return e.Severity == ebms.SeverityFailure })
		if at < 0 || !sig.Answers(e.id) || s.Taken == 0 {
			return noted // warnings end nothing
		}
		v.code, v.detail = sig.Errors[at].Code, sig.Errors[at].Description+" "+sig.Errors[at].Detail
	}
	d, final := r.judged(ctx, e, s.Taken, v)
	if !final {
		return noted // it fetches the message again
	}
	if err := r.settle(ctx, e, d); err != nil {
		return in.refuse(ctx, err)
	}
	return noted
}

// settled ends a message on the shelf whose outcome is known: a worker died before it
// could say so.
func (n *node) settled(ctx context.Context, e *errand, s *canon.Shelved) (bool, error) {
	state, stored, err := n.Remembered.Claim(ctx, e.key(), string(e.m.ID), time.Second)
	if err != nil {
		return false, fmt.Errorf("asking what was sent: %w", err)
	}
	switch state {
	case StateDone:
		var d delivery
		if err := json.Unmarshal(stored, &d); err != nil {
			return false, fmt.Errorf("reading what was sent: %w", err)
		}
		return true, n.settle(ctx, e, d)
	case StateClaimed:
		if err := n.Remembered.Release(ctx, e.key(), string(e.m.ID)); err != nil {
			return false, fmt.Errorf("asking what was sent: %w", err)
		}
	}
	return false, nil
}

// settle records how a message on the shelf ended, says so on the log, and takes it
// down. The first outcome wins; called again it says the same.
func (n *node) settle(ctx context.Context, e *errand, d delivery) error {
	data, err := d.encode()
	if err != nil {
		return fmt.Errorf("remembering what was sent: %w", err)
	}
	if data, err = n.Remembered.Complete(ctx, e.key(), string(e.m.ID), data, n.Retention); err != nil {
		return fmt.Errorf("remembering what was sent: %w", err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("reading what was sent: %w", err)
	}
	if err := n.Publish(ctx, e.outcome(d)...); err != nil {
		return fmt.Errorf("publishing delivery: %w", err)
	}
	if err := n.Shelf.Drop(ctx, e.m.ID, e.m.Series); err != nil {
		return fmt.Errorf("taking message from the shelf: %w", err)
	}
	n.noteOut(ctx, e, canon.MessageNote{State: d.state(), Attempts: d.Attempts, At: d.At, Code: d.Code, Error: string(d.Error)})
	n.Observe(Observation{Outcome: string(d.Outcome), Code: string(d.Error), Attempts: d.Attempts, Duration: n.Now().Sub(e.m.At)})
	return nil
}
