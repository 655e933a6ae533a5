package lcm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"oncegate/connectors/directory/service"
	"oncegate/connectors/edelivery"
	"oncegate/schemas/canon"
)

// PeerConfig is what a Peer needs.
type PeerConfig struct {
	// AS4 is the access point. Codec and Publish are the peer's own. Required.
	AS4 edelivery.Config

	Server    *Server                                                        // Required where submissions are taken.
	Submitter func(party canon.Participant) (country string, ok bool)        // Required with Server: for which Member State an access point speaks.
	PartOf    func(recipient canon.Participant) (part service.Part, ok bool) // Default none: the service of an empty submission, by its final recipient.

	Now    func() time.Time // Default time.Now.
	Logger *slog.Logger     // Default none.
}

// A Peer is one end of LCM over AS4: it takes submissions and answers them, or
// submits and waits for the answer. An accepted submission is on disk before its
// receipt leaves; its response follows as a message of its own, and is lost with
// the process: who hears nothing submits again, which changes nothing.
type Peer struct {
	conf     PeerConfig
	receiver *edelivery.Receiver
	sender   *edelivery.Sender
	outbox   chan canon.Message

	mu      sync.Mutex
	waiting map[string]chan *Letter // by MessageId of the submission
}

// NewPeer returns a peer.
func NewPeer(c PeerConfig) (*Peer, error) {
	if c.AS4.PModes == nil {
		return nil, errors.New("configuring lcm over AS4: AS4.PModes is required")
	}
	if c.Server != nil && c.Submitter == nil {
		return nil, errors.New("configuring lcm over AS4: Submitter is required with Server")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Peer{conf: c, outbox: make(chan canon.Message, 64), waiting: map[string]chan *Letter{}}
	c.AS4.Codec = Codec{Domain: c.AS4.PModes.Table().Own().Domain}
	c.AS4.Publish = p.publish
	if c.AS4.Remembered == nil {
		c.AS4.Remembered = edelivery.NewMemory(c.Now)
	}
	var err error
	if p.receiver, err = edelivery.NewReceiver(c.AS4); err != nil {
		return nil, fmt.Errorf("configuring lcm over AS4: %w", err)
	}
	c.AS4.Remembered = edelivery.NewMemory(c.Now)
	if p.sender, err = edelivery.NewSender(c.AS4); err != nil {
		return nil, fmt.Errorf("configuring lcm over AS4: %w", err)
	}
	return p, nil
}

// ServeHTTP takes AS4 messages.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.receiver.ServeHTTP(w, r) }

// publish does what a message means before its receipt is signed.
func (p *Peer) publish(ctx context.Context, ms ...canon.Message) error {
	for _, m := range ms {
		l, ok := m.Body.(*Letter)
		switch {
		case !ok: // receipts and audit events: the journal of the access point has them
		case l.Action == ActionSubmit && p.conf.Server != nil:
			if err := p.submitted(ctx, m, l); err != nil {
				return err
			}
		case l.Action != ActionSubmit:
			p.answered(l)
		default:
			return canon.NewFault(canon.CodeMessageInvalid, nil, "submissions are not taken here")
		}
	}
	return nil
}

func (p *Peer) submitted(ctx context.Context, m canon.Message, l *Letter) error {
	var res Response
	if country, ok := p.conf.Submitter(l.From); ok {
		part := service.Part("")
		if p.conf.PartOf != nil {
			if of, ok := p.conf.PartOf(l.FinalRecipient); ok {
				part = of
			}
		}
		var err error
		if res, err = p.conf.Server.Accept(ctx, country, part, l.Document); err != nil {
			return canon.NewFault(canon.CodePeerUnreachable, err, "the submission cannot be kept now")
		}
	} else {
		res.Faults = []Fault{{Code: CodeDataset, Rule: ruleWhose, Text: "the access point speaks for no Member State"}}
	}
	doc, err := WriteResponse(res)
	if err != nil {
		return err
	}
	action := ActionResponse
	if !res.OK() {
		action = ActionException
	}
	reply := &Letter{Action: action, Conversation: l.Conversation, OriginalSender: l.FinalRecipient, FinalRecipient: l.OriginalSender, Document: doc}
	reply.Leg, reply.From, reply.To, reply.RefTo = canon.LegOut, l.To, l.From, l.AS4
	select {
	case p.outbox <- canon.Follow(m, "lcm response", p.conf.Now(), reply):
		return nil
	default:
		return canon.NewFault(canon.CodePeerUnreachable, nil, "too many responses wait to be sent")
	}
}

func (p *Peer) answered(l *Letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.waiting[l.RefTo]; ok {
		select {
		case c <- l:
		default: // a second answer to one submission
		}
	}
}

// Run sends responses until ctx ends.
func (p *Peer) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-p.outbox:
			if err := p.send(ctx, m); err != nil {
				p.conf.Logger.ErrorContext(ctx, "response to a submission not delivered", slog.Any("error", err))
			}
		}
	}
}

// send makes all attempts of the agreement.
func (p *Peer) send(ctx context.Context, m canon.Message) error {
	out, err := p.sender.Handle(ctx, m)
	if err != nil {
		return err
	}
	for _, o := range out {
		if r, ok := o.Body.(*canon.DeliveryReceipt); ok && r.Outcome != canon.DeliveryAcknowledged {
			return canon.NewFault(r.Code, nil, "the message was not taken: %s", r.Error)
		}
	}
	return nil
}

// An Errand says who submits to whom.
type Errand struct {
	To             canon.Participant // access point of the common services
	OriginalSender canon.Participant // who submits
	FinalRecipient canon.Participant // the service
}

// Submit sends a written submission and waits for the answer until ctx ends. An
// error means that it is not known whether it was accepted.
func (p *Peer) Submit(ctx context.Context, e Errand, doc []byte) (Response, error) {
	own := p.conf.AS4.PModes.Table().Own()
	now := p.conf.Now()
	id := canon.MessageID(canon.DeriveUUID("lcm submission", e.To.String(), string(doc), now.UTC().Format(time.RFC3339Nano)))
	l := &Letter{Action: ActionSubmit, Conversation: canon.DeriveUUID("lcm submission conversation", string(id)), OriginalSender: e.OriginalSender, FinalRecipient: e.FinalRecipient, Document: doc}
	l.Leg, l.From, l.To = canon.LegOut, own.Party.ID, e.To
	ref := string(id) + "@" + own.Domain
	answer := make(chan *Letter, 1)
	p.mu.Lock()
	p.waiting[ref] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, ref)
		p.mu.Unlock()
	}()
	m := canon.Message{ID: id, Kind: kindLetter, Conversation: canon.ConversationID(l.Conversation), At: now.UTC(), Body: l}
	if err := p.send(ctx, m); err != nil {
		return Response{}, fmt.Errorf("submitting over AS4: %w", err)
	}
	select {
	case <-ctx.Done():
		return Response{}, fmt.Errorf("submitting over AS4: the submission was received and not answered: %w", ctx.Err())
	case l := <-answer:
		return ParseResponse(l.Document)
	}
}
