package edelivery

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"slices"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// A letter is one sealed message, ready to be posted any number of times.
type letter struct {
	id         string
	body       *swa.Body
	references []xmlsec.Reference
	spools     []*swa.Spool
}

func (l *letter) close(ctx context.Context, log *slog.Logger) {
	for _, sp := range l.spools {
		if err := sp.Close(); err != nil {
			log.ErrorContext(ctx, "part file not given up", slog.Any("error", err))
		}
	}
}

// signed is what a receipt must repeat.
func (l *letter) signed() []string {
	out := make([]string, len(l.references))
	for i, r := range l.references {
		out[i] = r.URI + " " + r.DigestValue()
	}
	return out
}

func (l *letter) spool(lim swa.Limits) *swa.Spool {
	sp := swa.NewSpool(lim.TempDir, lim.Memory)
	l.spools = append(l.spools, sp)
	return sp
}

var errNoIdentity = errors.New("none of our certificates signs for this partner now")

// seal makes the letter of m. All that a digest covers follows from m: sealed
// again after a crash the letter has the same digests, and so the same receipt.
func (n *node) seal(t *pmode.Table, m canon.Message, id string, p *pmode.Partner, recipient *x509.Certificate, service ebms.Service, out Outgoing) (l *letter, err error) {
	made := &letter{id: id}
	defer func() {
		if err != nil {
			made.close(context.Background(), n.Logger)
		}
	}()
	h := &ebms.UserMessage{
		Timestamp: m.At, MessageID: id, RefToMessageID: out.RefToMessageID,
		From: ebms.Party{ID: t.Own().Party.ID, Role: p.OwnRole}, To: p.Party,
		Agreement: p.Agreement, Service: service, Action: out.Action,
		ConversationID: out.ConversationID,
		Properties: append([]ebms.Property{
			{Name: ebms.PropertyOriginalSender, Type: ebms.Party{ID: out.OriginalSender}.Type(), Value: out.OriginalSender.ID},
			{Name: ebms.PropertyFinalRecipient, Type: ebms.Party{ID: out.FinalRecipient}.Type(), Value: out.FinalRecipient.ID},
		}, out.Properties...),
	}
	if p.MPC != ebms.DefaultMPC {
		h.MPC = p.MPC
	}
	if h.ConversationID == "" {
		h.ConversationID = canon.DeriveUUID("ebms conversation", id) // TA18: the access point makes one
	}
	parts := make([]wssec.OutPart, 0, len(out.Parts))
	for _, part := range out.Parts {
		info, sealed, err := n.part(made, p, part)
		if err != nil {
			return nil, err
		}
		h.Parts, parts = append(h.Parts, info), append(parts, sealed)
	}
	if err := p.CheckOut(h); err != nil {
		return nil, err
	}
	if out.Check != nil {
		if err := out.Check(h); err != nil {
			return nil, ebms.Because(ebms.ValueInconsistent, err, "header breaks a rule: "+err.Error())
		}
	}
	sign, err := t.Identity(p, n.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoIdentity, err)
	}
	done, err := wssec.Seal(wssec.Sealing{
		Messaging: func(wsuID string) ([]byte, error) {
			return ebms.AppendUserMessage(make([]byte, 0, 4<<10), h, wsuID)
		},
		MessageID: id,
		Parts:     parts,
		Profile:   p.Profile,
		Sign:      sign,
		Recipient: recipient, RecipientChain: p.Trust.Intermediates,
		SignOnly:  p.SignOnly,
		SignToken: p.SignToken, EncryptToken: p.EncryptToken,
	})
	if err != nil {
		return nil, err
	}
	boundary, err := n.random(16)
	if err != nil {
		return nil, err
	}
	made.body, made.references = swa.Write(done.Envelope, done.Parts, boundary), done.References
	return made, nil
}

// part reads one part, compressed where it shall be, and says what its PartInfo is.
func (n *node) part(l *letter, p *pmode.Partner, part Part) (ebms.PartInfo, wssec.OutPart, error) {
	info := ebms.PartInfo{ID: part.ID, Properties: []ebms.Property{{Name: ebms.PropertyMimeType, Value: part.MediaType}}}
	info.Properties = append(info.Properties, slices.DeleteFunc(slices.Clone(part.Properties), func(p ebms.Property) bool {
		return p.Name == ebms.PropertyMimeType || p.Name == ebms.PropertyCompressionType
	})...)
	out := wssec.OutPart{ID: part.ID, MediaType: part.MediaType}
	src, err := part.Open()
	if err != nil {
		return info, out, fmt.Errorf("opening part: %w", err)
	}
	defer func() { _ = src.Close() }() // read to its end or given up
	sp := l.spool(n.Limits)
	if !p.Plain || textual(part.MediaType) {
		info.Properties = append(info.Properties, ebms.Property{Name: ebms.PropertyCompressionType, Value: ebms.CompressionGzip})
		out.MediaType = ebms.CompressionGzip
		err = n.gzip.Compress(sp, src)
	} else if _, err = io.Copy(sp, src); err != nil {
		err = fmt.Errorf("reading part: %w", err)
	}
	if err != nil {
		return info, out, err
	}
	if p.SignOnly {
		out.Content, err = sp.Bytes()
		return info, out, err
	}
	if out.Content, err = sp.Roomy(overhead); err != nil {
		return info, out, err
	}
	out.Dst = out.Content[:0] // sealed in place, after it was signed
	return info, out, nil
}

const overhead = 12 + 16 // nonce and tag of AES-GCM

// textual reports types of which WSS4J signs another form than the octets: they
// are compressed always, which no agreement forbids (a.4, b.3).
func textual(mediaType string) bool {
	t, _, err := mime.ParseMediaType(mediaType)
	return err != nil || strings.HasPrefix(t, "text/") || ofXML(t)
}

func isXML(mediaType string) bool {
	t, _, err := mime.ParseMediaType(mediaType)
	return err == nil && ofXML(t)
}

// ofXML is isXML of a type without parameters.
func ofXML(t string) bool {
	return t == "text/xml" || t == "application/xml" || strings.HasSuffix(t, "+xml")
}
