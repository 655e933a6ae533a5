package xmldoc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
)

// write gives text in an encoding, without a byte order mark; ok is false when the
// encoding lacks a character. It goes the other way than the reader, over the tables
// of the Unicode Consortium for what differs from ISO-8859-1.
func write(text string, as xmldoc.Encoding) (out []byte, ok bool) {
	others := map[xmldoc.Encoding]map[rune]byte{
		xmldoc.ISO8859_15: {0x20AC: 0xA4, 0x160: 0xA6, 0x161: 0xA8, 0x17D: 0xB4, 0x17E: 0xB8, 0x152: 0xBC, 0x153: 0xBD, 0x178: 0xBE},
		xmldoc.Windows1252: {0x20AC: 0x80, 0x201A: 0x82, 0x192: 0x83, 0x201E: 0x84, 0x2026: 0x85, 0x2020: 0x86, 0x2021: 0x87, 0x2C6: 0x88, 0x2030: 0x89,
			0x160: 0x8A, 0x2039: 0x8B, 0x152: 0x8C, 0x17D: 0x8E, 0x2018: 0x91, 0x2019: 0x92, 0x201C: 0x93, 0x201D: 0x94, 0x2022: 0x95, 0x2013: 0x96,
			0x2014: 0x97, 0x2DC: 0x98, 0x2122: 0x99, 0x161: 0x9A, 0x203A: 0x9B, 0x153: 0x9C, 0x17E: 0x9E, 0x178: 0x9F},
	}
	switch as {
	case xmldoc.UTF8:
		return []byte(text), true
	case xmldoc.UTF16LE, xmldoc.UTF16BE:
		for _, u := range utf16.Encode([]rune(text)) {
			if as == xmldoc.UTF16LE {
				out = append(out, byte(u), byte(u>>8))
			} else {
				out = append(out, byte(u>>8), byte(u))
			}
		}
		return out, true
	}
	for _, r := range text {
		b, special := others[as][r]
		taken := false
		for _, have := range others[as] {
			taken = taken || rune(have) == r
		}
		switch {
		case special:
			out = append(out, b)
		case r < 0x80, r >= 0xA0 && r <= 0xFF && as != xmldoc.USASCII && !taken:
			out = append(out, byte(r))
		default:
			return nil, false
		}
	}
	return out, true
}

func all() []xmldoc.Encoding {
	return []xmldoc.Encoding{xmldoc.UTF8, xmldoc.USASCII, xmldoc.ISO8859_1, xmldoc.ISO8859_15, xmldoc.Windows1252, xmldoc.UTF16LE, xmldoc.UTF16BE}
}

func mark(as xmldoc.Encoding) string {
	return map[xmldoc.Encoding]string{xmldoc.UTF8: "\xEF\xBB\xBF", xmldoc.UTF16LE: "\xFF\xFE", xmldoc.UTF16BE: "\xFE\xFF"}[as]
}

// undetectable: two encodings of one byte a character without a byte that tells them
// apart. What ISO-8859-15 has in the place of ¤ or ¼ can be known from the text alone.
func undetectable(really xmldoc.Encoding, called string) bool {
	one := []xmldoc.Encoding{xmldoc.ISO8859_1, xmldoc.ISO8859_15, xmldoc.Windows1252}
	named, ok := xmldoc.EncodingNamed(called)
	return ok && slices.Contains(one, really) && slices.Contains(one, named)
}

