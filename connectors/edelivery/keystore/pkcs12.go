package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The container of PKCS#12 (RFC 7292, 4). It is read here because the stores of Java
// hold many keys, which the libraries for Go do not read.
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		MAC      macData `asn1:"optional"`
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	macData struct {
		MAC struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	encryptedData struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Content   []byte `asn1:"tag:0,optional"`
		}
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue  `asn1:"tag:0,explicit"`
		Attributes []bagAttribute `asn1:"set,optional"`
	}
	bagAttribute struct {
		ID     asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
	certBag struct {
		ID   asn1.ObjectIdentifier
		Data []byte `asn1:"tag:0,explicit"`
	}
	shroudedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedKey   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidLocalKeyID    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}
)

// Limits of a store. RFC 8018 asks for 1000 iterations and more; two millions take
// about a second.
const (
	maxBags       = 1024
	maxIterations = 2_000_000
)

var (
	errPassword  = errors.New("password is wrong, or the store is damaged")
	errContainer = errors.New("not a PKCS#12 store in DER (openssl pkcs12 -in OLD -nodes | openssl pkcs12 -export -out NEW writes one)")
)

func openPKCS12(ref PKCS12, files Files) (Entry, error) {
	if ref.File == "" || ref.PasswordFile == "" {
		return Entry{}, errors.New("pkcs12 wants file and password_file")
	}
	password, err := secretLine(ref.PasswordFile, files)
	if err != nil {
		return Entry{}, fmt.Errorf("reading password of store: %w", err)
	}
	data, err := files.Secret(ref.File)
	if err != nil {
		return Entry{}, fmt.Errorf("reading store: %w", err)
	}
	s, err := readStore(data, password, maxIterations)
	if err != nil {
		return Entry{}, fmt.Errorf("reading store %s: %w", ref.File, err)
	}
	e, err := s.entry(ref.Alias)
	if err != nil {
		return Entry{}, fmt.Errorf("reading store %s: %w", ref.File, err)
	}
	return e, nil
}

// secretLine reads a password or PIN: the file without the end of its line.
func secretLine(name string, files Files) (string, error) {
	data, err := files.Secret(name)
	if err != nil {
		return "", err
	}
	line := strings.TrimRight(string(data), "\r\n")
	clear(data)
	if line == "" || len(line) > 1024 || strings.ContainsAny(line, "\r\n\x00") || !utf8.ValidString(line) {
		return "", fmt.Errorf("%s: want one line of text", name)
	}
	return line, nil
}

// A store is what a PKCS#12 file holds.
type store struct {
	keys  []storedKey
	certs []storedCert
}

type storedKey struct {
	label
	key crypto.PrivateKey
}

type storedCert struct {
	label
	cert *x509.Certificate
}

type label struct {
	name string
	id   []byte
}

