package xmlsec

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // parameter of RSAOAEPMGF1P, and in the name of a key
	"crypto/subtle"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
)

// An EncryptionPolicy says which encryption is acceptable. The zero value is that of
// eDelivery AS4 1.15.
type EncryptionPolicy struct {
	Data       []DataAlgorithm // Default: AES128GCM.
	Transports []KeyTransport  // Default: RSAOAEP with SHA-256 and MGF1 with SHA-256; none where Agreements are named.
	Agreements []KeyAgreement  // Default: none.
	MaxParts   int             // Default 30.
}

func (p EncryptionPolicy) withDefaults() EncryptionPolicy {
	if len(p.Data) == 0 {
		p.Data = []DataAlgorithm{AES128GCM}
	}
	if len(p.Transports) == 0 && len(p.Agreements) == 0 {
		p.Transports = []KeyTransport{RSAOAEP}
	}
	if p.MaxParts <= 0 {
		p.MaxParts = defaultMaxReferences
	}
	return p
}

// A Decryption is the encrypted parts of one message.
type Decryption struct {
	Keys []xmldoc.Element // Required; every xenc:EncryptedKey.
	Data []xmldoc.Element // Required; every xenc:EncryptedData.
	// Key finds the private key a ds:KeyInfo (or the zero Element) asks for. Required
	// where key transports are allowed.
	Key func(keyInfo xmldoc.Element) (crypto.Decrypter, error)
	// Agree finds the private key an xenc:RecipientKeyInfo asks for. Required where key
	// agreements are allowed.
	Agree func(recipientKeyInfo xmldoc.Element) (ecdh.KeyExchanger, error)
	// Ciphertext returns the content of a part; cid is percent-decoded. Required.
	Ciphertext func(cid string) ([]byte, error)
	// Dst returns room for the plaintext of a part, such as a mapped file. Default: the heap.
	Dst    func(cid string, size int) ([]byte, error)
	Policy EncryptionPolicy
}

// A Decrypted is one part in clear.
type Decrypted struct {
	CID      string
	MimeType string // what xenc:EncryptedData says the content is
	Content  []byte
}

type encryptedKey struct {
	element  xmldoc.Element
	keyInfo  xmldoc.Element
	options  *rsa.OAEPOptions // of a key transport
	agreed   *agreement       // of a key agreement
	wrapped  []byte
	refs     []string
	recover  func() ([]byte, error) // the session key
	sessions []*SessionKey          // one for each algorithm of its data
}

type encryptedData struct {
	element   xmldoc.Element
	algorithm DataAlgorithm
	cid       string
	mimeType  string
	key       *encryptedKey
}

// Decrypt opens every part, in the order of Data, or none. Keys and data must be in
// one-to-one accord: each data referenced by one key once, each reference met, each
// part named once. Whatever fails after the structure was found good, the key or the
// content, gives one and the same refusal after the same work (i.12 of the AS4 brief:
// no oracle for Manger's attack).
func Decrypt(in Decryption) ([]Decrypted, error) {
	p := in.Policy.withDefaults()
	keys, data, err := in.read(&p)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].recover, err = in.find(&keys[i]); err != nil {
			return nil, err
		}
	}
	out := make([]Decrypted, 0, len(data))
	for _, d := range data {
		sealed, err := in.Ciphertext(d.cid)
		if err != nil {
			wipe(out)
			return nil, refuse(ReasonMissingTarget, "content of an encrypted part", err)
		}
		session, err := d.key.unwrap(d.algorithm)
		if err != nil {
			wipe(out)
			return nil, err
		}
		var dst []byte
		if size := len(sealed) - session.Overhead(); in.Dst != nil && size >= 0 {
			if dst, err = in.Dst(d.cid, size); err != nil {
				wipe(out)
				return nil, err
			}
		}
		content, err := session.Open(dst[:0], sealed)
		if err != nil {
			wipe(out)
			return nil, err
		}
		out = append(out, Decrypted{CID: d.cid, MimeType: d.mimeType, Content: content})
	}
	return out, nil
}

