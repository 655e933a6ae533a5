package capture

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Pseudonyms replaces texts under a key that nobody keeps. The same text gets the
// same pseudonym, whatever its case. It is safe for concurrent use.
type Pseudonyms struct{ key [sha256.Size]byte }

// NewPseudonyms draws a key.
func NewPseudonyms(random io.Reader) (*Pseudonyms, error) {
	p := &Pseudonyms{}
	if _, err := io.ReadFull(random, p.key[:]); err != nil {
		return nil, fmt.Errorf("drawing the key of pseudonyms: %w", err)
	}
	return p, nil
}

// Invented names. None belongs to a person that is meant.
var (
	families = strings.Fields("Ahornsen Birkfelt Cedarova Dornhaag Eschweil Fichtner-Probe Ginsterby Haselund Immergrun Jasminski Kieferova Lindqvarn Mohnfeld Nelkenau Olivares-Prueba Pappelsen Quittner Rosmarak Salbeiro Tannhaven Ulmensky Veilchen Weidmark Zypressa Ackerby Brunnova Distelrud Erlenhoff Fernsten Grashaug Heideland Irisdal")
	givens   = strings.Fields("Alba Bero Cilka Dario Elvi Fenna Goran Hilja Ivo Jorun Kaja Levin Mira Nevio Oona Pavla Quirin Rasa Sanna Tibor Una Vesna Wim Xenia Ylva Zoran Aras Benta Ciril Dunja Eero Florian")
	houses   = strings.Fields("Nordlicht Sudwind Ostkrone Westfels Morgenrot Abendstern Hochwald Tiefgrund Silberbach Goldhang Blauquell Rotstein Weissdorn Grauholz Kupferau Eisenfurt")
)

// sum is a keyed hash of a text for one purpose.
func (p *Pseudonyms) sum(purpose, text string) [sha256.Size]byte {
	h := hmac.New(sha256.New, p.key[:])
	fmt.Fprintf(h, "%s\x00%s", purpose, strings.ToUpper(strings.TrimSpace(text)))
	return [sha256.Size]byte(h.Sum(nil))
}

func (p *Pseudonyms) pick(purpose, text string, from []string) string {
	s := p.sum(purpose, text)
	word := from[binary.BigEndian.Uint64(s[:8])%uint64(len(from))]
	if text == strings.ToUpper(text) {
		return strings.ToUpper(word)
	}
	return word
}

// text replaces one text. White space around it stays. What swap names as a whole is
// swapped, whatever the rule.
func (p *Pseudonyms) text(r rule, text string, swap map[string]string) string {
	core := strings.TrimSpace(text)
	if core == "" {
		return text
	}
	if s, ok := swap[core]; ok {
		return strings.Replace(text, core, s, 1)
	}
	lead := text[:strings.Index(text, core)]
	return lead + p.replace(r, core) + text[len(lead)+len(core):]
}

func (p *Pseudonyms) replace(r rule, text string) string {
	switch r.as {
	case Keep:
		return text
	case Drop:
		return ""
	case FamilyName:
		return p.pick("family", text, families)
	case GivenName:
		return p.pick("given", text, givens)
	case Organisation:
		return p.pick("organisation", text, houses) + " (test)"
	case Identifier:
		return p.identifier(text)
	case Date:
		if d, ok := p.date(text, r.pattern); ok {
			return d
		}
	}
	return mask(text)
}

// mask keeps the shape of a text and none of it.
func mask(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsUpper(r):
			return 'X'
		case unicode.IsLetter(r), unicode.IsMark(r):
			return 'x'
		case unicode.IsDigit(r):
			return '0'
		case unicode.IsSpace(r):
			return r
		case strings.ContainsRune("-_./,:;()'+@#&", r):
			return r
		}
		return 'x'
	}, text)
}

// identifier draws letters for letters and digits for digits. Of an eIDAS identifier
// (ES/SI/...) the two countries stay, so that what the register knows is replaced
// alike where it stands alone.
func (p *Pseudonyms) identifier(text string) string {
	if parts := strings.SplitN(text, "/", 3); len(parts) == 3 && len(parts[0]) == 2 && len(parts[1]) == 2 {
		return parts[0] + "/" + parts[1] + "/" + p.letters(parts[2])
	}
	return p.letters(text)
}

// letters draws every letter and digit.
func (p *Pseudonyms) letters(text string) string {
	seed := p.sum("identifier", text)
	n, used := byte(0), 0
	next := func() byte {
		if used == len(seed) {
			seed, used, n = p.sum(fmt.Sprintf("identifier %d", n), text), 0, n+1
		}
		used++
		return seed[used-1]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return rune('0' + next()%10)
		case unicode.IsUpper(r):
			return rune('A' + next()%26)
		case unicode.IsLetter(r):
			return rune('a' + next()%26)
		}
		return r
	}, text)
}

// date moves a date by up to sixty days, the same for the same date however it is
// written. A month or day of zeros stays so.
func (p *Pseudonyms) date(text, pattern string) (string, bool) {
	tail := ""
	if len(text) > len(pattern) && text[len(pattern)] == 'T' { // a time: the day alone says who
		text, tail = text[:len(pattern)], "T00:00:00"
	}
	if len(text) != len(pattern) {
		return "", false
	}
	for i := range len(text) {
		if !strings.ContainsRune("YMD", rune(pattern[i])) && text[i] != pattern[i] {
			return "", false
		}
	}
	part := func(letter string) (int, int) {
		at := strings.Index(pattern, letter)
		v := 0
		for _, c := range []byte(text[at : at+len(letter)]) {
			if c < '0' || c > '9' {
				return -1, at
			}
			v = v*10 + int(c-'0')
		}
		return v, at
	}
	y, _ := part("YYYY")
	m, _ := part("MM")
	d, _ := part("DD")
	if y < 1 || m < 0 || m > 12 || d < 0 || d > 31 {
		return "", false
	}
	s := p.sum("date", fmt.Sprintf("%04d%02d%02d", y, m, d))
	days := 1 + int(s[0])%60
	if s[1]&1 == 1 {
		days = -days
	}
	at := time.Date(y, time.Month(max(m, 1)), max(d, 1), 0, 0, 0, 0, time.UTC).AddDate(0, 0, days)
	if at.Year() < 1 || at.Year() > 9999 {
		return "", false
	}
	out := []byte(text)
	put := func(letter string, v int) {
		i := strings.Index(pattern, letter)
		copy(out[i:], fmt.Sprintf("%0*d", len(letter), v))
	}
	put("YYYY", at.Year())
	if m > 0 {
		put("MM", int(at.Month()))
	}
	if d > 0 {
		put("DD", at.Day())
	}
	return string(out) + tail, true
}

func validDatePattern(pattern string) bool {
	for _, letter := range []string{"YYYY", "MM", "DD"} {
		if strings.Count(pattern, letter) != 1 {
			return false
		}
	}
	return strings.Trim(pattern, "YMD-./ ") == "" && len(pattern) <= 16
}
