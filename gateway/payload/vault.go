package payload

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"regexp"

	"oncegate/schemas/canon"
)

// VaultConfig says where payloads are and how large they may be.
type VaultConfig struct {
	Keyring *Keyring // Required.
	Blobs   Blobs    // Required.
	Store   string   // Required: name of the store in references: "kafka", "files".

	// MaxSize bounds one payload. Default: 25 MiB, the bound of the common
	// services for one evidence.
	MaxSize int64
	// MemoryBound is how much of one payload is held in memory; above, its sealed
	// bytes go through a nameless temporary file. Default: 1 MiB.
	MemoryBound int
	// TempDir is where those files are made. Default: the system's.
	TempDir string
	// ChunkLog2 is the binary logarithm of the chunk size. Default: 16, 64 KiB.
	ChunkLog2 int
}

// Validate reports all faults at once.
func (c *VaultConfig) Validate() error {
	var errs []error
	if c.Keyring == nil {
		errs = append(errs, errors.New("keyring: required"))
	}
	if c.Blobs == nil {
		errs = append(errs, errors.New("blobs: required"))
	}
	if !validStore.MatchString(c.Store) {
		errs = append(errs, fmt.Errorf("store %q: required, 1 to 32 of a-z 0-9 -", c.Store))
	}
	if c.MaxSize < 0 {
		errs = append(errs, fmt.Errorf("max size: %d is negative", c.MaxSize))
	}
	if c.MemoryBound < 0 {
		errs = append(errs, fmt.Errorf("memory bound: %d is negative", c.MemoryBound))
	}
	if c.ChunkLog2 != 0 && (c.ChunkLog2 < minChunkLog2 || c.ChunkLog2 > maxChunkLog2) {
		errs = append(errs, fmt.Errorf("chunk size: 2^%d is not in 2^%d..2^%d", c.ChunkLog2, minChunkLog2, maxChunkLog2))
	}
	return errors.Join(errs...)
}

var (
	validStore  = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	validWhere  = regexp.MustCompile(`^[!-~]{1,512}$`)
	validDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// A Vault keeps payloads of any length, sealed under the key of their
// conversation. It is safe for concurrent use.
type Vault struct{ cfg VaultConfig }

var _ canon.Payloads = (*Vault)(nil)

// NewVault returns a Vault.
func NewVault(cfg VaultConfig) (*Vault, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the vault: %w", err)
	}
	cfg.MaxSize = cmp.Or(cfg.MaxSize, 25<<20)
	cfg.MemoryBound = cmp.Or(cfg.MemoryBound, 1<<20)
	cfg.ChunkLog2 = cmp.Or(cfg.ChunkLog2, 16)
	if cfg.TempDir == "" {
		cfg.TempDir = os.TempDir()
	}
	return &Vault{cfg}, nil
}

// Put stores all of r. The same bytes put twice in one conversation give the
// same digest and the same id in the store. A payload over MaxSize is a fault of
// kind Invalid; a forgotten conversation is canon.ErrForgotten.
func (v *Vault) Put(ctx context.Context, id canon.ConversationID, mediaType string, r io.Reader) (ref canon.PayloadRef, err error) {
	if _, _, err := mime.ParseMediaType(mediaType); err != nil || len(mediaType) > 255 {
		return ref, canon.NewFault(canon.CodeBadInput, nil, "media type of a payload is not one")
	}
	key, err := v.cfg.Keyring.sealingKey(ctx, id)
	if err != nil {
		return ref, err
	}
	h := &streamHeader{chunkLog2: byte(v.cfg.ChunkLog2), kid: key.id}
	if _, err := io.ReadFull(v.cfg.Keyring.cfg.Rand, h.salt[:]); err != nil {
		return ref, fmt.Errorf("drawing a salt: %w", err)
	}
	aead, err := h.aead(id, key.secret)
	if err != nil {
		return ref, fmt.Errorf("deriving a key: %w", err)
	}
	// The store's id is derived from the digest, which is known at the end: the
	// sealed bytes wait in the spool.
	held := &spool{dir: v.cfg.TempDir, bound: v.cfg.MemoryBound}
	defer func() { err = errors.Join(err, held.Close()) }()
	digest := sha256.New()
	limited := &io.LimitedReader{R: r, N: v.cfg.MaxSize + 1}
	if err := sealStream(ctx, held, limited, h, aead, digest); err != nil {
		return ref, fmt.Errorf("sealing a payload: %w", err)
	}
	if limited.N == 0 {
		return ref, canon.NewFault(canon.CodeBadInput, nil, "payload is larger than %d bytes", v.cfg.MaxSize)
	}
	sum := hex.EncodeToString(digest.Sum(nil))
	sealed, err := held.reader()
	if err != nil {
		return ref, err
	}
	where, err := v.cfg.Blobs.Put(ctx, id, canon.DeriveUUID("payload", string(id), sum), sealed)
	if err != nil {
		return ref, storeFault(err, "storing a payload")
	}
	if !validWhere.MatchString(where) {
		return ref, fmt.Errorf("storing a payload: store %s gave an invalid locator", v.cfg.Store)
	}
	return canon.PayloadRef{
		Digest:    "sha256:" + sum,
		MediaType: mediaType,
		Size:      v.cfg.MaxSize + 1 - limited.N,
		Store:     v.cfg.Store,
		Where:     where,
	}, nil
}

