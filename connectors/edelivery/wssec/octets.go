package wssec

import (
	"bytes"
	"errors"
	"mime"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
)

// DefaultMaxText bounds uncompressed parts of XML or text: they are signed in a form
// that has to be made in memory, where all other parts stay in their files.
const DefaultMaxText = 64 << 20

// signedOctets returns what Attachment-Content-Signature-Transform makes of a part
// (SwA profile 5.4.2, as WSS4J reads it): of XML the canonical form, of other text
// the lines with CRLF. Just these octets are signed, so just these are handed on;
// where they are the content itself, it is not copied. Compressed parts are taken as
// they are.
func signedOctets(mediaType string, content []byte, most int) ([]byte, error) {
	if mediaType == ebms.CompressionGzip {
		return content, nil
	}
	kind, _, err := mime.ParseMediaType(mediaType)
	switch {
	case err != nil:
		return content, nil
	case kind == "text/xml", kind == "application/xml", strings.HasSuffix(kind, "+xml"):
		return canonical(content, most)
	case strings.HasPrefix(kind, "text/"):
		return crlf(content, most)
	}
	return content, nil
}

func tooLong(err error) error {
	return ebms.Because(ebms.PolicyNoncompliance, err, "an uncompressed part of XML or text is too long: compress it")
}

// canonical returns the canonical form of an XML part.
func canonical(content []byte, most int) ([]byte, error) {
	const bytesANode = 32 // as the defaults of xmldoc have it
	doc, err := xmldoc.ParseBytes(content, xmldoc.Limits{MaxBytes: most, MaxNodes: most / bytesANode})
	if err != nil {
		if e, ok := errors.AsType[*xmldoc.ParseError](err); ok && (e.Reason == xmldoc.ReasonTooLarge || e.Reason == xmldoc.ReasonTooManyNodes) {
			return nil, tooLong(err)
		}
		return nil, ebms.Because(ebms.FailedAuthentication, err, "")
	}
	w := rewriting{content: content, left: swell*len(content) + 1<<20}
	if err := doc.Canonical(&w, xmldoc.C14N{}); err != nil {
		return nil, ebms.Because(ebms.FailedAuthentication, err, "")
	}
	return w.bytes(), nil
}

// swell is how much longer than a document its canonical form may be, after the first
// MiB: namespaces are written out where they are used.
const swell = 8

var errSwollen = errors.New("canonical form is too long")

// A rewriting takes a new form of content. It holds a copy only from where the two
// differ.
type rewriting struct {
	content []byte
	same    int // bytes, while nothing differs
	differs bool
	changed []byte
	left    int
}

func (r *rewriting) Write(p []byte) (int, error) {
	if r.left -= len(p); r.left < 0 {
		return 0, errSwollen
	}
	if !r.differs {
		if bytes.HasPrefix(r.content[r.same:], p) {
			r.same += len(p)
			return len(p), nil
		}
		r.differs = true
		r.changed = append(make([]byte, 0, len(r.content)+len(p)), r.content[:r.same]...)
	}
	r.changed = append(r.changed, p...)
	return len(p), nil
}

func (r *rewriting) bytes() []byte {
	if r.differs {
		return r.changed
	}
	return r.content[:r.same]
}

// crlf returns text with every line end as CRLF.
func crlf(b []byte, most int) ([]byte, error) {
	lone := 0 // CR or LF without the other
	for rest := b; ; {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			break
		}
		if rest[i] == '\r' && i+1 < len(rest) && rest[i+1] == '\n' {
			i++
		} else {
			lone++
		}
		rest = rest[i+1:]
	}
	if lone == 0 {
		return b, nil
	}
	if len(b)+lone > most {
		return nil, tooLong(errors.New("line ends other than CRLF"))
	}
	out := make([]byte, 0, len(b)+lone)
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			i++
			fallthrough
		case b[i] == '\r', b[i] == '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, b[i])
		}
	}
	return out, nil
}
