// Package xmlsec signs, verifies, encrypts and decrypts XML and the attachments that
// travel beside it: XML Signature and XML Encryption over crypto/*, with a closed list
// of algorithms. Session keys travel under RSA-OAEP, or under AES key wrap with a key
// that is agreed on by X25519 or ECDH and derived by HKDF.
//
// It owns the shape of ds:Signature, xenc:EncryptedKey and xenc:EncryptedData, the
// rules for references (which element or attachment a signature covers) and the
// typed reasons for a refusal. What a reader may trust is a Verified and nothing else:
// it names the very elements whose digests were checked, not their names or ids.
//
// It does not own certificates, trust, WS-Security tokens or policy of a partner: the
// caller gives keys, or a function that finds one from ds:KeyInfo, and a Policy.
// Private keys are seen as crypto.Signer, crypto.Decrypter and ecdh.KeyExchanger only.
// Before it stands xmldoc, which reads and canonicalises; after it edelivery/wssec,
// directory and register.
package xmlsec
