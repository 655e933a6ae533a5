package sandbox

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
)

// The frame of the sandbox's own pages (eID, portal).
const pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title><link rel="stylesheet" href="/sandbox.css">{{with .Refresh}}<meta http-equiv="refresh" content="{{.}}">{{end}}</head>
<body><header><p>Sandbox: nobody here exists, nothing leaves this machine.</p></header><main>`
const pageFoot = `</main></body></html>
`

const sandboxCSS = `:root{color-scheme:light dark}
body{font:1.05rem/1.5 system-ui,sans-serif;margin:0;color:#1a1a1a;background:#fff}
header{background:#5a3a00;color:#fff;padding:.25rem 1rem}
main{max-width:42rem;margin:0 auto;padding:1rem}
button,.button{display:inline-block;font:inherit;padding:.6rem 1rem;border:2px solid #123f7a;background:#123f7a;color:#fff;border-radius:.3rem;text-decoration:none;cursor:pointer}
button:focus-visible,a:focus-visible,input:focus-visible{outline:3px solid #c25700;outline-offset:2px}
ul.people{list-style:none;padding:0}ul.people li{margin:.5rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
label{display:block;margin:.75rem 0}
@media (prefers-color-scheme:dark){body{color:#eee;background:#161616}button,.button{background:#2b66b5;border-color:#2b66b5}}
`

func render(w http.ResponseWriter, status int, t *template.Template, data map[string]any) {
	if _, ok := data["Refresh"]; !ok {
		data["Refresh"] = nil
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		http.Error(w, "this page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the visitor may be gone
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}

// withCSS serves the one style sheet beside the given pages.
func withCSS(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(sandboxCSS))
	})
	mux.Handle("/", next)
	return mux
}
