package xmlsec

import (
	"crypto"
	_ "crypto/sha256" // the hashes that the closed list names
	_ "crypto/sha512"

	"oncegate/connectors/xmldoc"
)

// A SignatureAlgorithm is the identifier of ds:SignatureMethod. Only the constants
// here exist; HMAC and SHA-1 do not, whatever a policy says.
type SignatureAlgorithm string

// The signature algorithms.
const (
	RSASHA256   SignatureAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	RSASHA384   SignatureAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
	RSASHA512   SignatureAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
	ECDSASHA256 SignatureAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	ECDSASHA384 SignatureAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
	ECDSASHA512 SignatureAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
	Ed25519     SignatureAlgorithm = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
)

type keyKind uint8

const (
	kindUnset keyKind = iota
	kindRSA
	kindECDSA
	kindEd25519
)

// parts returns the key an algorithm needs and its hash, kindUnset for an unknown one.
// Ed25519 has no hash of its own to apply.
func (a SignatureAlgorithm) parts() (keyKind, crypto.Hash) {
	switch a {
	case RSASHA256:
		return kindRSA, crypto.SHA256
	case RSASHA384:
		return kindRSA, crypto.SHA384
	case RSASHA512:
		return kindRSA, crypto.SHA512
	case ECDSASHA256:
		return kindECDSA, crypto.SHA256
	case ECDSASHA384:
		return kindECDSA, crypto.SHA384
	case ECDSASHA512:
		return kindECDSA, crypto.SHA512
	case Ed25519:
		return kindEd25519, 0
	}
	return kindUnset, 0
}

// A DigestAlgorithm is the identifier of ds:DigestMethod.
type DigestAlgorithm string

// The digest algorithms.
const (
	SHA256 DigestAlgorithm = "http://www.w3.org/2001/04/xmlenc#sha256"
	SHA384 DigestAlgorithm = "http://www.w3.org/2001/04/xmldsig-more#sha384"
	SHA512 DigestAlgorithm = "http://www.w3.org/2001/04/xmlenc#sha512"
)

// Hash returns the hash of a digest algorithm, 0 for an unknown one.
func (a DigestAlgorithm) Hash() crypto.Hash {
	switch a {
	case SHA256:
		return crypto.SHA256
	case SHA384:
		return crypto.SHA384
	case SHA512:
		return crypto.SHA512
	}
	return 0
}

// A C14NAlgorithm is the identifier of a canonical form.
type C14NAlgorithm string

// The canonical forms. Those with comments do not exist here: a same-document
// reference drops comments before they could matter (xmldsig 4.4.3.3).
const (
	ExclusiveC14N   C14NAlgorithm = "http://www.w3.org/2001/10/xml-exc-c14n#"
	InclusiveC14N   C14NAlgorithm = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	InclusiveC14N11 C14NAlgorithm = "http://www.w3.org/2006/12/xml-c14n11"
)

// A DataAlgorithm is the identifier of the encryption of data.
type DataAlgorithm string

// The encryption algorithms for data. CBC does not exist here.
const (
	AES128GCM DataAlgorithm = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	AES256GCM DataAlgorithm = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
)

func (a DataAlgorithm) keySize() int {
	switch a {
	case AES128GCM:
		return 16
	case AES256GCM:
		return 32
	}
	return 0
}

// A KeyTransport is the identifier of the encryption of a session key.
type KeyTransport string

// The key transports. RSA 1.5 does not exist here.
const (
	RSAOAEP      KeyTransport = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	RSAOAEPMGF1P KeyTransport = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p" // MGF1 with SHA-1; read only
)

// A KeyAgreement is the identifier of the agreement on the key that wraps a session
// key. The sender's key is always ephemeral, the key derivation always HKDF with
// HMAC-SHA256 and the wrapping always AES-128 key wrap.
type KeyAgreement string

// The key agreements. ECDH is on P-256, P-384 and P-521; the brainpool curves are not
// in the standard library and do not exist here.
const (
	X25519 KeyAgreement = "http://www.w3.org/2021/04/xmldsig-more#x25519"
	ECDHES KeyAgreement = "http://www.w3.org/2009/xmlenc11#ECDH-ES"
)

const (
	keyWrapAES128  = "http://www.w3.org/2001/04/xmlenc#kw-aes128"
	derivationHKDF = "http://www.w3.org/2021/04/xmldsig-more#hkdf"
	prfSHA256      = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
)

const (
	transformEnveloped   = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	transformAttachment  = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform"
	transformCiphertext  = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Ciphertext-Transform"
	typeContentOnly      = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Only"
	typeEncryptedKeySHA1 = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKeySHA1"
	typeEncryptedKey     = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey"
	mgf1SHA256           = "http://www.w3.org/2009/xmlenc11#mgf1sha256"
	digestSHA1           = "http://www.w3.org/2000/09/xmldsig#sha1" // only as parameter of RSAOAEPMGF1P
)

// The namespaces of this package.
const (
	SpaceDS     = "http://www.w3.org/2000/09/xmldsig#"
	SpaceEC     = "http://www.w3.org/2001/10/xml-exc-c14n#"
	SpaceXENC   = "http://www.w3.org/2001/04/xmlenc#"
	SpaceXENC11 = "http://www.w3.org/2009/xmlenc11#"
	SpaceDSIG11 = "http://www.w3.org/2009/xmldsig11#"
	SpaceMore   = "http://www.w3.org/2021/04/xmldsig-more#"
	SpaceWSU    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	SpaceWSSE   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	SpaceWSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
)

func ds(local string) xmldoc.Name     { return xmldoc.Name{Space: SpaceDS, Local: local} }
func xenc(local string) xmldoc.Name   { return xmldoc.Name{Space: SpaceXENC, Local: local} }
func xenc11(local string) xmldoc.Name { return xmldoc.Name{Space: SpaceXENC11, Local: local} }
func dsig11(local string) xmldoc.Name { return xmldoc.Name{Space: SpaceDSIG11, Local: local} }
func more(local string) xmldoc.Name   { return xmldoc.Name{Space: SpaceMore, Local: local} }
func plain(local string) xmldoc.Name  { return xmldoc.Name{Local: local} }
