package xmlsec

import (
	"crypto"
	"encoding/base64"
	"errors"
	"iter"
	"strings"

	"oncegate/connectors/xmldoc"
)

// A signature is a ds:Signature as read, before anything of it is believed.
type signature struct {
	element   xmldoc.Element
	info      xmldoc.Element
	keyInfo   xmldoc.Element
	form      xmldoc.C14N // of ds:SignedInfo
	algorithm SignatureAlgorithm
	value     []byte
	refs      []reference
}

type reference struct {
	element   xmldoc.Element
	uri       string
	cid       string // decoded; empty for elements
	form      xmldoc.C14N
	enveloped bool
	hash      crypto.Hash
	digest    []byte
	target    xmldoc.Element
}

// A cursor reads the children of an element in their fixed order.
type cursor struct {
	parent xmldoc.Element
	next   xmldoc.Element // zero at the end
}

func childrenOf(e xmldoc.Element) cursor {
	return cursor{e, e.First()}
}

func (c *cursor) maybe(name xmldoc.Name) xmldoc.Element {
	e := c.next
	if e.IsZero() || !e.Is(name) {
		return xmldoc.Element{}
	}
	c.next = e.Next()
	return e
}

func (c *cursor) atEnd() bool { return c.next.IsZero() }

func (c *cursor) only(name xmldoc.Name) (xmldoc.Element, error) {
	e := c.maybe(name)
	if e.IsZero() {
		return e, refuse(ReasonStructure, "reading "+c.parent.Name().Local, c.parent.Fail(xmldoc.ProblemMissing, name))
	}
	return e, nil
}

func (c *cursor) end() error {
	if !c.atEnd() {
		return refuse(ReasonStructure, "reading "+c.parent.Name().Local, c.next.Fail(xmldoc.ProblemUnexpected, xmldoc.Name{}))
	}
	return nil
}

func readSignature(e xmldoc.Element, p *Policy) (*signature, error) {
	if !e.Is(ds("Signature")) {
		return nil, refuse(ReasonStructure, "not a ds:Signature", nil)
	}
	s := &signature{element: e}
	c := childrenOf(e)
	var err error
	if s.info, err = c.only(ds("SignedInfo")); err != nil {
		return nil, err
	}
	value, err := c.only(ds("SignatureValue"))
	if err != nil {
		return nil, err
	}
	s.keyInfo = c.maybe(ds("KeyInfo"))
	if err := c.end(); err != nil { // ds:Object among others: nothing may hide in a signature
		return nil, err
	}
	const longestValue = 2048 // an RSA-16384 value
	if s.value, err = base64Text(value, longestValue); err != nil {
		return nil, err
	}
	return s, s.readInfo(p)
}

func (s *signature) readInfo(p *Policy) error {
	c := childrenOf(s.info)
	method, err := c.only(ds("CanonicalizationMethod"))
	if err != nil {
		return err
	}
	if s.form, err = p.canonicalForm(method); err != nil {
		return err
	}
	if method, err = c.only(ds("SignatureMethod")); err != nil {
		return err
	}
	uri, err := algorithmOf(method)
	if err != nil {
		return err
	}
	if s.algorithm, err = p.signature(uri); err != nil {
		return err
	}
	if err := noChildren(method); err != nil {
		return err
	}
	if c.atEnd() {
		return refuse(ReasonStructure, "a signature without references", nil)
	}
	n := 0
	for range s.info.All(ds("Reference")) {
		if n++; n > p.MaxReferences {
			return refuse(ReasonTooManyReferences, "ds:SignedInfo", nil)
		}
	}
	s.refs = make([]reference, n)
	for i := range s.refs {
		e, err := c.only(ds("Reference"))
		if err != nil {
			return err
		}
		if err := s.refs[i].read(e, p); err != nil {
			return err
		}
	}
	return c.end()
}

func (r *reference) read(e xmldoc.Element, p *Policy) error {
	r.element = e
	uri, ok := e.Attr(plain("URI"))
	if !ok {
		return refuse(ReasonURI, "a reference without a URI", nil)
	}
	r.uri = uri
	switch {
	case strings.HasPrefix(uri, "cid:"):
		cid, err := ParseCID(uri)
		if err != nil {
			return refuse(ReasonURI, "a cid: reference", err)
		}
		r.cid = cid
	case uri == "":
		if !p.Enveloped {
			return refuse(ReasonURI, "a reference to the whole document", nil)
		}
	case uri[0] != '#' || !xmldoc.ValidNCName(uri[1:]): // no xpointer, no other document
		return refuse(ReasonURI, "a reference that is not #ncname or cid:", nil)
	}
	c := childrenOf(e)
	if err := r.transforms(c.maybe(ds("Transforms")), p); err != nil {
		return err
	}
	if r.uri == "" && !r.enveloped {
		return refuse(ReasonURI, "a reference to the whole document that holds the signature", nil)
	}
	method, err := c.only(ds("DigestMethod"))
	if err != nil {
		return err
	}
	alg, err := algorithmOf(method)
	if err != nil {
		return err
	}
	if r.hash, err = p.digest(alg); err != nil {
		return err
	}
	if err := noChildren(method); err != nil {
		return err
	}
	value, err := c.only(ds("DigestValue"))
	if err != nil {
		return err
	}
	if r.digest, err = base64Text(value, 64); err != nil {
		return err
	}
	if len(r.digest) != r.hash.Size() {
		return refuse(ReasonStructure, "a digest of another length", nil)
	}
	return c.end()
}

