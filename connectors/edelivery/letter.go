package edelivery

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
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

func (l *letter) spool(lim swa.Limits) *swa.Spool {
	sp := swa.NewSpool(lim.TempDir, lim.Memory)
	l.spools = append(l.spools, sp)
	return sp
}

// seal makes the letter of m. All that a digest covers follows from m: sealed
// again after a crash the letter has the same digests, and so the same receipt.
func (s *Sender) seal(own *pmode.Own, m canon.Message, id string, p *pmode.Partner, recipient *x509.Certificate, service ebms.Service, out Outgoing) (l *letter, err error) {
	l = &letter{id: id}
	defer func() {
		if err != nil {
			l.close(context.Background(), s.Logger)
		}
	}()
	h := &ebms.UserMessage{
		Timestamp: m.At, MessageID: id,
		From: own.Party, To: p.Party,
		Agreement: p.Agreement, Service: service, Action: out.Action,
		ConversationID: out.ConversationID,
		Properties: append([]ebms.Property{
			{Name: ebms.PropertyOriginalSender, Type: out.OriginalSender.Scheme, Value: out.OriginalSender.ID},
			{Name: ebms.PropertyFinalRecipient, Type: out.FinalRecipient.Scheme, Value: out.FinalRecipient.ID},
		}, out.Properties...),
	}
	if h.ConversationID == "" {
		h.ConversationID = canon.DeriveUUID("ebms conversation", id) // TA18: the access point makes one
	}
	parts := make([]wssec.OutPart, 0, len(out.Parts))
	for _, part := range out.Parts {
		info, sealed, err := s.part(l, p, part)
		if err != nil {
			return nil, err
		}
		h.Parts, parts = append(h.Parts, info), append(parts, sealed)
	}
	done, err := wssec.Seal(wssec.Sealing{
		Messaging: func(wsuID string) ([]byte, error) {
			return ebms.AppendUserMessage(make([]byte, 0, 4<<10), h, wsuID)
		},
		MessageID: id,
		Parts:     parts,
		Sign:      own.Sign,
		Recipient: recipient,
		Token:     p.Token,
	})
	if err != nil {
		return nil, err
	}
	boundary, err := s.random(16)
	if err != nil {
		return nil, err
	}
	l.body, l.references = swa.Write(done.Envelope, done.Parts, boundary), done.References
	return l, nil
}

// part reads one part, compressed where it shall be, and says what its PartInfo is.
func (s *Sender) part(l *letter, p *pmode.Partner, part Part) (ebms.PartInfo, wssec.OutPart, error) {
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
	sp := l.spool(s.Limits)
	if !p.Plain || textual(part.MediaType) {
		info.Properties = append(info.Properties, ebms.Property{Name: ebms.PropertyCompressionType, Value: ebms.CompressionGzip})
		out.MediaType = ebms.CompressionGzip
		err = s.gzip.Compress(sp, src)
	} else if _, err = io.Copy(sp, src); err != nil {
		err = fmt.Errorf("reading part: %w", err)
	}
	if err != nil {
		return info, out, err
	}
	if out.Content, err = sp.Bytes(); err != nil {
		return info, out, err
	}
	room, err := l.spool(s.Limits).Room(len(out.Content) + overhead)
	if err != nil {
		return info, out, err
	}
	out.Dst = room[:0]
	return info, out, nil
}

const overhead = 12 + 16 // nonce and tag of AES-GCM

// textual reports types of which WSS4J signs another form than the octets: they
// are compressed always, which no agreement forbids (a.4, b.3).
func textual(mediaType string) bool {
	t, _, err := mime.ParseMediaType(mediaType)
	return err != nil || strings.HasPrefix(t, "text/") || t == "application/xml" || strings.HasSuffix(t, "+xml")
}

// maxAnswer bounds what a peer may answer; a receipt for 100 parts has some 60 KiB.
const maxAnswer = 1 << 20

// post makes one attempt. A verdict is the peer's signed word; everything else is
// an error, after which the message may be sent again.
func (s *Sender) post(ctx context.Context, p *pmode.Partner, l *letter) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	var lend lending
	defer lend.end()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, lend.reader(l.body.Reader()))
	if err != nil {
		return verdict{}, fmt.Errorf("making request: %w", err)
	}
	req.ContentLength = l.body.Length // Domibus is wary of chunks
	req.GetBody = func() (io.ReadCloser, error) { return lend.reader(l.body.Reader()), nil }
	req.Header.Set("Content-Type", l.body.ContentType)
	req.Header.Set("User-Agent", "oncegate")
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return verdict{}, ebms.Because(ebms.ConnectionFailure, err, "")
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on it
	v, err := s.judge(ctx, p, l, resp)
	if err != nil {
		return v, fmt.Errorf("answer with status %d: %w", resp.StatusCode, err)
	}
	return v, nil
}

// judge reads the answer whatever its status is, since stacks send errors with
// 200 and with 500 (c.4).
func (s *Sender) judge(ctx context.Context, p *pmode.Partner, l *letter, resp *http.Response) (verdict, error) {
	reader, err := swa.NewReader(resp.Header.Get("Content-Type"), resp.Body, swa.Limits{Envelope: maxAnswer, Parts: 1, Part: maxAnswer, Message: maxAnswer})
	if err != nil {
		return verdict{}, ebms.Because(ebms.MissingReceipt, err, "")
	}
	defer func() { _ = reader.Close() }() // a signal has no parts
	b, err := reader.Envelope()
	if err != nil {
		return verdict{}, ebms.Because(ebms.MissingReceipt, err, "")
	}
	limits := envelopeLimits
	limits.MaxBytes = maxAnswer
	doc, err := xmldoc.ParseBytes(b, limits)
	if err != nil {
		return verdict{}, ebms.Because(ebms.MissingReceipt, err, "")
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		return verdict{}, ebms.Because(ebms.InvalidReceipt, err, "")
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || m.Signal == nil {
		return verdict{}, ebms.Because(ebms.InvalidReceipt, err, "answer is not a signal")
	}
	// Before anything the signal says is believed: signed, and by this partner (i.16, i.18).
	if _, err := wssec.Open(ctx, wssec.Opening{Envelope: env, Verifier: p.Verifier(), Allow: p.Allow, Now: s.Now()}); err != nil {
		if len(m.Signal.Errors) > 0 {
			return verdict{}, ebms.Because(ebms.MissingReceipt, err, "unsigned error "+string(m.Signal.Errors[0].Code))
		}
		return verdict{}, ebms.Because(ebms.InvalidReceipt, err, "")
	}
	if !m.Signal.Answers(l.id) {
		return verdict{}, ebms.Errorf(ebms.InvalidReceipt, "signal answers another message")
	}
	if m.Signal.Receipt != nil {
		if err := wssec.CheckReceipt(l.references, m.Signal.Receipt); err != nil {
			return verdict{}, err
		}
		return verdict{receipt: digestOf(b)}, nil
	}
	for _, e := range m.Signal.Errors {
		if e.Severity == ebms.SeverityFailure {
			return verdict{code: e.Code, detail: e.Description + " " + e.Detail}, nil
		}
	}
	return verdict{}, errors.New("peer warned and gave no receipt")
}
