//go:build pkcs11

package keystore

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"
)

// maxSessions is how many operations run at once with one key: tokens count sessions.
const maxSessions = 16

func openPKCS11(ctx context.Context, ref PKCS11, files Files) (Entry, error) {
	switch {
	case ref.Module == "" || ref.Token == "" || ref.Label == "" || ref.PINFile == "":
		return Entry{}, errors.New("pkcs11 wants module, token, label and pin_file")
	case !filepath.IsAbs(ref.Module):
		return Entry{}, errors.New("pkcs11 module is not an absolute path")
	}
	pin, err := secretLine(ref.PINFile, files)
	if err != nil {
		return Entry{}, fmt.Errorf("reading PIN: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	e, err := openToken(ref, pin, files)
	if err != nil {
		return Entry{}, fmt.Errorf("opening token %q: %w", ref.Token, err)
	}
	return e, nil
}

func openToken(ref PKCS11, pin string, files Files) (e Entry, err error) {
	module := pkcs11.New(ref.Module)
	if module == nil {
		return Entry{}, fmt.Errorf("%s is not a PKCS#11 library that can be loaded", ref.Module)
	}
	// One process has one state of a library, which other entries use too: it is never
	// finalized.
	if err := module.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return Entry{}, fmt.Errorf("initializing library: %w", err)
	}
	t := &token{module: module, name: ref.Token, label: ref.Label, pin: pin, room: make(chan struct{}, maxSessions)}
	s, err := t.open()
	if err != nil {
		return Entry{}, err
	}
	t.put(s)
	defer func() {
		if err != nil {
			t.drop()
		}
	}()
	if ref.Certificate != "" {
		data, err := files.Public(ref.Certificate)
		if err != nil {
			return Entry{}, fmt.Errorf("reading certificate: %w", err)
		}
		chain, err := Certificates(data)
		if err != nil {
			return Entry{}, fmt.Errorf("reading certificate %s: %w", ref.Certificate, err)
		}
		e.Certificate, e.Chain = chain[0], chain[1:]
	} else if e.Certificate, err = t.certificate(); err != nil {
		return Entry{}, err
	}
	if e.Key, err = newTokenKey(t, e.Certificate); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// A token is the use of one key in a token, through sessions that are kept open. When
// they break, because the token was taken out, reset or logged out, they are opened
// anew, once for each operation.
type token struct {
	module *pkcs11.Ctx
	name   string
	label  string
	pin    string
	room   chan struct{} // sessions in use

	mu     sync.Mutex
	idle   []session
	barred error // the PIN is wrong: trying on would lock the token
}

type session struct {
	handle pkcs11.SessionHandle
	key    pkcs11.ObjectHandle
}

// do runs an operation in a session. What fails because the session is gone is tried
// in a new one; another failure is the operation's own.
func (t *token) do(op func(session) error) error {
	t.room <- struct{}{}
	defer func() { <-t.room }()
	s, err := t.get()
	if err != nil {
		return err
	}
	if err = op(s); err == nil {
		t.put(s)
		return nil
	}
	if !lost(err) {
		// An operation that failed may leave its session in the middle of it.
		_ = t.module.CloseSession(s.handle)
		return err
	}
	t.drop()
	if s, err = t.open(); err != nil {
		return err
	}
	if err = op(s); err != nil {
		_ = t.module.CloseSession(s.handle)
		return err
	}
	t.put(s)
	return nil
}

func (t *token) get() (session, error) {
	t.mu.Lock()
	if n := len(t.idle); n > 0 {
		s := t.idle[n-1]
		t.idle = t.idle[:n-1]
		t.mu.Unlock()
		return s, nil
	}
	t.mu.Unlock()
	return t.open()
}

func (t *token) put(s session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = append(t.idle, s)
}

func (t *token) drop() {
	t.mu.Lock()
	idle := t.idle
	t.idle = nil
	t.mu.Unlock()
	for _, s := range idle {
		_ = t.module.CloseSession(s.handle)
	}
}

// open finds the token, logs in where nobody is, and finds the key.
func (t *token) open() (session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.barred != nil {
		return session{}, t.barred
	}
	slot, err := t.slot()
	if err != nil {
		return session{}, err
	}
	h, err := t.module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return session{}, fmt.Errorf("opening session: %w", err)
	}
	s := session{handle: h}
	if err = t.module.Login(h, pkcs11.CKU_USER, t.pin); err != nil && !is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		_ = t.module.CloseSession(h)
		err = fmt.Errorf("logging in: %w", err)
		if is(err, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED) {
			t.barred = err
		}
		return session{}, err
	}
	found, err := t.find(h, pkcs11.CKO_PRIVATE_KEY)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d private keys have the label %q: want one", len(found), t.label)
	}
	if err != nil {
		_ = t.module.CloseSession(h)
		return session{}, err
	}
	s.key = found[0]
	return s, nil
}

func (t *token) slot() (uint, error) {
	slots, err := t.module.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("listing slots: %w", err)
	}
	var found []uint
	for _, s := range slots {
		if info, err := t.module.GetTokenInfo(s); err == nil && strings.TrimRight(info.Label, " \x00") == t.name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d of %d tokens have this label: want one", len(found), len(slots))
	}
	return found[0], nil
}

func (t *token) find(h pkcs11.SessionHandle, class uint) ([]pkcs11.ObjectHandle, error) {
	err := t.module.FindObjectsInit(h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.label)})
	if err != nil {
		return nil, fmt.Errorf("looking for objects: %w", err)
	}
	found, _, err := t.module.FindObjects(h, 3)
	if end := t.module.FindObjectsFinal(h); err == nil {
		err = end
	}
	if err != nil {
		return nil, fmt.Errorf("looking for objects: %w", err)
	}
	return found, nil
}

func (t *token) certificate() (c *x509.Certificate, err error) {
	err = t.do(func(s session) error {
		found, err := t.find(s.handle, pkcs11.CKO_CERTIFICATE)
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("%d certificates have the label %q: want one, or name a file as certificate", len(found), t.label)
		}
		v, err := t.module.GetAttributeValue(s.handle, found[0], []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)})
		if err != nil {
			return fmt.Errorf("reading certificate: %w", err)
		}
		c, err = x509.ParseCertificate(v[0].Value)
		return err
	})
	return c, err
}

// closeUnused closes the sessions of a key that nobody holds any more, after a reload.
func (t *token) closeUnused(key any) {
	switch k := key.(type) {
	case *tokenRSA:
		runtime.AddCleanup(k, (*token).drop, t)
	case *tokenEC:
		runtime.AddCleanup(k, (*token).drop, t)
	case *tokenEd25519:
		runtime.AddCleanup(k, (*token).drop, t)
	case *tokenX25519:
		runtime.AddCleanup(k, (*token).drop, t)
	}
}

func is(err error, codes ...pkcs11.Error) bool {
	for _, c := range codes {
		if errors.Is(err, c) {
			return true
		}
	}
	return false
}

// lost reports whether a failure is one of the session and not of what was asked.
func lost(err error) bool {
	return is(err, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN,
		pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_DEVICE_REMOVED,
		pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_SLOT_ID_INVALID)
}
