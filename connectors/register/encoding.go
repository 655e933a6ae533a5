package register

import (
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping/yamldoc"
)

// readEncoding reads reply.encoding: what a register really sends, where its
// documents claim something else.
func readEncoding(v yamldoc.Value) xmldoc.Encoding {
	if !v.Exists() {
		return xmldoc.EncodingUnset
	}
	as, ok := xmldoc.EncodingNamed(v.Text())
	if !ok {
		v.Fault("want one of %s", strings.Join(xmldoc.Encodings(), ", "))
	}
	return as
}

const encodingRemedy = "; reply.encoding in " + DefinitionFile + " can say what the register really sends"

// document reads the body as XML. What the definition says about the encoding counts,
// then the byte order mark, then the content type, then the declaration (RFC 7303 3);
// but where two of them disagree, nobody knows how the names in it are spelled, and
// the reply is refused.
func (r *raw) document() (*xmldoc.Document, error) {
	as := r.encoding
	if as == xmldoc.EncodingUnset {
		var err error
		if as, err = r.charset(); err != nil {
			return nil, err
		}
	}
	doc, err := xmldoc.ParseAs(r.body, as, xmldoc.Limits{})
	var pe *xmldoc.ParseError
	if errors.As(err, &pe) && pe.Reason == xmldoc.ReasonEncoding && r.encoding == xmldoc.EncodingUnset {
		return nil, fmt.Errorf("%w%s", err, encodingRemedy)
	}
	return doc, err
}

// charset is the encoding that the content type gives to a document that names none.
func (r *raw) charset() (xmldoc.Encoding, error) {
	_, params, err := mime.ParseMediaType(r.media)
	charset := params["charset"]
	if err != nil || charset == "" {
		return xmldoc.EncodingUnset, nil
	}
	differ := func(other string) error {
		if len(charset) > 40 {
			charset = charset[:40]
		}
		return fmt.Errorf("the content type says %q, the document %q%s", charset, other, encodingRemedy)
	}
	mark, declared := xmldoc.Marked(r.body)
	as, known := xmldoc.EncodingNamed(charset)
	wide := strings.EqualFold(charset, "UTF-16")
	switch other, _ := xmldoc.EncodingNamed(declared); {
	case mark != xmldoc.EncodingUnset:
		if !(mark == as || wide && mark != xmldoc.UTF8 || mark == xmldoc.UTF8 && as == xmldoc.USASCII) {
			return 0, differ(mark.String())
		}
	case declared != "":
		// US-ASCII is UTF-8; the declaration, which is stricter, is held to.
		if !(known && other == as || strings.EqualFold(declared, charset) || as == xmldoc.UTF8 && other == xmldoc.USASCII) {
			return 0, differ(declared)
		}
	case !known:
		return 0, fmt.Errorf("the content type says %q, which is not read%s", charset, encodingRemedy)
	case utf8.Valid(r.body) && as != xmldoc.UTF8 && as != xmldoc.USASCII && !ascii(r.body):
		return 0, differ(xmldoc.UTF8.String())
	default:
		return as, nil
	}
	return xmldoc.EncodingUnset, nil // the document speaks for itself
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
