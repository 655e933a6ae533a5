package pdf

import (
	"fmt"
	"strings"
	"sync"
	"unicode"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
)

// A style is one of the two cuts of the typeface.
type style string

const (
	regular style = ""
	bold    style = "B"
)

const family = "liberation"

func (s style) file() []byte {
	if s == bold {
		return liberationsansbold.TTF
	}
	return liberationsansregular.TTF
}

// typeface says which characters there are. Both cuts have the same ones.
type typeface struct {
	font *sfnt.Font
	buf  sfnt.Buffer
}

var parsed = sync.OnceValues(func() (*sfnt.Font, error) { return sfnt.Parse(regular.file()) })

func newTypeface() (*typeface, error) {
	f, err := parsed()
	if err != nil {
		return nil, fmt.Errorf("reading the typeface: %w", err)
	}
	return &typeface{font: f}, nil
}

func (t *typeface) has(r rune) bool {
	if r > 0xFFFF || r < ' ' {
		return false
	}
	i, err := t.font.GlyphIndex(&t.buf, r)
	return err == nil && i != 0
}

// fit composes letters and their accents and writes characters that the typeface
// does not have as [U+1E9E], so that a reader sees that something is there. It
// says whether there were any.
func (t *typeface) fit(text string) (string, bool) {
	text = norm.NFC.String(text)
	missing := false
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteRune(r)
		case r == '\t' || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case r == '\u00ad' || unicode.Is(unicode.Bidi_Control, r):
			// A soft hyphen is no character of the text, and a sign that turns the
			// direction would let a document show other words than it holds.
			if r != '\u00ad' {
				missing = true
				fmt.Fprintf(&b, "[U+%04X]", r)
			}
		case t.has(r):
			b.WriteRune(r)
		default:
			missing = true
			fmt.Fprintf(&b, "[U+%04X]", r)
		}
	}
	return b.String(), missing
}
