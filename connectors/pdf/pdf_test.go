package pdf_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/pdf"
)

func sample(rows int) pdf.Document {
	d := pdf.Document{
		Title: "Rojstvo – izpisek <&>", Language: "sl", Made: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), Producer: "oncegate",
		Footer:  "Naredil prehod iz zapisa registra.",
		PageOf:  func(p, n int) string { return fmt.Sprintf("stran %d od %d", p, n) },
		Missing: "Znakov, zapisanih kot [U+…], pisava nima.",
		Blocks: []pdf.Block{
			pdf.Heading{Level: 1, Text: "Rojstvo – izpisek"},
			pdf.Paragraph{Text: strings.Repeat("Besedilo, ki je daljše od ene vrstice in se zato prelomi. ", 6)},
			pdf.Heading{Level: 2, Text: "Oseba"},
			pdf.Table{Labels: true, Rows: [][]string{{"Priimek", "Žličar-Čebela"}, {"Ime", "Špela Ελένη Иван ẞ ḃ"}, {"Opomba", strings.Repeat("beseda ", 60)}}},
			pdf.Heading{Level: 2, Text: "Naslovi"},
		},
	}
	t := pdf.Table{Head: []string{"Vrsta", "Naslov", "Od"}}
	for i := range rows {
		t.Rows = append(t.Rows, []string{"stalni", fmt.Sprintf("Primerova ulica %d, 9999 Primerovo, Slovenija", i+1), "2019-05"})
	}
	if rows > 0 {
		d.Blocks = append(d.Blocks, t)
	}
	return d
}

