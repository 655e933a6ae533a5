package register

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"oncegate/connectors/evidence"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
	"oncegate/schemas/canon"
)

// A supplement is a document that goes with the evidence: an annex, a version for
// people, a translation (TDD 4.5). It is built of the record by rules, as the
// evidence is, or stands as base64 in the reply. The person decides on each of
// them on its own (Reg. 2018/1724 Art. 14(3)(f)).
type supplement struct {
	role       string
	titles     []canon.Text
	languages  []string
	format     string // media type
	conformsTo string
	when       *mapping.Expr // over the reply; nil: always
	build      *mapping.Program
	content    *mapping.Expr // over the reply: base64; nothing there: no such document
	page       string        // language of pages of the canonical record
}

// An attachment is a supplement of one record.
type attachment struct {
	def     *supplement
	content []byte
}

// supplementRoles are the roles beside that of the evidence itself (scheme
// urn:fdc:oots:classification:edm).
var supplementRoles = []string{"Annex", "HumanReadableVersion", "Translation"}

// formats are the media types of list OOTSMediaTypes.
var formats = []string{"application/pdf", "application/xml", "application/json", "image/jpeg", "image/png", "image/svg+xml"}

const maxSupplements = 16

func (d *Definition) supplementsSection(v yamldoc.Value, scope *mapping.Scope) {
	items := v.Items()
	for _, item := range items {
		f := item.Fields("role", "titles", "languages", "format", "conforms_to", "when", "rules", "content", "page")
		s := supplement{
			role: f["role"].RequiredText(item, "role"), titles: texts(item, f["titles"], "titles"),
			format: f["format"].Text(), conformsTo: f["conforms_to"].Text(),
		}
		if s.role != "" && !slices.Contains(supplementRoles, s.role) {
			f["role"].Fault("want one of %s", strings.Join(supplementRoles, ", "))
		}
		if s.format == "" {
			s.format = "application/xml"
		}
		if !slices.Contains(formats, s.format) {
			f["format"].Fault("want one of %s", strings.Join(formats, ", "))
		}
		for _, l := range f["languages"].Items() {
			s.languages = append(s.languages, l.Text())
			if !countryPattern.MatchString(l.Text()) {
				l.Fault("want a two-letter language code in upper case")
			}
		}
		if f["when"].Exists() {
			s.when = scope.Expr(f["when"], mapping.TypeBool)
		}
		if f["page"].Exists() {
			d.pageSupplements(item, f, s)
			continue
		}
		switch {
		case f["rules"].Exists() == f["content"].Exists():
			item.Fault("want one of rules, which build the document of the record, content, the base64 in the reply, and page, pages of a canonical record")
		case f["content"].Exists():
			s.content = scope.Expr(f["content"], mapping.TypeText)
		case s.format != "application/xml":
			f["format"].Fault("rules make application/xml")
		default:
			s.build = scope.Program(f["rules"], mapping.ValueToXML)
		}
		d.supplements = append(d.supplements, s)
	}
	if len(d.supplements) > maxSupplements {
		v.Fault("want at most %d supplements", maxSupplements)
	}
}

// pageSupplements adds one supplement for each language: the person decides on
// each, and a reader gets one language in one file.
func (d *Definition) pageSupplements(item yamldoc.Value, f map[string]yamldoc.Value, s supplement) {
	f["page"].Word(canonical)
	switch {
	case f["rules"].Exists() || f["content"].Exists():
		item.Fault("page stands without rules and content")
	case d.kind == nil:
		f["page"].Fault("pages are made of a canonical record: name its type under the key %q", "record")
	case f["format"].Exists() && s.format != "application/pdf":
		f["format"].Fault("pages are application/pdf")
	case len(s.languages) == 0:
		item.Fault("missing key %q: those of the pages", "languages")
	}
	s.format = "application/pdf"
	for i, language := range s.languages {
		if !slices.Contains(evidence.Languages(), language) {
			f["languages"].Items()[i].Fault("pages are made in %s", strings.Join(evidence.Languages(), ", "))
		}
		one := s
		one.page, one.languages = language, []string{language}
		d.supplements = append(d.supplements, one)
	}
}

// make returns the supplement of one record; ok is false where it has none.
func (s *supplement) make(reading *mapping.Reading, record any) (a attachment, ok bool, report mapping.Report, err error) {
	if s.when != nil {
		if ok, err := reading.True(s.when); err != nil || !ok {
			return a, false, report, err
		}
	}
	a.def = s
	if s.page != "" {
		return a, true, report, nil // Connector.pages makes it
	}
	if s.build != nil {
		e, report, err := s.build.Build(record)
		if err != nil {
			return a, false, report, err
		}
		a.content, err = document(e)
		return a, err == nil, report, err
	}
	text, err := reading.Text(s.content)
	if err != nil {
		return a, false, report, err
	}
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return a, false, report, nil
	}
	if a.content, err = base64.StdEncoding.Strict().DecodeString(text); err != nil {
		return a, false, report, errors.New("the content is no base64")
	}
	return a, true, report, nil
}
