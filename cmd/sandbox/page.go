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

const sandboxCSS = `:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--soft:#f2f4f7;--line:#c4cad2;--quiet:#4d5560;--accent:#123f7a;--on-accent:#fff;--focus:#c25700}
@media (prefers-color-scheme:dark){:root{--ink:#eee;--paper:#161616;--soft:#222629;--line:#4a525b;--quiet:#b6bdc5;--accent:#9cc4ff;--on-accent:#0d1c30;--focus:#fbbf24}}
*{box-sizing:border-box}
body{font:1.05rem/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--paper);overflow-wrap:anywhere}
header{background:#5a3a00;color:#fff}header p{max-width:42rem;margin:0 auto;padding:.5rem 1rem}
main{max-width:42rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 1rem}
a{color:var(--accent)}
button,.button{display:inline-block;min-height:2.75rem;font:inherit;font-weight:700;text-align:left;padding:.6rem 1.1rem;border:2px solid var(--accent);background:var(--accent);color:var(--on-accent);border-radius:.3rem;text-decoration:none;cursor:pointer}
button:hover,.button:hover{text-decoration:underline}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
ul.choices{list-style:none;padding:0;margin:1.5rem 0}
ul.choices li{margin:0 0 1rem}
ul.choices.cards li{padding:1rem;border:1px solid var(--line);border-radius:.3rem;background:var(--soft)}
ul.choices span{display:block;margin-top:.5rem}
.quiet{color:var(--quiet)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1.5rem 0}dt{color:var(--quiet)}dd{margin:0}
.wish{display:flex;gap:.75rem;align-items:flex-start;margin:1.25rem 0}
.wish input{width:1.4rem;height:1.4rem;flex:none;margin:.1rem 0 0;accent-color:var(--accent)}
main:has(.try){max-width:76rem}
.try label{display:block;font-weight:700;margin-bottom:.25rem}
.try select,.try textarea{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--quiet);border-radius:.3rem;padding:.5rem;max-width:100%}
.try select{min-height:2.75rem;margin:0 .5rem .5rem 0}
.try textarea,pre{display:block;width:100%;font:.9rem/1.4 ui-monospace,monospace}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.3rem;background:var(--soft);overflow-wrap:normal}
pre.scroll{padding:.75rem;margin:0}
.scroll table{border-collapse:collapse;font-size:.9rem}
.scroll th,.scroll td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line);font-weight:400}
.scroll thead th{font-weight:700}
@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}
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
