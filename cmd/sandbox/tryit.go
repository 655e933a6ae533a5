package sandbox

import (
	"context"
	"errors"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
)

// tryit is the page on which rules are tried on a reply: what `oncegate map try` and
// `map lint` show, in the browser. Nothing that is pasted is stored or logged.
type tryit struct {
	defs  map[string]*register.Definition
	texts map[string]string // of register.yaml, by register
	now   func() time.Time
	slots chan struct{} // how many are tried at one time
}

// Bounds of what is pasted, and of what it may cost.
const (
	maxTryRules = 256 << 10
	maxTryInput = 512 << 10
	maxTryForm  = 3 * (maxTryRules + 2*maxTryInput) // escaped on the way
	maxTrying   = 2
	tryTime     = 10 * time.Second
)

func newTryit(now func() time.Time, defs ...map[string]*register.Definition) (*tryit, error) {
	t := &tryit{defs: map[string]*register.Definition{}, texts: map[string]string{}, now: now, slots: make(chan struct{}, maxTrying)}
	for _, some := range defs {
		maps.Copy(t.defs, some)
	}
	for name := range t.defs {
		for _, files := range []fs.FS{registers.FS, finnishRegisters()} {
			text, err := fs.ReadFile(files, name+"/"+register.DefinitionFile)
			if err == nil {
				t.texts[name] = string(text)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return t, nil
}

func (t *tryit) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", t.show)
	mux.HandleFunc("POST /{$}", t.try)
	return http.NewCrossOriginProtection().Handler(mux)
}

// tryForm is what stands in the fields of the page.
type tryForm struct{ Register, Rules, Input, Query string }

var (
	unixLines = strings.NewReplacer("\r\n", "\n")
	declared  = regexp.MustCompile(`^(<\?xml[^>]*?encoding=)["'][^"']*["']`)
)

// show fills the fields with a register and its sample, or leaves them empty.
func (t *tryit) show(w http.ResponseWriter, r *http.Request) {
	var f tryForm
	if name := r.URL.Query().Get("register"); t.defs[name] != nil {
		f = t.fill(name)
	}
	t.page(w, http.StatusOK, f, nil)
}

// fill is a register with the sample that is found.
func (t *tryit) fill(name string) tryForm {
	f := tryForm{Register: name, Rules: t.texts[name]}
	if s, ok := t.sample(name); ok {
		f.Input, f.Query = t.shown(name, s), queryText(s)
	}
	return f
}

func (t *tryit) sample(name string) (register.Case, bool) {
	d := t.defs[name]
	if d == nil {
		return register.Case{}, false
	}
	cases, err := d.Cases()
	if err != nil {
		return register.Case{}, false
	}
	cases = slices.DeleteFunc(cases, func(s register.Case) bool { return s.Reply == nil || s.Fault != "" })
	if len(cases) == 0 {
		return register.Case{}, false
	}
	return cases[max(0, slices.IndexFunc(cases, func(s register.Case) bool { return s.Name == "found" }))], true
}

// try runs what was sent.
func (t *tryit) try(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxTryForm)
	if err := r.ParseForm(); err != nil {
		t.page(w, http.StatusRequestEntityTooLarge, tryForm{}, &tried{Verdict: "That is too much, or no form."})
		return
	}
	f := tryForm{Register: r.PostForm.Get("register")}
	for field, to := range map[string]*string{"rules": &f.Rules, "input": &f.Input, "query": &f.Query} {
		*to = unixLines.Replace(r.PostForm.Get(field))
	}
	if f.Register != "" && (t.defs[f.Register] == nil || r.PostForm.Get("do") == "fill") {
		t.page(w, http.StatusOK, t.fill(f.Register), nil)
		return
	}
	if f.Rules == "" && f.Register != "" {
		f.Rules = t.texts[f.Register]
	}
	switch {
	case len(f.Rules) > maxTryRules || len(f.Input) > maxTryInput || len(f.Query) > maxTryInput:
		t.page(w, http.StatusRequestEntityTooLarge, tryForm{}, &tried{Verdict: "That is too much: 256 KB of rules and 512 KB of input are tried here."})
		return
	case !utf8.ValidString(f.Rules + f.Input + f.Query):
		t.page(w, http.StatusBadRequest, tryForm{}, &tried{Verdict: "What was sent is no text."})
		return
	case strings.TrimSpace(f.Rules) == "":
		t.page(w, http.StatusOK, f, &tried{Verdict: "Choose a register, or paste rules."})
		return
	}
	status, out := t.within(r.Context(), f)
	t.page(w, status, f, out)
}

// within runs a trial when there is room, for a time. One that takes longer keeps its
// room until it ends, which the limits of the language see to.
func (t *tryit) within(ctx context.Context, f tryForm) (int, *tried) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return http.StatusServiceUnavailable, &tried{Verdict: "Others are trying just now: try again in a moment."}
	}
	done := make(chan *tried, 1)
	go func() {
		defer func() { <-t.slots }()
		done <- t.run(f)
	}()
	select {
	case out := <-done:
		return http.StatusOK, out
	case <-ctx.Done():
		return http.StatusServiceUnavailable, &tried{Verdict: "This took too long and was given up."}
	}
}

func (t *tryit) page(w http.ResponseWriter, status int, f tryForm, out *tried) {
	render(w, status, tryPage, map[string]any{
		"Title": "Try a mapping", "Registers": slices.Sorted(maps.Keys(t.defs)), "Form": f, "Out": out,
	})
}

var tryPage = template.Must(template.New("tryit").Parse(pageHead + `
<h1>Try a mapping</h1>
<p>Rules turn what a register answers into a record, evidence and a page for people. Choose a register, change its rules or its reply, and see what becomes of it. Nothing that you paste is kept.</p>
<form method="post" action="/" class="try">
<p><label for="register">Register</label>
<select id="register" name="register"><option value="">none: the rules below</option>{{range .Registers}}<option{{if eq . $.Form.Register}} selected{{end}}>{{.}}</option>{{end}}</select>
<button name="do" value="fill">Fill in its rules and a sample</button></p>
<p><label for="rules">Rules: register.yaml or a mapping</label>
<textarea id="rules" name="rules" rows="14" spellcheck="false" autocomplete="off">
{{.Form.Rules}}</textarea></p>
<p><label for="input">Reply, as it comes over the wire (or the input of a mapping)</label>
<textarea id="input" name="input" rows="10" spellcheck="false" autocomplete="off">
{{.Form.Input}}</textarea></p>
<p><label for="query">Query that it answers (JSON; may be empty)</label>
<textarea id="query" name="query" rows="4" spellcheck="false" autocomplete="off">
{{.Form.Query}}</textarea></p>
<p><button name="do" value="try">Try it</button></p>
</form>
{{with .Out}}
<section id="result" aria-labelledby="h-result"><h2 id="h-result">{{.Verdict}}</h2>
{{range .Parts}}<h3 id="h-{{.ID}}">{{.Title}}</h3>
{{if .Rows}}<div class="scroll" role="region" tabindex="0" aria-labelledby="h-{{.ID}}"><table><thead><tr>{{range .Head}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>{{range .Rows}}<tr>{{range $i, $c := .}}{{if eq $i 0}}<th scope="row">{{$c}}</th>{{else}}<td>{{$c}}</td>{{end}}{{end}}</tr>{{end}}</tbody></table></div>
{{else}}<pre class="scroll" role="region" tabindex="0" aria-labelledby="h-{{.ID}}">{{.Text}}</pre>{{end}}
{{end}}</section>{{end}}` + pageFoot))
