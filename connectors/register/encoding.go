package register

import (
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strconv"
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
	if pe, ok := errors.AsType[*xmldoc.ParseError](err); ok {
		return nil, &formError{pe, r.encoding == xmldoc.EncodingUnset}
	}
	return doc, err
}

// A formError is a document that cannot be read. Its text is the place and the rule,
// and no name of the document: a register that writes nonsense may write a person
// there.
type formError struct {
	*xmldoc.ParseError
	mendable bool // reply.encoding may help
}

func (e *formError) Error() string {
	text := fmt.Sprintf("xml:%d:%d: %s", e.Line, e.Col, e.Reason)
	if e.Reason != xmldoc.ReasonEncoding {
		return text
	}
	if e.Declared == "" || encodingWord.MatchString(e.Declared) {
		text += ": " + e.Msg
	}
	if e.mendable {
		text += encodingRemedy
	}
	return text
}

func (e *formError) Unwrap() error { return e.ParseError }

var encodingWord = regexp.MustCompile(`^(?i:utf|iso|windows|cp|ibm|ucs|koi8|us-ascii|gb|big|euc|shift|latin)[-_:0-9]{0,12}(?i:le|be|jis|jp|kr|cn|tw|ucs|[rueik])?[-_0-9]{0,3}$`)

// encodingName is a name that is like one of an encoding, in quotes.
func encodingName(s string) string {
	if !encodingWord.MatchString(s) {
		return "what is no name of an encoding"
	}
	return strconv.Quote(s)
}

// charset is the encoding that the content type gives to a document that names none.
func (r *raw) charset() (xmldoc.Encoding, error) {
	_, params, err := mime.ParseMediaType(r.media)
	charset := params["charset"]
	if err != nil || charset == "" {
		return xmldoc.EncodingUnset, nil
	}
	differ := func(other string) error {
		return fmt.Errorf("the content type says %s, the document %s%s", encodingName(charset), encodingName(other), encodingRemedy)
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
		return 0, fmt.Errorf("the content type says %s, which is not read%s", encodingName(charset), encodingRemedy)
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