func make1(t *testing.T, d pdf.Document) []byte {
	t.Helper()
	out, err := pdf.Make(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// text is what poppler reads, in the order of the content.
func text(t *testing.T, file []byte) string {
	t.Helper()
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("pdftotext (poppler-utils) is not installed")
	}
	cmd := exec.CommandContext(t.Context(), tool, "-raw", "-", "-")
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSameDocumentSameBytes(t *testing.T) {
	a, b := make1(t, sample(120)), make1(t, sample(120))
	if !bytes.Equal(a, b) {
		t.Error("the same document gave other bytes")
	}
	other := sample(120)
	other.Made = other.Made.Add(time.Second)
	if bytes.Equal(a, make1(t, other)) {
		t.Error("another date gave the same bytes")
	}
}

func TestNothingActive(t *testing.T) {
	for _, word := range []string{"/JavaScript", "/JS", "/OpenAction", "/AA", "/Launch", "/URI", "/EmbeddedFile ", "/AcroForm", "/RichMedia"} {
		// What fpdf wrote as catalog is replaced and no longer part of the document.
		_, update, _ := bytes.Cut(make1(t, sample(3)), []byte("%%EOF"))
		if bytes.Contains(update, []byte(word)) {
			t.Errorf("the file holds %s", word)
		}
	}
}

// TestEveryPageRepeatsTheHead of its table, and has number and footer.
func TestEveryPageRepeatsTheHead(t *testing.T) {
	pages := strings.Split(strings.TrimSuffix(text(t, make1(t, sample(120))), "\f"), "\f")
	if len(pages) != 5 {
		t.Fatalf("%d pages", len(pages))
	}
	for i, page := range pages {
		for _, want := range []string{"Vrsta Naslov Od", fmt.Sprintf("stran %d od 5", i+1), "Naredil prehod"} {
			if strings.Count(page, want) != 1 {
				t.Errorf("page %d has %q %d times", i+1, want, strings.Count(page, want))
			}
		}
	}
	all := strings.Join(pages, "")
	for i := range 120 {
		if want := fmt.Sprintf("Primerova ulica %d,", i+1); strings.Count(all, want) != 1 {
			t.Errorf("%q stands %d times", want, strings.Count(all, want))
		}
	}
}

// TestTextsThatAreTooLong are broken: words within, rows over pages. Nothing is
// lost.
func TestTextsThatAreTooLong(t *testing.T) {
	d := sample(0)
	word := strings.Repeat("Donaudampfschifffahrt", 30)
	long := ""
	for i := range 1500 {
		long += fmt.Sprintf("beseda%d ", i)
	}
	d.Blocks = append(d.Blocks,
		pdf.Table{Labels: true, Rows: [][]string{{"Dolga beseda", word}, {"Dolgo", long}, {"Konec", "konec"}}},
		pdf.Table{Head: []string{"A", "B"}, Rows: [][]string{{word, long}, {"x", "zadnja"}}},
		pdf.Table{Head: strings.Split("abcdefghijkl", ""), Rows: [][]string{strings.Split(strings.Repeat(word[:20]+"|", 11)+word[:20], "|")}},
	)
	got := text(t, make1(t, d))
	if joined := strings.ReplaceAll(got, "\n", ""); strings.Count(joined, word) < 1 {
		t.Error("the long word is not there")
	}
	for i := range 1500 {
		if want := fmt.Sprintf("beseda%d ", i); strings.Count(got, want)+strings.Count(got, strings.TrimSpace(want)+"\n") < 2 {
			t.Errorf("%q is lost", want)
		}
	}
	if !strings.Contains(got, "zadnja") {
		t.Error("what comes after is lost")
	}
}

// TestLettersOfEurope: the typeface has the letters of all official languages of
// the Union; what it lacks is shown by number, never dropped.
func TestLettersOfEurope(t *testing.T) {
	letters := map[string]string{
		"BG": "абвгдежзийклмнопрстуфхцчшщъьюя АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЬЮЯ ѝ", "CS": "áčďéěíňóřšťúůýž ÁČĎÉĚÍŇÓŘŠŤÚŮÝŽ", "DA": "æøå ÆØÅ",
		"DE": "äöüß ÄÖÜẞ", "EL": "αβγδεζηθικλμνξοπρστυφχψως άέήίόύώϊϋΐΰ ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ ΆΈΉΊΌΎΏΪΫ", "EN": "naïve’s “quoted” – 7½ €",
		"ES": "áéíóúüñ ÁÉÍÓÚÜÑ ¿¡ ºª", "ET": "äöõüšž ÄÖÕÜŠŽ", "FI": "äöå ÄÖÅ", "FR": "àâæçéèêëîïôœùûüÿ ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸ «»", "GA": "áéíóú ÁÉÍÓÚ ḃċḋḟġṁṗṡṫ",
		"HR": "čćđšž ČĆĐŠŽ", "HU": "áéíóöőúüű ÁÉÍÓÖŐÚÜŰ", "IT": "àèéìíîòóùú ÀÈÉÌÍÎÒÓÙÚ", "LT": "ąčęėįšųūž ĄČĘĖĮŠŲŪŽ", "LV": "āčēģīķļņšūž ĀČĒĢĪĶĻŅŠŪŽ",
		"MT": "ċġħż ĊĠĦŻ", "NL": "áéëïóöüĳ ÁÉËÏÓÖÜĲ", "PL": "ąćęłńóśźż ĄĆĘŁŃÓŚŹŻ", "PT": "ãâáàçéêíõôóú ÃÂÁÀÇÉÊÍÕÔÓÚ", "RO": "ăâîșț ŞŢ ĂÂÎȘȚ",
		"SK": "áäčďéíĺľňóôŕšťúýž ÁÄČĎÉÍĹĽŇÓÔŔŠŤÚÝŽ", "SL": "čšž ČŠŽ", "SV": "åäöé ÅÄÖÉ",
	}
	d := sample(0)
	for code, text := range letters {
		d.Blocks = append(d.Blocks, pdf.Paragraph{Text: code + " " + text})
	}
	d.Blocks = append(d.Blocks, pdf.Paragraph{Text: "missing 中\U0001F600\u202e\u0007; composed e\u0301"})
	got := text(t, make1(t, d))
	for code, want := range letters {
		if !strings.Contains(got, code+" "+want) {
			t.Errorf("%s is not as it was", code)
		}
	}
	for _, want := range []string{"missing [U+4E2D][U+1F600][U+202E][U+0007]; composed é", "Znakov, zapisanih kot"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not there", want)
		}
	}
	if strings.Contains(text(t, make1(t, sample(0))), "Znakov, zapisanih kot") {
		t.Error("missing characters are told of where none is missing")
	}
}

func TestWhatCannotBeTypeset(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*pdf.Document)
		large  bool
	}{
		{"no title", func(d *pdf.Document) { d.Title = "" }, false},
		{"no language", func(d *pdf.Document) { d.Language = "" }, false},
		{"no words for numbers", func(d *pdf.Document) { d.PageOf = nil }, false},
		{"a heading of no level", func(d *pdf.Document) { d.Blocks = []pdf.Block{pdf.Heading{Text: "x"}} }, false},
		{"a table of no columns", func(d *pdf.Document) { d.Blocks = []pdf.Block{pdf.Table{}} }, false},
		{"too many columns", func(d *pdf.Document) { d.Blocks = []pdf.Block{pdf.Table{Head: make([]string, 13)}} }, false},
		{"a short row", func(d *pdf.Document) {
			d.Blocks = []pdf.Block{pdf.Table{Head: []string{"a", "b"}, Rows: [][]string{{"x"}}}}
		}, false},
		{"not UTF-8", func(d *pdf.Document) { d.Blocks = []pdf.Block{pdf.Paragraph{Text: "\xff"}} }, false},
		{"too much text", func(d *pdf.Document) {
			d.Blocks = []pdf.Block{pdf.Paragraph{Text: strings.Repeat("a", pdf.MaxText+1)}}
		}, true},
		{"too many rows", func(d *pdf.Document) {
			d.Blocks = []pdf.Block{pdf.Table{Head: []string{"a"}, Rows: slicesOf(pdf.MaxRows + 1)}}
		}, true},
		{"too many pages", func(d *pdf.Document) { d.Blocks = []pdf.Block{pdf.Paragraph{Text: strings.Repeat("a\n", 40_000)}} }, true},
	} {
		d := sample(0)
		tc.change(&d)
		_, err := pdf.Make(d)
		if err == nil || errors.Is(err, pdf.ErrTooLarge) != tc.large {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func slicesOf(n int) [][]string {
	out := make([][]string, n)
	for i := range out {
		out[i] = []string{""}
	}
	return out
}

// TestJudged: veraPDF finds the documents to be PDF/UA-1 and PDF/A-2a.
func TestJudged(t *testing.T) {
	peer := os.Getenv("ONCEGATE_TEST_PDF")
	if peer == "" {
		t.Skip("ONCEGATE_TEST_PDF does not name the judge; make test-interop does")
	}
	missing := sample(2)
	missing.Blocks = append(missing.Blocks, pdf.Heading{Level: 3, Text: "中"}, pdf.Paragraph{Text: "\U0001F600"}, pdf.Table{Head: []string{"a", "b"}, Rows: [][]string{{"", "x"}}})
	dir := t.TempDir()
	args := []string{"-cp", filepath.Join(peer, "peer.jar") + ":" + filepath.Join(peer, "lib", "*"), "Judge"}
	for i, d := range []pdf.Document{sample(0), sample(120), missing} {
		file := filepath.Join(dir, fmt.Sprintf("%d.pdf", i))
		if err := os.WriteFile(file, make1(t, d), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.CommandContext(t.Context(), "java", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(out), "\n"); lines != 6 || strings.Count(string(out), " ok\n") != 6 {
		t.Errorf("the judge says:\n%s", out)
	}
}

// FuzzMake: any text can be typeset or is refused, and what is made has an end.
func FuzzMake(f *testing.F) {
	f.Add("Rojstvo", "Žličar \u202e 中", uint8(3))
	f.Fuzz(func(t *testing.T, title, cell string, columns uint8) {
		n := int(columns%12) + 1
		row := make([]string, n)
		for i := range row {
			row[i] = cell
		}
		d := pdf.Document{
			Title: title, Language: "sl", PageOf: func(int, int) string { return title }, Footer: cell, Missing: title,
			Blocks: []pdf.Block{pdf.Heading{Level: 1, Text: title}, pdf.Paragraph{Text: cell}, pdf.Table{Head: row, Rows: [][]string{row, row}}},
		}
		out, err := pdf.Make(d)
		if err == nil && !bytes.HasSuffix(out, []byte("%%EOF\n")) {
			t.Error("a file without an end")
		}
	})
}

func BenchmarkMake(b *testing.B) {
	d := sample(5)
	var size int
	for b.Loop() {
		out, err := pdf.Make(d)
		if err != nil {
			b.Fatal(err)
		}
		size = len(out)
	}
	b.ReportMetric(float64(size), "bytes/pdf")
}
