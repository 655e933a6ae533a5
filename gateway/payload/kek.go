package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// A Secret is the material of one AES-256 key. It prints as [redacted].
type Secret [32]byte

// Format prints no key, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue prints no key.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText keeps a key out of every encoding.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

func (s *Secret) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// A KEK is a dated key-encryption key. The newest one that has begun wraps new
// data keys; each unwraps until its term, and is then destroyed.
type KEK struct {
	ID        string    // Required: 1 to 64 of a-z 0-9 -; never used for another key.
	NotBefore time.Time // Required: when it begins to wrap.
	Term      time.Time // Required: when it is destroyed, and with it all that it wrapped.
	Key       Secret    // Required.
}

var validKeyID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// A Ring is the set of key-encryption keys in force. It is safe for concurrent use.
type Ring struct {
	mu   sync.RWMutex
	keks map[string]ringKey
}

type ringKey struct {
	KEK
	aead cipher.AEAD
}

// NewRing returns a ring of at least one key.
func NewRing(keks ...KEK) (*Ring, error) {
	r := &Ring{}
	return r, r.Set(keks...)
}

// Set puts other keys in place of all present ones; on error the present ones stay.
func (r *Ring) Set(keks ...KEK) error {
	var errs []error
	if len(keks) == 0 {
		errs = append(errs, errors.New("key-encryption keys: at least one is required"))
	}
	next := make(map[string]ringKey, len(keks))
	for _, k := range keks {
		if !validKeyID.MatchString(k.ID) {
			errs = append(errs, fmt.Errorf("key-encryption key %q: the id must be 1 to 64 of a-z 0-9 -", k.ID))
		}
		if _, dup := next[k.ID]; dup {
			errs = append(errs, fmt.Errorf("key-encryption key %q: given twice", k.ID))
		}
		if k.NotBefore.IsZero() || !k.NotBefore.Before(k.Term) {
			errs = append(errs, fmt.Errorf("key-encryption key %q: must begin before its term", k.ID))
		}
		if k.Key == (Secret{}) {
			errs = append(errs, fmt.Errorf("key-encryption key %q: no key material", k.ID))
		}
		aead, err := k.Key.aead()
		if err != nil {
			errs = append(errs, err)
		}
		next[k.ID] = ringKey{k, aead}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keks = next
	return nil
}

// Expired lists the keys whose term has passed: they are not used any more and
// are to be destroyed where they are stored.
func (r *Ring) Expired(now time.Time) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []string
	for id, k := range r.keks {
		if !now.Before(k.Term) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (r *Ring) newest(now time.Time) (ringKey, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var best ringKey
	for _, k := range r.keks {
		if now.Before(k.NotBefore) || !now.Before(k.Term) {
			continue
		}
		if best.aead == nil || k.NotBefore.After(best.NotBefore) || k.NotBefore.Equal(best.NotBefore) && k.ID > best.ID {
			best = k
		}
	}
	if best.aead == nil {
		return best, canon.NewFault(canon.CodePayloadUnavailable, nil, "no key-encryption key is in force")
	}
	return best, nil
}

func (r *Ring) get(id string) (ringKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.keks[id]
	return k, ok
}

const (
	wrapVersion = 1
	nonceSize   = 12
	tagSize     = 16
)

func wrapAssociated(id canon.ConversationID, kid, kek string, term uint64) []byte {
	return binary.BigEndian.AppendUint64(Associate("oncegate wrap v1", string(id), kid, kek), term)
}

// wrap encrypts a data key: version, KEK id, term of the KEK, nonce, ciphertext.
// The term travels with it, so that a missing KEK can be told from a destroyed one.
func (r *Ring) wrap(rand io.Reader, now time.Time, id canon.ConversationID, kid string, key *Secret) ([]byte, error) {
	k, err := r.newest(now)
	if err != nil {
		return nil, err
	}
	term := uint64(k.Term.Unix())
	out := append([]byte{wrapVersion, byte(len(k.ID))}, k.ID...)
	out = binary.BigEndian.AppendUint64(out, term)
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(rand, nonce[:]); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	out = append(out, nonce[:]...)
	return k.aead.Seal(out, nonce[:], key[:], wrapAssociated(id, kid, k.ID, term)), nil
}

// unwrap returns canon.ErrForgotten where the key-encryption key is past its
// term, and a fault of kind Unavailable where it should be there and is not.
func (r *Ring) unwrap(now time.Time, id canon.ConversationID, kid string, wrapped []byte) (*Secret, error) {
	damaged := func(what string) error {
		return canon.NewFault(canon.CodePayloadDamaged, nil, "wrapped key %s: %s", kid, what)
	}
	if len(wrapped) < 2 || wrapped[0] != wrapVersion {
		return nil, damaged("unknown form")
	}
	n := int(wrapped[1])
	if len(wrapped) != 2+n+8+nonceSize+len(Secret{})+tagSize {
		return nil, damaged("wrong length")
	}
	kek, rest := string(wrapped[2:2+n]), wrapped[2+n:]
	if !validKeyID.MatchString(kek) {
		return nil, damaged("wrong key-encryption key id")
	}
	term := binary.BigEndian.Uint64(rest)
	k, ok := r.get(kek)
	if !ok {
		if uint64(now.Unix()) >= term {
			return nil, canon.ErrForgotten
		}
		return nil, canon.NewFault(canon.CodePayloadUnavailable, nil, "key-encryption key %s is not configured", kek)
	}
	var key Secret
	nonce, box := rest[8:8+nonceSize], rest[8+nonceSize:]
	if _, err := k.aead.Open(key[:0], nonce, box, wrapAssociated(id, kid, kek, term)); err != nil {
		return nil, damaged("seal does not match")
	}
	if !now.Before(k.Term) {
		return nil, canon.ErrForgotten
	}
	return &key, nil
}
