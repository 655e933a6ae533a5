package evidence

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"oncegate/mapping/yamldoc"
	"oncegate/schemas/canon"
)

// vocabulary is the words of the pages: names of fields, of codes, fixed phrases,
// and how a language writes dates and numbers. Every word is there in every
// language of the file.
type vocabulary struct {
	text      []byte
	languages map[string]*lang
	order     []string
	labels    map[string]texts // of fields and sections
	codes     map[string]texts // of enumerated values
	phrases   map[string]texts
	groups    map[string][]string // fields that go together
}

type texts map[string]string // by language

// lang is how one language writes.
type lang struct {
	code           string
	date, month    string // patterns of D, DD, M, MM, MONTH, YYYY
	months         []string
	decimal, group string
	groupFrom      int // digits before the decimal sign from which they are grouped
	regions        display.Namer
	tongues        display.Namer
}

const wordsFile = "words.yaml"

// readWords reads them at first use; they are part of the program.
var readWords = sync.OnceValues(func() (*vocabulary, error) {
	text, err := fs.ReadFile(files, path.Join("types", wordsFile))
	if err != nil {
		return nil, err
	}
	doc, root := yamldoc.Parse(wordsFile, text)
	v := &vocabulary{text: text, languages: map[string]*lang{}, groups: map[string][]string{}}
	f := root.Fields("languages", "groups", "phrases", "labels", "codes")
	for _, e := range f["languages"].Entries() {
		v.order = append(v.order, e.Key)
		v.languages[e.Key] = readLang(e.Key, e.Value)
	}
	for _, e := range f["groups"].Entries() {
		for _, item := range e.Value.Items() {
			v.groups[e.Key] = append(v.groups[e.Key], item.Text())
		}
	}
	v.phrases, v.labels, v.codes = v.table(f["phrases"]), v.table(f["labels"]), v.table(f["codes"])
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return v, nil
})

func readLang(code string, v yamldoc.Value) *lang {
	f := v.Fields("date", "month", "months", "decimal", "group", "group_from")
	l := &lang{
		code: code, date: f["date"].RequiredText(v, "date"), month: f["month"].RequiredText(v, "month"),
		decimal: f["decimal"].RequiredText(v, "decimal"), group: f["group"].Text(), groupFrom: 4,
	}
	if f["group_from"].Exists() {
		l.groupFrom = int(f["group_from"].Int(1, 20))
	}
	for _, m := range f["months"].Items() {
		l.months = append(l.months, m.Text())
	}
	if n := len(l.months); n != 12 && (n != 0 || strings.Contains(l.date+l.month, "MONTH")) {
		v.Fault("want twelve months")
	}
	tag, err := language.Parse(code)
	if err != nil {
		v.Fault("want a language")
		return l
	}
	l.regions, l.tongues = display.Regions(tag), display.Languages(tag)
	if l.regions == nil || l.tongues == nil {
		v.Fault("names of countries and languages are not known in it")
	}
	return l
}

// table reads words by key and language, and wants each in every language.
func (v *vocabulary) table(t yamldoc.Value) map[string]texts {
	out := map[string]texts{}
	for _, e := range t.Entries() {
		out[e.Key] = v.words(e.Value)
	}
	return out
}

func (v *vocabulary) words(t yamldoc.Value) texts {
	out := texts{}
	for _, w := range t.Entries(v.order...) {
		out[w.Key] = w.Value.RequiredText(t, w.Key)
	}
	for _, code := range v.order {
		if out[code] == "" {
			t.Fault("no word in %s", code)
		}
	}
	return out
}

// Languages lists the languages in which pages can be made.
func Languages() []string {
	words, err := readWords()
	if err != nil {
		return nil
	}
	return slices.Clone(words.order)
}

// pick is the text in the language, in English, or the first.
func pick(list []canon.Text, code string) string {
	for _, want := range []string{code, "EN"} {
		if i := slices.IndexFunc(list, func(t canon.Text) bool { return strings.EqualFold(t.Lang, want) }); i >= 0 {
			return list[i].Text
		}
	}
	if len(list) > 0 {
		return list[0].Text
	}
	return ""
}

// dateText writes a partial date as the language does.
func (l *lang) dateText(text string) string {
	parts := strings.Split(text, "-")
	pattern := l.date
	switch len(parts) {
	case 1:
		return text
	case 2:
		pattern = l.month
		parts = append(parts, "")
	}
	year, month, day := parts[0], parts[1], parts[2]
	name := ""
	for i, m := range l.months {
		if month == fmt.Sprintf("%02d", i+1) {
			name = m
		}
	}
	short := func(s string) string { return strings.TrimPrefix(s, "0") }
	return strings.NewReplacer("YYYY", year, "MONTH", name, "MM", month, "DD", day, "M", short(month), "D", short(day)).Replace(pattern)
}

// numberText writes a number with the signs of the language and every digit.
func (l *lang) numberText(text string) string {
	if strings.ContainsAny(text, "eE") {
		return strings.Replace(text, ".", l.decimal, 1)
	}
	sign, rest := "", text
	if after, ok := strings.CutPrefix(rest, "-"); ok {
		sign, rest = "\u2212", after
	}
	whole, fraction, has := strings.Cut(rest, ".")
	if len(whole) >= l.groupFrom {
		var b strings.Builder
		for i, r := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				b.WriteString(l.group)
			}
			b.WriteRune(r)
		}
		whole = b.String()
	}
	if has {
		whole += l.decimal + fraction
	}
	return sign + whole
}

// country names a country and keeps its code: the name is for people, the code
// is what the register says.
func (l *lang) country(code string) string {
	ask := code
	switch code {
	case "EL":
		ask = "GR"
	case "MK":
		return code // the name in the tables is older than that of the state
	}
	region, err := language.ParseRegion(ask)
	if err != nil {
		return code
	}
	if name := l.regions.Name(region); name != "" {
		return name + " (" + code + ")"
	}
	return code
}

func (l *lang) tongue(code string) string {
	tag, err := language.Parse(code)
	if err != nil {
		return code
	}
	if name := l.tongues.Name(tag); name != "" {
		return name
	}
	return code
}
