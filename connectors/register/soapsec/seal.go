package soapsec

import (
	"crypto/sha1" // the PasswordDigest of the UsernameToken profile is defined so; no signature is
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// Seal adds a Security header to an envelope: a Timestamp always, then the tokens,
// then the signature, in the order in which a receiver needs them.
func (s *Security) Seal(message []byte) ([]byte, error) {
	out, err := s.seal(message)
	if err != nil {
		return nil, fmt.Errorf("sealing envelope: %w", err)
	}
	return out, nil
}

func (s *Security) seal(message []byte) ([]byte, error) {
	if !s.Seals() {
		return message, nil
	}
	doc, err := xmldoc.ParseBytes(message, xmldoc.Limits{})
	if err != nil {
		return nil, err
	}
	env, err := locate(doc)
	if err != nil {
		return nil, err
	}
	if !env.security.IsZero() {
		return nil, fmt.Errorf("the envelope has a Security header already")
	}
	cuts, security, err := s.lay(env)
	if err != nil {
		return nil, err
	}
	unsigned := cuts.apply(doc.Root())
	if s.c.Key == nil {
		return unsigned, nil
	}
	return s.sign(unsigned, security)
}

// ids are those of what is signed.
type ids struct {
	token   string   // of the certificate
	targets []string // in the order of the references
}

// lay writes the header and gives an id to everything that is to be signed.
func (s *Security) lay(env envelope) (splices, ids, error) {
	var cuts splices
	var out ids
	mark := func(e xmldoc.Element, kind string) error {
		if _, taken := e.Attr(wsu("Id")); taken {
			return fmt.Errorf("%s has an id already", e.Name().Local)
		}
		id, err := s.id(kind)
		name := e.Name().Local
		if p := e.Prefix(); p != "" {
			name = p + ":" + name
		}
		cuts.insert(e.Offset()+1+len(name), ` xmlns:wsu="`+xmlsec.SpaceWSU+`" wsu:Id="`+id+`"`)
		out.targets = append(out.targets, id)
		return err
	}
	if s.c.Key != nil {
		if err := mark(env.body, "B"); err != nil {
			return cuts, out, err
		}
		if !env.header.IsZero() {
			for block := range env.header.Children() {
				if block.Name().Space != addressingSpace {
					continue
				}
				if err := mark(block, "H"); err != nil {
					return cuts, out, err
				}
			}
		}
	}
	text, err := s.security(env, &out)
	if err != nil {
		return cuts, out, err
	}
	tag := "Header"
	if env.prefix != "" {
		tag = env.prefix + ":" + tag
	}
	switch {
	case env.header.IsZero():
		cuts.insert(env.body.Offset(), "<"+tag+">"+text+"</"+tag+">")
	case env.header.First().IsZero():
		return cuts, out, fmt.Errorf("the header is empty")
	default:
		cuts.insert(env.header.First().Offset(), text)
	}
	return cuts, out, nil
}

// security writes the Security header without its signature.
func (s *Security) security(env envelope, out *ids) (string, error) {
	now := s.c.Now().UTC()
	stamp, err := s.id("TS")
	if err != nil {
		return "", err
	}
	out.targets = append(out.targets, stamp)
	prefix := env.prefix
	declare := ""
	if prefix == "" { // an attribute needs one
		prefix, declare = "env", ` xmlns:env="`+env.space+`"`
	}
	var b strings.Builder
	b.WriteString(`<wsse:Security xmlns:wsse="` + xmlsec.SpaceWSSE + `" xmlns:wsu="` + xmlsec.SpaceWSU + `"` + declare + ` ` + prefix + `:mustUnderstand="1">`)
	b.WriteString(`<wsu:Timestamp wsu:Id="` + stamp + `"><wsu:Created>` + now.Format(timeFormat) + `</wsu:Created><wsu:Expires>` +
		now.Add(Fresh).Format(timeFormat) + `</wsu:Expires></wsu:Timestamp>`)
	if s.c.Key != nil {
		if out.token, err = s.id("X509"); err != nil {
			return "", err
		}
		b.WriteString(`<wsse:BinarySecurityToken EncodingType="` + base64Binary + `" ValueType="` + typeX509v3 + `" wsu:Id="` + out.token + `">` +
			base64.StdEncoding.EncodeToString(s.c.Certificate.Raw) + `</wsse:BinarySecurityToken>`)
	}
	if s.c.User != "" {
		if err := s.usernameToken(&b, now, out); err != nil {
			return "", err
		}
	}
	b.WriteString(`</wsse:Security>`)
	return b.String(), nil
}

// usernameToken follows the UsernameToken profile 1.1.1, 3.1. The nonce stands in
// both forms: a register that remembers it knows a message that comes again.
func (s *Security) usernameToken(b *strings.Builder, now time.Time, out *ids) error {
	id, err := s.id("UT")
	if err != nil {
		return err
	}
	out.targets = append(out.targets, id)
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(s.c.Rand, nonce); err != nil {
		return fmt.Errorf("making a nonce: %w", err)
	}
	created := now.Format(timeFormat)
	kind, password := passwordText, s.c.Password()
	if s.c.Digest {
		kind, password = passwordDigest, digestOf(nonce, created, password)
	}
	if !xmldoc.ValidText(s.c.User) || !xmldoc.ValidText(password) {
		return fmt.Errorf("user or password hold a character that XML cannot carry")
	}
	b.WriteString(`<wsse:UsernameToken wsu:Id="` + id + `"><wsse:Username>`)
	b.Write(xmldoc.AppendText(nil, s.c.User))
	b.WriteString(`</wsse:Username><wsse:Password Type="` + kind + `">`)
	b.Write(xmldoc.AppendText(nil, password))
	b.WriteString(`</wsse:Password><wsse:Nonce EncodingType="` + base64Binary + `">` + base64.StdEncoding.EncodeToString(nonce) +
		`</wsse:Nonce><wsu:Created>` + created + `</wsu:Created></wsse:UsernameToken>`)
	return nil
}

func digestOf(nonce []byte, created, password string) string {
	h := sha1.New()
	h.Write(nonce)
	io.WriteString(h, created)
	io.WriteString(h, password)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// sign adds the signature at the end of the Security header. What it covers stays
// as it is: a sibling does not change a canonical form.
func (s *Security) sign(message []byte, id ids) ([]byte, error) {
	doc, err := xmldoc.ParseBytes(message, xmldoc.Limits{})
	if err != nil {
		return nil, err
	}
	byID := map[string]xmldoc.Element{}
	for e := range doc.Root().Descendants() {
		if v, ok := e.Attr(wsu("Id")); ok {
			byID[v] = e
		}
	}
	in := xmlsec.Signing{Key: s.c.Key, Rand: s.c.Rand, KeyInfo: []byte(`<wsse:SecurityTokenReference><wsse:Reference URI="#` + id.token + `" ValueType="` + typeX509v3 + `"/></wsse:SecurityTokenReference>`)}
	for _, t := range id.targets {
		in.Targets = append(in.Targets, xmlsec.Target{ID: t, Element: byID[t]})
	}
	signature, err := xmlsec.Sign(in)
	if err != nil {
		return nil, err
	}
	env, err := locate(doc)
	if err != nil {
		return nil, err
	}
	var cuts splices
	cuts.insert(env.security.Offset()+len(env.security.Raw())-len("</wsse:Security>"), string(signature.XML))
	return cuts.apply(doc.Root()), nil
}

// splices are texts to be put into a document, by offset.
type splices struct{ all []splice }

type splice struct {
	at   int
	text string
}

func (s *splices) insert(at int, text string) {
	i := len(s.all)
	for i > 0 && s.all[i-1].at > at {
		i--
	}
	s.all = append(s.all, splice{})
	copy(s.all[i+1:], s.all[i:])
	s.all[i] = splice{at, text}
}

// apply writes the root element with the texts in it, as a document.
func (s *splices) apply(root xmldoc.Element) []byte {
	text, from := root.Raw(), 0
	out := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	for _, c := range s.all {
		at := c.at - root.Offset()
		out = append(append(out, text[from:at]...), c.text...)
		from = at
	}
	return append(out, text[from:]...)
}
