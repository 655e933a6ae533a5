package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"oncegate/connectors/naptr"
	"oncegate/connectors/netguard"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/remember"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Bounds of a code list of a question.
const (
	maxList    = 4 << 20 // bytes
	maxChoices = 20_000
)

// choices fetches the list of a question and makes choices of it. The list itself is
// not signed: the signed answer names its address, and TLS its host. Country is that of
// the directory that asks.
func (c *Client) choices(ctx context.Context, country string, q *canon.Question) error {
	if q.Type != canon.QuestionCodelist {
		return nil
	}
	u, err := naptr.ReadAddress(q.ValueURL, false) // k.10: https only
	if err != nil {
		return canon.NewFault(canon.CodeDirectoryAnswer, err, "a question of the directory of %s has no https address of its code list", country)
	}
	start := c.Now()
	k, err := c.lists.Get(ctx, u.String(), func(ctx context.Context) remember.Outcome[[]canon.Choosable] {
		header, body, err := c.fetch.get(ctx, u.String(), map[string]string{"Accept": "application/xml, text/xml"}, min(maxList, c.MaxBytes))
		switch {
		case errors.Is(err, netguard.ErrTooLarge):
			return remember.Outcome[[]canon.Choosable]{Err: canon.NewFault(canon.CodeDirectoryAnswer, err, "a code list of %s is too large", country), TTL: c.Negative}
		case err != nil:
			return remember.Outcome[[]canon.Choosable]{Err: canon.NewFault(canon.CodeDirectoryDown, err, "a code list of %s cannot be had now", country), Down: true}
		}
		list, err := ReadGenericode(body)
		if err != nil {
			return remember.Outcome[[]canon.Choosable]{Err: canon.NewFault(canon.CodeDirectoryAnswer, err, "a code list of %s cannot be read", country), TTL: c.Negative}
		}
		return remember.Outcome[[]canon.Choosable]{Value: list, TTL: min(maxAge(header), c.TTL)}
	})
	word := string(k.Way)
	if err != nil {
		f, ok := errors.AsType[*canon.Fault](err)
		if !ok {
			f = canon.NewFault(canon.CodeDirectoryDown, err, "a code list of %s cannot be had in time", country)
		}
		word, err = string(f.Code), f
	}
	c.Metrics.Asked("codelist", country, word, c.Now().Sub(start))
	if err != nil {
		return err
	}
	q.Choices = append([]canon.Choosable(nil), k.Value...)
	return nil
}

const spaceGenericode = "http://docs.oasis-open.org/codelist/ns/genericode/1.0/"

// ReadGenericode reads a code list of OASIS Genericode 1.0: the values of its key
// column, and the names that it has for them, in languages. Its errors name places,
// not values.
func ReadGenericode(doc []byte) ([]canon.Choosable, error) {
	parsed, err := xmldoc.ParseBytes(doc, limits(len(doc)))
	if err != nil {
		return nil, fmt.Errorf("reading code list: %w", err)
	}
	root := parsed.Root()
	r := &rim.Reader{}
	out := readGenericode(r, root)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("reading code list: %w", err)
	}
	return out, nil
}

func readGenericode(r *rim.Reader, root xmldoc.Element) []canon.Choosable {
	if !root.Is(xmldoc.Name{Space: spaceGenericode, Local: "CodeList"}) {
		r.Fail(root, "the document is not a Genericode CodeList")
		return nil
	}
	s := r.Sequence(root)
	s.Maybe(rim.Plain("Annotation"))
	s.One(rim.Plain("Identification"))
	key, names := columns(r, s.One(rim.Plain("ColumnSet")))
	rows := s.One(rim.Plain("SimpleCodeList"))
	s.End()
	in := r.Sequence(rows)
	in.Maybe(rim.Plain("Annotation"))
	var out []canon.Choosable
	seen := map[string]bool{}
	for row := range in.Many(rim.Plain("Row"), 1, maxChoices) {
		c := choice(r, row, key, names)
		switch {
		case c.Value == "":
			r.Fail(row, "a row has no value in the key column")
		case !seen[c.Value]: // published lists have rows twice: the first tells the names
			seen[c.Value] = true
			out = append(out, c)
		}
	}
	in.End()
	return out
}

// columns finds the key column, and those with names by their language.
func columns(r *rim.Reader, set xmldoc.Element) (key string, names map[string]string) {
	names = map[string]string{}
	first, second := "", ""
	s := r.Sequence(set)
	for col := range s.Many(rim.Plain("Column"), 1, 64) {
		id := r.NeedAttr(col, rim.Plain("Id"))
		if lang := nameColumn(r, col, id); lang != "" {
			names[id] = lang
		}
		switch {
		case first == "":
			first = id
		case second == "":
			second = id
		}
	}
	for k := range s.Many(rim.Plain("Key"), 0, 8) {
		for ref := range k.All(rim.Plain("ColumnRef")) {
			if key == "" {
				key = r.NeedAttr(ref, rim.Plain("Ref"))
			}
		}
	}
	s.End()
	if key == "" {
		key = first
	}
	delete(names, key)
	if len(names) == 0 && second != "" && second != key {
		names[second] = "EN"
	}
	return key, names
}

// nameColumn returns the language of a column of names: name, name-Value, name-FR.
func nameColumn(r *rim.Reader, col xmldoc.Element, id string) string {
	base, tail, _ := strings.Cut(strings.ToLower(id), "-")
	if base != "name" && base != "label" && base != "title" {
		return ""
	}
	for data := range col.All(rim.Plain("Data")) {
		if l := strings.ToUpper(r.Attr(data, rim.Plain("Lang"))); isCountry(l) { // two letters as well
			return l
		}
	}
	switch {
	case tail == "", tail == "value":
		return "EN"
	case isCountry(strings.ToUpper(tail)):
		return strings.ToUpper(tail)
	}
	return ""
}

func choice(r *rim.Reader, row xmldoc.Element, key string, names map[string]string) canon.Choosable {
	var c canon.Choosable
	s := r.Sequence(row)
	s.Maybe(rim.Plain("Annotation"))
	for v := range s.Many(rim.Plain("Value"), 1, 64) {
		col := r.Attr(v, rim.Plain("ColumnRef"))
		in := r.Sequence(v)
		simple := in.Maybe(rim.Plain("SimpleValue"))
		lang, name := names[col]
		switch {
		case col == key:
			c.Value = r.TextMax(simple, rim.MaxName)
		case name:
			if t := r.Text(simple); t != "" {
				c.Names = append(c.Names, canon.Text{Lang: lang, Text: t})
			}
		}
	}
	s.End()
	return c
}
