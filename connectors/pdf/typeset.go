package pdf

import (
	"strings"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
)

// Sizes in millimetres, of type in points.
const (
	pageWidth, pageHeight = 210.0, 297.0
	marginLeft            = 20.0
	marginRight           = 20.0
	marginTop             = 20.0
	marginBottom          = 28.0 // the footer stands in it
	textWidth             = pageWidth - marginLeft - marginRight
	bodySize              = 10.0
	footerSize            = 7.5
	cellPad               = 1.6
)

func lineHeight(size float64) float64 { return size * 0.3528 * 1.32 }

// A piece is one line of text or one rule at its place. A text belongs to an
// element of the structure; without one it is layout only.
type piece struct {
	x, y  float64 // of a text: the baseline
	text  string
	style style
	size  float64
	owner *element
	width float64 // of a rule; a text has none
}

// typesetter puts content on pages. It breaks lines and pages and builds the
// structure; nothing is drawn yet, so that the number of pages is known first.
type typesetter struct {
	doc     *fpdf.Fpdf // measures
	face    *typeface
	missing bool
	pages   [][]piece
	y       float64
	err     error
}

// upTo is the width of a text of the body, or the most that matters.
func (t *typesetter) upTo(text string, s style, most float64) float64 {
	t.doc.SetFont(family, string(s), bodySize)
	n, w := t.fitting(text, most)
	if n < len(text) {
		return most
	}
	return w
}

func (t *typesetter) newPage() {
	t.pages = append(t.pages, nil)
	t.y = marginTop
	if len(t.pages) > MaxPages {
		t.err = ErrTooLarge
	}
}

func (t *typesetter) room() float64 { return pageHeight - marginBottom - t.y }

func (t *typesetter) put(p piece) {
	last := len(t.pages) - 1
	t.pages[last] = append(t.pages[last], p)
}

// lines breaks a text at spaces, and within words that are too long.
func (t *typesetter) lines(text string, s style, size, width float64) []string {
	fitted, missing := t.face.fit(text)
	t.missing = t.missing || missing
	t.doc.SetFont(family, string(s), size)
	space := t.doc.GetStringWidth(" ")
	var out []string
	for para := range strings.SplitSeq(fitted, "\n") {
		line, used := 0, 0.0 // bytes of the line so far, and their width
		var words []string   // of the line
		flush := func(end string) {
			if len(words) > 0 {
				out = append(out, strings.Join(words, " ")+end)
				words, line, used = words[:0], 0, 0
			}
		}
		for word := range strings.FieldsSeq(para) {
			for word != "" {
				room := width
				if line > 0 {
					room -= used + space
				}
				n, w := t.fitting(word, room)
				switch {
				case n == len(word):
					words, line, used = append(words, word), line+len(word), width-room+w
					word = ""
				case line > 0:
					flush(" ") // who reads it aloud needs the space
				default: // longer than a line: one character at least goes
					_, first := utf8.DecodeRuneInString(word)
					n = max(n, first)
					out = append(out, word[:n])
					word = word[n:]
				}
			}
		}
		flush("")
	}
	return out
}

// fitting is how many bytes of a word fit into the room, and their width. It
// looks no further: a word may be as long as a document.
func (t *typesetter) fitting(word string, room float64) (int, float64) {
	used := 0.0
	for i, r := range word {
		w := t.doc.GetStringWidth(string(r))
		if used+w > room {
			return i, used
		}
		used += w
	}
	return len(word), used
}

func (t *typesetter) blocks(root *element, blocks []Block) {
	for i, b := range blocks {
		if t.err != nil {
			return
		}
		switch b := b.(type) {
		case Heading:
			t.heading(root, b, i == 0)
		case Paragraph:
			t.text(root.child("P"), b.Text, regular, bodySize)
			t.y += 2
		case Table:
			t.table(root, b)
			t.y += 3
		}
	}
}

func (t *typesetter) heading(root *element, h Heading, first bool) {
	size := []float64{17, 12, 10.5}[h.Level-1]
	if !first {
		t.y += 2
	}
	// A heading does not stand alone at the foot of a page.
	if t.room() < lineHeight(size)+4*lineHeight(bodySize) {
		t.newPage()
	}
	t.text(root.child([]string{"H1", "H2", "H3"}[h.Level-1]), h.Text, bold, size)
	t.y += 1.5
}

// text sets lines over the whole width.
func (t *typesetter) text(e *element, text string, s style, size float64) {
	for _, line := range t.lines(text, s, size, textWidth) {
		if t.room() < lineHeight(size) {
			t.newPage()
		}
		if t.err != nil {
			return
		}
		t.put(piece{x: marginLeft, y: t.y + size*0.3528, text: line, style: s, size: size, owner: e})
		t.y += lineHeight(size)
	}
}

// draft of a row: the broken lines of its cells.
type row struct {
	cells  [][]string
	styles []style
	owners []*element
}

