// Package keystore opens our own identities: a certificate with its chain and the
// private key that belongs to it, from PEM files, PKCS#12 stores or PKCS#11 tokens.
//
// It owns where a private key lives: whoever takes an Entry sees a crypto.Signer, a
// crypto.Decrypter or an ecdh.KeyExchanger and cannot tell (ADR 0013, 0015). It does
// not own the modes of files, which the caller's Files checks, nor what a certificate
// is trusted for (wssec, revocation), nor which partner gets which identity (pmode).
//
// Before it: the loader of P-Modes. After it: wssec, which signs and decrypts.
//
// The default build has no cgo. PKCS#11 tokens need the build tag pkcs11, the OpenSSL
// provider needs the tag openssl; a Ref that asks for one that is not built in is
// refused with the tag and the remedy.
package keystore
