package canon

import (
	"crypto/sha1" //nolint:gosec // UUIDv5 is defined over SHA-1 (RFC 9562 5.5); it is a name, not a proof.
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// A MessageID names one fact on the log. It is derived from its cause and the
// step, so that the same work done twice yields the same id.
type MessageID string

// A ConversationID names one exchange in this deployment. It is the record key
// on every topic and the scope of one encryption key.
type ConversationID string

// An ExchangeID is the ebMS property ExchangeId: one preview round trip, the
// same value in both Member States (TDD 4.7, R-EDM-ebMS-037).
type ExchangeID string

// A SessionID is the ebMS ConversationId: the session of the user, which may
// cover several exchanges (R-EDM-ebMS-017).
type SessionID string

// A RequestID is the id of one EDM request, "urn:uuid:" followed by a UUID.
type RequestID string

// namespace is the UUID under which all derived ids of the gateway stand.
var namespace = [16]byte{0x5d, 0x1c, 0x7a, 0x0e, 0x3b, 0x64, 0x4f, 0x0b, 0x9c, 0x21, 0x6a, 0x8f, 0x40, 0xee, 0x19, 0x52}

// DeriveUUID returns the UUIDv5 of the given parts in the gateway's namespace.
// Parts are length-prefixed, so that no two lists of parts collide.
func DeriveUUID(parts ...string) string {
	b := append(make([]byte, 0, 256), namespace[:]...)
	for _, p := range parts {
		b = append(strconv.AppendInt(b, int64(len(p)), 10), ':')
		b = append(b, p...)
	}
	sum := sha1.Sum(b) //nolint:gosec // see import
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	s := make([]byte, 0, 36)
	for i, group := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			s = append(s, '-')
		}
		s = hex.AppendEncode(s, group)
	}
	return string(s)
}

// Derive returns the id of the message that follows from cause at the named step.
func Derive(cause MessageID, step string) MessageID {
	return MessageID(DeriveUUID("message", string(cause), step))
}

// InboundConversation returns the conversation of an exchange that another
// access point opened. The peer takes part in the name: one partner cannot step
// into an exchange of another by guessing its ExchangeId.
func InboundConversation(peer Participant, exchange ExchangeID) ConversationID {
	return ConversationID(DeriveUUID("inbound", peer.Scheme, peer.ID, string(exchange)))
}

// OwnConversation returns the conversation that a portal of ours opens with the
// given idempotency key. Its text is also the ExchangeID on the wire.
func OwnConversation(portal, idempotencyKey string) ConversationID {
	return ConversationID(DeriveUUID("own", portal, idempotencyKey))
}

// ValidUUID reports whether s is a UUID in its lower-case textual form.
func ValidUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
				return false
			}
		}
	}
	return true
}

// PreviewConversation returns the conversation that a preview location of ours
// claims to belong to: its last path segment begins with the UUID. The claim is
// worth nothing before preview.Tickets said so; up to EDM 1.2 it is what ties the
// second request to the first.
func PreviewConversation(location string) (ConversationID, bool) {
	path, _, _ := strings.Cut(location, "?")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(path[strings.LastIndexByte(path, '/')+1:])
	if err != nil || len(raw) <= 16 || len(raw) > 256 {
		return "", false
	}
	h := hex.EncodeToString(raw[:16])
	return ConversationID(strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")), true
}
