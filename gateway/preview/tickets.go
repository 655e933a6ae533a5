package preview

import (
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
	return &Tickets{base: u, key: k}, nil
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
