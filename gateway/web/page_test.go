package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A reader looks at every page of every test.
type reader struct {
	t    *testing.T
	next http.RoundTripper
}

func (rt *reader) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := rt.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	if resp.StatusCode/100 != 3 && resp.Header.Get("Content-Disposition") == "" && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src") {
		for _, f := range faultsOf(resp.Header, data) {
			rt.t.Errorf("%s %s: %s", r.Method, r.URL.Path, f)
		}
	}
	return resp, nil
}

// faultsOf checks what a program can check of WCAG 2.1 AA and of our own rules.
func faultsOf(h http.Header, data []byte) (out []string) {
	bad := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	doc, err := html.Parse(bytes.NewReader(data))
	if err != nil {
		return []string{err.Error()}
	}
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			bad("CSP without %s", want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
		bad("CSP %q allows too much", csp)
	}
	if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
		bad("headers give the address away or let it be kept")
	}
	ids, labels := map[string]bool{}, map[string]string{}
	var controls []string
	count := map[string]int{}
	level := 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				bad("id %q stands twice", id)
			}
			ids[id] = true
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				bad("<%s> has %s", n.Data, a.Key)
			}
			if (a.Key == "href" || a.Key == "src" || a.Key == "action") && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
				bad("<%s> leads to a script", n.Data)
			}
		}
		switch n.Data {
		case "script", "style", "iframe", "object", "embed", "base":
			bad("<%s> on a page", n.Data)
		case "html":
			if l := attr(n, "lang"); l == "" || l != h.Get("Content-Language") {
				bad("lang is %q, Content-Language %q", l, h.Get("Content-Language"))
			}
		case "link", "img":
			if u := attr(n, "href") + attr(n, "src"); !strings.HasPrefix(u, "/") {
				bad("%s comes from elsewhere", u)
			}
		case "meta":
			if strings.EqualFold(attr(n, "http-equiv"), "refresh") || strings.Contains(attr(n, "content"), "user-scalable") {
				bad("meta that steers the browser")
			}
		case "h1", "h2", "h3", "h4":
			l := int(n.Data[1] - '0')
			if n.Data != "h1" && level > 0 && l > level+1 {
				bad("heading jumps from h%d to %s", level, n.Data)
			}
			level = l
			if text(n) == "" {
				bad("empty %s", n.Data)
			}
		case "label":
			labels[attr(n, "for")] = text(n)
		case "input", "select", "textarea":
			if attr(n, "type") != "hidden" {
				controls = append(controls, attr(n, "id"))
			}
		case "fieldset":
			if !slices.ContainsFunc(slices.Collect(n.ChildNodes()), func(c *html.Node) bool { return c.Data == "legend" && text(c) != "" }) {
				bad("fieldset without legend")
			}
		case "a", "button", "th", "summary":
			if text(n) == "" {
				bad("<%s> without text", n.Data)
			}
			if n.Data == "th" && attr(n, "scope") == "" {
				bad("th without scope")
			}
			if n.Data == "button" && attr(n, "type") == "" {
				bad("button without type")
			}
		case "form":
			if m := attr(n, "method"); m != "post" && m != "get" {
				bad("form without method")
			}
		}
		for _, key := range []string{"aria-labelledby", "aria-describedby"} {
			if id := attr(n, key); id != "" && !bytes.Contains(data, []byte(`id="`+id+`"`)) {
				bad("%s names %q, which is not there", key, id)
			}
		}
	}
	for _, one := range []string{"h1", "main", "title", "header", "footer"} {
		if count[one] != 1 {
			bad("%d <%s>, want 1", count[one], one)
		}
	}
	for _, id := range controls {
		if id == "" || labels[id] == "" {
			bad("control %q has no label", id)
		}
	}
	if bytes.Contains(data, []byte("{0}")) || bytes.Contains(data, []byte("ZgotmplZ")) {
		bad("a template left something open")
	}
	return out
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
