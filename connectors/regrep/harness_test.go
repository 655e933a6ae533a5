package regrep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep/rim"
	"oncegate/schemas/canon"
)

var update = flag.Bool("update", false, "write the golden files anew")

// store is a payload store in memory: enough to see what was put and to open it.
type store struct {
	mu   sync.Mutex
	data map[string][]byte
	fail error
}

func (s *store) Put(_ context.Context, id canon.ConversationID, mediaType string, r io.Reader) (canon.PayloadRef, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return canon.PayloadRef{}, err
	}
	if s.fail != nil {
		return canon.PayloadRef{}, s.fail
	}
	sum := sha256.Sum256(b)
	ref := canon.PayloadRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), MediaType: mediaType, Size: int64(len(b)), Store: "memory"}
	ref.Where = string(id) + "/" + ref.Digest
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		s.data = map[string][]byte{}
	}
	s.data[ref.Where] = b
	return ref, nil
}

func (s *store) Open(_ context.Context, _ canon.ConversationID, ref canon.PayloadRef) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.data[ref.Where]
	if !ok {
		return nil, canon.ErrForgotten
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

var (
	university = canon.Agent{ID: canon.Participant{Scheme: easPrefix + "0190", ID: "00000001234567890000"},
		Names: []canon.Text{{Lang: "EN", Text: "Example University"}}, Country: "NL"}
	register = canon.Agent{ID: canon.Participant{Scheme: unregisteredPrefix + "FI", ID: "FI-EP-42"},
		Names: []canon.Text{{Lang: "EN", Text: "Example Diploma Register"}}, Country: "FI"}
	support = canon.Agent{ID: canon.Participant{Scheme: unregisteredPrefix + "FI", ID: "FI-GATE-1"},
		Names: []canon.Text{{Lang: "EN", Text: "Example National Gateway"}}, Country: "FI"}
	pointNL = canon.Participant{Scheme: unregisteredPrefix + "NL", ID: "AP_NL_01"}
	pointFI = canon.Participant{Scheme: unregisteredPrefix + "FI", ID: "AP_FI_03"}
	noon    = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
)

const (
	specification20 = "oots-edm:v2.0"
	uuidURN         = rim.UUIDPrefix

	exchangeID = "7d9e2a10-5c4b-4f3a-8e2d-1b0a9c8d7e6f"
	sessionID  = "2c6f6a6a-3b1f-4b62-8a53-9d7e4b0c1a20"
)

const gatewayRole = "http://sdg.europa.eu/edelivery/gateway"

var manager = ebms.Service{Type: "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0", Value: "QueryManager"}

// listed adds to a header what it says about the parts.
func listed(in edelivery.Incoming) edelivery.Incoming {
	in.Header.Parts = nil
	for _, p := range in.Parts {
		in.Header.Parts = append(in.Header.Parts, ebms.PartInfo{ID: p.ID,
			Properties: []ebms.Property{{Name: ebms.PropertyMimeType, Value: p.MediaType}}})
	}
	return in
}

func newCodec(t testing.TB, change ...func(*Config)) *Codec {
	t.Helper()
	cfg := Config{Reporter: support, ContentDomain: "gate.example.fi"}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// attachment is a part that holds b.
func attachment(id, mediaType string, b []byte) edelivery.Part {
	return edelivery.Part{ID: id, MediaType: mediaType, Size: int64(len(b)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// header is a good header; for a request it goes from the Netherlands to Finland.
func header(action string) ebms.UserMessage {
	h := ebms.UserMessage{
		Timestamp: noon, MessageID: "6f3b1d52-4a18-4a2e-9b5d-6d2f9c1a7e10@c2.example.nl",
		From: ebms.Party{ID: pointNL}, To: ebms.Party{ID: pointFI},
		Service: manager, Action: action, ConversationID: sessionID,
	}
	h.From.Role, h.To.Role = gatewayRole, gatewayRole
	c1, c4 := university.ID, register.ID
	if action != ActionRequest {
		h.From, h.To = h.To, h.From
		c1, c4 = c4, c1
	}
	h.Properties = []ebms.Property{
		{Name: "originalSender", Type: c1.Scheme, Value: c1.ID},
		{Name: "finalRecipient", Type: c4.Scheme, Value: c4.ID},
		{Name: "ExchangeId", Value: exchangeID},
		{Name: "SpecificationId", Value: specification20},
	}
	return h
}

func incoming(action string, document []byte, more ...edelivery.Part) edelivery.Incoming {
	in := edelivery.Incoming{Header: header(action), Now: noon,
		Parts: append([]edelivery.Part{attachment("document@example", MediaType, document)}, more...)}
	if bytes.Contains(document, []byte("oots-edm:v1.")) {
		in.Header.Properties = in.Header.Properties[:2]
	}
	return listed(in)
}

// carry turns what Encode made into what the other side receives.
func carry(out edelivery.Outgoing, env *canon.Envelope) edelivery.Incoming {
	h := ebms.UserMessage{
		Timestamp: noon, MessageID: "carried@example", From: ebms.Party{ID: env.From}, To: ebms.Party{ID: env.To},
		Action: out.Action, ConversationID: out.ConversationID, RefToMessageID: out.RefToMessageID,
		Properties: append([]ebms.Property{
			{Name: "originalSender", Type: out.OriginalSender.Scheme, Value: out.OriginalSender.ID},
			{Name: "finalRecipient", Type: out.FinalRecipient.Scheme, Value: out.FinalRecipient.ID},
		}, out.Properties...),
	}
	h.Service, h.From.Role, h.To.Role = manager, gatewayRole, gatewayRole
	return listed(edelivery.Incoming{Header: h, Parts: out.Parts, Now: noon})
}

func decodeOne(t *testing.T, c *Codec, in edelivery.Incoming, p canon.Payloads) canon.Message {
	t.Helper()
	ms, err := c.Decode(t.Context(), in, p)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	if len(ms) != 1 {
		t.Fatalf("Decode: got %d messages, want 1", len(ms))
	}
	return ms[0]
}

func read(t testing.TB, p edelivery.Part) []byte {
	t.Helper()
	f, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func id(n int) string { return fmt.Sprintf("a0000000-0000-4000-8000-%012d", n) }
