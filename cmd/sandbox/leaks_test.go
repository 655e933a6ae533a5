package sandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"oncegate/connectors/registers"
	"oncegate/connectors/xmldoc"
)

// A search finds words of people in bytes, also where they were encoded on the
// way: in other character sets, escapes, base64 and hexadecimal, and compressed.
type search struct {
	forms map[[formStart]byte][]form // by their first bytes
	first [1 << 16]bool              // of the first two bytes, to pass over most places at once
	words []string
}

// A form is one way in which a word can be written.
type form struct {
	text []byte
	word string
	as   string
}

const formStart = 4

func newSearch(words ...string) *search {
	s := &search{forms: map[[formStart]byte][]form{}}
	for _, w := range words {
		s.words = append(s.words, w)
		for _, cased := range slices.Compact([]string{w, strings.ToUpper(w), strings.ToLower(w)}) {
			if cased != w && len(w) < 6 {
				continue // too short to be told from chance
			}
			s.add(w, cased)
		}
	}
	return s
}

func (s *search) add(word, text string) {
	latin := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			latin = nil
			break
		}
		latin = append(latin, byte(r))
	}
	one := func(as string, b []byte) {
		if len(b) < formStart {
			return
		}
		key := [formStart]byte(b[:formStart])
		if slices.ContainsFunc(s.forms[key], func(f form) bool { return bytes.Equal(f.text, b) }) {
			return
		}
		s.forms[key] = append(s.forms[key], form{b, word, as})
		s.first[int(b[0])<<8|int(b[1])] = true
	}
	for _, set := range []struct {
		as string
		b  []byte
	}{{"utf-8", []byte(text)}, {"iso-8859-1", latin}} {
		if len(set.b) == 0 {
			continue
		}
		one(set.as, set.b)
		for _, escape := range []func(string) string{url.QueryEscape, url.PathEscape} {
			e := escape(string(set.b))
			one(set.as+", percent", []byte(e))
			one(set.as+", percent", []byte(percentLower(e)))
		}
		one(set.as+", hex", []byte(hex.EncodeToString(set.b)))
		one(set.as+", HEX", []byte(strings.ToUpper(hex.EncodeToString(set.b))))
		// A word inside longer base64 stands at one of three alignments; what its
		// neighbours have a share in is left out.
		for skip := range 3 {
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				b := enc.EncodeToString(append(make([]byte, skip), set.b...))
				b = b[(skip*8+5)/6:]
				if (skip+len(set.b))%3 != 0 {
					b = b[:len(b)-1]
				}
				if len(b) > 6 {
					one(set.as+", base64", []byte(b))
				}
			}
		}
	}
	var u16, json, dec, hexa strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			json.WriteRune(r)
			dec.WriteRune(r)
			hexa.WriteRune(r)
			continue
		}
		fmt.Fprintf(&json, `\u%04x`, r)
		fmt.Fprintf(&dec, "&#%d;", r)
		fmt.Fprintf(&hexa, "&#x%X;", r)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		u16.WriteByte(byte(u >> 8))
		u16.WriteByte(byte(u))
	}
	one("utf-16", []byte(u16.String())[1:])
	one("json", []byte(json.String()))
	one("xml", []byte(dec.String()))
	one("xml", []byte(hexa.String()))
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		one("quoted", []byte(quoted[1:len(quoted)-1]))
	}
	if quoted := strconv.QuoteToASCII(text); quoted != `"`+text+`"` {
		one("quoted", []byte(quoted[1:len(quoted)-1]))
	}
}

func percentLower(s string) string {
	return regexp.MustCompile(`%[0-9A-F]{2}`).ReplaceAllStringFunc(s, strings.ToLower)
}

// find returns the words in b and how they were written.
func (s *search) find(b []byte) []string {
	found := map[string]bool{}
	s.look(b, "", 3, found)
	return slices.Sorted(maps.Keys(found))
}

// longRun is how long base64 or hex has to be to be worth a look inside.
const longRun = 24

// inRun says which bytes base64 and hex are made of.
var inRun = func() (t [256]bool) {
	for _, c := range []byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/-_") {
		t[c] = true
	}
	return t
}()

// runs calls f with every long run in b until f has seen enough.
func runs(b []byte, f func(run []byte) bool) {
	for i := 0; i < len(b); i++ {
		j := i
		for j < len(b) && inRun[b[j]] {
			j++
		}
		if j-i >= longRun && !f(b[i:j]) {
			return
		}
		i = j
	}
}

func (s *search) look(b []byte, in string, depth int, found map[string]bool) {
	for i := 0; i+formStart <= len(b); i++ {
		if !s.first[int(b[i])<<8|int(b[i+1])] {
			continue
		}
		for _, f := range s.forms[[formStart]byte(b[i:i+formStart])] {
			if bytes.HasPrefix(b[i:], f.text) {
				found[fmt.Sprintf("%q (%s%s)", f.word, in, f.as)] = true
			}
		}
	}
	if depth == 0 {
		return
	}
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte{0x1f, 0x8b, 8})
		if i < 0 {
			break
		}
		at += i
		if z, err := gzip.NewReader(bytes.NewReader(b[at:])); err == nil {
			// Broken off or followed by something else: what comes out is looked at.
			clear, _ := io.ReadAll(io.LimitReader(z, 1<<20))
			s.look(clear, in+"gzip, ", depth-1, found)
		}
	}
	// Words are found in base64 and hex as they stand; what was compressed before
	// has to be decoded to be seen.
	runs(b, func(run []byte) bool {
		if raw, err := hex.DecodeString(string(run)); err == nil && packed(raw) {
			s.look(raw, in+"hex, ", depth-1, found)
		}
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if raw, err := enc.DecodeString(string(run)); err == nil && packed(raw) {
				s.look(raw, in+"base64, ", depth-1, found)
				break
			}
		}
		return true
	})
}