// Every character of every 8-bit encoding is read as xmllint reads it, and what is
// written in one encoding under the name of another is never read as something else.
func TestEncodingsAgreeWithXMLLint(t *testing.T) {
	type sample struct {
		name, text, called string
		really             xmldoc.Encoding
		in                 []byte
	}
	var whole []rune // every character of an 8-bit encoding
	for r := rune(0xA0); r <= 0xFF; r++ {
		whole = append(whole, r)
	}
	texts := []string{"Plain", "Mäki-Åström", "Œuvre š ž Ÿ 100 €", "“l’été” – 5 ‰", string(whole), "Bērziņš Łódź Ελένη", "Ünïcödé 😀"}
	names := []string{"", "UTF-8", "US-ASCII", "ISO-8859-1", "iso-8859-15", "windows-1252", "UTF-16", "UTF-16LE", "UTF-16BE", "Shift_JIS"}
	var samples []sample
	for n, text := range texts {
		for _, name := range names {
			doc := "<a b='" + text + "'>" + text + "</a>"
			if name != "" {
				doc = `<?xml version="1.0" encoding="` + name + `"?>` + "\n" + doc
			}
			for _, really := range all() {
				in, ok := write(doc, really)
				if !ok {
					continue
				}
				for i, m := range []string{"", mark(really)} {
					if i == 0 || m != "" {
						samples = append(samples, sample{fmt.Sprintf("text %d, %s called %q, mark %x", n, really, name, m), text, name, really, append([]byte(m), in...)})
					}
				}
			}
		}
	}
	dir := t.TempDir()
	var files []string
	for i, s := range samples {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%d.xml", i)))
		if err := os.WriteFile(files[i], s.in, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := xmllintCanonical(t, files, "--exc-c14n")
	equal, both, stricter := 0, 0, 0
	for i, s := range samples {
		doc, err := xmldoc.ParseBytes(s.in, xmldoc.Limits{})
		var pe *xmldoc.ParseError
		switch {
		case err == nil && doc.Root().Text() != s.text && !undetectable(s.really, s.called):
			t.Errorf("%s: read as %q", s.name, doc.Root().Text())
		case err == nil && want[i] == nil:
			t.Errorf("%s: xmllint refuses what we accept", s.name)
		case err == nil:
			if got := canonical(t, doc); got != string(want[i]) {
				t.Errorf("%s:\n got %q\nwant %q", s.name, got, want[i])
			}
			equal++
		case !errors.As(err, &pe) || pe.Reason != xmldoc.ReasonEncoding:
			t.Errorf("%s: %v", s.name, err)
		case want[i] == nil:
			both++
		default: // it guesses; name and bytes differ
			stricter++
		}
		// Told what the sender really sends, the same bytes are read right.
		doc, err = xmldoc.ParseAs(s.in, s.really, xmldoc.Limits{})
		if err != nil || doc.Root().Text() != s.text {
			t.Errorf("%s: read as what it is: %v", s.name, err)
		}
	}
	t.Logf("%d documents: %d read alike, %d refused by both, %d refused by us alone", len(samples), equal, both, stricter)
	if equal < 100 || both == 0 || stricter == 0 {
		t.Error("the samples do not cover what they should")
	}
}

// A refusal says what each side claims, and where the first byte is that contradicts.
func TestEncodingClashNamesBoth(t *testing.T) {
	for _, c := range []struct {
		name, in        string
		declared, found string
		line, col       int
	}{
		{"Windows-1252 called ISO-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>\n<b>\xe4\xf6\x92</b></a>", "ISO-8859-1", "windows-1252", 3, 6},
		{"UTF-8 called ISO-8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>x\xc3\xa4</a>", "ISO-8859-1", "UTF-8", 2, 5},
		{"UTF-8 called UTF-16", "<?xml version='1.0' encoding='UTF-16'?><a/>", "UTF-16", "UTF-8", 1, 1},
		{"no byte order mark", "<\x00a\x00/\x00>\x00", "", "UTF-16LE", 1, 1},
		{"ISO-8859-1 called nothing", "<a>ä\xe4</a>", "", "", 1, 5},
		{"ISO-8859-1 called UTF-8", "<?xml version='1.0' encoding='UTF-8'?>\n<a>\xe4</a>", "UTF-8", "", 2, 4},
		{"mark against declaration", "\xef\xbb\xbf<?xml version='1.0' encoding='windows-1252'?><a/>", "windows-1252", "UTF-8", 1, 1},
		{"UTF-32", "\xff\xfe\x00\x00<\x00\x00\x00", "", "UTF-32", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := xmldoc.ParseBytes([]byte(c.in), xmldoc.Limits{})
			var pe *xmldoc.ParseError
			if !errors.As(err, &pe) || pe.Reason != xmldoc.ReasonEncoding {
				t.Fatal(err)
			}
			if pe.Declared != c.declared || pe.Found != c.found || pe.Line != c.line || pe.Col != c.col {
				t.Errorf("%v: declared %q, found %q", pe, pe.Declared, pe.Found)
			}
		})
	}
}

func TestParseAsHoldsAgainstTheMark(t *testing.T) {
	for _, c := range []struct {
		in string
		as xmldoc.Encoding
	}{
		{"\xef\xbb\xbf<a/>", xmldoc.Windows1252}, {"\xff\xfe<\x00a\x00/\x00>\x00", xmldoc.UTF16BE}, {"\xff\xfe<\x00a\x00/\x00>\x00", xmldoc.UTF8},
		{"<a>\x92</a>", xmldoc.ISO8859_1}, {"<a>\xe4</a>", xmldoc.UTF8}, {"<a>\xe4</a>", xmldoc.USASCII},
	} {
		if _, err := xmldoc.ParseAs([]byte(c.in), c.as, xmldoc.Limits{}); err == nil {
			t.Errorf("%q is read as %v", c.in, c.as)
		}
	}
}

func TestMarked(t *testing.T) {
	wide := "\xFE\xFF"
	for _, r := range `<?xml version="1.0" encoding="UTF-16"?><a/>` {
		wide += "\x00" + string(r)
	}
	for _, c := range []struct {
		in       string
		mark     xmldoc.Encoding
		declared string
	}{
		{"<a/>", xmldoc.EncodingUnset, ""}, {"\xef\xbb\xbf<a/>", xmldoc.UTF8, ""}, {"", xmldoc.EncodingUnset, ""},
		{"<?xml version='1.0' encoding='latin1'?><a/>", xmldoc.EncodingUnset, "latin1"}, {wide, xmldoc.UTF16BE, "UTF-16"},
	} {
		if mark, declared := xmldoc.Marked([]byte(c.in)); mark != c.mark || declared != c.declared {
			t.Errorf("%q: %v, %q", c.in, mark, declared)
		}
	}
}

// FuzzEncodings: no bytes make ParseAs panic, and what can be written in an encoding is
// read back.
func FuzzEncodings(f *testing.F) {
	seeds(f)
	f.Add([]byte("<a>“l’été” – 5 €</a>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		xmldoc.Marked(in)
		for _, as := range all() {
			doc, err := xmldoc.ParseAs(in, as, xmldoc.Limits{MaxNodes: 10000})
			if err == nil && !utf8.ValidString(doc.Source()) {
				t.Fatalf("%v gives no UTF-8", as)
			}
		}
		doc, err := xmldoc.ParseAs(in, xmldoc.UTF8, xmldoc.Limits{})
		if err != nil {
			return
		}
		for _, as := range all() {
			out, ok := write(doc.Source(), as)
			if !ok {
				continue
			}
			again, err := xmldoc.ParseAs(out, as, xmldoc.Limits{})
			if err != nil || again.Source() != doc.Source() {
				t.Fatalf("%v: %v\n%q", as, err, out)
			}
		}
	})
}

func BenchmarkEncodings(b *testing.B) {
	text := strings.ReplaceAll(string(record(50<<10)), "Ezermala", "Mäkiö-Åkerlöf")
	text = text[strings.Index(text, "?>")+2:]
	for _, as := range all() {
		in, ok := write(text, as)
		if !ok {
			continue
		}
		b.Run(as.String(), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := xmldoc.ParseAs(in, as, xmldoc.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
