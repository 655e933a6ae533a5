package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

const (
	partID       = "document@bench.example.org"
	conversation = "2c6f6a6a-3b1f-4b62-8a53-9d7e4b0c1a20"
)

// document is 10 KB of XML that compresses like a real request.
var document = func() []byte {
	var b bytes.Buffer
	b.WriteString(`<query:QueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0">`)
	for i := 0; b.Len() < 10<<10; i++ {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		fmt.Fprintf(&b, `<rim:Slot xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0" name="Slot%d"><rim:SlotValue>%x</rim:SlotValue></rim:Slot>`, i, sum[:8])
	}
	b.WriteString(`</query:QueryRequest>`)
	return b.Bytes()
}()

// parcel is the body of a message that the bench sends.
type parcel struct {
	canon.EvidenceRequest
	command command
}

// A posting is one sealed message as it goes over the wire, with what its receipt must
// repeat.
type posting struct {
	id          string
	contentType string
	body        []byte
	references  []xmlsec.Reference
}

// A mint seals distinct messages of one party for the other.
type mint struct {
	of        profile
	sign      wssec.Identity
	recipient *x509.Certificate
	gzip      wssec.Gzip
}

func newMint(ctx context.Context, dir, party string, p profile) (*mint, error) {
	m := &mint{of: p}
	var err error
	if m.sign, err = identity(ctx, dir, party, p, ""); err != nil {
		return nil, err
	}
	m.recipient, err = certificate(dir, fileOf(other(party), p, "decrypt"))
	return m, err
}

func (m *mint) make(from string) (*posting, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	p := &posting{id: canon.DeriveUUID("posting", hex.EncodeToString(random)) + "@bench.example.org"}
	h := &ebms.UserMessage{
		Timestamp: time.Now().UTC(), MessageID: p.id,
		From: ebms.Party{ID: participant(from), Role: role}, To: ebms.Party{ID: participant(other(from)), Role: role},
		Service: service, Action: m.of.action(), ConversationID: conversation,
		Properties: []ebms.Property{
			{Name: ebms.PropertyOriginalSender, Type: partyType, Value: "C1"},
			{Name: ebms.PropertyFinalRecipient, Type: partyType, Value: "C4"},
		},
		Parts: []ebms.PartInfo{{ID: partID, Properties: []ebms.Property{
			{Name: ebms.PropertyMimeType, Value: "application/xml"}, {Name: ebms.PropertyCompressionType, Value: ebms.CompressionGzip},
		}}},
	}
	var zipped bytes.Buffer
	if err := m.gzip.Compress(&zipped, bytes.NewReader(document)); err != nil {
		return nil, err
	}
	s, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return ebms.AppendUserMessage(nil, h, id) },
		MessageID: p.id, Profile: m.of.wssec, Sign: m.sign, Recipient: m.recipient,
		Parts: []wssec.OutPart{{ID: partID, MediaType: ebms.CompressionGzip, Content: zipped.Bytes()}},
	})
	if err != nil {
		return nil, fmt.Errorf("sealing a message: %w", err)
	}
	b := swa.Write(s.Envelope, s.Parts, hex.EncodeToString(random[:16]))
	p.contentType, p.references = b.ContentType, s.References
	p.body, err = io.ReadAll(b.Reader())
	return p, err
}

// check verifies the receipt for a posting: a message counts with it only.
func (p *posting) check(ctx context.Context, answer []byte, v *wssec.Verifier, of profile) error {
	doc, err := xmldoc.ParseBytes(answer, xmldoc.Limits{})
	if err != nil {
		return fmt.Errorf("answer is not XML: %w", err)
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		return err
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.Signal == nil {
		return fmt.Errorf("answer is not a signal: %w", err)
	}
	if m.Signal.Receipt == nil || !m.Signal.Answers(p.id) {
		return fmt.Errorf("answer is not the receipt for the message: %+v", m.Signal.Errors)
	}
	if _, err := wssec.Open(ctx, wssec.Opening{Envelope: env, Verifier: v, Profile: of.wssec, Now: time.Now()}); err != nil {
		return fmt.Errorf("verifying the receipt: %w", err)
	}
	return wssec.CheckReceipt(p.references, m.Signal.Receipt)
}

// A generator makes the bytes of a large payload where they are sent.
type generator struct {
	src   *mathrand.ChaCha8
	left  int64
	block []byte // repeated; nil for random bytes
	at    int
}

func generate(n int64, repeats bool) *generator {
	g := &generator{src: mathrand.NewChaCha8([32]byte{7}), left: n}
	if repeats {
		var rows strings.Builder
		for i := range 400 {
			fmt.Fprintf(&rows, "%08x;%d;2026-09-%02d;AP_FI_03;accepted\r\n", g.src.Uint64()&0xffffffff, i, i%28+1)
		}
		g.block = []byte(rows.String())
	}
	return g
}

func (g *generator) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), g.left)]
	if g.block == nil {
		_, _ = g.src.Read(p) // cannot fail
	} else {
		n := copy(p, g.block[g.at:])
		p, g.at = p[:n], (g.at+n)%len(g.block)
	}
	g.left -= int64(len(p))
	return len(p), nil
}

func (g *generator) Close() error { return nil }
