package wssec

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"syscall"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// benchHeader is a user message of the size that they have in OOTS.
func benchHeader(id string) ([]byte, error) {
	party := func(id string) ebms.Party {
		return ebms.Party{ID: canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots", ID: id}, Role: "http://sdg.europa.eu/edelivery/gateway"}
	}
	return ebms.AppendUserMessage(make([]byte, 0, 4<<10), &ebms.UserMessage{
		Timestamp: testNow, MessageID: "0b1c4a7e-52a7-4f0e-9a53-0f2b4f7c1d11@gateway.example", From: party("AP_NL_01"), To: party("AP_FI_03"),
		Agreement: ebms.Agreement{Value: "http://sdg.europa.eu/edelivery/oots"},
		Service:   ebms.Service{Type: "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0", Value: "QueryManager"}, Action: "ExecuteQueryRequest",
		ConversationID: "7d0a5f7e-0a13-4df6-8f5b-0b8f4d7c2f11",
		Properties: []ebms.Property{
			{Name: ebms.PropertyOriginalSender, Type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots-ep", Value: "00000001234567890000"},
			{Name: ebms.PropertyFinalRecipient, Type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots-dp", Value: "00000009876543210000"},
		},
		Parts: []ebms.PartInfo{{ID: "payload@gateway.example", Properties: []ebms.Property{
			{Name: ebms.PropertyMimeType, Value: "application/x-ebrs+xml"}, {Name: ebms.PropertyCompressionType, Value: ebms.CompressionGzip},
		}}},
	}, id)
}

// bare is the cryptography of one message and nothing else: the bound that Seal and
// Open are measured against.
type bare struct {
	sign      crypto.Signer
	public    crypto.PublicKey
	rsa       *rsa.PrivateKey
	agree     *ecdh.PrivateKey
	messaging []byte
	body      []byte
	info      []byte
	content   []byte
	sealed    []byte
	wrapped   []byte
	ephemeral *ecdh.PublicKey
	value     []byte
	salt      [16]byte
}

// digest hashes the targets and, for an algorithm that does not do so itself, what is
// signed.
func (m *bare) digest() (sum [sha256.Size]byte) {
	sha256.Sum256(m.messaging)
	sha256.Sum256(m.body)
	sha256.Sum256(m.content)
	if _, ok := m.public.(ed25519.PublicKey); !ok {
		sum = sha256.Sum256(m.info)
	}
	return sum
}

func (m *bare) seal() {
	sum := m.digest()
	var err error
	switch m.sign.(type) {
	case ed25519.PrivateKey:
		m.value, err = m.sign.Sign(nil, m.info, crypto.Hash(0))
	default:
		m.value, err = m.sign.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	must(err)
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	if m.rsa != nil {
		m.wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &m.rsa.PublicKey, key, nil)
		must(err)
	} else {
		eph, err := m.agree.Curve().GenerateKey(rand.Reader)
		must(err)
		m.ephemeral = eph.PublicKey()
		m.wrapped = wrap(m.kek(eph, m.agree.PublicKey()), key)
	}
	m.sealed = aead(key).Seal(m.sealed[:0], nil, m.content, nil)
}

func (m *bare) open() {
	sum := m.digest()
	switch k := m.public.(type) {
	case *rsa.PublicKey:
		must(rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], m.value))
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(k, sum[:], m.value) {
			panic("signature")
		}
	case ed25519.PublicKey:
		if !ed25519.Verify(k, m.info, m.value) {
			panic("signature")
		}
	}
	var key []byte
	var err error
	if m.rsa != nil {
		key, err = m.rsa.Decrypt(rand.Reader, m.wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256})
		must(err)
	} else {
		key = unwrap(m.kek(m.agree, m.ephemeral), m.wrapped)
	}
	m.content, err = aead(key).Open(m.content[:0], nil, m.sealed, nil)
	must(err)
}

func (m *bare) kek(ours *ecdh.PrivateKey, theirs *ecdh.PublicKey) []byte {
	secret, err := ours.ECDH(theirs)
	must(err)
	kek, err := hkdf.Key(sha256.New, secret, m.salt[:], "", 16)
	must(err)
	return kek
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	must(err)
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	must(err)
	return gcm
}

// wrap and unwrap cost what RFC 3394 costs: twelve blocks.
func wrap(kek, key []byte) []byte {
	block, err := aes.NewCipher(kek)
	must(err)
	out := append(make([]byte, 0, 24), key...)
	for range 12 {
		block.Encrypt(out[:16], out[:16])
	}
	return append(out, make([]byte, 8)...)
}

