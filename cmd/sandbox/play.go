package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"oncegate/schemas/canon"
)

// A Script is what the person of the demo does.
type Script struct {
	Register string // births, residence, companies
	Persona  string // Default: the one the register knows
	Decline  bool   // refuses everything at the preview
	Refuse   string // refuses documents whose title or role holds this. Default: none
	Other    string // who identifies at the provider instead. Default: the same person

	// AtPreview is called when the evidence is on the screen and before the
	// person decides. Default: nothing.
	AtPreview func(ctx context.Context) error
	// Through sees what the browser asks for. Default: nobody does.
	Through func(http.RoundTripper) http.RoundTripper
}

// A Result is what came of it, as the portal saw it.
type Result struct {
	Exchange canon.ConversationID // at the requester
	Outcome  string               // phase of the requester's exchange
	Code     string
	EDM      string // EDM:ERR:nnnn
	Evidence []byte
	Media    string
	Digest   string // sha256:... of Evidence
	Steps    []string
}

// Play lets a person go through one exchange with a browser of their own, page
// by page, as Script says.
func (l *Landscape) Play(ctx context.Context, s Script) (*Result, error) {
	who, err := l.persona(s)
	if err != nil {
		return nil, err
	}
	there := who
	if s.Other != "" {
		if there, err = l.persona(Script{Persona: s.Other}); err != nil {
			return nil, err
		}
	}
	transport := l.transport()
	defer transport.CloseIdleConnections()
	through := http.RoundTripper(transport)
	if s.Through != nil {
		through = s.Through(transport)
	}
	b, err := newBrowser(through)
	if err != nil {
		return nil, err
	}
	v := &visitor{l: l, b: b, who: who, there: there, script: s, res: &Result{}}
	err = v.walk(ctx)
	return v.res, err
}

func (l *Landscape) persona(s Script) (persona, error) {
	if s.Persona != "" {
		p, ok := personaByID(s.Persona)
		if !ok {
			return persona{}, fmt.Errorf("nobody in the landscape is called %q", s.Persona)
		}
		return p, nil
	}
	for _, p := range people() {
		if p.Register == s.Register {
			return p, nil
		}
	}
	return persona{}, fmt.Errorf("the landscape has no register %q", s.Register)
}

// A visitor walks through the pages.
type visitor struct {
	l      *Landscape
	b      *browser
	who    persona // at the portal
	there  persona // at the provider
	script Script
	res    *Result
}

func (v *visitor) step(format string, args ...any) {
	v.res.Steps = append(v.res.Steps, fmt.Sprintf(format, args...))
}

func (v *visitor) walk(ctx context.Context) error {
	p, err := v.b.get(ctx, v.l.portal.base+"/")
	if err != nil {
		return err
	}
	if p, err = v.b.submit(ctx, p, "offer="+v.script.Register, nil); err != nil {
		return err
	}
	if p, err = v.b.submit(ctx, p, "persona="+v.who.ID, nil); err != nil { // the eID sends the browser back
		return err
	}
	v.step("identified at the portal with the eID")
	if p, err = v.b.submit(ctx, p, "ask", url.Values{"explicit": {"yes"}}); err != nil {
		return err
	}
	v.res.Exchange = canon.ConversationID(p.data("exchange"))
	v.step("asked explicitly for the evidence")
	settled := func(p *page) bool { return p.has("preview") || final(p.data("state")) }
	if p, err = v.b.waitFor(ctx, p, settled); err != nil {
		return err
	}
	if p.has("preview") {
		p, err = v.preview(ctx, p)
		if err != nil && p != nil && p.status == http.StatusGone {
			// The exchange has ended and the provider remembers no browser: nothing on
			// its page leads back.
			v.step("found the preview closed and went back to the portal")
			p, err = v.b.get(ctx, v.l.portal.base+"/case")
		}
		if err != nil {
			return err
		}
	}
	if p, err = v.b.waitFor(ctx, p, func(p *page) bool { return final(p.data("state")) }); err != nil {
		return err
	}
	v.res.Outcome, v.res.Code, v.res.EDM = p.data("state"), p.data("code"), p.data("error")
	v.step("the portal shows: %s", v.res.Outcome)
	if v.res.Outcome != "delivered" {
		return nil
	}
	return v.download(ctx, p)
}

// preview goes to the other Member State, looks, decides and comes back.
func (v *visitor) preview(ctx context.Context, p *page) (*page, error) {
	p, err := v.open(ctx, p, "preview")
	if err != nil {
		return p, err
	}
	home, err := url.Parse(v.l.portal.base)
	if err != nil {
		return p, fmt.Errorf("reading the portal's address: %w", err)
	}
	v.step("followed the link to the preview space of the provider")
	return v.look(ctx, p, home)
}

// open presses a button that leads to a preview, and the one that sends the form which
// some providers want.
func (v *visitor) open(ctx context.Context, p *page, button string) (*page, error) {
	p, err := v.b.submit(ctx, p, button, nil)
	if err == nil && p.has("onward") {
		v.step("sent the form that the provider wants")
		p, err = v.b.submit(ctx, p, "onward", nil)
	}
	return p, err
}

