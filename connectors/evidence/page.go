package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/connectors/pdf"
	"oncegate/schemas/canon"
)

// Facts are what a page says about itself, beside the record.
type Facts struct {
	Evidence  string       // id of the evidence whose record it shows
	Titles    []canon.Text // of the type of evidence, as the register's country calls it
	Issuer    []canon.Text // names of the authority behind it
	IssuedOn  string       // YYYY-MM-DD
	Languages []string     // of the evidence
	Mapping   string       // version of what made the record
	Made      time.Time    // time of the request for it: pages know no clock
}

// ErrNoLanguage says that there are no words in this language.
var ErrNoLanguage = errors.New("no pages in this language")

// Page makes the human-readable version of a record, which keeps the schema of
// its type: a tagged PDF. The same record and facts give the same bytes. An error
// holds nothing of the record.
func (k *Kind) Page(record []byte, f Facts, language string) ([]byte, error) {
	doc, err := k.document(record, f, language)
	if err != nil {
		return nil, err
	}
	return pdf.Make(doc)
}

// Text is what Page shows of the record, in the order in which it is read, without
// what a page says about itself: samples compare it.
func (k *Kind) Text(record []byte, language string) (string, error) {
	_, blocks, err := k.blocks(record, language)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, block := range blocks {
		switch block := block.(type) {
		case pdf.Heading:
			fmt.Fprintf(&b, "\n%s %s\n\n", strings.Repeat("#", block.Level), block.Text)
		case pdf.Paragraph:
			b.WriteString(block.Text + "\n")
		case pdf.Table:
			if len(block.Head) > 0 {
				b.WriteString(strings.Join(block.Head, " | ") + "\n")
			}
			for _, row := range block.Rows {
				b.WriteString(strings.Join(row, " | ") + "\n")
			}
		}
	}
	return strings.TrimPrefix(b.String(), "\n"), nil
}

func (k *Kind) document(record []byte, f Facts, language string) (pdf.Document, error) {
	w, blocks, err := k.blocks(record, language)
	if err != nil {
		return pdf.Document{}, err
	}
	title, _ := blocks[0].(pdf.Heading)
	blocks = append(blocks, pdf.Heading{Level: 2, Text: w.phrase("origin")}, w.origin(f, k.Version))
	return pdf.Document{
		Title: title.Text, Language: strings.ToLower(language), Made: f.Made, Producer: "oncegate",
		Blocks: blocks, Footer: list(" ", w.phrase("footer"), f.Evidence), Missing: w.phrase("missing"),
		PageOf: func(page, pages int) string {
			return strings.NewReplacer("{page}", strconv.Itoa(page), "{pages}", strconv.Itoa(pages)).Replace(w.phrase("page"))
		},
	}, nil
}

// blocks is the content of the record; the title stands first.
func (k *Kind) blocks(record []byte, language string) (*writer, []pdf.Block, error) {
	l := k.page
	lang, ok := l.words.languages[language]
	if !ok {
		return nil, nil, ErrNoLanguage
	}
	w := &writer{words: l.words, lang: lang, info: l.info}
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, nil, errors.New("the record is not JSON")
	}
	title := l.title[language]
	if own, ok := find(value, "title").(string); ok { // a document's own title says more
		title = list(": ", title, own)
	}
	blocks := []pdf.Block{pdf.Heading{Level: 1, Text: title}, pdf.Paragraph{Text: w.phrase("intro")}}
	for _, s := range l.sections {
		blocks = append(blocks, w.section(s, value)...)
	}
	return w, blocks, nil
}

// section makes the blocks of one section; none where the record has nothing.
func (w *writer) section(s section, record any) []pdf.Block {
	head := pdf.Heading{Level: 2, Text: w.label(s.title)}
	if s.each == "" {
		if t := w.table(s, record); len(t.Rows) > 0 {
			return []pdf.Block{head, t}
		}
		return nil
	}
	items, _ := find(record, s.each).([]any)
	switch {
	case len(items) == 0:
		return nil
	case s.columns:
		return []pdf.Block{head, w.columns(s, items)}
	}
	out := []pdf.Block{head}
	for i, item := range items {
		if s.prose {
			out = append(out, w.prose(item)...)
			continue
		}
		name := strconv.Itoa(i+1) + "."
		if role, ok := find(item, "role").(string); ok {
			name += " " + w.code(role)
		}
		out = append(out, pdf.Heading{Level: 3, Text: name}, w.table(s, item))
	}
	return out
}

// table has one row for each field that is there.
func (w *writer) table(s section, v any) pdf.Table {
	t := pdf.Table{Labels: true}
	for _, f := range s.fields {
		if text := w.show(find(v, f.path), f.full, nil); text != "" {
			t.Rows = append(t.Rows, []string{w.label(f.label), text})
		}
	}
	return t
}

// columns has one row for each item, and the columns of which some item has
// something.
func (w *writer) columns(s section, items []any) pdf.Table {
	var own []string
	for _, f := range s.fields {
		if f.path != "" {
			own = append(own, f.path)
		}
	}
	rows := make([][]string, len(items))
	var t pdf.Table
	for _, f := range s.fields {
		cells, any := make([]string, len(items)), false
		for i, item := range items {
			var without []string
			if f.path == "" {
				without = own
			}
			cells[i] = w.show(find(item, f.path), f.full, without)
			any = any || cells[i] != ""
		}
		if !any {
			continue
		}
		t.Head = append(t.Head, w.label(f.label))
		for i := range rows {
			rows[i] = append(rows[i], cells[i])
		}
	}
	if len(t.Head) > 0 {
		t.Rows = rows
	}
	return t
}

// prose is a part of a document that brings its own words.
func (w *writer) prose(part any) []pdf.Block {
	var out []pdf.Block
	if title, ok := find(part, "title").(string); ok {
		out = append(out, pdf.Heading{Level: 3, Text: title})
	}
	if text, ok := find(part, "text").(string); ok {
		out = append(out, pdf.Paragraph{Text: text})
	}
	items, _ := find(part, "items").([]any)
	t := pdf.Table{Labels: true}
	for _, item := range items {
		label, _ := find(item, "label").(string)
		value, _ := find(item, "value").(string)
		t.Rows = append(t.Rows, []string{label, value})
	}
	if len(t.Rows) > 0 {
		out = append(out, t)
	}
	return out
}

// origin says where the page comes from.
func (w *writer) origin(f Facts, version string) pdf.Table {
	var tongues []string
	for _, code := range f.Languages {
		tongues = append(tongues, w.lang.tongue(code))
	}
	t := pdf.Table{Labels: true}
	for _, row := range [][2]string{
		{"evidenceType", pick(f.Titles, w.lang.code)},
		{"issuer", pick(f.Issuer, w.lang.code)},
		{"issuedOn", w.lang.dateText(f.IssuedOn)},
		{"languages", strings.Join(slices.Compact(tongues), ", ")},
		{"evidenceId", f.Evidence},
		{"format", version},
		{"mapping", f.Mapping},
	} {
		if row[1] != "" {
			t.Rows = append(t.Rows, []string{w.label(row[0]), row[1]})
		}
	}
	return t
}
