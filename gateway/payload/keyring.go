package payload

import (
	"cmp"
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"time"

	"oncegate/schemas/canon"
)

// KeyringConfig says where the keys of conversations are.
type KeyringConfig struct {
	Keys Keys  // Required: the wrapped keys.
	Ring *Ring // Required: the key-encryption keys.

	// CacheTTL bounds how long another instance still reads after Forget.
	// Default: 10 s.
	CacheTTL time.Duration
	// CacheSize bounds the number of conversations in memory. Default: 4096.
	CacheSize int

	Rand io.Reader        // Default: crypto/rand.Reader. Must be safe for concurrent use.
	Now  func() time.Time // Default: time.Now.
}

// Validate reports all faults at once.
func (c *KeyringConfig) Validate() error {
	var errs []error
	if c.Keys == nil {
		errs = append(errs, errors.New("keys: required"))
	}
	if c.Ring == nil {
		errs = append(errs, errors.New("ring: required"))
	}
	if c.CacheTTL < 0 || c.CacheTTL > time.Hour {
		errs = append(errs, fmt.Errorf("cache ttl: %v is not in 0..1h", c.CacheTTL))
	}
	if c.CacheSize < 0 {
		errs = append(errs, fmt.Errorf("cache size: %d is negative", c.CacheSize))
	}
	return errors.Join(errs...)
}

// MaxBox is the largest private part that a Keyring seals.
const MaxBox = 4 << 20

// A Keyring seals under one key per conversation. It is safe for concurrent use.
type Keyring struct {
	cfg   KeyringConfig
	cache *cache
	seed  maphash.Seed
	// stripes serialise loading and forgetting of one conversation: one instance
	// makes one key, and a load that began before Forget cannot outlive it.
	stripes [64]chan struct{}
}

var _ canon.Sealer = (*Keyring)(nil)

// NewKeyring returns a Keyring.
func NewKeyring(cfg KeyringConfig) (*Keyring, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the keyring: %w", err)
	}
	cfg.CacheTTL = cmp.Or(cfg.CacheTTL, 10*time.Second)
	cfg.CacheSize = cmp.Or(cfg.CacheSize, 4096)
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keyring{cfg: cfg, cache: newCache(cfg.CacheSize), seed: maphash.MakeSeed()}
	for i := range k.stripes {
		k.stripes[i] = make(chan struct{}, 1)
	}
	return k, nil
}

// A dataKey is one unwrapped key of a conversation.
type dataKey struct {
	id     string
	secret *Secret
	box    cipher.AEAD // derived, so that boxes and blobs never share key and nonce
}

// keySet is what is known of one conversation.
type keySet struct {
	keys      []dataKey // by id: every instance seals with the same one
	forgotten bool
	until     time.Time
}

func (s *keySet) find(kid string) (dataKey, bool) {
	for _, k := range s.keys {
		if k.id == kid {
			return k, true
		}
	}
	return dataKey{}, false
}

// Seal makes the conversation's key if there is none yet. It returns
// canon.ErrForgotten where the store knows that the conversation was forgotten.
// Nonces are random: one key seals at most 2^32 boxes (NIST SP 800-38D 8.3),
// far beyond what one conversation has.
func (k *Keyring) Seal(ctx context.Context, id canon.ConversationID, associated, plain []byte) (canon.Box, error) {
	if len(plain) > MaxBox {
		return canon.Box{}, canon.NewFault(canon.CodeBadInput, nil, "private part is larger than %d bytes", MaxBox)
	}
	key, err := k.sealingKey(ctx, id)
	if err != nil {
		return canon.Box{}, err
	}
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(k.cfg.Rand, nonce); err != nil {
		return canon.Box{}, fmt.Errorf("drawing a nonce: %w", err)
	}
	return canon.Box{
		Key:   key.id,
		Nonce: nonce,
		Data:  key.box.Seal(nil, nonce, plain, boxAssociated(id, key.id, associated)),
	}, nil
}

// Open returns canon.ErrForgotten once the key that the box names is gone, and a
// fault with CodePayloadDamaged where the seal does not match.
func (k *Keyring) Open(ctx context.Context, id canon.ConversationID, associated []byte, box canon.Box) ([]byte, error) {
	key, err := k.openingKey(ctx, id, box.Key)
	if err != nil {
		return nil, err
	}
	if len(box.Nonce) != nonceSize || len(box.Data) > MaxBox+tagSize {
		return nil, canon.NewFault(canon.CodePayloadDamaged, nil, "sealed part has a wrong length")
	}
	plain, err := key.box.Open(nil, box.Nonce, box.Data, boxAssociated(id, key.id, associated))
	if err != nil {
		return nil, canon.NewFault(canon.CodePayloadDamaged, nil, "sealed part does not match its seal")
	}
	return plain, nil
}

// Forget ends everything that was sealed for the conversation: here when it
// returns, on other instances within CacheTTL.
func (k *Keyring) Forget(ctx context.Context, id canon.ConversationID) error {
	unlock, err := k.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	k.cache.drop(id)
	if err := k.cfg.Keys.Forget(ctx, id); err != nil {
		return storeFault(err, "forgetting the keys of a conversation")
	}
	k.remember(id, &keySet{forgotten: true})
	return nil
}

// Forgotten reports whether the store knows that the conversation was forgotten.
func (k *Keyring) Forgotten(ctx context.Context, id canon.ConversationID) (bool, error) {
	s, err := k.load(ctx, id, func(*keySet) bool { return true })
	if err != nil {
		return false, err
	}
	return s.forgotten, nil
}

