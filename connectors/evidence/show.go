package evidence

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"oncegate/schemas/records"
)

// writer shows values of one record in one language.
type writer struct {
	words *vocabulary
	lang  *lang
	info  map[string]records.Field // by path without the signs of lists
}

func (w *writer) label(key string) string  { return w.words.labels[key][w.lang.code] }
func (w *writer) phrase(key string) string { return w.words.phrases[key][w.lang.code] }

// code shows an enumerated value; one that the words do not have shows itself.
func (w *writer) code(value string) string {
	if t, ok := w.words.codes[value]; ok {
		return t[w.lang.code]
	}
	return value
}

// find follows a path of fields.
func find(v any, path string) any {
	if path == "" {
		return v
	}
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// show makes one text of a value. full is its path, which says what it is; what
// without names is left out of an object.
func (w *writer) show(v any, full string, without []string) string {
	info := w.info[full]
	switch v := v.(type) {
	case string:
		switch {
		case info.Shape == records.Date || info.Shape == records.Partial:
			return w.lang.dateText(v)
		case len(info.Words) > 0:
			return w.code(v)
		case info.Of == "country":
			return w.lang.country(v)
		case info.Of == "language":
			return w.lang.tongue(v)
		}
		return v
	case bool:
		if v {
			return w.phrase("yes")
		}
		return w.phrase("no")
	case json.Number:
		return w.lang.numberText(v.String())
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, w.show(item, full, nil))
		}
		return list("; ", parts...)
	case map[string]any:
		return w.object(v, full, info.Of, without)
	}
	return ""
}

// object shows what stands in one object, all of it.
func (w *writer) object(m map[string]any, full, noun string, without []string) string {
	at := func(name string) string {
		if slices.Contains(without, name) {
			return ""
		}
		return w.show(m[name], join(full, name), nil)
	}
	switch noun {
	case "amount":
		return list("\u00a0", at("value"), at("currency"))
	case "credits":
		return list(" ", at("value"), at("scheme"))
	case "identifier":
		return list(": ", at("scheme"), at("value"))
	case "period":
		return span(at("from"), at("until"))
	case "nonLatin":
		return list(" ", at("givenName"), at("familyName"))
	case "grade":
		text := at("value")
		if scheme := at("scheme"); scheme != "" {
			text += " (" + scheme + ")"
		}
		if ects := at("ects"); ects != "" {
			text += ", ECTS " + ects
		}
		return text
	case "place":
		return list(", ", at("name"), bracket(at("town"), at("townCode")), at("region"), at("country"))
	case "address":
		street := list(" ", list(" ", at("street"), at("houseNumber")), at("unit"))
		town := list(" ", at("postCode"), bracket(at("town"), at("townCode")))
		text := list(", ", at("line"), street, at("postBox"), town, at("region"), at("country"))
		text = list(": ", at("kind"), text)
		return bracket(text, span(at("since"), at("until")))
	case "authority":
		return list(", ", at("name"), at("town"), at("region"), at("country"), at("identifiers"))
	}
	var parts []string // contact, and whatever a new type may bring
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, at(name))
	}
	return list(", ", parts...)
}

// list joins what is not empty.
func list(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

func span(from, until string) string {
	switch {
	case from == "" && until == "":
		return ""
	case from == until:
		return from
	}
	return strings.TrimSpace(from + " \u2013 " + until)
}

func bracket(text, more string) string {
	if text == "" || more == "" {
		return text + more
	}
	return text + " (" + more + ")"
}
