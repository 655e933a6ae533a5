package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// A browser is what the person of the demo sits at: a cookie jar, links and
// forms, no JavaScript. It goes through the same pages as a person would.
type browser struct {
	client *http.Client
}

func newBrowser(transport http.RoundTripper) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making cookie jar: %w", err)
	}
	return &browser{client: &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}}, nil
}

// A page is one HTML document and where it came from.
type page struct {
	url    *url.URL
	status int
	root   *html.Node
}

const maxPage = 4 << 20

func (b *browser) get(ctx context.Context, u string) (*page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("opening page: %w", err)
	}
	return b.do(req)
}

func (b *browser) do(req *http.Request) (*page, error) {
	req.Header.Set("Accept-Language", "en")
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("opening page: %w", err)
	}
	defer resp.Body.Close()
	root, err := html.Parse(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("reading page: %w", err)
	}
	p := &page{url: resp.Request.URL, status: resp.StatusCode, root: root}
	if p.status >= 400 {
		return p, fmt.Errorf("page %s%s answers %d: %s", p.url.Host, p.url.Path, p.status, p.title())
	}
	return p, nil
}

// submit fills in the form whose button is named or labelled as given, and
// presses that button.
func (b *browser) submit(ctx context.Context, p *page, button string, fill url.Values) (*page, error) {
	form, press := p.form(button)
	if form == nil {
		return nil, fmt.Errorf("page %q has no button %q", p.title(), button)
	}
	values := url.Values{}
	walk(form, func(n *html.Node) {
		if n.Type != html.ElementNode || n.Data != "input" {
			return
		}
		name, typ := attr(n, "name"), attr(n, "type")
		if _, checked := attribute(n, "checked"); name == "" || (typ == "radio" || typ == "checkbox") && !checked {
			return
		}
		values.Add(name, attr(n, "value"))
	})
	for k, v := range fill {
		values[k] = v
	}
	if name := attr(press, "name"); name != "" {
		values.Set(name, attr(press, "value"))
	}
	action := attr(form, "action")
	if a, ok := attribute(press, "formaction"); ok {
		action = a
	}
	to, err := p.url.Parse(action)
	if err != nil {
		return nil, fmt.Errorf("reading form action: %w", err)
	}
	method := strings.ToUpper(attr(form, "method"))
	if method != http.MethodPost {
		to.RawQuery = values.Encode()
		return b.get(ctx, to.String())
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, fmt.Errorf("sending form: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.url.Scheme+"://"+p.url.Host)
	return b.do(req)
}

// waitFor reloads the page, as its refresh asks a browser to, until ok.
func (b *browser) waitFor(ctx context.Context, p *page, ok func(*page) bool) (*page, error) {
	for tick := time.NewTicker(25 * time.Millisecond); ; {
		if ok(p) {
			tick.Stop()
			return p, nil
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return p, fmt.Errorf("waiting on page %q: %w", p.title(), ctx.Err())
		case <-tick.C:
		}
		next, err := b.get(ctx, p.url.String())
		if err != nil {
			return next, errors.Join(err, ctx.Err())
		}
		p = next
	}
}

// form returns the form that holds the button with this name=value, value, id or text.
func (p *page) form(button string) (form, press *html.Node) {
	press = p.find(func(n *html.Node) bool {
		if n.Data != "button" && !(n.Data == "input" && attr(n, "type") == "submit") {
			return false
		}
		return attr(n, "id") == button || attr(n, "value") == button || attr(n, "name")+"="+attr(n, "value") == button || strings.TrimSpace(text(n)) == button
	})
	for n := press; n != nil; n = n.Parent {
		if n.Type == html.ElementNode && n.Data == "form" {
			return n, press
		}
	}
	return nil, nil
}

func (p *page) has(button string) bool { f, _ := p.form(button); return f != nil }

func (p *page) title() string {
	if t := p.find(func(n *html.Node) bool { return n.Data == "title" }); t != nil {
		return strings.TrimSpace(text(t))
	}
	return ""
}

// data returns the text of the element with the given id.
func (p *page) data(id string) string {
	if n := p.find(func(n *html.Node) bool { return attr(n, "id") == id }); n != nil {
		return strings.TrimSpace(text(n))
	}
	return ""
}

func (p *page) find(ok func(*html.Node) bool) *html.Node {
	var found *html.Node
	walk(p.root, func(n *html.Node) {
		if found == nil && n.Type == html.ElementNode && ok(n) {
			found = n
		}
	})
	return found
}

// all returns every element that ok accepts, in document order.
func (p *page) all(ok func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	walk(p.root, func(n *html.Node) {
		if n.Type == html.ElementNode && ok(n) {
			out = append(out, n)
		}
	})
	return out
}

func walk(n *html.Node, f func(*html.Node)) {
	f(n)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, f)
	}
}

func text(n *html.Node) string {
	var b strings.Builder
	walk(n, func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	})
	return b.String()
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func attr(n *html.Node, name string) string { v, _ := attribute(n, name); return v }