// find returns how a session key is recovered with the private key that it was
// wrapped for.
func (in *Decryption) find(k *encryptedKey) (func() ([]byte, error), error) {
	if k.agreed != nil {
		if in.Agree == nil {
			return nil, refuse(ReasonKeyUnresolved, "no private key for key agreement", nil)
		}
		key, err := in.Agree(k.agreed.recipient)
		if err != nil || key == nil {
			return nil, refuse(ReasonKeyUnresolved, "finding the private key", err)
		}
		if key.Curve() != k.agreed.originator.Curve() {
			return nil, refuse(ReasonKeyUnfit, "the sender's key is on another curve than the recipient's", nil)
		}
		return func() ([]byte, error) { return k.agreed.unwrap(key, k.wrapped) }, nil
	}
	if in.Key == nil {
		return nil, refuse(ReasonKeyUnresolved, "no private key for key transport", nil)
	}
	key, err := in.Key(k.keyInfo)
	if err != nil || key == nil {
		return nil, refuse(ReasonKeyUnresolved, "finding the private key", err)
	}
	return func() ([]byte, error) { return key.Decrypt(rand.Reader, k.wrapped, k.options) }, nil
}

// wipe forgets plaintext that is not going to be delivered.
func wipe(parts []Decrypted) {
	for _, p := range parts {
		clear(p.Content)
	}
}

// unwrap returns the session key, or a random one when the wrapped key is not good:
// decryption of the content then fails as it does for a changed content.
func (k *encryptedKey) unwrap(alg DataAlgorithm) (*SessionKey, error) {
	for _, s := range k.sessions {
		if s.algorithm == alg {
			return s, nil
		}
	}
	key := make([]byte, alg.keySize())
	_, _ = rand.Read(key)
	got, err := k.recover()
	right := subtle.ConstantTimeEq(int32(len(got)), int32(len(key)))
	if err != nil {
		right = 0
	}
	padded := make([]byte, len(key))
	copy(padded, got)
	subtle.ConstantTimeCopy(right, key, padded)
	clear(padded)
	clear(got)
	s, err := sessionKey(alg, key)
	if err != nil {
		return nil, err
	}
	k.sessions = append(k.sessions, s)
	return s, nil
}

func (in *Decryption) read(p *EncryptionPolicy) ([]encryptedKey, []encryptedData, error) {
	if in.Key == nil && in.Agree == nil || in.Ciphertext == nil || len(in.Keys) == 0 || len(in.Data) == 0 {
		return nil, nil, refuse(ReasonStructure, "encrypted keys, encrypted data and a private key are required", nil)
	}
	if len(in.Keys) > p.MaxParts || len(in.Data) > p.MaxParts {
		return nil, nil, refuse(ReasonTooManyReferences, "encrypted parts", nil)
	}
	data := make([]encryptedData, len(in.Data))
	for i, e := range in.Data {
		d := &data[i]
		if err := d.read(e, p); err != nil {
			return nil, nil, err
		}
		for j := range data[:i] { // MaxParts bounds the pairs
			if data[j].cid == d.cid {
				return nil, nil, refuse(ReasonDuplicateTarget, "a part encrypted twice", nil)
			}
			for a := range e.Attrs() {
				if isID(a.Name) && a.Value != "" && hasID(data[j].element, a.Value) {
					return nil, nil, refuse(ReasonIDCollision, "an id stands twice among encrypted data", nil)
				}
			}
		}
	}
	keys := make([]encryptedKey, len(in.Keys))
	for i, e := range in.Keys {
		k := &keys[i]
		if err := k.read(e, p); err != nil {
			return nil, nil, err
		}
		for _, ref := range k.refs {
			at := slices.IndexFunc(data, func(d encryptedData) bool { return hasID(d.element, ref) })
			if at < 0 {
				return nil, nil, refuse(ReasonMissingTarget, "xenc:DataReference", nil)
			}
			if data[at].key != nil {
				return nil, nil, refuse(ReasonDuplicateTarget, "encrypted data with two keys", nil)
			}
			data[at].key = k
		}
	}
	for i := range data {
		d := &data[i]
		if d.key == nil {
			return nil, nil, refuse(ReasonMissingTarget, "encrypted data that no key refers to", nil)
		}
		if err := d.namesItsKey(); err != nil {
			return nil, nil, err
		}
	}
	return keys, data, nil
}