// Open returns the bytes after all of them were checked against seal, digest and
// size. Bytes that do not match, or are not there, are a fault with
// CodePayloadDamaged. Large payloads are opened twice, once to check and once
// while they are read: clear bytes never touch a disk.
func (v *Vault) Open(ctx context.Context, id canon.ConversationID, ref canon.PayloadRef) (_ io.ReadCloser, err error) {
	if err := v.checkRef(ref); err != nil {
		return nil, err
	}
	// First the key: a forgotten conversation is forgotten whatever the store says.
	if gone, err := v.cfg.Keyring.Forgotten(ctx, id); err != nil {
		return nil, err
	} else if gone {
		return nil, canon.ErrForgotten
	}
	stored, err := v.cfg.Blobs.Open(ctx, id, ref.Where)
	if err != nil {
		return nil, openFault(err)
	}
	defer func() { err = errors.Join(err, stored.Close()) }()

	h, err := readStreamHeader(stored)
	if err != nil {
		return nil, openFault(err)
	}
	key, err := v.cfg.Keyring.openingKey(ctx, id, h.kid)
	if err != nil {
		return nil, err
	}
	aead, err := h.aead(id, key.secret)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	// One byte more than it may be long, so that what is added is seen.
	body := io.LimitReader(stored, h.sealedSize(ref.Size)-int64(len(h.bytes()))+1)
	if ref.Size <= int64(v.cfg.MemoryBound) {
		return openSmall(newStreamReader(body, h, aead), ref)
	}
	held := &spool{dir: v.cfg.TempDir, bound: v.cfg.MemoryBound}
	check := newStreamReader(io.TeeReader(body, held), h, aead)
	defer check.wipe()
	digest := sha256.New()
	n, err := copyAll(ctx, digest, check)
	if err == nil {
		err = matches(ref, n, digest.Sum(nil))
	}
	if err != nil {
		return nil, errors.Join(openFault(err), held.Close())
	}
	again, err := held.reader()
	if err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return &opened{Reader: newStreamReader(again, h, aead), held: held}, nil
}

// Forget ends all payloads and private parts of the conversation, and deletes
// the sealed bytes where the store can.
func (v *Vault) Forget(ctx context.Context, id canon.ConversationID) error {
	if err := v.cfg.Keyring.Forget(ctx, id); err != nil {
		return err
	}
	if f, ok := v.cfg.Blobs.(Forgetter); ok {
		if err := f.Forget(ctx, id); err != nil {
			return storeFault(err, "deleting payloads")
		}
	}
	return nil
}

func (v *Vault) checkRef(ref canon.PayloadRef) error {
	switch {
	case ref.Store != v.cfg.Store:
		return canon.NewFault(canon.CodePayloadUnavailable, nil, "payload is in another store than %s", v.cfg.Store)
	case ref.Size < 0 || ref.Size > v.cfg.MaxSize:
		return canon.NewFault(canon.CodePayloadDamaged, nil, "size in the payload reference is out of bounds")
	case !validDigest.MatchString(ref.Digest), !validWhere.MatchString(ref.Where):
		return canon.NewFault(canon.CodePayloadDamaged, nil, "payload reference is malformed")
	}
	return nil
}

func openSmall(s *streamReader, ref canon.PayloadRef) (io.ReadCloser, error) {
	defer s.wipe()
	buf := make([]byte, ref.Size)
	if _, err := io.ReadFull(s, buf); err != nil && !errors.Is(err, io.EOF) {
		return nil, openFault(cut(err))
	}
	// The end is under seal too.
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errDamaged
		}
		return nil, openFault(err)
	}
	sum := sha256.Sum256(buf)
	if err := matches(ref, int64(len(buf)), sum[:]); err != nil {
		return nil, openFault(err)
	}
	return &inMemory{Reader: bytes.NewReader(buf), buf: buf}, nil
}

// copyAll is io.Copy that ends with ctx.
func copyAll(ctx context.Context, dst io.Writer, src io.Reader) (n int64, err error) {
	buf := make([]byte, 32<<10)
	defer clear(buf)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := src.Read(buf)
		dst.Write(buf[:k]) // a hash never fails
		n += int64(k)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func matches(ref canon.PayloadRef, size int64, sum []byte) error {
	if size != ref.Size || "sha256:"+hex.EncodeToString(sum) != ref.Digest {
		return fmt.Errorf("%w: not the bytes of the reference", errDamaged)
	}
	return nil
}

func openFault(err error) error {
	if errors.Is(err, errDamaged) {
		return canon.NewFault(canon.CodePayloadDamaged, err, "payload does not match its seal")
	}
	if errors.Is(err, ErrNoBlob) { // asking again would not bring it back
		return canon.NewFault(canon.CodePayloadDamaged, err, "payload is not in its store")
	}
	return storeFault(err, "reading a payload")
}

// inMemory hands out checked bytes and clears them when closed.
type inMemory struct {
	*bytes.Reader
	buf []byte
}

func (m *inMemory) Close() error {
	m.Reader.Reset(nil)
	clear(m.buf)
	return nil
}

// opened hands out the checked bytes of a large payload.
type opened struct {
	io.Reader
	held *spool
}

func (o *opened) Close() error {
	o.Reader.(*streamReader).wipe()
	return o.held.Close()
}
