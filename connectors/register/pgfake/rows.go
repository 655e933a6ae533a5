package pgfake

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
)

// Columns are those that a statement must have so that it can answer with each of
// the given rows, which are XML as pgread writes it: the column of a tree or of a
// repeated element is json, any other text.
func Columns(answers ...xmldoc.Element) ([]Column, error) {
	var out []Column
	for _, rows := range answers {
		if !rows.Is(xmldoc.Name{Local: "rows"}) {
			return nil, errors.New("the answer of a fake database: want an element rows")
		}
		for row := range rows.Children() {
			seen := map[string]bool{}
			for cell := range row.Children() {
				name := jsonxml.Text(cell.Name().Local)
				at := slices.IndexFunc(out, func(c Column) bool { return c.Name == name })
				if at < 0 {
					at = len(out)
					out = append(out, Column{Name: name, OID: pgtype.TextOID})
				}
				if seen[name] || !cell.First().IsZero() {
					out[at].OID = pgtype.JSONOID
				}
				seen[name] = true
			}
		}
	}
	return out, nil
}

// Rows are the values of an answer for the columns of Columns.
func Rows(columns []Column, answer xmldoc.Element) ([][]*string, error) {
	var out [][]*string
	for row := range answer.Children() {
		cells := map[string][]xmldoc.Element{}
		for cell := range row.Children() {
			name := jsonxml.Text(cell.Name().Local)
			cells[name] = append(cells[name], cell)
		}
		values := make([]*string, len(columns))
		for i, c := range columns {
			found := cells[c.Name]
			if len(found) == 0 {
				continue
			}
			text := found[0].Text()
			if c.OID == pgtype.JSONOID {
				b, err := json.Marshal(repeated(found))
				if err != nil {
					return nil, fmt.Errorf("the answer of a fake database: %w", err)
				}
				text = string(b)
			}
			values[i] = &text
		}
		out = append(out, values)
	}
	return out, nil
}

// repeated is the JSON of which jsonxml makes these elements of one name.
func repeated(elements []xmldoc.Element) any {
	if len(elements) == 1 {
		return value(elements[0])
	}
	list := make([]any, len(elements))
	for i, e := range elements {
		list[i] = value(e)
	}
	return list
}

func value(e xmldoc.Element) any {
	if e.First().IsZero() {
		return e.Text()
	}
	members := map[string][]xmldoc.Element{}
	for c := range e.Children() {
		name := jsonxml.Text(c.Name().Local)
		members[name] = append(members[name], c)
	}
	out := make(map[string]any, len(members))
	for name, m := range members {
		out[name] = repeated(m)
	}
	return out
}
