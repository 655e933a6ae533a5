package edelivery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/schemas/canon"
)

const room = "edelivery"

// Steps of the audit trail.
const (
	stepReceived = "as4.received"
	stepRefused  = "as4.refused"
	stepSent     = "as4.sent"
)

// codeOf is the one table from ebMS codes to our catalogue.
func codeOf(e *ebms.Error) canon.Code {
	switch e.Code {
	case ebms.FailedAuthentication, ebms.FailedDecryption, ebms.PolicyNoncompliance:
		return canon.CodeSecurity
	case ebms.ProcessingModeMismatch:
		return canon.CodeNoAgreement
	case ebms.DeliveryFailure:
		if f, ok := errors.AsType[*canon.Fault](e.Err); ok {
			return f.Code // what of ours was missing
		}
		if _, ok := errors.AsType[*swa.Error](e.Err); ok {
			return canon.CodePeerUnreachable // the message ended too early
		}
		return canon.CodeLogUnavailable
	}
	return canon.CodeMessageInvalid
}

// conversationOf is the conversation of a message that never became a canonical
// one; it is nobody's, so that a forged header cannot write into an exchange.
func conversationOf(peer canon.Participant, messageID string) canon.ConversationID {
	return canon.ConversationID(canon.DeriveUUID("as4", peer.Scheme, peer.ID, messageID))
}

// refusal is what the audit trail says of a message that was not taken.
type refusal struct {
	peer      canon.Participant // as the header claims; zero where it names no partner
	proven    bool              // the partner signed it
	messageID string
	outcome   string
	err       *ebms.Error
	digests   map[string]string
}

func (r *Receiver) auditRefusal(ctx context.Context, f refusal) {
	at := r.Now()
	nonce, err := r.random(16)
	if err != nil {
		nonce = at.Format(time.RFC3339Nano)
	}
	reason := string(f.err.Code)
	if f.err.Detail != "" {
		reason += " " + f.err.Detail
	}
	if !f.proven {
		reason += " (sender not proven)"
	}
	m := canon.Message{
		ID:           canon.MessageID(canon.DeriveUUID("as4 refusal", f.messageID, nonce)),
		Kind:         canon.KindAudit,
		Conversation: conversationOf(f.peer, f.messageID),
		At:           at.UTC(),
		Body: &canon.AuditEvent{
			Step: stepRefused, Room: room, Outcome: f.outcome,
			Peer: f.peer, AS4: f.messageID, Code: codeOf(f.err), Digests: f.digests, Reason: reason,
		},
	}
	log := r.Logger.With(slog.String("as4", f.messageID), slog.String("code", string(f.err.Code)), slog.String("outcome", f.outcome))
	log.WarnContext(ctx, "message refused", slog.Any("error", f.err))
	if err := r.Publish(ctx, m); err != nil {
		// The message is refused all the same; the operator has the line above.
		log.ErrorContext(ctx, "audit event lost", slog.Any("error", err))
	}
}
