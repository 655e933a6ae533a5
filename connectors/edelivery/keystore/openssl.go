//go:build openssl

package keystore

/*
#cgo LDFLAGS: -lcrypto
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static EVP_PKEY *og_key(const unsigned char *der, long n) {
	EVP_PKEY *k = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, n);
	ERR_clear_error();
	return k;
}

static const EVP_MD *og_md(int bits) {
	switch (bits) {
	case 160: return EVP_sha1();
	case 256: return EVP_sha256();
	case 384: return EVP_sha384();
	case 512: return EVP_sha512();
	}
	return NULL;
}

static int og_sign(EVP_PKEY *k, int bits, const unsigned char *digest, size_t n, unsigned char *sig, size_t *size) {
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
	int ok = c != NULL && EVP_PKEY_sign_init(c) > 0 &&
		EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0 &&
		EVP_PKEY_CTX_set_signature_md(c, og_md(bits)) > 0 &&
		EVP_PKEY_sign(c, sig, size, digest, n) > 0;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}

static int og_decrypt(EVP_PKEY *k, int hash, int mgf, const unsigned char *label, size_t labels, const unsigned char *in, size_t n, unsigned char *out, size_t *size) {
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
	int ok = c != NULL && EVP_PKEY_decrypt_init(c) > 0 &&
		EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_oaep_md(c, og_md(hash)) > 0 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md(c, og_md(mgf)) > 0;
	if (ok && labels > 0) {
		// The context owns its label.
		void *own = OPENSSL_memdup(label, labels);
		ok = own != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label(c, own, labels) > 0;
		if (!ok) OPENSSL_free(own);
	}
	ok = ok && EVP_PKEY_decrypt(c, out, size, in, n) > 0;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}
*/
import "C"

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"runtime"
	"unsafe"
)

// throughOpenSSL has libcrypto compute with RSA keys: its multiplication is several
// times faster where the processor has AVX-512. With other kinds Go is as fast, and
// they stay as they are.
func throughOpenSSL(key crypto.PrivateKey) (crypto.PrivateKey, error) {
	r, ok := key.(*rsa.PrivateKey)
	if !ok {
		return key, nil
	}
	der := x509.MarshalPKCS1PrivateKey(r)
	defer clear(der)
	k := &opensslRSA{public: r.Public().(*rsa.PublicKey), key: C.og_key((*C.uchar)(&der[0]), C.long(len(der)))}
	if k.key == nil {
		return nil, errors.New("OpenSSL does not take the key")
	}
	runtime.AddCleanup(k, func(p *C.EVP_PKEY) { C.EVP_PKEY_free(p) }, k.key)
	return k, nil
}

// An opensslRSA is an RSA key in libcrypto, which blinds what it computes. It is safe
// for concurrent use.
type opensslRSA struct {
	public *rsa.PublicKey
	key    *C.EVP_PKEY
}

var (
	_ crypto.Signer    = (*opensslRSA)(nil)
	_ crypto.Decrypter = (*opensslRSA)(nil)
)

// Public returns the public key.
func (k *opensslRSA) Public() crypto.PublicKey { return k.public }

// digestBits names a digest for C; zero for one that is not known.
func digestBits(h crypto.Hash) C.int {
	switch h {
	case crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512:
		return C.int(8 * h.Size())
	}
	return 0
}

// Sign signs a digest with PKCS #1 v1.5.
func (k *opensslRSA) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss {
		return nil, errors.New("no signature algorithm of the profiles is RSA-PSS")
	}
	h := digestBits(opts.HashFunc())
	if h == 0 || len(digest) != opts.HashFunc().Size() {
		return nil, errors.New("digest is not one that is signed")
	}
	sig := make([]byte, k.public.Size())
	size := C.size_t(len(sig))
	ok := C.og_sign(k.key, h, (*C.uchar)(&digest[0]), C.size_t(len(digest)), (*C.uchar)(&sig[0]), &size)
	runtime.KeepAlive(k)
	if ok != 1 || int(size) != len(sig) {
		return nil, errors.New("OpenSSL cannot sign")
	}
	return sig, nil
}

var errOpenSSLDecryption = errors.New("decryption failed") // the one answer to every bad ciphertext (i.12)

// Decrypt decrypts OAEP and nothing else.
func (k *opensslRSA) Decrypt(_ io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	o, ok := opts.(*rsa.OAEPOptions)
	if !ok {
		return nil, errors.New("no key transport of the profiles is other than OAEP")
	}
	mgf := o.MGFHash
	if mgf == 0 {
		mgf = o.Hash
	}
	if digestBits(o.Hash) == 0 || digestBits(mgf) == 0 {
		return nil, errors.New("digest of OAEP is not one that is used")
	}
	if len(msg) != k.public.Size() {
		return nil, errOpenSSLDecryption
	}
	out := make([]byte, k.public.Size())
	size := C.size_t(len(out))
	good := C.og_decrypt(k.key, digestBits(o.Hash), digestBits(mgf), (*C.uchar)(unsafe.SliceData(o.Label)), C.size_t(len(o.Label)),
		(*C.uchar)(&msg[0]), C.size_t(len(msg)), (*C.uchar)(&out[0]), &size)
	runtime.KeepAlive(k)
	if good != 1 || size > C.size_t(len(out)) {
		return nil, errOpenSSLDecryption
	}
	return out[:size], nil
}
