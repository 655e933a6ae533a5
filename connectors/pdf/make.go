package pdf

import (
	"bytes"
	"fmt"

	"codeberg.org/go-pdf/fpdf"
)

// Make typesets a document. The same document gives the same bytes.
func Make(d Document) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("typesetting: %w", err)
	}
	face, err := newTypeface()
	if err != nil {
		return nil, err
	}
	f := newFile(d)
	t := &typesetter{doc: f, face: face}
	root := &element{kind: "Document"}
	t.newPage()
	t.blocks(root, d.Blocks)
	if t.missing && d.Missing != "" {
		t.text(root.child("P"), d.Missing, regular, footerSize)
	}
	if t.err != nil {
		return nil, fmt.Errorf("typesetting: %w", t.err)
	}
	footer := t.lines(d.Footer, regular, footerSize, textWidth*0.85)
	owners := make([][]*element, len(t.pages))
	for i, pieces := range t.pages {
		number, _ := face.fit(d.PageOf(i+1, len(t.pages)))
		owners[i] = drawPage(f, i, pieces, footer, number)
	}
	var out bytes.Buffer
	if err := f.Output(&out); err != nil {
		return nil, fmt.Errorf("writing the pages: %w", err)
	}
	title, _ := face.fit(d.Title)
	return tag(out.Bytes(), &d, title, root, owners)
}

// newFile is an empty file of fpdf without anything of its own: no clock, no
// breaks, no order that changes.
func newFile(d Document) *fpdf.Fpdf {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCatalogSort(true)
	f.SetCreationDate(d.Made.UTC())
	f.SetModificationDate(d.Made.UTC())
	f.SetAutoPageBreak(false, 0)
	f.SetMargins(0, 0, 0)
	for _, s := range []style{regular, bold} {
		f.AddUTF8FontFromBytes(family, string(s), s.file())
	}
	return f
}

// drawPage draws one page and returns the owners of its marks. What belongs to no
// element is marked as layout, so that it is not read aloud.
func drawPage(f *fpdf.Fpdf, page int, pieces []piece, footer []string, number string) []*element {
	f.AddPage()
	var owners []*element
	var open *element
	closing := func() {
		if open != nil {
			f.RawWriteStr("EMC")
			open = nil
		}
	}
	f.SetLineWidth(0.15)
	f.SetDrawColor(150, 150, 150)
	for _, p := range pieces {
		if p.owner != open {
			closing()
			if p.owner != nil {
				id := len(owners)
				owners = append(owners, p.owner)
				p.owner.marks = append(p.owner.marks, mark{page, id})
				f.RawWriteStr(fmt.Sprintf("/%s <</MCID %d>> BDC", p.owner.kind, id))
				open = p.owner
			}
		}
		if p.owner == nil {
			f.RawWriteStr("/Artifact BMC")
		}
		if p.width > 0 {
			f.Line(p.x, p.y, p.x+p.width, p.y)
		} else {
			f.SetFont(family, string(p.style), p.size)
			f.Text(p.x, p.y, p.text)
		}
		if p.owner == nil {
			f.RawWriteStr("EMC")
		}
	}
	closing()
	f.RawWriteStr("/Artifact <</Type /Pagination /Subtype /Footer>> BDC")
	f.SetFont(family, string(regular), footerSize)
	y := pageHeight - marginBottom + 8
	f.Line(marginLeft, y-5, pageWidth-marginRight, y-5)
	f.Text(pageWidth-marginRight-f.GetStringWidth(number), y, number)
	for _, line := range footer {
		f.Text(marginLeft, y, line)
		y += lineHeight(footerSize)
	}
	f.RawWriteStr("EMC")
	return owners
}
