package edelivery

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// payload is 10 KB of XML that compresses like a real request.
func payload() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><query:QueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0">`)
	for i := 0; b.Len() < 10<<10; i++ {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		fmt.Fprintf(&b, `<rim:Slot name="Slot%d"><rim:SlotValue>%x</rim:SlotValue></rim:Slot>`, i, sum[:8])
	}
	b.WriteString(`</query:QueryRequest>`)
	return b.String()
}

// bare is what the cryptography of one message costs, without XML, MIME or gzip.
type bare struct {
	key        *rsa.PrivateKey
	clear      []byte
	wrapped    []byte
	sealed     []byte
	signature  []byte
	digest     [sha256.Size]byte
	aead       cipher.AEAD
	sessionKey []byte
}

func newBare(b *testing.B, compressed []byte) *bare {
	c := &bare{key: ring().provider.key, clear: compressed, sessionKey: make([]byte, 16)}
	block, err := aes.NewCipher(c.sessionKey)
	if err != nil {
		b.Fatal(err)
	}
	if c.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		b.Fatal(err)
	}
	if c.wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &c.key.PublicKey, c.sessionKey, nil); err != nil {
		b.Fatal(err)
	}
	c.sealed = c.aead.Seal(nil, nil, c.clear, nil)
	c.digest = sha256.Sum256(c.clear)
	if c.signature, err = rsa.SignPKCS1v15(nil, c.key, crypto.SHA256, c.digest[:]); err != nil {
		b.Fatal(err)
	}
	return c
}

// receive: verify, unwrap, decrypt, digest, and sign the receipt.
func (c *bare) receive(b *testing.B) {
	if err := rsa.VerifyPKCS1v15(&c.key.PublicKey, crypto.SHA256, c.digest[:], c.signature); err != nil {
		b.Fatal(err)
	}
	if _, err := c.key.Decrypt(rand.Reader, c.wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != nil {
		b.Fatal(err)
	}
	clear, err := c.aead.Open(nil, nil, c.sealed, nil)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(clear)
	if _, err := rsa.SignPKCS1v15(nil, c.key, crypto.SHA256, sum[:]); err != nil {
		b.Fatal(err)
	}
}

// send: digest, sign, wrap, encrypt, and verify the receipt.
func (c *bare) send(b *testing.B) {
	sum := sha256.Sum256(c.clear)
	if _, err := rsa.SignPKCS1v15(nil, c.key, crypto.SHA256, sum[:]); err != nil {
		b.Fatal(err)
	}
	if _, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &c.key.PublicKey, c.sessionKey, nil); err != nil {
		b.Fatal(err)
	}
	c.aead.Seal(nil, nil, c.clear, nil)
	if err := rsa.VerifyPKCS1v15(&c.key.PublicKey, crypto.SHA256, c.digest[:], c.signature); err != nil {
		b.Fatal(err)
	}
}

// cpu is the time that this process has had on a core, collector included: other
// work on the machine does not count.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// report gives messages per second and core, and the cost as a multiple of the
// bare cryptography, both measured in this run, in turns.
func report(b *testing.B, one, crypto func()) {
	var whole, bare time.Duration
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		start := cpu(b)
		one()
		middle := cpu(b)
		crypto()
		whole, bare, n = whole+middle-start, bare+cpu(b)-middle, n+1
	}
	b.ReportMetric(float64(whole.Nanoseconds())/float64(n), "ns/op") // without the bare part
	b.ReportMetric(float64(n)/whole.Seconds(), "msg/s/core")
	b.ReportMetric(float64(n)/bare.Seconds(), "crypto/s/core")
	b.ReportMetric(float64(whole)/float64(bare), "x-crypto")
}

// nowhere publishes to nobody: the log has its own benchmark.
func nowhere(context.Context, ...canon.Message) error { return nil }

func BenchmarkReceive(b *testing.B) {
	r := newRig(b, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Publish = nowhere })
	ct, body := r.letter(b, r.message("m", document{"a@x", "application/x-ebrs+xml", payload()}))
	c := newBare(b, gzipped(b, payload()))
	report(b, func() {
		r.receiver.Remembered = NewMemory(r.receiver.Now) // or it would be a duplicate
		r.codec.decoded, r.codec.inbox = nil, nil
		req := httptest.NewRequest(http.MethodPost, "/as4", bytes.NewReader(body))
		req.Header.Set("Content-Type", ct)
		rec := httptest.NewRecorder()
		r.receiver.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}, func() { c.receive(b) })
}

// recorded answers from memory: the receipt of the one message that is sent.
type recorded struct{ receipt []byte }

func (t recorded) RoundTrip(*http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/soap+xml")
	_, err := rec.Write(t.receipt)
	return rec.Result(), err
}

func BenchmarkSend(b *testing.B) {
	r := newRig(b, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Publish = nowhere })
	m := r.message("m", document{"a@x", "application/x-ebrs+xml", payload()})
	ct, body := r.letter(b, m)
	r.sender.lines = newLines(&http.Client{Transport: recorded{r.post(ct, body).Body.Bytes()}})
	c := newBare(b, gzipped(b, payload()))
	report(b, func() {
		r.sender.Remembered = NewMemory(r.sender.Now)
		got, err := r.sender.Handle(context.Background(), m)
		if err != nil || got[0].Body.(*canon.DeliveryReceipt).Outcome != canon.DeliveryAcknowledged {
			b.Fatal(got, err)
		}
	}, func() { c.send(b) })
}
