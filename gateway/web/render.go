package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/oncegate.css
var stylesheet []byte

// A renderer turns pages into HTML. Every page is one template inside the layout.
type renderer struct {
	pages map[string]*template.Template
	style string // digest of the stylesheet, so that browsers may keep it
}

func newRenderer(names ...string) (*renderer, error) {
	r := &renderer{pages: map[string]*template.Template{}}
	for _, n := range names {
		t, err := template.New("layout.html").Option("missingkey=error").
			ParseFS(templateFiles, "templates/layout.html", "templates/nav.html", "templates/"+n+".html")
		if err != nil {
			return nil, fmt.Errorf("reading page %s: %w", n, err)
		}
		r.pages[n] = t
	}
	sum := sha256.Sum256(stylesheet)
	r.style = hex.EncodeToString(sum[:6])
	return r, nil
}

// A frame is what the layout needs of every page.
type frame struct {
	Lang      string
	Title     string
	Site      string // who runs this place
	Style     string
	Self      string // the page's own address, for the language links; empty for none
	Languages []languageLink
	Privacy   string
	Support   string
	Operator  bool
	language  language
}

type languageLink struct {
	Code, Name, Href string
	Current          bool
}

// T gives templates the words of the reader's language.
func (f frame) T(key string, args ...any) string { return f.language.text(key, args...) }

func (re *renderer) write(w http.ResponseWriter, status int, name, lang string, data any) error {
	var page bytes.Buffer
	if err := re.pages[name].Execute(&page, data); err != nil {
		return fmt.Errorf("writing page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the reader may be gone
	return nil
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write(stylesheet)
}

// secure sets what every page has: no script, no frame, no address given away,
// nothing kept by a cache. formTargets are further origins a form may lead to.
func secure(w http.ResponseWriter, r *http.Request, formTargets string) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'"+formTargets+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the ticket
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if host := (&url.URL{Host: r.Host}).Hostname(); host != "localhost" { // where it would lock out neighbours
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Cookie, Accept-Language")
}