func (k *Keyring) sealingKey(ctx context.Context, id canon.ConversationID) (dataKey, error) {
	if id == "" {
		return dataKey{}, errors.New("sealing: the conversation is unset")
	}
	s, err := k.load(ctx, id, func(s *keySet) bool { return s.forgotten || len(s.keys) > 0 })
	if err != nil {
		return dataKey{}, err
	}
	if !s.forgotten && len(s.keys) == 0 {
		if s, err = k.create(ctx, id); err != nil {
			return dataKey{}, err
		}
	}
	if s.forgotten {
		return dataKey{}, canon.ErrForgotten
	}
	return s.keys[0], nil
}

func (k *Keyring) openingKey(ctx context.Context, id canon.ConversationID, kid string) (dataKey, error) {
	// An unknown key id may be of another instance: the store is asked again.
	s, err := k.load(ctx, id, func(s *keySet) bool {
		_, ok := s.find(kid)
		return ok || s.forgotten
	})
	if err != nil {
		return dataKey{}, err
	}
	if key, ok := s.find(kid); ok {
		return key, nil
	}
	// The store is the authority: a key that it does not hold exists no more.
	return dataKey{}, canon.ErrForgotten
}

// load returns what is known of the conversation, from memory where it is fresh
// and enough says so.
func (k *Keyring) load(ctx context.Context, id canon.ConversationID, enough func(*keySet) bool) (*keySet, error) {
	if s := k.cached(id); s != nil && enough(s) {
		return s, nil
	}
	unlock, err := k.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s := k.cached(id); s != nil && enough(s) {
		return s, nil
	}
	return k.read(ctx, id)
}

func (k *Keyring) create(ctx context.Context, id canon.ConversationID) (*keySet, error) {
	unlock, err := k.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s := k.cached(id); s != nil && (s.forgotten || len(s.keys) > 0) {
		return s, nil // another caller of this instance was first
	}
	var secret Secret
	var name [16]byte
	if _, err := io.ReadFull(k.cfg.Rand, secret[:]); err != nil {
		return nil, fmt.Errorf("drawing a key: %w", err)
	}
	if _, err := io.ReadFull(k.cfg.Rand, name[:]); err != nil {
		return nil, fmt.Errorf("drawing a key id: %w", err)
	}
	kid := hex.EncodeToString(name[:])
	wrapped, err := k.cfg.Ring.wrap(k.cfg.Rand, k.cfg.Now(), id, kid, &secret)
	if err != nil {
		return nil, err
	}
	if err := k.cfg.Keys.Add(ctx, id, kid, wrapped); errors.Is(err, canon.ErrForgotten) {
		return k.remember(id, &keySet{forgotten: true}), nil
	} else if err != nil {
		return nil, storeFault(err, "storing the key of a conversation")
	}
	// Read back: another instance may have made one too, and all seal with the
	// same from now on.
	return k.read(ctx, id)
}

// read asks the store; the caller holds the stripe.
func (k *Keyring) read(ctx context.Context, id canon.ConversationID) (*keySet, error) {
	wrapped, err := k.cfg.Keys.Get(ctx, id)
	if errors.Is(err, canon.ErrForgotten) {
		return k.remember(id, &keySet{forgotten: true}), nil
	}
	if err != nil {
		return nil, storeFault(err, "reading the keys of a conversation")
	}
	s := &keySet{}
	var unusable error
	for _, w := range wrapped {
		secret, err := k.cfg.Ring.unwrap(k.cfg.Now(), id, w.ID, w.Wrapped)
		if errors.Is(err, canon.ErrForgotten) {
			continue // destroyed with its key-encryption key
		}
		if err != nil {
			unusable = err
			continue
		}
		box, err := boxKey(id, w.ID, secret)
		if err != nil {
			return nil, fmt.Errorf("deriving a key: %w", err)
		}
		s.keys = append(s.keys, dataKey{w.ID, secret, box})
	}
	if len(s.keys) == 0 && unusable != nil {
		return nil, unusable
	}
	s.forgotten = len(wrapped) > 0 && len(s.keys) == 0
	slices.SortFunc(s.keys, func(a, b dataKey) int { return cmp.Compare(a.id, b.id) })
	return k.remember(id, s), nil
}

func (k *Keyring) remember(id canon.ConversationID, s *keySet) *keySet {
	s.until = k.cfg.Now().Add(k.cfg.CacheTTL)
	k.cache.put(id, s)
	return s
}

func (k *Keyring) cached(id canon.ConversationID) *keySet {
	if s := k.cache.get(id); s != nil && k.cfg.Now().Before(s.until) {
		return s
	}
	return nil
}

func (k *Keyring) lock(ctx context.Context, id canon.ConversationID) (unlock func(), err error) {
	stripe := k.stripes[maphash.String(k.seed, string(id))%uint64(len(k.stripes))]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func boxKey(id canon.ConversationID, kid string, secret *Secret) (cipher.AEAD, error) {
	return deriveAEAD(secret, nil, Associate("oncegate box v1", string(id), kid))
}

func deriveAEAD(secret *Secret, salt, info []byte) (cipher.AEAD, error) {
	raw, err := hkdf.Key(sha256.New, secret[:], salt, string(info), len(Secret{}))
	if err != nil {
		return nil, err
	}
	key := Secret(raw)
	defer clear(raw)
	defer clear(key[:])
	return key.aead()
}

func boxAssociated(id canon.ConversationID, kid string, associated []byte) []byte {
	return Associate(string(id), kid, string(associated))
}

// storeFault makes a failure of a store a fault of kind Unavailable, unless it
// says more itself.
func storeFault(err error, doing string) error {
	if _, ok := errors.AsType[*canon.Fault](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, canon.ErrForgotten) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return canon.NewFault(canon.CodePayloadUnavailable, err, "%s", doing)
}
