package redisstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/gateway/preview"
)

// SessionsConfig says what Sessions work with.
type SessionsConfig struct {
	Client Client           // Required.
	Prefix Prefix           // Required.
	Key    []byte           // Required. The session key, at least 32 secret bytes.
	Now    func() time.Time // Default: time.Now.
	Random io.Reader        // Default: crypto/rand.
}

// Sessions is a preview.Sessions. A session is encrypted as a whole, it holds a
// person; its key in Redis is a hash of the cookie, so that who reads Redis can
// not take over a session.
//
//	<prefix>:session:<sha256 of the id>   nonce, AES-256-GCM of the JSON; gone at Expires
type Sessions struct {
	cfg  SessionsConfig
	aead cipher.AEAD
}

var _ preview.Sessions = (*Sessions)(nil)

// NewSessions checks the configuration and reports all faults at once.
func NewSessions(cfg SessionsConfig) (*Sessions, error) {
	var faults []error
	if cfg.Client == nil {
		faults = append(faults, errors.New("sessions: Client is required"))
	}
	faults = append(faults, cfg.Prefix.check())
	if len(cfg.Key) < 32 {
		faults = append(faults, fmt.Errorf("session key: want at least 32 bytes, got %d", len(cfg.Key)))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	key, err := hkdf.Key(sha256.New, cfg.Key, nil, "oncegate preview session v1", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving session key: %w", err)
	}
	cfg.Key = nil
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making session cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making session cipher: %w", err)
	}
	return &Sessions{cfg: cfg, aead: aead}, nil
}

func (s *Sessions) key(id string) string {
	h := sha256.Sum256([]byte(id))
	return s.cfg.Prefix.key("session", hex.EncodeToString(h[:]))
}

// Create implements preview.Sessions.
func (s *Sessions) Create(ctx context.Context, v preview.Session) (string, error) {
	var raw [32]byte
	if _, err := io.ReadFull(s.cfg.Random, raw[:]); err != nil {
		return "", fmt.Errorf("making a session id: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(raw[:])
	return id, s.set(ctx, id, v, "NX")
}

// Put implements preview.Sessions.
func (s *Sessions) Put(ctx context.Context, id string, v preview.Session) error {
	return s.set(ctx, id, v, "XX")
}

func (s *Sessions) set(ctx context.Context, id string, v preview.Session, mode string) error {
	left := v.Expires.Sub(s.cfg.Now())
	if left <= 0 {
		return preview.ErrNoSession
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a session: %w", err)
	}
	key := s.key(id)
	err = s.cfg.Client.SetArgs(ctx, key, s.aead.Seal(nil, nil, plain, []byte(key)), redis.SetArgs{Mode: mode, TTL: left}).Err()
	if errors.Is(err, redis.Nil) {
		return preview.ErrNoSession
	}
	return unavailable("writing a session", err)
}

// Get implements preview.Sessions.
func (s *Sessions) Get(ctx context.Context, id string) (preview.Session, error) {
	key := s.key(id)
	sealed, err := s.cfg.Client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return preview.Session{}, preview.ErrNoSession
	}
	if err != nil {
		return preview.Session{}, unavailable("reading a session", err)
	}
	var v preview.Session
	plain, err := s.aead.Open(nil, nil, sealed, []byte(key))
	if err != nil {
		return v, preview.ErrNoSession // written under another session key
	}
	if err := json.Unmarshal(plain, &v); err != nil {
		return preview.Session{}, fmt.Errorf("decoding a session: %w", err)
	}
	if !v.Expires.After(s.cfg.Now()) {
		return preview.Session{}, preview.ErrNoSession
	}
	return v, nil
}

// Delete implements preview.Sessions.
func (s *Sessions) Delete(ctx context.Context, id string) error {
	return unavailable("ending a session", s.cfg.Client.Del(ctx, s.key(id)).Err())
}
