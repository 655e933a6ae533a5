package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"oncegate/schemas/canon"
)

//go:embed locales/*.json
var localeFiles embed.FS

// A catalogue holds the words of every language; locales/en.json says which
// keys there are. A further language is a further file.
type catalogue struct {
	languages []language // English first, then by code
}

type language struct {
	Code  string // BCP 47, lower case: the file's name
	words map[string]string
}

func loadCatalogue() (*catalogue, error) {
	files, err := localeFiles.ReadDir("locales")
	if err != nil {
		return nil, fmt.Errorf("listing languages: %w", err)
	}
	var c catalogue
	for _, f := range files {
		data, err := localeFiles.ReadFile("locales/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("reading language: %w", err)
		}
		l := language{Code: strings.TrimSuffix(path.Base(f.Name()), ".json")}
		if err := json.Unmarshal(data, &l.words); err != nil {
			return nil, fmt.Errorf("reading language %s: %w", l.Code, err)
		}
		if l.Code == "en" {
			c.languages = slices.Insert(c.languages, 0, l)
		} else {
			c.languages = append(c.languages, l)
		}
	}
	return &c, nil
}

func (c *catalogue) find(code string) (language, bool) {
	i := slices.IndexFunc(c.languages, func(l language) bool { return l.Code == code })
	if i < 0 {
		return language{}, false
	}
	return c.languages[i], true
}

const languageCookie = "__Host-oncegate-language"

// choose takes the language of the address, else of the cookie, else of the
// browser, else English. explicit says that the address named it.
func (c *catalogue) choose(r *http.Request) (l language, explicit bool) {
	if l, ok := c.find(r.URL.Query().Get("lang")); ok {
		return l, true
	}
	if k, err := r.Cookie(languageCookie); err == nil {
		if l, ok := c.find(k.Value); ok {
			return l, false
		}
	}
	return c.accept(r.Header.Get("Accept-Language")), false
}

// accept picks from an Accept-Language header (RFC 9110 12.5.4).
func (c *catalogue) accept(header string) language {
	best, quality := c.languages[0], 0.0
	for i, part := range strings.SplitN(header, ",", 32) {
		if i == 31 {
			break // what is left was not split
		}
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				q = f
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if l, ok := c.find(primary); ok && q > quality && q <= 1 {
			best, quality = l, q
		}
	}
	return best
}

// text returns the words of a key with {0}, {1} replaced.
func (l language) text(key string, args ...any) string {
	s, ok := l.words[key]
	if !ok {
		return key
	}
	for i, a := range args {
		s = strings.ReplaceAll(s, "{"+strconv.Itoa(i)+"}", fmt.Sprint(a))
	}
	return s
}

// procedure names a code of list Procedures; codes without a name stay codes.
func (l language) procedure(code string) string {
	if s, ok := l.words["procedure."+code]; ok {
		return s + " (" + code + ")"
	}
	return code
}

// A phrase is a text of another authority in the language it has (WCAG 3.1.2).
type phrase struct {
	Lang, Text string
}

// pick takes the reader's language, else English, else the first.
func (l language) pick(texts []canon.Text) phrase {
	var out phrase
	for _, want := range []string{strings.ToUpper(l.Code), "EN"} {
		for _, t := range texts {
			if t.Lang == want {
				return phrase{strings.ToLower(t.Lang), t.Text}
			}
		}
	}
	if len(texts) > 0 {
		out = phrase{strings.ToLower(texts[0].Lang), texts[0].Text}
	}
	if len(out.Lang) != 2 {
		out.Lang = "und"
	}
	return out
}