// packed reports whether b may hold more than can be seen from outside: something
// compressed, or encoded once more.
func packed(b []byte) bool {
	found := bytes.Contains(b, []byte{0x1f, 0x8b, 8})
	runs(b, func([]byte) bool { found = true; return false })
	return found
}

// public are words of the samples that say nothing about anybody, and why.
var public = []string{
	"Registro Civil de Villaprueba", // an authority, the issuer
	"registered",                    // a word of the P-Modes: "unregistered"
	"https://",                      // addresses
}

// personal returns every word that is of a person: what the eID states, and every
// value in the replies of the registers and in what was made of them.
func personal(t testing.TB) []string {
	t.Helper()
	words := map[string]bool{}
	add := func(w string) {
		w = strings.TrimSpace(w)
		letters := strings.IndexFunc(w, func(r rune) bool { return r < '0' || r > '9' }) >= 0
		if n := utf8.RuneCountInString(w); n < 5 || !letters && n < 8 {
			return // could stand anywhere by chance
		}
		words[w] = true
	}
	date := func(d string) {
		y, m, day := d[:4], d[5:7], d[8:]
		for _, w := range []string{d, day + "/" + m + "/" + y, day + "." + m + "." + y, y + m + day, day + m + y} {
			add(w)
		}
	}
	for _, p := range people() {
		if p.Abroad { // not in this landscape
			continue
		}
		add("sandbox-" + p.ID) // its name at the eID
		if n := p.Subject.Natural; n != nil {
			for _, w := range []string{n.FamilyName, n.GivenName, n.Identifier, path.Base(n.Identifier)} {
				add(w)
			}
			date(n.BirthDate)
			continue
		}
		add(p.Subject.Legal.Name)
		add(p.Subject.Legal.Identifier)
		add(path.Base(p.Subject.Legal.Identifier))
	}
	var replies []string
	for _, p := range people() {
		if p.Abroad {
			continue
		}
		of, err := fs.Glob(registers.FS, path.Join(p.Register, "testdata/found.*.xml")) // none for who is in no register
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, of...)
	}
	if len(replies) < 6 {
		t.Fatalf("samples %q", replies)
	}
	for _, name := range replies {
		raw, err := fs.ReadFile(registers.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(raw, xmldoc.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var visit func(e xmldoc.Element)
		visit = func(e xmldoc.Element) {
			for c := range e.Children() {
				visit(c)
			}
			for a := range e.Attrs() {
				if a.Name.Local == "number" || a.Name.Local == "reference" {
					add(a.Value)
				}
			}
			if text := strings.Join(strings.Fields(e.Text()), " "); len(text) > 0 && distinctive(text) {
				add(text)
				for _, line := range strings.Split(e.Text(), "\n") { // as it stands
					if distinctive(strings.TrimSpace(line)) {
						add(line)
					}
				}
			}
		}
		visit(doc.Root())
	}
	for _, w := range []string{"Villaprueba", "Avenida del Ensayo", "Calle de la Muestra", "Prøvegade", "T-1994-000317", "EX-TEST-1", "EST0000731", "Vzorec", "Óptica Velden"} {
		if !words[w] {
			t.Errorf("%q is not among the words of the people: the samples changed or are not read", w)
		}
	}
	return slices.Sorted(maps.Keys(words))
}

// distinctive leaves out what stands on the log for other reasons: authorities,
// code lists, dates and times of the extract.
func distinctive(w string) bool {
	return !slices.Contains(public, w) && !strings.HasPrefix(w, "https://") // addresses of vocabularies
}

func TestSearchFindsWhatItIsMeantTo(t *testing.T) {
	const word = "Prøveland"
	s := newSearch(word, "Marwick-Testa", "1981-11-02")
	zip := func(b string) string {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = io.WriteString(w, b)
		_ = w.Close()
		return z.String()
	}
	for name, text := range map[string]string{
		"plain":               `{"name":"Prøveland"}`,
		"upper case":          "<Surname>PRØVELAND</Surname>",
		"lower case":          "prøveland",
		"latin-1":             "x Pr\xf8veland x",
		"query":               "/find?name=Pr%C3%B8veland&x",
		"query, small":        "/find?name=pr%c3%b8veland",
		"query, latin-1":      "/find?name=Pr%F8veland",
		"json":                `"Pr\u00f8veland"`,
		"xml":                 "Pr&#248;veland",
		"utf-16":              "\x00P\x00r\x00\xf8\x00v\x00e\x00l\x00a\x00n\x00d",
		"hex":                 hex.EncodeToString([]byte("id:" + word)),
		"base64 0":            base64.StdEncoding.EncodeToString([]byte("abc" + word + "tail")),
		"base64 1":            base64.StdEncoding.EncodeToString([]byte("abcd" + word + "tail")),
		"base64 2":            base64.StdEncoding.EncodeToString([]byte("abcde" + word + "tail")),
		"base64url":           base64.RawURLEncoding.EncodeToString([]byte("??>" + word + "??>")),
		"gzip":                "before" + zip("<a>"+word+"</a>") + "after",
		"gzip in base64":      `{"data":"` + base64.StdEncoding.EncodeToString([]byte(zip(word))) + `"}`,
		"base64 twice":        base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("some text before " + word)))),
		"in a Go-quoted line": strconv.QuoteToASCII(word),
	} {
		if got := s.find([]byte(text)); len(got) == 0 {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	if got := s.find([]byte("Provéland 1981-11-03 Marwick Testa")); len(got) != 0 {
		t.Errorf("found %q where nothing is", got)
	}
}
