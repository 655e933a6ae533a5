package xmlsec

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"oncegate/connectors/xmldoc"
)

// A SessionKey seals the parts of one message. Randomness for keys and nonces is
// always that of crypto/rand: a nonce that repeats under one key gives both away, so
// no caller may supply it. It prints [redacted].
type SessionKey struct {
	algorithm DataAlgorithm
	key       []byte
	block     cipher.Block
	aead      cipher.AEAD
}

// NewSessionKey makes a key for one message.
func NewSessionKey(alg DataAlgorithm) (*SessionKey, error) {
	if alg.keySize() == 0 {
		return nil, refuse(ReasonUnknownAlgorithm, "encryption of data", nil)
	}
	key := make([]byte, alg.keySize())
	_, _ = rand.Read(key) // never fails, or ends the program
	return sessionKey(alg, key)
}

func sessionKey(alg DataAlgorithm, key []byte) (*SessionKey, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making a session key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making a session key: %w", err)
	}
	return &SessionKey{algorithm: alg, key: key, block: block, aead: aead}, nil
}

// Format keeps the key out of every print verb.
func (k *SessionKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// Overhead is what Seal adds: a nonce of 12 bytes and a tag of 16.
func (k *SessionKey) Overhead() int { return k.aead.Overhead() }

// Seal appends nonce, ciphertext and tag to dst (xmlenc11 5.2.4). dst may be a mapped
// file with room for len(plaintext)+Overhead, and plaintext[:0]; it must not overlap
// plaintext in another way.
func (k *SessionKey) Seal(dst, plaintext []byte) []byte {
	if n := len(plaintext); n >= piecesFrom && int64(n) <= maxPieces {
		out := slices.Grow(dst, n+k.Overhead())[:len(dst)+n+k.Overhead()]
		if sealPieces(out[len(dst):], k.block, plaintext, piece) == nil {
			return out
		}
	}
	return k.aead.Seal(dst, nil, plaintext, nil)
}

// Open appends the plaintext of what Seal made to dst, which may be sealed[:0]. Nothing
// is appended unless the tag is right.
func (k *SessionKey) Open(dst, sealed []byte) ([]byte, error) {
	if n := len(sealed) - k.Overhead(); n >= piecesFrom && int64(n) <= maxPieces {
		out := slices.Grow(dst, n)[:len(dst)+n]
		switch err := openPieces(out[len(dst):], k.block, sealed, piece); {
		case err == nil:
			return out, nil
		case errors.Is(err, errTag):
			return nil, refuse(ReasonDecryption, "decryption failed", nil)
		}
	}
	out, err := k.aead.Open(dst, nil, sealed, nil)
	if err != nil {
		return nil, refuse(ReasonDecryption, "decryption failed", nil)
	}
	return out, nil
}

// A Part is one attachment to be encrypted.
type Part struct {
	CID      string // Required; Content-ID without angle brackets.
	DataID   string // Required; Id of its xenc:EncryptedData.
	MimeType string // of the content before encryption
	Content  []byte
	Dst      []byte // Default: allocated. What is sealed is appended to Dst[:0].
}

// An Encryption says what to encrypt for whom.
type Encryption struct {
	// Recipient is required: an *rsa.PublicKey of at least 2048 bits for key transport, an
	// *ecdh.PublicKey for key agreement.
	Recipient crypto.PublicKey
	Algorithm DataAlgorithm // Default: AES128GCM.
	KeyID     string        // Required; Id of xenc:EncryptedKey.
	// KeyInfo is required: the content of ds:KeyInfo, or of xenc:RecipientKeyInfo where
	// keys are agreed: how the recipient finds the private key.
	KeyInfo []byte
	Parts   []Part // Required.
}

// An Encrypted is the XML for the security header and the parts that replace the content.
type Encrypted struct {
	Key    []byte   // the xenc:EncryptedKey, with a reference to every part
	Data   [][]byte // one xenc:EncryptedData a part
	Sealed [][]byte // one sealed content a part
}

var errEncrypting = errors.New("encrypting")

// Encrypt seals all parts under one new session key, wrapped with RSA-OAEP (SHA-256,
// MGF1 with SHA-256) or with AES-128 key wrap under a key agreed with a new ephemeral
// key. The XML declares its namespaces itself, wsse included.
func Encrypt(e Encryption) (*Encrypted, error) {
	if e.Algorithm == "" {
		e.Algorithm = AES128GCM
	}
	if !xmldoc.ValidNCName(e.KeyID) || len(e.KeyInfo) == 0 || len(e.Parts) == 0 {
		return nil, fmt.Errorf("%w: KeyID, KeyInfo and at least one part are required", errEncrypting)
	}
	seen := map[string]bool{e.KeyID: true}
	for _, p := range e.Parts {
		if !xmldoc.ValidNCName(p.DataID) || !validCID(p.CID) || !xmldoc.ValidText(p.MimeType) || seen[p.DataID] || seen["cid:"+p.CID] {
			return nil, fmt.Errorf("%w: a part needs a Content-ID and an id that no other has", errEncrypting)
		}
		seen[p.DataID], seen["cid:"+p.CID] = true, true
	}
	session, err := NewSessionKey(e.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEncrypting, err)
	}
	out := &Encrypted{Data: make([][]byte, 0, len(e.Parts)), Sealed: make([][]byte, 0, len(e.Parts))}
	if out.Key, err = e.wrap(session.key); err != nil {
		return nil, fmt.Errorf("%w: wrapping the session key: %w", errEncrypting, err)
	}
	for _, p := range e.Parts {
		out.Data = append(out.Data, e.dataXML(p))
		dst := p.Dst[:0]
		if need := len(p.Content) + session.Overhead(); cap(dst) < need {
			dst = make([]byte, 0, need)
		}
		out.Sealed = append(out.Sealed, session.Seal(dst, p.Content))
	}
	return out, nil
}

