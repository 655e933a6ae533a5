package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// A sink is the one fast receiver that both senders post to. It signs a receipt for
// what a message says is signed; but for the first message of each series it neither
// decrypts nor verifies.
type sink struct {
	url      string
	server   *http.Server
	profiles map[string]*sinkProfile // by action

	mu      sync.Mutex
	taken   map[string]bool // MessageIds
	faults  []error
	checked int
}

type sinkProfile struct {
	of       profile
	sign     wssec.Identity
	decrypt  wssec.Decryption
	verifier *wssec.Verifier
	unseen   bool // the next message is opened and looked at
}

func newSink(ctx context.Context, dir string) (*sink, error) {
	s := &sink{profiles: map[string]*sinkProfile{}, taken: map[string]bool{}}
	authority, err := certificate(dir, "authority")
	if err != nil {
		return nil, err
	}
	for _, p := range profiles() {
		q := &sinkProfile{of: p, unseen: true}
		if q.sign, err = identity(ctx, dir, partyA, p, ""); err != nil {
			return nil, err
		}
		if q.decrypt, err = decryption(ctx, dir, partyA, p, ""); err != nil {
			return nil, err
		}
		if q.verifier, err = wssec.NewVerifier(trust(authority, partyB)); err != nil {
			return nil, err
		}
		s.profiles[p.action()] = q
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + l.Addr().String() + "/as4"
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }() // ends with close
	return s, nil
}

func (s *sink) close() error { return s.server.Close() }

// ServeHTTP answers one message.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.take(r)
	if err != nil {
		s.mu.Lock()
		s.faults = append(s.faults, err)
		s.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", swa.SOAPType+"; charset=UTF-8")
	_, _ = w.Write(answer)
}

func (s *sink) take(r *http.Request) ([]byte, error) {
	reader, err := swa.NewReader(r.Header.Get("Content-Type"), r.Body, swa.Limits{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }() // nothing depends on it
	b, err := reader.Envelope()
	if err != nil {
		return nil, err
	}
	doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		return nil, err
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		return nil, err
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.User == nil {
		return nil, fmt.Errorf("not a user message: %w", err)
	}
	p := s.profiles[m.User.Action]
	if p == nil {
		return nil, fmt.Errorf("action %q is not of the bench", m.User.Action)
	}
	s.mu.Lock()
	look := p.unseen
	p.unseen = false
	again := s.taken[m.User.MessageID]
	s.taken[m.User.MessageID] = true
	s.mu.Unlock()
	if again {
		return nil, fmt.Errorf("message %s came twice", m.User.MessageID)
	}
	if look {
		if err := s.look(r.Context(), p, reader, env, m.User); err != nil {
			return nil, err
		}
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	references, err := signedReferences(env)
	if err != nil {
		return nil, err
	}
	id := canon.DeriveUUID("receipt", m.User.MessageID) + "@bench.example.org"
	signal := &ebms.Signal{Timestamp: time.Now().UTC(), MessageID: id, RefToMessageID: m.User.MessageID}
	sealed, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return ebms.AppendReceipt(nil, signal, references, id), nil },
		MessageID: id, Profile: p.of.wssec, Sign: p.sign,
	})
	if err != nil {
		return nil, err
	}
	return sealed.Envelope, nil
}

// look opens a message as an access point would: what is sent fast must be right.
func (s *sink) look(ctx context.Context, p *sinkProfile, reader *swa.Reader, env wssec.Envelope, h *ebms.UserMessage) error {
	if h.From.ID != participant(partyB) || h.To.ID != participant(partyA) || len(h.Parts) != 1 {
		return fmt.Errorf("message is from %v for %v with %d parts", h.From.ID, h.To.ID, len(h.Parts))
	}
	parts, err := reader.Parts()
	if err != nil {
		return err
	}
	if len(parts) != 1 {
		return fmt.Errorf("message has %d parts, want 1", len(parts))
	}
	content, err := parts[0].Content.Bytes()
	if err != nil {
		return err
	}
	o, err := wssec.Open(ctx, wssec.Opening{
		Envelope: env, Verifier: p.verifier, Profile: p.of.wssec, Decrypt: []wssec.Decryption{p.decrypt}, Now: time.Now(),
		Parts: []wssec.SealedPart{{ID: h.Parts[0].ID, Content: content, MediaType: parts[0].MediaType}},
	})
	if err != nil {
		return fmt.Errorf("opening a message of the sender: %w", err)
	}
	clear, err := (&wssec.Gzip{}).Decompress(o.Parts[0].Content, wssec.Bounds{Bytes: 1 << 20})
	if err != nil {
		return err
	}
	got, err := io.ReadAll(clear)
	if err := errors.Join(err, clear.Close()); err != nil {
		return err
	}
	if string(got) != string(document) {
		return errors.New("the sender's payload is not what it was told to send")
	}
	s.mu.Lock()
	s.checked++
	s.mu.Unlock()
	return nil
}

// signedReferences are the ds:Reference elements of a message, as a receipt repeats them.
func signedReferences(env wssec.Envelope) ([][]byte, error) {
	signature, err := xmlsec.FindSignature(env.Security)
	if err != nil {
		return nil, err
	}
	info, err := signature.Only(xmldoc.Name{Space: xmlsec.SpaceDS, Local: "SignedInfo"})
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for c := range info.Children() {
		if c.Is(xmldoc.Name{Space: xmlsec.SpaceDS, Local: "Reference"}) {
			out = append(out, c.AppendCanonical(nil, xmldoc.C14N{}))
		}
	}
	return out, nil
}

// begin makes the sink look at the next message of every profile, and end returns what
// came since, or the first thing that was wrong.
func (s *sink) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.taken)
	s.checked = 0
	for _, p := range s.profiles {
		p.unseen = true
	}
}

func (s *sink) end() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.faults...); err != nil {
		return 0, err
	}
	if s.checked == 0 {
		return 0, errors.New("no message was looked at")
	}
	return len(s.taken), nil
}
