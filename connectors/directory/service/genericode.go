package service

import (
	"net/http"

	"oncegate/connectors/xmldoc"
)

// spaceGenericode is the namespace of OASIS Genericode 1.0.
const spaceGenericode = "http://docs.oasis-open.org/codelist/ns/genericode/1.0/"

// codeList serves a list that a question refers to (ValueExpression).
func (h *Handler) codeList(w http.ResponseWriter, r *http.Request) {
	l, ok := h.conf.Source.Catalogue().List(r.PathValue("country"), r.PathValue("name"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, err := h.conf.Source.loader.genericode(l)
	if err == nil {
		err = h.send(w, body, "application/xml")
	}
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

// genericode writes a list with the columns code and name, one name for each
// language.
func (l Loader) genericode(list CodeList) ([]byte, error) {
	plain := func(local string) xmldoc.Name { return xmldoc.Name{Local: local} }
	b := xmldoc.NewBuilder(xmldoc.Name{Space: spaceGenericode, Local: "CodeList"}, xmldoc.NS{Prefix: "gc", URI: spaceGenericode})
	id := b.Root().Add(plain("Identification"))
	id.Leaf(plain("ShortName"), list.Name)
	id.Leaf(plain("Version"), list.Version)
	url := l.ListURL(list.Country, list.Name)
	id.Leaf(plain("CanonicalUri"), url)
	id.Leaf(plain("CanonicalVersionUri"), url+"/"+list.Version)
	columns := b.Root().Add(plain("ColumnSet"))
	column := func(id, use, lang string) {
		c := columns.Add(plain("Column")).Attr(plain("Id"), id).Attr(plain("Use"), use)
		c.Leaf(plain("ShortName"), id)
		data := c.Add(plain("Data")).Attr(plain("Type"), "string")
		if lang != "" {
			data.Attr(plain("Lang"), lang)
		}
	}
	column("code", "required", "")
	seen := map[string]bool{}
	for _, c := range list.Codes {
		for _, n := range c.Names {
			if !seen[n.Lang] {
				seen[n.Lang] = true
				column("name-"+n.Lang, "optional", n.Lang)
			}
		}
	}
	key := columns.Add(plain("Key")).Attr(plain("Id"), "codeKey")
	key.Leaf(plain("ShortName"), "CodeKey")
	key.Add(plain("ColumnRef")).Attr(plain("Ref"), "code")
	rows := b.Root().Add(plain("SimpleCodeList"))
	for _, c := range list.Codes {
		row := rows.Add(plain("Row"))
		row.Add(plain("Value")).Attr(plain("ColumnRef"), "code").Leaf(plain("SimpleValue"), c.Value)
		for _, n := range c.Names {
			row.Add(plain("Value")).Attr(plain("ColumnRef"), "name-"+n.Lang).Leaf(plain("SimpleValue"), n.Text)
		}
	}
	return b.Document()
}
