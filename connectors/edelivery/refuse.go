package edelivery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// refuse answers with an error. It is signed where the header names a partner,
// proven or not: peers believe no other (section 0, 8), and one that signs with an
// expired certificate must learn that it is refused. The guard bounds how often. An
// error to a sender without an agreement tells the code and no more (c.4).
func (in *inbound) refuse(ctx context.Context, err error) answer {
	return in.refuseAs(ctx, "refused", err)
}

func (in *inbound) refuseAs(ctx context.Context, outcome string, err error) answer {
	if in.broken != nil {
		err = in.broken // what the security layer made of it says less
	}
	a := answer{status: http.StatusOK, outcome: outcome}
	var e *ebms.Error
	var framing *swa.Error
	known := in.partner != nil
	switch {
	case errors.As(err, &e) && e.Code.Passing():
		// A signed failure would end the attempts of the peer.
		a.status, a.retry, known = http.StatusServiceUnavailable, come, false
	case errors.As(err, &e):
	case errors.As(err, &framing):
		e, a.status = framingError(framing)
		if framing.Problem == swa.TooLarge || framing.Problem == swa.Inconsistent {
			break
		}
		if known = false; a.status == http.StatusServiceUnavailable {
			a.retry = come
		}
	default:
		e, a.status, a.retry, known = ebms.Because(ebms.DeliveryFailure, err, "message cannot be taken now"), http.StatusServiceUnavailable, come, false
	}
	if in.forbidden {
		a.status = http.StatusForbidden
	}
	var messageID string
	var peer canon.Participant
	if in.header != nil {
		messageID = in.header.MessageID
	} else if in.signal != nil {
		messageID = in.signal.MessageID
	}
	if in.partner != nil {
		peer = in.partner.Party.ID
	}
	a.code = e.Code
	if in.opened == nil && !in.r.guard.spend(in.client, in.r.Now()) {
		// Neither a signature nor a record for each: see guard.
		a.status, a.retry, a.outcome = http.StatusTooManyRequests, int(muteFor/time.Second), "muted"
		a.body = in.r.plainError(in.table, messageID, &ebms.Error{Code: e.Code})
		return a
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.r.Deadline)
	defer cancel()
	in.r.auditRefusal(ctx, refusal{peer: peer, proven: in.opened != nil, messageID: messageID, outcome: a.outcome, err: e, digests: in.digests()})
	if known {
		if a.status == http.StatusOK && in.faults() {
			a.status = http.StatusInternalServerError
		}
		b, err := in.r.signedError(in.table, in.partner, messageID, e)
		if err == nil {
			a.body, a.signed = b, true
			return a
		}
		in.r.Logger.ErrorContext(ctx, "error signal not signed", slog.Any("error", err))
	}
	a.body = in.r.plainError(in.table, messageID, e)
	if in.faults() {
		if a.body = withFault(a.body); a.status == http.StatusOK {
			a.status = http.StatusInternalServerError
		}
	}
	return a
}

// faults reports that errors come with HTTP 500 and, unsigned, with a SOAP fault.
func (in *inbound) faults() bool {
	return in.r.SOAPFaults || in.partner != nil && in.partner.SOAPFaults
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
