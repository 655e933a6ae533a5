package node

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/gateway/exchangelog"
	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// counted is a part that tells how much of it was read.
type counted struct {
	r io.Reader
	n *int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

func partOf(id, mediaType string, size int64, r io.Reader, n *int64) edelivery.Part {
	return edelivery.Part{ID: id, MediaType: mediaType, Size: size, Open: func() (io.ReadCloser, error) { return io.NopCloser(counted{r, n}), nil }}
}

func recorded(t *testing.T, body canon.Body, parts ...edelivery.Part) (*canon.ExchangeRecord, string, error) {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log, err := exchangelog.New([]exchangelog.Recipient{{ID: "k", Key: k.PublicKey(), Until: time.Now().Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	party := canon.Participant{Scheme: "urn:x", ID: "ap"}
	ms, err := recorder{log}.Record(context.Background(), edelivery.Transfer{
		Direction: canon.MessageIn, Action: "ExecuteQueryResponse", AS4: "1@x", From: party, To: party, Parts: parts,
		Message: canon.Message{ID: canon.MessageID(canon.DeriveUUID("m")), Kind: body.Kind(), Conversation: canon.ConversationID(canon.DeriveUUID("c")), At: time.Now(), Body: body},
	})
	if err != nil {
		return nil, "", err
	}
	doc, err := exchangelog.Open(ms[0], k)
	if err != nil {
		t.Fatal(err)
	}
	open, err := canon.MarshalBody(ms[0].Body, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Validate(canon.KindExchangeRecord, open); err != nil {
		t.Errorf("the record is not one: %v", err)
	}
	return ms[0].Body.(*canon.ExchangeRecord), string(doc), nil
}

// The document is what is kept, wherever it stands; the evidence never is (IR
// 2022/1463 Art. 17(1)(b)).
func TestTheDocumentIsRecordedAndNotTheEvidence(t *testing.T) {
	var n int64
	rec, doc, err := recorded(t, &canon.EvidenceResponse{},
		partOf("1@x", `application/pdf; name="Ilze Fiktiva.pdf"`, 8, strings.NewReader("evidence"), &n),
		partOf("2@x", "application/x-ebrs+xml", 10, strings.NewReader("<response>"), &n))
	if err != nil || doc != "<response>" || n != 10 {
		t.Errorf("kept %q, read %d bytes, %v", doc, n, err)
	}
	if len(rec.Parts) != 2 || rec.Parts[0].MediaType != "application/pdf" {
		t.Errorf("parts %+v", rec.Parts)
	}
}

// What a peer writes in words may be about a person: it is kept sealed alone.
func TestWordsOfAPeerAreNotKeptInTheOpen(t *testing.T) {
	said := canon.EvidenceRefusal{ErrorCode: "EDM:ERR:0004", Detail: "Ilze Fiktiva is not known"}
	said.Leg = canon.LegIn
	if rec, _, err := recorded(t, &said); err != nil || rec.Detail != "" || rec.ErrorCode == "" {
		t.Errorf("got %+v, %v", rec, err)
	}
	said.Leg, said.Detail = canon.LegOut, "R-EDM-REQ-S005: a rule"
	if rec, _, err := recorded(t, &said); err != nil || rec.Detail != said.Detail {
		t.Errorf("got %+v, %v", rec, err)
	}
}

// A message without parts is refused in words of its peer, and so it is recorded.
func TestAMessageWithoutPartsIsRecorded(t *testing.T) {
	if rec, doc, err := recorded(t, &canon.EvidenceRefusal{}); err != nil || doc != "" || rec.Parts == nil {
		t.Errorf("got %+v, %q, %v", rec, doc, err)
	}
}

// A part that is no document is not read into memory to be recorded.
func TestALargePartCostsNoMemory(t *testing.T) {
	var n int64
	const size = 100 << 20
	_, _, err := recorded(t, &canon.EvidenceRefusal{}, partOf("1@x", "application/x-ebrs+xml", size, io.LimitReader(zeros{}, size), &n))
	if canon.AsFault(err).Kind != canon.Invalid || n > exchangelog.MaxDocument+1 || n > 16<<20 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	n = 0
	if _, doc, err := recorded(t, &canon.EvidenceRefusal{}, partOf("1@x", "application/pdf", size, io.LimitReader(zeros{}, size), &n)); err != nil || n != 0 || doc != "" {
		t.Errorf("read %d bytes of what is no document, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
