package preview

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"oncegate/schemas/canon"
)

// Tickets mints preview locations and reads them back. A ticket is a MAC over
// the conversation and its first request: nobody can guess it, it needs no
// store, and minting twice gives the same location (TDD 4.9: a location belongs
// to one request). Whether it is still open is the conversation's business.
type Tickets struct {
	base *url.URL
	key  []byte
	back cipher.AEAD // seals ways back
	name []byte      // names them
}

// NewTickets returns tickets under base, an https URL without query or fragment
// whose path the ticket is appended to. key is a secret of at least 32 bytes.
func NewTickets(base string, key []byte) (*Tickets, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("reading preview base URL: %w", err)
	}
	if u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("preview base URL %q: want https://host/path without query, fragment and user (R-EDM-ERR-C019)", base)
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("ticket key: want at least 32 bytes, got %d", len(key))
	}
	k, err := hkdf.Key(sha256.New, key, nil, "oncegate preview ticket v1", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving ticket key: %w", err)
	}
	name, err := hkdf.Key(sha256.New, key, nil, "oncegate way back name v1", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving ticket key: %w", err)
	}
	seal, err := hkdf.Key(sha256.New, key, nil, "oncegate way back v1", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving ticket key: %w", err)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, fmt.Errorf("deriving ticket key: %w", err)
	}
	back, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("deriving ticket key: %w", err)
	}
	return &Tickets{base: u, key: k, back: back, name: name}, nil
}

// SealBack seals the way back of a conversation's person, so that it outlives the
// conversation's key: the exchange may end, and its key be forgotten, while the
// person still looks at the page. The same location gives the same text, because
// the core's states are compared; the nonce is a MAC of what is sealed.
func (t *Tickets) SealBack(id canon.ConversationID, location string) string {
	m := hmac.New(sha256.New, t.name)
	fmt.Fprintf(m, "%d:%s%s", len(id), id, location)
	nonce := m.Sum(nil)[:t.back.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(t.back.Seal(nonce, nonce, []byte(location), []byte(id)))
}

// OpenBack returns the location that SealBack sealed for this conversation.
func (t *Tickets) OpenBack(id canon.ConversationID, sealed string) (location string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	n := t.back.NonceSize()
	if err != nil || len(raw) < n {
		return "", false
	}
	plain, err := t.back.Open(nil, raw[:n], raw[n:], []byte(id))
	return string(plain), err == nil
}

// Location returns the preview location of a conversation.
func (t *Tickets) Location(id canon.ConversationID, first canon.RequestID) string {
	return t.base.JoinPath(t.Token(id, first)).String()
}

// Token returns the last path segment of the location: the conversation's UUID
// and the MAC, both base64url.
func (t *Tickets) Token(id canon.ConversationID, first canon.RequestID) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(string(id), "-", ""))
	if err != nil || len(raw) != 16 {
		raw = nil // never valid; Open refuses it
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, t.mac(id, first)...))
}

// Conversation returns the conversation a token claims to belong to. The claim
// is worth nothing before Valid said so.
func (t *Tickets) Conversation(token string) (canon.ConversationID, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 16+macSize {
		return "", false
	}
	h := hex.EncodeToString(raw[:16])
	return canon.ConversationID(strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")), true
}

// Valid reports whether the token was minted for this conversation and request.
func (t *Tickets) Valid(token string, id canon.ConversationID, first canon.RequestID) bool {
	return hmac.Equal([]byte(token), []byte(t.Token(id, first)))
}

const macSize = 24

func (t *Tickets) mac(id canon.ConversationID, first canon.RequestID) []byte {
	m := hmac.New(sha256.New, t.key)
	fmt.Fprintf(m, "%d:%s%d:%s", len(id), id, len(first), first)
	return m.Sum(nil)[:macSize]
}