// namesItsKey refuses data whose ds:KeyInfo points to another key than the one that
// refers to it. WS-Security lets ds:KeyInfo be absent.
func (d *encryptedData) namesItsKey() error {
	info, err := d.element.Maybe(ds("KeyInfo"))
	if err != nil || info.IsZero() {
		return structure(err)
	}
	str, err := info.Only(xmldoc.Name{Space: SpaceWSSE, Local: "SecurityTokenReference"})
	if err != nil {
		return structure(err)
	}
	c := childrenOf(str)
	if by := c.maybe(xmldoc.Name{Space: SpaceWSSE, Local: "KeyIdentifier"}); !by.IsZero() && c.atEnd() {
		return d.key.isCalled(by)
	}
	ref, err := str.Only(xmldoc.Name{Space: SpaceWSSE, Local: "Reference"})
	if err != nil {
		return structure(err)
	}
	uri, _ := ref.Attr(plain("URI"))
	id, ok := strings.CutPrefix(uri, "#")
	if !ok || !hasID(d.key.element, id) {
		return refuse(ReasonMissingTarget, "encrypted data that names another key", nil)
	}
	return nil
}

// isCalled refuses a wsse:KeyIdentifier that is not the SHA-1 of the wrapped key (SOAP
// Message Security 1.1, 7.3).
func (k *encryptedKey) isCalled(by xmldoc.Element) error {
	if kind, _ := by.Attr(plain("ValueType")); kind != typeEncryptedKeySHA1 {
		return refuse(ReasonStructure, "encrypted data that names its key otherwise", nil)
	}
	got, err := base64Text(by, sha1.Size)
	if err != nil {
		return err
	}
	if sum := sha1.Sum(k.wrapped); !bytes.Equal(got, sum[:]) { //nolint:gosec // a name, not a proof
		return refuse(ReasonMissingTarget, "encrypted data that names another key", nil)
	}
	return nil
}

func structure(err error) error {
	if err == nil {
		return nil
	}
	return refuse(ReasonStructure, "reading encrypted data", err)
}

// hasID reports whether id is one of an element: WSS4J writes Id, ENTSOG wsu:Id.
func hasID(e xmldoc.Element, id string) bool {
	for a := range e.Attrs() {
		if isID(a.Name) && a.Value == id && id != "" {
			return true
		}
	}
	return false
}

func (k *encryptedKey) read(e xmldoc.Element, p *EncryptionPolicy) error {
	if !e.Is(xenc("EncryptedKey")) {
		return refuse(ReasonStructure, "not an xenc:EncryptedKey", nil)
	}
	k.element = e
	c := childrenOf(e)
	method, err := c.only(xenc("EncryptionMethod"))
	if err != nil {
		return err
	}
	alg, err := algorithmOf(method)
	if err != nil {
		return err
	}
	k.keyInfo = c.maybe(ds("KeyInfo"))
	if alg == keyWrapAES128 {
		k.agreed, err = p.agreement(method, k.keyInfo)
	} else {
		k.options, err = p.transport(method, KeyTransport(alg))
	}
	if err != nil {
		return err
	}
	cipherData, err := c.only(xenc("CipherData"))
	if err != nil {
		return err
	}
	value, err := cipherData.Only(xenc("CipherValue"))
	if err != nil {
		return structure(err)
	}
	if k.wrapped, err = base64Text(value, 2048); err != nil {
		return err
	}
	list, err := c.only(xenc("ReferenceList"))
	if err != nil {
		return err
	}
	for ref := range list.Children() {
		uri, _ := ref.Attr(plain("URI"))
		id, ok := strings.CutPrefix(uri, "#")
		if !ref.Is(xenc("DataReference")) || !ok || !xmldoc.ValidNCName(id) {
			return refuse(ReasonURI, "xenc:ReferenceList", nil)
		}
		if k.refs = append(k.refs, id); len(k.refs) > p.MaxParts {
			return refuse(ReasonTooManyReferences, "xenc:ReferenceList", nil)
		}
	}
	return c.end()
}

