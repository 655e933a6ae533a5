package lcm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// The service of submissions over AS4 and its actions, named as those of
// QueryManager are (TDD 3.6 names the service).
const (
	Service         = "LifecycleManager"
	ServiceType     = "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0"
	ActionSubmit    = "SubmitObjectsRequest"
	ActionResponse  = "SubmitObjectsResponse"
	ActionException = "ExceptionResponse"
)

// kindLetter is the kind of a Letter. It never stands on the log.
const kindLetter canon.Kind = "directory.letter.v1"

// A Letter is one document of LCM on its way over AS4.
type Letter struct {
	canon.Envelope
	Action         string
	Conversation   string
	OriginalSender canon.Participant
	FinalRecipient canon.Participant
	Document       []byte
}

// Kind implements canon.Body.
func (*Letter) Kind() canon.Kind { return kindLetter }

// A Codec carries letters over AS4.
type Codec struct {
	Domain   string // Required. The right side of the Content-IDs of our parts.
	MaxBytes int64  // Default 16 MiB. Of one document.
}

var _ edelivery.Codec = Codec{}

func (c Codec) limit() int64 {
	if c.MaxBytes <= 0 {
		return 16 << 20
	}
	return c.MaxBytes
}

// Decode implements edelivery.Codec. What the document says is judged later: a bad
// submission is answered with a RegistryResponse.
func (c Codec) Decode(_ context.Context, in edelivery.Incoming, _ canon.Payloads) (_ []canon.Message, err error) {
	switch in.Header.Action {
	case ActionSubmit, ActionResponse, ActionException:
	default:
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "not an action of %s", Service)
	}
	if len(in.Parts) != 1 {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "a message of %s has one part", Service)
	}
	if t, _, err := mime.ParseMediaType(in.Parts[0].MediaType); err != nil || t != answers.MediaType {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "the part is not %s", answers.MediaType)
	}
	r, err := in.Parts[0].Open()
	if err != nil {
		return nil, fmt.Errorf("opening submission: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	doc, err := io.ReadAll(io.LimitReader(r, c.limit()+1))
	if err != nil {
		return nil, fmt.Errorf("reading submission: %w", err)
	}
	if int64(len(doc)) > c.limit() {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "the document is larger than %d bytes", c.limit())
	}
	l := &Letter{Action: in.Header.Action, Conversation: in.Header.ConversationID, Document: doc}
	l.Leg, l.From, l.To, l.AS4, l.RefTo = canon.LegIn, in.Header.From.ID, in.Header.To.ID, in.Header.MessageID, in.Header.RefToMessageID
	l.OriginalSender, l.FinalRecipient = corner(in.Header, ebms.PropertyOriginalSender), corner(in.Header, ebms.PropertyFinalRecipient)
	return []canon.Message{{
		ID:   canon.MessageID(canon.DeriveUUID("lcm", l.From.Scheme, l.From.ID, l.AS4)),
		Kind: kindLetter, Conversation: canon.ConversationID(canon.DeriveUUID("lcm conversation", l.From.String(), l.Conversation)), At: in.Now.UTC(), Body: l,
	}}, nil
}

func corner(h ebms.UserMessage, name string) canon.Participant {
	for _, p := range h.Properties {
		if p.Name == name {
			return canon.Participant{Scheme: p.Type, ID: p.Value}
		}
	}
	return canon.Participant{}
}

// Encode implements edelivery.Codec.
func (c Codec) Encode(_ context.Context, m canon.Message, _ canon.Payloads) (edelivery.Outgoing, bool, error) {
	l, ok := m.Body.(*Letter)
	if !ok || l.Leg != canon.LegOut {
		return edelivery.Outgoing{}, false, nil
	}
	return edelivery.Outgoing{
		Action: l.Action, OriginalSender: l.OriginalSender, FinalRecipient: l.FinalRecipient,
		ConversationID: l.Conversation, RefToMessageID: l.RefTo,
		Parts: []edelivery.Part{{
			ID: string(m.ID) + "@" + c.Domain, MediaType: answers.MediaType, Size: int64(len(l.Document)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(l.Document)), nil },
		}},
	}, true, nil
}
