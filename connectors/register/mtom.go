package register

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"strings"

	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmldoc"
)

// A reply in the form of MTOM is a multipart/related whose root is the envelope, with
// xop:Include where the bytes of another part belong (MTOM 3; XOP 4).
const (
	multipartMedia = "multipart/related"
	xopMedia       = "application/xop+xml"
	xopSpace       = "http://www.w3.org/2004/08/xop/include"
	maxParts       = 64
)

// unpack divides a multipart reply into its root, which becomes the body, and its
// parts. Any other reply stays as it is.
func (r *raw) unpack(soapMedia string, limit int64) error {
	media, params, err := mime.ParseMediaType(r.media)
	if err != nil || media != multipartMedia {
		return nil
	}
	if t := params["type"]; !strings.EqualFold(t, xopMedia) {
		return errors.New("the reply is a multipart that is not MTOM")
	}
	in, err := swa.NewReader(r.media, bytes.NewReader(r.body), swa.Limits{
		Root: xopMedia, Envelope: limit, Part: limit, Message: limit, Ahead: limit, Memory: limit, Parts: maxParts,
	})
	if err != nil {
		return fmt.Errorf("the reply is no multipart: %w", err)
	}
	defer in.Close()
	root, err := in.Envelope()
	if err != nil {
		return fmt.Errorf("the reply is no multipart: %w", err)
	}
	parts, err := in.Parts()
	if err != nil {
		return fmt.Errorf("the reply is no multipart: %w", err)
	}
	_, params, err = mime.ParseMediaType(in.RootType())
	inner, _, innerErr := mime.ParseMediaType(params["type"])
	if err != nil || innerErr != nil || inner != soapMedia {
		return errors.New("the root of the multipart is not an envelope of the register's transport")
	}
	r.parts = make(map[string][]byte, len(parts))
	for _, p := range parts {
		content, err := p.Content.Bytes()
		if err != nil {
			return fmt.Errorf("reading a part: %w", err)
		}
		r.parts[p.ID] = bytes.Clone(content) // those of the reader end with it
	}
	r.body, r.media = root, in.RootType()
	return nil
}

// entity reads a reply as a sample holds it: a MIME header, an empty line, the body.
func (d *Definition) entity(r *raw) error {
	t, ok := d.transport.(*soap)
	if !ok {
		return errors.New("only transports of SOAP have replies of several parts")
	}
	text := bufio.NewReader(bytes.NewReader(r.body))
	header, err := textproto.NewReader(text).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("the header cannot be read: %w", err)
	}
	if r.body, err = io.ReadAll(text); err != nil {
		return err
	}
	r.media = header.Get("Content-Type")
	return r.unpack(t.version.media, maxSampleParts)
}

const maxSampleParts = 64 << 20

// resolveXOP puts the parts into the places of their xop:Include, as base64 without
// line breaks, which is also what a signature is over (XOP 3.1). Each part is used
// once: nothing travels that nobody reads, and little must not become much.
func resolveXOP(doc *xmldoc.Document, parts map[string][]byte) (*xmldoc.Document, error) {
	include := xmldoc.Name{Space: xopSpace, Local: "Include"}
	root := doc.Root()
	text := root.Raw()
	used := make(map[string]bool, len(parts))
	size := len(text)
	for _, p := range parts {
		size += base64.StdEncoding.EncodedLen(len(p))
	}
	out := make([]byte, 0, size)
	from := 0
	for e := range root.Descendants() {
		if !e.Is(include) {
			continue
		}
		if err := aloneInclude(e); err != nil {
			return nil, err
		}
		href, _ := e.Attr(xmldoc.Name{Local: "href"})
		id, ok := swa.DecodeCID(href)
		content, here := parts[id]
		switch {
		case !ok || !here:
			return nil, errors.New("an xop:Include refers to a part that is not there")
		case used[id]:
			return nil, errors.New("two xop:Include refer to one part")
		}
		used[id] = true
		at := e.Offset() - root.Offset()
		out = append(out, text[from:at]...)
		out = base64.StdEncoding.AppendEncode(out, content)
		from = at + len(e.Raw())
	}
	if len(used) < len(parts) {
		return nil, errors.New("the reply has a part that nothing refers to")
	}
	out = append(out, text[from:]...)
	// The limits of the reply hold already; base64 is a third longer.
	return xmldoc.ParseBytes(out, xmldoc.Limits{MaxBytes: max(len(out), 1<<20)})
}

// aloneInclude wants the element to be empty and the only content of its parent
// (XOP 3.2).
func aloneInclude(e xmldoc.Element) error {
	n := e.Node()
	if !n.FirstChild().IsZero() || !n.NextSibling().IsZero() || !n.PrevSibling().IsZero() || n.Parent().Kind() != xmldoc.KindElement {
		return errors.New("an xop:Include is not the whole content of its element")
	}
	return nil
}