// look identifies at the provider, decides there and comes back.
func (v *visitor) look(ctx context.Context, p *page, home *url.URL) (*page, error) {
	var err error
	back := func(p *page) *html.Node {
		return p.find(func(n *html.Node) bool {
			return n.Data == "a" && strings.HasPrefix(attr(n, "href"), v.l.portal.base+"/")
		})
	}
	looked, again, entrance := false, 0, p.url
	for {
		// What a person can do on the page: identify, decide, or leave.
		p, err = v.b.waitFor(ctx, p, func(p *page) bool { return back(p) != nil || p.has("action=decide") || identify(p) != "" })
		switch {
		case err != nil:
			return p, err
		case p.has("action=decide"):
			if !looked && v.script.AtPreview != nil {
				if err := v.script.AtPreview(ctx); err != nil {
					return p, err
				}
			}
			looked = true
			if p, err = v.decide(ctx, p); err != nil {
				return p, err
			}
			continue
		case identify(p) != "":
			if p, err = v.b.submit(ctx, p, identify(p), nil); err != nil {
				return p, err
			}
			if p, err = v.b.submit(ctx, p, "persona="+v.there.ID, nil); err != nil {
				// The provider forgot who had left for the eID: a person goes back and
				// identifies once more.
				if again++; again > 3 || p == nil || p.status != http.StatusForbidden || !strings.HasSuffix(p.url.Path, "/callback") {
					return p, err
				}
				if p, err = v.b.get(ctx, entrance.String()); err != nil {
					return p, err
				}
				continue
			}
			v.step("identified at the provider")
			continue
		}
		break
	}
	if ready := p.find(func(n *html.Node) bool { return n.Data == "p" && attr(n, "class") == "ready" }); ready != nil {
		v.step("read: %s", strings.Join(strings.Fields(text(ready)), " "))
	}
	to, err := p.url.Parse(attr(back(p), "href"))
	if err != nil || to.Host != home.Host {
		return p, fmt.Errorf("the way back does not lead to the portal")
	}
	p, err = v.b.get(ctx, to.String())
	v.step("came back to the portal")
	return p, err
}

// decide fills in the form of the preview as the script says.
func (v *visitor) decide(ctx context.Context, p *page) (*page, error) {
	if v.script.Decline {
		v.step("refused to send it")
		return v.b.submit(ctx, p, "action=refuse-all", nil)
	}
	choice, refused := url.Values{}, 0
	for _, n := range p.all(func(n *html.Node) bool {
		return n.Data == "input" && attr(n, "type") == "radio" && attr(n, "value") == "approve"
	}) {
		answer := "approve"
		if v.script.Refuse != "" && strings.Contains(legend(n), v.script.Refuse) {
			answer = "decline"
			refused++
		}
		choice.Set(attr(n, "name"), answer)
	}
	if refused > 0 {
		v.step("saw the evidence, approved %d documents and refused %d", len(choice)-refused, refused)
	} else {
		v.step("saw the evidence and approved every document")
	}
	return v.b.submit(ctx, p, "action=decide", choice)
}

// legend is the title of the group that a control stands in.
func legend(n *html.Node) string {
	for ; n != nil; n = n.Parent {
		if n.Type != html.ElementNode || n.Data != "fieldset" {
			continue
		}
		for c := range n.ChildNodes() {
			if c.Type == html.ElementNode && c.Data == "legend" {
				return strings.Join(strings.Fields(text(c)), " ")
			}
		}
	}
	return ""
}

// identify names the button that starts the login, "" where there is none: it is
// the one form of the preview space without a hidden secret.
func identify(p *page) string {
	form := p.find(func(n *html.Node) bool { return n.Data == "form" && strings.HasSuffix(attr(n, "action"), "/identify") })
	if form == nil {
		return ""
	}
	label := ""
	walk(form, func(n *html.Node) {
		if n.Type == html.ElementNode && n.Data == "button" {
			label = strings.TrimSpace(text(n))
		}
	})
	return label
}

func (v *visitor) download(ctx context.Context, p *page) error {
	a := p.find(func(n *html.Node) bool { return n.Data == "a" && attr(n, "id") == "evidence" })
	if a == nil {
		return fmt.Errorf("the portal shows no evidence")
	}
	to, err := p.url.Parse(attr(a, "href"))
	if err != nil {
		return fmt.Errorf("reading link: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return fmt.Errorf("fetching evidence: %w", err)
	}
	resp, err := v.b.client.Do(req)
	if err != nil {
		return fmt.Errorf("fetching evidence: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching evidence: %s", resp.Status)
	}
	v.res.Media, _, err = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("fetching evidence: %w", err)
	}
	if v.res.Evidence, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20)); err != nil {
		return fmt.Errorf("fetching evidence: %w", err)
	}
	sum := sha256.Sum256(v.res.Evidence)
	v.res.Digest = "sha256:" + hex.EncodeToString(sum[:])
	v.step("downloaded the evidence")
	return nil
}

func final(state string) bool {
	switch state {
	case "delivered", "declined", "deferred", "withdrawn", "refused", "expired", "failed":
		return true
	}
	return false
}
