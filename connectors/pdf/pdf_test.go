package pdf_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/pdf"
)

func sample(rows int) pdf.Document {
	d := pdf.Document{
		Title: "Rojstvo – izpisek", Language: "sl", Made: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), Producer: "oncegate",
		Footer:  "Naredil prehod iz zapisa registra; verodostojno je strukturirano dokazilo. 6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01",
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
	d.Blocks = append(d.Blocks, t)
	return d
}

func TestMake(t *testing.T) {
	a, err := pdf.Make(sample(120))
	if err != nil {
		t.Fatal(err)
	}
	b, err := pdf.Make(sample(120))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the same document gave other bytes")
	}
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