// transport reads the EncryptionMethod of a key. Defaults of the specification (SHA-1)
// are not taken: xmlenc11#rsa-oaep has to name SHA-256 for both.
func (p *EncryptionPolicy) transport(e xmldoc.Element, alg KeyTransport) (*rsa.OAEPOptions, error) {
	switch alg {
	case RSAOAEP, RSAOAEPMGF1P:
	default:
		return nil, refuse(ReasonUnknownAlgorithm, "key transport", nil)
	}
	if !slices.Contains(p.Transports, alg) {
		return nil, refuse(ReasonAlgorithmDenied, "key transport", nil)
	}
	digest, mgf := "", ""
	var err error
	for c := range e.Children() {
		into := &digest
		switch {
		case c.Is(ds("DigestMethod")):
		case c.Is(xenc11("MGF")):
			into = &mgf
		default: // OAEPparams among others
			return nil, refuse(ReasonStructure, "a parameter of the key transport", nil)
		}
		if *into != "" {
			return nil, refuse(ReasonStructure, "a parameter of the key transport stands twice", nil)
		}
		if *into, err = algorithmOf(c); err != nil {
			return nil, err
		}
	}
	if alg == RSAOAEP {
		if digest != string(SHA256) || mgf != mgf1SHA256 {
			return nil, refuse(ReasonAlgorithmDenied, "a digest or mask of the key transport other than SHA-256", nil)
		}
		return &rsa.OAEPOptions{Hash: crypto.SHA256}, nil
	}
	if mgf != "" {
		return nil, refuse(ReasonStructure, "rsa-oaep-mgf1p with a mask", nil)
	}
	switch digest {
	case string(SHA256):
		return &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}, nil
	case digestSHA1, "":
		return &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}, nil
	}
	return nil, refuse(ReasonUnknownAlgorithm, "digest of the key transport", nil)
}

func (d *encryptedData) read(e xmldoc.Element, p *EncryptionPolicy) error {
	if !e.Is(xenc("EncryptedData")) {
		return refuse(ReasonStructure, "not an xenc:EncryptedData", nil)
	}
	if kind, _ := e.Attr(plain("Type")); kind != typeContentOnly {
		return refuse(ReasonStructure, "encrypted data that is not the content of an attachment", nil)
	}
	d.element = e
	d.mimeType, _ = e.Attr(plain("MimeType"))
	c := childrenOf(e)
	method, err := c.only(xenc("EncryptionMethod"))
	if err != nil {
		return err
	}
	alg, err := algorithmOf(method)
	if err != nil {
		return err
	}
	d.algorithm = DataAlgorithm(alg)
	switch {
	case d.algorithm.keySize() == 0:
		return refuse(ReasonUnknownAlgorithm, "encryption of data", nil)
	case !slices.Contains(p.Data, d.algorithm):
		return refuse(ReasonAlgorithmDenied, "encryption of data", nil)
	}
	if err := noChildren(method); err != nil {
		return err
	}
	c.maybe(ds("KeyInfo"))
	cipherData, err := c.only(xenc("CipherData"))
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	ref, err := cipherData.Only(xenc("CipherReference"))
	if err != nil {
		return structure(err)
	}
	uri, _ := ref.Attr(plain("URI"))
	if d.cid, err = ParseCID(uri); err != nil {
		return refuse(ReasonURI, "xenc:CipherReference", err)
	}
	transforms, err := ref.Only(xenc("Transforms"))
	if err != nil {
		return structure(err)
	}
	tc := childrenOf(transforms)
	t, err := tc.only(ds("Transform"))
	if err != nil {
		return err
	}
	if alg, err := algorithmOf(t); err != nil || alg != transformCiphertext || !tc.atEnd() {
		return refuse(ReasonTransform, "xenc:CipherReference", err)
	}
	return nil
}