// wrap returns the xenc:EncryptedKey that holds the session key for the recipient.
func (e *Encryption) wrap(key []byte) ([]byte, error) {
	b := make([]byte, 0, 2048+len(e.KeyInfo)+64*len(e.Parts))
	b = append(append(append(b, `<xenc:EncryptedKey xmlns:xenc="`+SpaceXENC+`" Id="`...), e.KeyID...), `"><xenc:EncryptionMethod Algorithm="`...)
	var wrapped []byte
	var err error
	switch pub := e.Recipient.(type) {
	case *rsa.PublicKey:
		if pub == nil || pub.N == nil || pub.N.BitLen() < defaultMinRSABits {
			return nil, refuse(ReasonKeyUnfit, "an RSA key of at least 2048 bits is required", nil)
		}
		if wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, key, nil); err != nil {
			return nil, err
		}
		b = append(b, string(RSAOAEP)+`"><ds:DigestMethod xmlns:ds="`+SpaceDS+`" Algorithm="`+string(SHA256)+
			`"/><xenc11:MGF xmlns:xenc11="`+SpaceXENC11+`" Algorithm="`+mgf1SHA256+`"/></xenc:EncryptionMethod><ds:KeyInfo xmlns:ds="`+SpaceDS+`">`...)
		b = append(b, e.KeyInfo...)
	case *ecdh.PublicKey:
		a, err := newAgreement(pub)
		if err != nil {
			return nil, err
		}
		if wrapped, err = a.wrap(pub, key); err != nil {
			return nil, err
		}
		b = append(b, keyWrapAES128+`"/><ds:KeyInfo xmlns:ds="`+SpaceDS+`">`...)
		b = a.append(b, e.KeyInfo)
	default:
		return nil, refuse(ReasonKeyUnfit, "an RSA key or one for key agreement is required", nil)
	}
	b = append(b, `</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>`...)
	b = base64.StdEncoding.AppendEncode(b, wrapped)
	b = append(b, `</xenc:CipherValue></xenc:CipherData><xenc:ReferenceList>`...)
	for _, p := range e.Parts {
		b = append(append(append(b, `<xenc:DataReference URI="#`...), p.DataID...), `"/>`...)
	}
	return append(b, `</xenc:ReferenceList></xenc:EncryptedKey>`...), nil
}

func (e *Encryption) dataXML(p Part) []byte {
	b := make([]byte, 0, 1536)
	b = append(append(b, `<xenc:EncryptedData xmlns:xenc="`+SpaceXENC+`" Id="`...), p.DataID...)
	if p.MimeType != "" {
		b = xmldoc.AppendAttr(append(b, `" MimeType="`...), p.MimeType)
	}
	b = append(b, `" Type="`+typeContentOnly+`"><xenc:EncryptionMethod Algorithm="`...)
	b = append(b, e.Algorithm...)
	b = append(b, `"/><ds:KeyInfo xmlns:ds="`+SpaceDS+`"><wsse:SecurityTokenReference xmlns:wsse="`+SpaceWSSE+`" xmlns:wsse11="`+SpaceWSSE11+
		`" wsse11:TokenType="`+typeEncryptedKey+`"><wsse:Reference URI="#`...)
	b = append(b, e.KeyID...)
	b = append(b, `"/></wsse:SecurityTokenReference></ds:KeyInfo><xenc:CipherData><xenc:CipherReference URI="`...)
	b = xmldoc.AppendAttr(b, "cid:"+escapeCID(p.CID))
	return append(b, `"><xenc:Transforms><ds:Transform xmlns:ds="`+SpaceDS+`" Algorithm="`+transformCiphertext+
		`"/></xenc:Transforms></xenc:CipherReference></xenc:CipherData></xenc:EncryptedData>`...)
}