func unwrap(kek, wrapped []byte) []byte {
	block, err := aes.NewCipher(kek)
	must(err)
	out := append(make([]byte, 0, 24), wrapped[:16]...)
	for range 12 {
		block.Decrypt(out, out)
	}
	return out
}

// Seal and Open of a message with 10 KB, beside the cryptography alone. Receiving is
// all from the bytes of the envelope. The two alternate and CPU time is measured, of
// the garbage collector too, so that a machine that is not quiet does little harm:
// bound-% is the share of the work that is cryptography.
func BenchmarkMessage(b *testing.B) {
	// A gateway has a heap. With none the collector would run every 200 messages and
	// take 5 % of the short ones.
	heap := make([]byte, 64<<20)
	defer runtime.KeepAlive(heap)
	content := make([]byte, 10<<10)
	_, _ = rand.Read(content)
	for _, name := range []string{"RSA", "Ed25519", "P-256"} {
		a := parties()[name]
		sealing := Sealing{Messaging: benchHeader, MessageID: "m@x", Profile: a.profile, Sign: a.from.sign, Recipient: a.to.decrypt.Certificate,
			Parts: []OutPart{{ID: "payload@gateway.example", MediaType: "application/gzip", Content: content}}}
		s, err := Seal(sealing)
		if err != nil {
			b.Fatal(err)
		}
		m := bareOf(b, a.from.sign, a.to.decrypt, s, content)
		dst := make([]byte, 0, len(content)+28)
		sealing.Parts = []OutPart{{ID: "payload@gateway.example", MediaType: "application/gzip", Content: content, Dst: dst}}
		b.Run(name+"/seal", func(b *testing.B) {
			beside(b, m.seal, func() {
				if _, err := Seal(sealing); err != nil {
					b.Fatal(err)
				}
			})
		})
		in := Opening{Verifier: pinned(b, a.from.sign.Certificate), Profile: a.profile, Decrypt: []Decryption{a.to.decrypt}, Now: testNow}
		part, ctx := make([]byte, len(s.Parts[0].Content)), b.Context()
		b.Run(name+"/open", func(b *testing.B) {
			beside(b, m.open, func() {
				copy(part, s.Parts[0].Content)
				doc, err := xmldoc.ParseKept(s.Envelope, xmldoc.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				env, err := Locate(doc)
				if err != nil {
					b.Fatal(err)
				}
				o := in
				o.Envelope, o.Parts = env, []SealedPart{{ID: s.Parts[0].ID, Content: part}}
				if _, err := Open(ctx, o); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func beside(b *testing.B, bare, whole func()) {
	const batch = 32
	b.ReportAllocs()
	var bound, spent time.Duration
	n := 0
	for b.Loop() {
		if n++; n%batch != 0 {
			continue
		}
		start := cpu()
		for range batch {
			bare()
		}
		middle := cpu()
		for range batch {
			whole()
		}
		bound, spent = bound+middle-start, spent+cpu()-middle
	}
	if spent == 0 {
		return
	}
	n -= n % batch
	b.ReportMetric(float64(bound.Microseconds())/float64(n), "bare-us/op")
	b.ReportMetric(float64(spent.Microseconds())/float64(n), "cpu-us/op")
	b.ReportMetric(100*float64(bound)/float64(spent), "bound-%")
}

// cpu is the time that this process has spent on processors.
func cpu() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func bareOf(b *testing.B, sign Identity, decrypt Decryption, s *Sealed, content []byte) *bare {
	env, err := Locate(parse(b, s.Envelope))
	if err != nil {
		b.Fatal(err)
	}
	sig, err := xmlsec.FindSignature(env.Security)
	if err != nil {
		b.Fatal(err)
	}
	info, err := sig.Only(ds("SignedInfo"))
	if err != nil {
		b.Fatal(err)
	}
	m := &bare{
		sign: sign.Key, public: sign.Certificate.PublicKey, content: bytes.Clone(content),
		messaging: env.Messaging.AppendCanonical(nil, xmldoc.C14N{}),
		body:      env.Body.AppendCanonical(nil, xmldoc.C14N{}),
		info:      info.AppendCanonical(nil, xmldoc.C14N{}),
		sealed:    make([]byte, 0, len(content)+28),
	}
	m.rsa, _ = decrypt.Key.(*rsa.PrivateKey)
	m.agree, _ = decrypt.Agreement.(*ecdh.PrivateKey)
	m.seal()
	return m
}
