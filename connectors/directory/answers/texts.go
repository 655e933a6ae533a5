package answers

import (
	"iter"
	"unicode/utf8"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// longest bounds a text before it is cut.
const longest = 1 << 20

// Texts reads texts in their languages. It is more patient than rim's: what is empty is
// left out and what is too long is cut, as the schema allows both and one text of a
// catalogue must not hide all the others. That there is a name at all is a rule.
func (r *Reader) Texts(els iter.Seq[xmldoc.Element]) []canon.Text {
	var out []canon.Text
	for e := range els {
		t := canon.Text{Lang: r.Lang(e, rim.Plain("lang")), Text: r.TextMax(e, longest)}
		if t.Text == "" {
			continue
		}
		if utf8.RuneCountInString(t.Text) > rim.MaxText {
			t.Text = string([]rune(t.Text)[:rim.MaxText])
		}
		out = append(out, t)
	}
	return out
}
