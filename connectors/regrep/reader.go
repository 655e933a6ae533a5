package regrep

import (
	"strings"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// A reader is a rim.Reader that knows the edition of its document. What it finds
// out of place is a fault of structure; which values are allowed is a matter of
// the rules, which have run before.
type reader struct {
	rim.Reader
	ed            *edition
	specification string // the literal of the document
}

// location reads a URL that a browser will be sent to.
func (r *reader) location(v xmldoc.Element, what string) string {
	s := r.String(v)
	if !v.IsZero() && !r.Failed() && !Location(s) {
		r.Fail(v, what+" is not an https URL without fragment")
	}
	return s
}

// uri reads the URI of something in a repository.
func (r *reader) uri(e xmldoc.Element) string { return r.Matching(e, "an https URI", httpsURI) }

// code reads a word of a code list.
func (r *reader) code(e xmldoc.Element) string { return r.Matching(e, "a code", word) }

// model reads ConformsTo or Transformation, which may be left empty.
func (r *reader) model(e xmldoc.Element) string { return r.TextMax(e, rim.MaxURL) }

// identifier reads a UUID that drafts of 1.0 write with a prefix.
func (r *reader) identifier(v xmldoc.Element) string {
	s := strings.TrimPrefix(r.String(v), rim.UUIDPrefix)
	if !v.IsZero() && !r.Failed() && !rim.IsUUID(s) {
		r.Fail(v, "the identifier is not a UUID")
	}
	return s
}

// form reads one DistributedAs or Distribution: its media types, and what else it
// says in the first of them.
func (r *reader) form(e xmldoc.Element, associated bool) (formats []string, d canon.Distribution) {
	s := r.Sequence(e)
	several := 1
	if r.ed.packages {
		several = maxForms
	}
	for f := range s.Many(nameFormat, 1, several) {
		formats = append(formats, baseType(r.Matching(f, "a media type", mediaType)))
	}
	supplements := func() { // their place among the rest is not settled
		for a := range s.Many(nameAssociated, 0, maxAgents) {
			if len(d.Associated) == maxAgents {
				r.Fail(a, "there are too many AssociatedDocumentRequest")
			}
			d.Associated = append(d.Associated, r.Matching(a, "Annex, HumanReadableVersion or Translation", supplement))
		}
	}
	if !associated || !r.ed.associated {
		supplements = func() {}
	}
	supplements()
	for l := range s.Many(nameLanguage, 0, rim.Many) {
		d.Languages = append(d.Languages, r.Language(l))
	}
	supplements()
	d.ConformsTo = r.model(s.Maybe(nameConformsTo))
	supplements()
	if r.ed.transformation {
		d.Transformation = r.model(s.Maybe(nameTransform))
	}
	s.End()
	return formats, d
}

func supplement(s string) bool {
	return s == canon.RoleAnnex || s == canon.RoleReadable || s == canon.RoleTranslation
}

// mediaType reports whether s has the form of a media type.
func mediaType(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	return ok && token(kind) && token(sub) && len(s) <= 255
}

func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$&^_.+-", c)
	})
}

func baseType(mediaType string) string {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(base))
}
