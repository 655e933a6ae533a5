package pdf

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// A Document is what is to be typeset.
type Document struct {
	Title    string
	Language string    // of the words: two letters, such as sl
	Made     time.Time // stands in the file as its date; never the clock
	Producer string
	Blocks   []Block
	Footer   string                       // stands on every page
	PageOf   func(page, pages int) string // the words of a page's number
	// Missing tells, below the content, that some characters are not in the
	// typeface and how they are shown. It is left out where none is missing.
	Missing string
}

// A Block is a Heading, a Paragraph or a Table.
type Block interface{ block() }

// A Heading is the title of the document (level 1) or of a part.
type Heading struct {
	Level int // 1 to 3
	Text  string
}

// A Paragraph is running text.
type Paragraph struct{ Text string }

// A Table has a head (empty: none) and rows of as many cells.
type Table struct {
	Head   []string
	Rows   [][]string
	Labels bool // the first cell of a row is its head
}

func (Heading) block()   {}
func (Paragraph) block() {}
func (Table) block()     {}

// Limits of one document (style 20).
const (
	MaxText    = 1 << 20 // bytes of all texts
	MaxRows    = 20_000
	MaxColumns = 12
	MaxPages   = 500
)

// ErrTooLarge says that a document is beyond the limits.
var ErrTooLarge = errors.New("too large for a document of pages")

// check refuses what cannot be typeset.
func (d *Document) check() error {
	size, rows := len(d.Title)+len(d.Footer)+len(d.Missing), 0
	if d.Title == "" || d.Language == "" || d.PageOf == nil {
		return errors.New("a document needs a title, a language and words for its page numbers")
	}
	add := func(texts ...string) error {
		for _, t := range texts {
			if !utf8.ValidString(t) {
				return errors.New("a text is not UTF-8")
			}
			size += len(t)
		}
		return nil
	}
	for _, b := range d.Blocks {
		var err error
		switch b := b.(type) {
		case Heading:
			if b.Level < 1 || b.Level > 3 {
				return fmt.Errorf("a heading of level %d", b.Level)
			}
			err = add(b.Text)
		case Paragraph:
			err = add(b.Text)
		case Table:
			columns := len(b.Head)
			if columns == 0 && len(b.Rows) > 0 {
				columns = len(b.Rows[0])
			}
			if columns == 0 || columns > MaxColumns {
				return fmt.Errorf("a table of %d columns", columns)
			}
			err = add(b.Head...)
			for _, row := range b.Rows {
				if len(row) != columns {
					return errors.New("a row with too many or too few cells")
				}
				if err == nil {
					err = add(row...)
				}
			}
			rows += len(b.Rows)
		}
		if err != nil {
			return err
		}
	}
	if size > MaxText || rows > MaxRows {
		return ErrTooLarge
	}
	return nil
}
