package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // what stores before Java 17 and OpenSSL 3 are written with
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // see des
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"
)

var (
	oidPBES2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBMAC1    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidPBE3DES   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidPBERC2128 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 5}
	oidPBERC240  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 6}
)

// digestOf knows the hash algorithms and the HMACs by their object identifiers.
var digestOf = map[string]func() hash.Hash{
	"1.3.14.3.2.26":          sha1.New,
	"2.16.840.1.101.3.4.2.1": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New,
	"1.2.840.113549.2.7":     sha1.New,
	"1.2.840.113549.2.9":     sha256.New,
	"1.2.840.113549.2.10":    sha512.New384,
	"1.2.840.113549.2.11":    sha512.New,
}

// aesKey is the length of the key of an AES-CBC.
var aesKey = map[string]int{
	"2.16.840.1.101.3.4.1.2":  16,
	"2.16.840.1.101.3.4.1.22": 24,
	"2.16.840.1.101.3.4.1.42": 32,
}

type (
	pbeParams struct {
		Salt       []byte
		Iterations int
	}
	schemeParams struct { // PBES2 and PBMAC1
		KDF    pkix.AlgorithmIdentifier
		Scheme pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// unlocking is the use of one password on one store.
type unlocking struct {
	password      string
	maxIterations int
}

// bmp is the password as PKCS#12 derives from it: UTF-16 with an end.
func (u unlocking) bmp() []byte {
	var out []byte
	for _, c := range utf16.Encode([]rune(u.password)) {
		out = append(out, byte(c>>8), byte(c))
	}
	return append(out, 0, 0)
}

func (u unlocking) bounded(iterations int) error {
	if iterations < 1 || iterations > u.maxIterations {
		return fmt.Errorf("store asks for %d iterations: want at most %d", iterations, u.maxIterations)
	}
	return nil
}

// verify checks the MAC of a store (RFC 7292 5.1, RFC 9579).
func (u unlocking) verify(m macData, content []byte) error {
	var key []byte
	var h func() hash.Hash
	if m.MAC.Algorithm.Algorithm.Equal(oidPBMAC1) {
		var p schemeParams
		var k pbkdf2Params
		if unmarshal(m.MAC.Algorithm.Parameters.FullBytes, &p) != nil || !p.KDF.Algorithm.Equal(oidPBKDF2) ||
			unmarshal(p.KDF.Parameters.FullBytes, &k) != nil {
			return errContainer
		}
		if h = digestOf[p.Scheme.Algorithm.String()]; h == nil {
			return errors.New("store uses a MAC that is not known")
		}
		// RFC 9579: a short key would let anyone make the MAC.
		if k.KeyLength < 20 || k.KeyLength > 64 {
			return errContainer
		}
		var err error
		if key, err = u.pbkdf2(k, k.KeyLength); err != nil {
			return err
		}
	} else {
		if h = digestOf[m.MAC.Algorithm.Algorithm.String()]; h == nil {
			return errors.New("store uses a MAC that is not known")
		}
		if err := u.bounded(m.Iterations); err != nil {
			return err
		}
		key = derive(h, 3, u.bmp(), m.Salt, m.Iterations, h().Size())
	}
	mac := hmac.New(h, key)
	mac.Write(content)
	if !hmac.Equal(mac.Sum(nil), m.MAC.Digest) {
		return errPassword
	}
	return nil
}

func (u unlocking) pbkdf2(k pbkdf2Params, length int) ([]byte, error) {
	h := sha1.New // the default of the parameters (RFC 8018 A.2)
	if len(k.PRF.Algorithm) > 0 {
		if h = digestOf[k.PRF.Algorithm.String()]; h == nil {
			return nil, errors.New("store uses a key derivation that is not known")
		}
	}
	if err := u.bounded(k.Iterations); err != nil {
		return nil, err
	}
	return pbkdf2.Key(h, u.password, k.Salt, k.Iterations, length)
}

// decrypt opens what is encrypted with the password.
func (u unlocking) decrypt(alg pkix.AlgorithmIdentifier, data []byte) ([]byte, error) {
	block, iv, err := u.cipher(alg)
	if err != nil {
		return nil, err
	}
	n := block.BlockSize()
	if len(iv) != n || len(data) == 0 || len(data)%n != 0 {
		return nil, errContainer
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	// The MAC over the whole was right: a wrong padding tells nobody anything.
	pad := int(out[len(out)-1])
	if pad == 0 || pad > n {
		return nil, errPassword
	}
	return out[:len(out)-pad], nil
}

func (u unlocking) cipher(alg pkix.AlgorithmIdentifier) (cipher.Block, []byte, error) {
	if alg.Algorithm.Equal(oidPBES2) {
		var p schemeParams
		var k pbkdf2Params
		var iv []byte
		if unmarshal(alg.Parameters.FullBytes, &p) != nil || !p.KDF.Algorithm.Equal(oidPBKDF2) ||
			unmarshal(p.KDF.Parameters.FullBytes, &k) != nil {
			return nil, nil, errContainer
		}
		length := aesKey[p.Scheme.Algorithm.String()]
		if length == 0 {
			return nil, nil, errors.New("store uses a cipher that is not known: want AES in CBC")
		}
		if unmarshal(p.Scheme.Parameters.FullBytes, &iv) != nil {
			return nil, nil, errContainer
		}
		key, err := u.pbkdf2(k, length)
		if err != nil {
			return nil, nil, err
		}
		b, err := aes.NewCipher(key)
		return b, iv, err
	}
	var p pbeParams
	if unmarshal(alg.Parameters.FullBytes, &p) != nil {
		return nil, nil, errContainer
	}
	if err := u.bounded(p.Iterations); err != nil {
		return nil, nil, err
	}
	key := func(n int) []byte { return derive(sha1.New, 1, u.bmp(), p.Salt, p.Iterations, n) }
	var b cipher.Block
	var err error
	switch {
	case alg.Algorithm.Equal(oidPBE3DES):
		b, err = des.NewTripleDESCipher(key(24)) //nolint:gosec // see import
	case alg.Algorithm.Equal(oidPBERC2128):
		b = newRC2(key(16), 128)
	case alg.Algorithm.Equal(oidPBERC240):
		b = newRC2(key(5), 40)
	default:
		return nil, nil, errors.New("store uses an encryption that is not known: write it anew with openssl 3 or Java 17")
	}
	return b, derive(sha1.New, 2, u.bmp(), p.Salt, p.Iterations, 8), err
}

// derive is the key derivation of PKCS#12 (RFC 7292 B.2).
func derive(h func() hash.Hash, id byte, password, salt []byte, iterations, length int) []byte {
	d := h()
	v := d.BlockSize()
	fill := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		out := make([]byte, (len(b)+v-1)/v*v)
		for i := range out {
			out[i] = b[i%len(b)]
		}
		return out
	}
	diversifier := make([]byte, v)
	for i := range diversifier {
		diversifier[i] = id
	}
	in := append(fill(salt), fill(password)...)
	var out []byte
	for {
		d.Reset()
		d.Write(diversifier)
		d.Write(in)
		a := d.Sum(nil)
		for range iterations - 1 {
			d.Reset()
			d.Write(a)
			a = d.Sum(a[:0])
		}
		if out = append(out, a...); len(out) >= length {
			return out[:length]
		}
		b := fill(a)[:v]
		for i := 0; i < len(in); i += v {
			carry := 1
			for j := v - 1; j >= 0; j-- {
				carry += int(in[i+j]) + int(b[j])
				in[i+j] = byte(carry)
				carry >>= 8
			}
		}
	}
}