func (r row) height() int {
	n := 1
	for _, c := range r.cells {
		n = max(n, len(c))
	}
	return n
}

func (t *typesetter) table(root *element, b Table) {
	if len(b.Rows) == 0 {
		return
	}
	e := root.child("Table")
	columns := t.columns(b)
	var head row
	if len(b.Head) > 0 {
		tr := e.child("TR")
		for i, text := range b.Head {
			th := tr.child("TH")
			th.scope = "Column"
			head.add(t.lines(text, bold, bodySize, columns[i]-2*cellPad), bold, th)
		}
	}
	started := false
	for _, cells := range b.Rows {
		tr := e.child("TR")
		var r row
		for i, text := range cells {
			kind, s := "TD", regular
			if b.Labels && i == 0 {
				kind, s = "TH", bold
			}
			cell := tr.child(kind)
			if kind == "TH" {
				cell.scope = "Row"
			}
			r.add(t.lines(text, s, bodySize, columns[i]-2*cellPad), s, cell)
		}
		t.setRow(r, head, columns, &started)
		if t.err != nil {
			return
		}
	}
}

func (r *row) add(lines []string, s style, owner *element) {
	r.cells, r.styles, r.owners = append(r.cells, lines), append(r.styles, s), append(r.owners, owner)
}

// setRow puts one row. A row that does not fit begins a page; one that no page
// holds is continued on the next. The head is repeated; only where it stands
// first does it belong to the structure.
func (t *typesetter) setRow(r, head row, columns []float64, started *bool) {
	line := lineHeight(bodySize)
	need := func(n int) float64 { return float64(n)*line + 2*cellPad }
	headNeed := 0.0
	if head.cells != nil {
		headNeed = need(head.height())
	}
	for done, all := 0, r.height(); done < all; {
		want := need(all - done)
		if !*started {
			want += headNeed
		}
		whole := pageHeight - marginTop - marginBottom - headNeed
		if t.room() < want && (t.y > marginTop+headNeed || !*started) && (want <= whole || t.room() < need(3)+headNeed) {
			if t.y > marginTop {
				t.newPage()
				if *started {
					t.setLines(head, columns, 0, head.height(), true)
				}
			}
		}
		if t.err != nil {
			return
		}
		if !*started {
			*started = true
			t.rule()
			t.setLines(head, columns, 0, head.height(), false)
		}
		n := min(all-done, max(1, int((t.room()-2*cellPad)/line)))
		t.setLines(r, columns, done, done+n, false)
		if done += n; done < all {
			t.newPage()
			t.setLines(head, columns, 0, head.height(), true)
		}
	}
}

// setLines puts the lines from..to of each cell and a rule below them.
func (t *typesetter) setLines(r row, columns []float64, from, to int, repeated bool) {
	if r.cells == nil {
		return
	}
	x := marginLeft
	for i, lines := range r.cells {
		y := t.y + cellPad
		for _, text := range lines[min(from, len(lines)):min(to, len(lines))] {
			p := piece{x: x + cellPad, y: y + bodySize*0.3528, text: text, style: r.styles[i], size: bodySize, owner: r.owners[i]}
			if repeated {
				p.owner = nil
			}
			t.put(p)
			y += lineHeight(bodySize)
		}
		x += columns[i]
	}
	t.y += float64(to-from)*lineHeight(bodySize) + 2*cellPad
	t.rule()
}

func (t *typesetter) rule() { t.put(piece{x: marginLeft, y: t.y, width: textWidth}) }

// columns gives each column a width by the longest of its texts: what it would
// like on one line, within bounds, and at least its longest word.
func (t *typesetter) columns(b Table) []float64 {
	n := len(b.Rows[0])
	if b.Labels && n == 2 {
		return []float64{textWidth * 0.36, textWidth * 0.64}
	}
	want, least := make([]float64, n), make([]float64, n)
	measure := func(cells []string, s style) {
		for i, text := range cells {
			want[i] = max(want[i], t.upTo(text, s, textWidth*0.6))
			for word := range strings.FieldsSeq(text) {
				least[i] = max(least[i], t.upTo(word, s, textWidth/float64(n)))
			}
		}
	}
	measure(b.Head, bold)
	for _, cells := range b.Rows[:min(len(b.Rows), 200)] {
		measure(cells, regular)
	}
	var wants, leasts float64
	for i := range want {
		want[i] += 2 * cellPad
		least[i] += 2*cellPad + 0.5 // what rounding takes
		want[i] = max(want[i], least[i])
		wants, leasts = wants+want[i], leasts+least[i]
	}
	out := make([]float64, n)
	for i := range out {
		switch {
		case leasts >= textWidth:
			out[i] = textWidth * least[i] / leasts
		case wants == leasts:
			out[i] = least[i] + (textWidth-leasts)/float64(n)
		default:
			out[i] = least[i] + (textWidth-leasts)*(want[i]-least[i])/(wants-leasts)
		}
	}
	return out
}
