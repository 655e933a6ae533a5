package exchange

import (
	"slices"
	"strings"

	"oncegate/schemas/canon"
)

// approved returns the documents that may leave.
func (c *Conversation) approved() []canon.Document {
	if !c.PreviewPossible {
		return c.Documents
	}
	return slices.DeleteFunc(slices.Clone(c.Documents), func(d canon.Document) bool { return !said(c.Decisions, d.ID) })
}

// decide fixes the outcome and answers, if the request that waits for it is here.
func (t *turn) decide(outcome Phase, edm string, code canon.Code, detail string) {
	c := t.c
	c.Outcome, c.ErrorCode, c.Code, c.Detail = outcome, edm, code, detail
	if c.PreviewPossible && c.Second == "" {
		c.Phase, t.changed = Decided, true // the timer goes on
		return
	}
	t.answer()
}

// refuse answers a first request at once.
func (t *turn) refuse(edm string, code canon.Code, detail string) {
	t.c.Outcome, t.c.ErrorCode, t.c.Code, t.c.Detail = Refused, edm, code, detail
	t.audit("request.refused", "refused", code, detail)
	t.answer()
}

// replying is the envelope of an answer to the message with the given ebMS MessageId.
func (t *turn) replying(as4 string) canon.Envelope {
	e := t.envelope()
	e.RefTo = as4
	return e
}

// answer sends the outcome. It is the one answer of the exchange.
func (t *turn) answer() {
	c := t.c
	to, as4 := c.First, c.FirstAS4
	if c.Second != "" {
		to, as4 = c.Second, c.SecondAS4
	}
	t.to(Answered)
	t.timer(retention, t.m.At, t.w.Timeouts.Keep)
	switch c.Outcome {
	case Delivered, Declined, Deferred:
		r := &canon.EvidenceResponse{
			Envelope: t.replying(as4), Request: to, Response: t.responseID(stepAnswer), Status: canon.StatusDeclined,
			Waived: c.Waived, Private: canon.Clear(canon.ResponsePrivate{Subject: c.private().Subject}),
		}
		switch c.Outcome {
		case Delivered:
			r.Status, r.Documents = canon.StatusDelivered, c.approved()
		case Deferred:
			r.Status, r.AvailableAt = canon.StatusDeferred, c.AvailableAt
		}
		c.Sent = t.say(stepAnswer, r)
	default:
		c.Sent = t.say(stepAnswer, &canon.EvidenceRefusal{
			Envelope: t.replying(as4), Request: to, Response: t.responseID(stepAnswer),
			ErrorCode: c.ErrorCode, Code: c.Code, Detail: told(c.Code, c.Detail),
		})
	}
	t.audit("answer.given", string(c.Outcome), c.Code, c.ErrorCode)
}

// told is what a peer reads of a refusal. Of a text of ours it may keep the stable
// code alone, as we do of its texts. Codes of registers stay here: which of none and
// several matched is nobody's business (IR 2022/1463 Art. 16).
func told(code canon.Code, detail string) string {
	if !strings.HasPrefix(string(code), "OG-EXC-") {
		return detail
	}
	return string(code) + ": " + detail
}

const stepAnswer = "answer"

// unacknowledged ends an exchange of whose answer nothing was heard, not even
// that there is no way to the peer: its message may lie in the dead letters.
func (t *turn) unacknowledged() {
	c := t.c
	c.Code, c.Detail = canon.CodeDeadlinePassed, "no receipt of the answer"
	t.audit("answer.undelivered", "failed", c.Code, c.Detail)
	t.to(Failed)
}

// receipt handles what became of a message of ours.
func (t *turn) receipt(b *canon.DeliveryReceipt) {
	c := t.c
	if b.Of != c.Sent || c.Sent == "" {
		return // of a refusal on the side
	}
	failed := b.Outcome == canon.DeliveryFailed
	code := b.Code
	if failed && code == "" {
		code = canon.CodePeerUnreachable
	}
	switch {
	case c.Phase == Answered && failed:
		t.undelivered(code, plain(b.Error))
	case c.Phase == Answered:
		t.audit("answer.acknowledged", "ok", "", b.Receipt)
		t.to(c.Outcome)
	case failed && c.Phase == PreviewOffered && c.Second == "":
		t.audit("preview.undelivered", "failed", code, plain(b.Error))
		c.Code, c.Detail = code, plain(b.Error)
		t.to(Failed)
	case !failed:
		t.audit("preview.acknowledged", "ok", "", b.Receipt)
	default:
		t.misplaced() // the peer has it after all
	}
}

// undelivered ends the exchange; the timer of the answer runs on, and with it the
// time in which an operator may have it sent again.
func (t *turn) undelivered(code canon.Code, detail string) {
	t.audit("answer.undelivered", "failed", code, detail)
	t.c.Code, t.c.Detail = code, detail
	t.c.Phase, t.changed = Failed, true
}

// resent reports whether m says what became of an answer that failed before and was
// sent again, and does what follows.
func (t *turn) resent() bool {
	c := t.c
	b, ok := t.m.Body.(*canon.DeliveryReceipt)
	if !ok || c.Role != Provider || c.Phase != Failed || c.Timer != retention || b.Of != c.Sent {
		return false
	}
	if b.Outcome == canon.DeliveryFailed {
		code := b.Code
		if code == "" {
			code = canon.CodePeerUnreachable
		}
		t.undelivered(code, plain(b.Error))
		return true
	}
	t.audit("answer.acknowledged", "ok", "", b.Receipt)
	c.Code, c.Detail = "", "" // those of the failure; what was answered stands in ErrorCode
	t.to(c.Outcome)
	return true
}