// transforms accepts, for an element, one canonical form, after enveloped-signature
// where the policy allows that; for an attachment, its content transform alone.
func (r *reference) transforms(e xmldoc.Element, p *Policy) error {
	var c cursor
	if !e.IsZero() {
		c = childrenOf(e)
	}
	next := func() (xmldoc.Element, string, error) {
		t := c.maybe(ds("Transform"))
		if t.IsZero() {
			return t, "", c.end()
		}
		alg, err := algorithmOf(t)
		return t, alg, err
	}
	t, alg, err := next()
	if err != nil {
		return err
	}
	if r.cid != "" {
		if alg != transformAttachment {
			return refuse(ReasonTransform, "an attachment needs Attachment-Content-Signature-Transform", nil)
		}
		if err := noChildren(t); err != nil {
			return err
		}
		return r.noMore(&c)
	}
	if alg == transformEnveloped {
		if !p.Enveloped {
			return refuse(ReasonTransform, "enveloped-signature is not allowed", nil)
		}
		if err := noChildren(t); err != nil {
			return err
		}
		r.enveloped = true
		if t, alg, err = next(); err != nil {
			return err
		}
	}
	if t.IsZero() { // a node-set without a transform is taken by C14N 1.0 (xmldsig 4.4.3.2)
		if r.form, err = p.form(string(InclusiveC14N)); err != nil {
			return refuse(ReasonTransform, "a reference without a canonical form", err)
		}
		return nil
	}
	switch C14NAlgorithm(alg) {
	case ExclusiveC14N, InclusiveC14N, InclusiveC14N11:
	default:
		return refuse(ReasonTransform, "a transform that is no canonical form", nil)
	}
	if r.form, err = p.canonicalForm(t); err != nil {
		return err
	}
	return r.noMore(&c)
}

func (r *reference) noMore(c *cursor) error {
	if !c.atEnd() {
		return refuse(ReasonTransform, "more transforms than allowed", nil)
	}
	return nil
}

func (p *Policy) form(alg string) (xmldoc.C14N, error) {
	switch a := C14NAlgorithm(alg); a {
	case ExclusiveC14N, InclusiveC14N, InclusiveC14N11:
		for _, allowed := range p.C14N {
			if a == allowed {
				return xmldoc.C14N{Inclusive: a != ExclusiveC14N, V11: a == InclusiveC14N11}, nil
			}
		}
		return xmldoc.C14N{}, refuse(ReasonAlgorithmDenied, "a canonical form", nil)
	}
	return xmldoc.C14N{}, refuse(ReasonUnknownAlgorithm, "a canonical form", nil)
}

// canonicalForm reads CanonicalizationMethod or Transform with its InclusiveNamespaces.
func (p *Policy) canonicalForm(e xmldoc.Element) (xmldoc.C14N, error) {
	alg, err := algorithmOf(e)
	if err != nil {
		return xmldoc.C14N{}, err
	}
	form, err := p.form(alg)
	if err != nil {
		return form, err
	}
	c := childrenOf(e)
	list := c.maybe(xmldoc.Name{Space: SpaceEC, Local: "InclusiveNamespaces"})
	if list.IsZero() || form.Inclusive {
		return form, noChildren(e)
	}
	prefixes, _ := list.Attr(plain("PrefixList"))
	const most = 64
	for prefix := range fields(prefixes) {
		if form.Prefixes = append(form.Prefixes, prefix); len(form.Prefixes) > most {
			return form, refuse(ReasonStructure, "a long PrefixList", nil)
		}
	}
	if err := noChildren(list); err != nil {
		return form, err
	}
	return form, c.end()
}

// fields splits at the white space of XML, which is less than that of Unicode.
func fields(s string) iter.Seq[string] {
	return strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

func algorithmOf(e xmldoc.Element) (string, error) {
	alg, err := e.NeedAttr(plain("Algorithm"))
	if err != nil {
		return "", refuse(ReasonStructure, "reading "+e.Name().Local, err)
	}
	return alg, nil
}

func noChildren(e xmldoc.Element) error {
	for c := range e.Children() {
		return refuse(ReasonStructure, "reading "+e.Name().Local, c.Fail(xmldoc.ProblemUnexpected, xmldoc.Name{}))
	}
	return nil
}

// strictBase64 gives every value one spelling.
var strictBase64 = base64.StdEncoding.Strict()

var errBase64 = errors.New("malformed base64")

// base64Text reads the base64 content of an element, at most that many bytes of it.
func base64Text(e xmldoc.Element, most int) ([]byte, error) {
	s, err := e.TextOnly()
	if err != nil {
		return nil, refuse(ReasonStructure, "reading "+e.Name().Local, err)
	}
	b, err := decodeBase64(s, most)
	if err != nil {
		return nil, refuse(ReasonStructure, "reading "+e.Name().Local, err)
	}
	return b, nil
}

func decodeBase64(s string, most int) ([]byte, error) {
	if len(s) > 4*most+64 { // room for line breaks and indentation
		return nil, errBase64
	}
	if strings.IndexByte(s, ' ') >= 0 || strings.IndexByte(s, '\t') >= 0 { // line ends are skipped by the decoder
		s = strings.NewReplacer(" ", "", "\t", "").Replace(s)
	}
	out, err := strictBase64.DecodeString(s)
	if err != nil || len(out) == 0 || len(out) > most {
		return nil, errBase64
	}
	return out, nil
}
