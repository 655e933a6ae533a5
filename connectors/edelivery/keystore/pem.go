package keystore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Limits of what is read: a key of 16 KiB bits in PEM is far below.
const (
	maxFile         = 1 << 20
	maxCertificates = 64 // of one file or store
)

var errTooLarge = errors.New("is larger than 1 MiB")

// Certificates reads all certificates of a PEM file, in their order.
func Certificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxFile {
		return nil, errTooLarge
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("not a certificate: %w", err)
		}
		if out = append(out, c); len(out) > maxCertificates {
			return nil, errors.New("too many certificates")
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate in PEM")
	}
	return out, nil
}

var errKey = errors.New("not a private key that can be read: want RSA, ECDSA, Ed25519 or X25519")

// privateKey reads the one private key of a PEM file. Errors tell nothing of its
// content, so those of the parsers are dropped.
func privateKey(data []byte) (crypto.PrivateKey, error) {
	if len(data) > maxFile {
		return nil, errTooLarge
	}
	var key crypto.PrivateKey
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		var k crypto.PrivateKey
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if _, sealed := block.Headers["DEK-Info"]; sealed {
				return nil, errSealed
			}
			k, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if _, sealed := block.Headers["DEK-Info"]; sealed {
				return nil, errSealed
			}
			k, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errSealed
		default:
			continue
		}
		clear(block.Bytes)
		if err != nil {
			return nil, errKey
		}
		if key != nil {
			return nil, errors.New("several private keys in one file")
		}
		key = k
	}
	switch {
	case key != nil:
		return key, nil
	case bytes.HasPrefix(data, []byte{0x30}):
		return nil, errors.New("no PEM but DER: convert it with openssl pkey, or name a PKCS#12 store as pkcs12")
	}
	return nil, errors.New("no private key in PEM")
}

var errSealed = errors.New("private key is encrypted with a password: keep it as pkcs12 with a password_file, or write it in the clear for its owner alone (openssl pkey)")