// readStore decodes a store. Its MAC is checked before anything is decrypted.
func readStore(data []byte, password string, maxIterations int) (*store, error) {
	if len(data) > maxFile {
		return nil, errTooLarge
	}
	if bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}) || bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce}) {
		return nil, errors.New("is a JKS store of Java: convert it with keytool -importkeystore -deststoretype PKCS12")
	}
	if bytes.HasPrefix(data, []byte("-----BEGIN")) {
		return nil, errors.New("is PEM: name it as certificate and key")
	}
	var p pfx
	if unmarshal(data, &p) != nil || p.Version != 3 || !p.AuthSafe.Type.Equal(oidData) {
		return nil, errContainer
	}
	var safe []byte
	if unmarshal(p.AuthSafe.Content.Bytes, &safe) != nil {
		return nil, errContainer
	}
	if len(p.MAC.MAC.Digest) == 0 {
		return nil, errors.New("store has no MAC: write it with a password")
	}
	u := unlocking{password: password, maxIterations: maxIterations}
	if err := u.verify(p.MAC, safe); err != nil {
		return nil, err
	}
	var infos []contentInfo
	if unmarshal(safe, &infos) != nil {
		return nil, errContainer
	}
	s := &store{}
	for _, info := range infos {
		if err := s.add(info, u); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) add(info contentInfo, u unlocking) error {
	var content []byte
	switch {
	case info.Type.Equal(oidData):
		if unmarshal(info.Content.Bytes, &content) != nil {
			return errContainer
		}
	case info.Type.Equal(oidEncryptedData):
		var d encryptedData
		if unmarshal(info.Content.Bytes, &d) != nil || !d.Info.Type.Equal(oidData) {
			return errContainer
		}
		var err error
		if content, err = u.decrypt(d.Info.Algorithm, d.Info.Content); err != nil {
			return err
		}
	default:
		return errors.New("store is encrypted for a certificate and not with a password")
	}
	var bags []safeBag
	if unmarshal(content, &bags) != nil || len(bags) > maxBags {
		return errContainer
	}
	for _, b := range bags {
		if err := s.bag(b, u); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) bag(b safeBag, u unlocking) error {
	l := b.label()
	switch {
	case b.ID.Equal(oidCertBag):
		var c certBag
		if unmarshal(b.Value.Bytes, &c) != nil {
			return errContainer
		}
		if !c.ID.Equal(oidX509) {
			return nil
		}
		cert, err := x509.ParseCertificate(c.Data)
		if err != nil {
			return fmt.Errorf("certificate in store: %w", err)
		}
		s.certs = append(s.certs, storedCert{l, cert})
	case b.ID.Equal(oidShroudedKey):
		var k shroudedKey
		if unmarshal(b.Value.Bytes, &k) != nil {
			return errContainer
		}
		der, err := u.decrypt(k.Algorithm, k.Data)
		if err != nil {
			return err
		}
		return s.key(l, der)
	case b.ID.Equal(oidKeyBag):
		return s.key(l, b.Value.Bytes)
	}
	return nil // other bags hold CRLs and secrets, which are not ours to use
}

// key adds a key; one of a kind that we cannot use is kept as nil, so that others of
// the store still serve.
func (s *store) key(l label, der []byte) error {
	k, err := x509.ParsePKCS8PrivateKey(der)
	clear(der)
	if err != nil {
		k = nil
	}
	s.keys = append(s.keys, storedKey{l, k})
	return nil
}

func (b safeBag) label() (l label) {
	for _, a := range b.Attributes {
		if len(a.Values) != 1 {
			continue
		}
		switch v := a.Values[0]; {
		case a.ID.Equal(oidFriendlyName) && v.Tag == asn1.TagBMPString && len(v.Bytes)%2 == 0:
			units := make([]uint16, 0, len(v.Bytes)/2)
			for i := 0; i < len(v.Bytes); i += 2 {
				units = append(units, binary.BigEndian.Uint16(v.Bytes[i:]))
			}
			l.name = string(utf16.Decode(units))
		case a.ID.Equal(oidLocalKeyID) && v.Tag == asn1.TagOctetString:
			l.id = v.Bytes
		}
	}
	return l
}

// entry picks one key with its certificate and its chain.
func (s *store) entry(alias string) (Entry, error) {
	var found []storedKey
	var names []string
	for _, k := range s.keys {
		if k.name == "" {
			// OpenSSL names the certificate, and links the key by its id.
			for _, c := range s.certs {
				if len(k.id) > 0 && bytes.Equal(k.id, c.id) {
					k.name = c.name
				}
			}
		}
		names = append(names, fmt.Sprintf("%q", k.name))
		if alias == "" || strings.EqualFold(k.name, alias) {
			found = append(found, k)
		}
	}
	slices.Sort(names)
	switch {
	case len(s.keys) == 0:
		return Entry{}, errors.New("store holds no private key")
	case len(found) == 0:
		return Entry{}, fmt.Errorf("no key with this alias: there are %s", strings.Join(names[:min(len(names), 20)], ", "))
	case len(found) > 1 && alias == "":
		return Entry{}, fmt.Errorf("store holds several keys: name one by its alias, of %s", strings.Join(names[:min(len(names), 20)], ", "))
	case len(found) > 1:
		return Entry{}, errors.New("alias names several keys")
	case found[0].key == nil:
		return Entry{}, errKey
	}
	return s.complete(found[0])
}

func (s *store) complete(k storedKey) (Entry, error) {
	e := Entry{Key: k.key}
	for _, c := range s.certs {
		// A certificate renewed for the same key has the same public key: the link decides.
		if matches(c.cert, k.key) && (e.Certificate == nil || len(k.id) > 0 && bytes.Equal(c.id, k.id)) {
			e.Certificate = c.cert
		}
	}
	if e.Certificate == nil {
		return Entry{}, errors.New("store holds no certificate of the key")
	}
	for last := e.Certificate; len(e.Chain) < maxChain; {
		next := s.issuer(last)
		if next == nil {
			break
		}
		e.Chain, last = append(e.Chain, next), next
	}
	return e, nil
}

const maxChain = 10

func (s *store) issuer(of *x509.Certificate) *x509.Certificate {
	if bytes.Equal(of.RawIssuer, of.RawSubject) {
		return nil
	}
	for _, c := range s.certs {
		if bytes.Equal(c.cert.RawSubject, of.RawIssuer) && of.CheckSignatureFrom(c.cert) == nil {
			return c.cert
		}
	}
	return nil
}

// unmarshal decodes DER that ends where its value ends.
func unmarshal(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = errContainer
	}
	return err
}
