package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"oncegate/schemas/canon"
)

// Studies is what came of the procedure with several proofs: one session of several
// exchanges.
type Studies struct {
	Session   canon.SessionID `json:"session"`
	Exchanges []Proof         `json:"exchanges"`
	Steps     []string        `json:"steps"` // of the person

	Milliseconds float64 `json:"milliseconds,omitempty"`
}

// A Proof is one exchange of a session, as the portal saw its end.
type Proof struct {
	Exchange canon.ConversationID `json:"exchange"`
	Title    string               `json:"title"`
	From     string               `json:"from"` // the authority, and its Member State
	Outcome  string               `json:"outcome"`
	Ready    string               `json:"ready,omitempty"` // deferred: the day on which it will be there
	Received []Received           `json:"received,omitempty"`
}

// Received is one document that reached the portal.
type Received struct {
	Role   string `json:"role"`
	Title  string `json:"title"`
	Media  string `json:"mediaType"`
	Size   int    `json:"size"`
	Digest string `json:"digest"`
}

// PlayStudies lets a person prove birth and degree with evidence from two Member
// States: she answers the directory's question, chooses an authority whose evidence is
// not ready yet, chooses the other, and keeps one of three documents to herself.
func (l *Landscape) PlayStudies(ctx context.Context) (*Studies, error) {
	who, ok := personaByID("lucia")
	if !ok {
		return &Studies{}, fmt.Errorf("nobody in the landscape is called lucia")
	}
	transport := l.transport()
	defer transport.CloseIdleConnections()
	b, err := newBrowser(transport)
	if err != nil {
		return &Studies{}, err
	}
	v := &visitor{l: l, b: b, who: who, there: who, script: Script{Refuse: "(translation)"}, res: &Result{}}
	out := &Studies{}
	err = v.studies(ctx, out)
	out.Steps = v.res.Steps
	return out, err
}

func (v *visitor) studies(ctx context.Context, out *Studies) error {
	p, err := v.b.get(ctx, v.l.portal.base+"/")
	if err != nil {
		return err
	}
	if p, err = v.b.submit(ctx, p, "offer="+studiesOffer, nil); err != nil {
		return err
	}
	if p, err = v.b.submit(ctx, p, "persona="+v.who.ID, nil); err != nil {
		return err
	}
	v.step("identified at the portal with the eID; the procedure wants two proofs")
	// Each page asks what the choices so far have opened.
	if p, err = v.choose(ctx, p, "said where the evidence is", "In Spain", "In Finland"); err != nil {
		return err
	}
	if p, err = v.choose(ctx, p, "chose how to prove the degree", "Degree certificate"); err != nil {
		return err
	}
	if p, err = v.choose(ctx, p, "answered the question of the directory", "In the North"); err != nil {
		return err
	}
	if p, err = v.choose(ctx, p, "chose one of two authorities", "Archive of the University of the North (test)"); err != nil {
		return err
	}
	if p, err = v.b.submit(ctx, p, "ask", url.Values{"explicit": {"yes"}}); err != nil {
		return err
	}
	v.step("asked explicitly for both; two exchanges, one session")
	if p, err = v.previews(ctx, p); err != nil {
		return err
	}
	if p.has("again") {
		if p, err = v.b.submit(ctx, p, "again", nil); err != nil {
			return err
		}
		if p, err = v.choose(ctx, p, "did not want to wait and chose the other authority", "National register of degrees (test)"); err != nil {
			return err
		}
		if p, err = v.b.submit(ctx, p, "ask", url.Values{"explicit": {"yes"}}); err != nil {
			return err
		}
		v.step("asked explicitly again; what is there already is not asked for twice")
		if p, err = v.previews(ctx, p); err != nil {
			return err
		}
	}
	return v.collect(ctx, p, out)
}

// choose marks the choices with these labels, in order, and goes on. One label for
// two questions marks the one of the first that has it and is not answered yet.
func (v *visitor) choose(ctx context.Context, p *page, what string, labels ...string) (*page, error) {
	fill := url.Values{}
	for _, want := range labels {
		found := false
		for _, n := range p.all(func(n *html.Node) bool { return n.Data == "label" && strings.TrimSpace(text(n)) == want }) {
			input := p.find(func(o *html.Node) bool { return o.Data == "input" && attr(o, "id") == attr(n, "for") })
			if input == nil || fill.Has(attr(input, "name")) {
				continue
			}
			fill.Set(attr(input, "name"), attr(input, "value"))
			found = true
			break
		}
		if !found {
			return p, fmt.Errorf("page %q does not offer %q: %s", p.title(), want, strings.Join(strings.Fields(text(p.root)), " "))
		}
	}
	v.step("%s: %s", what, strings.Join(labels, ", "))
	return v.b.submit(ctx, p, "continue", fill)
}

// previews goes to every preview that opens, until nothing waits any more.
func (v *visitor) previews(ctx context.Context, p *page) (*page, error) {
	home, err := url.Parse(v.l.portal.base)
	if err != nil {
		return p, fmt.Errorf("reading the portal's address: %w", err)
	}
	for {
		n := -1
		// Either some preview is open, or every exchange has ended.
		if p, err = v.b.waitFor(ctx, p, func(p *page) bool {
			ended := true
			for i := 0; p.data("state-"+strconv.Itoa(i)) != ""; i++ {
				if p.has("preview-" + strconv.Itoa(i)) {
					n = i
					return true
				}
				ended = ended && final(p.data("state-"+strconv.Itoa(i)))
			}
			return ended
		}); err != nil || n < 0 {
			return p, err
		}
		if p, err = v.open(ctx, p, "preview-"+strconv.Itoa(n)); err != nil {
			return p, err
		}
		v.step("followed the link to the preview space of %s", strings.TrimPrefix(p.data("site"), "Preview space of "))
		if p, err = v.look(ctx, p, home); err != nil {
			return p, err
		}
	}
}

// collect reads how every exchange ended, and downloads what was delivered.
func (v *visitor) collect(ctx context.Context, p *page, out *Studies) error {
	out.Session = canon.SessionID(p.data("session"))
	sections := p.all(func(n *html.Node) bool { return n.Data == "section" && attr(n, "class") == "exchange" })
	for i, s := range sections {
		n := strconv.Itoa(i)
		one := Proof{Exchange: canon.ConversationID(p.data("exchange-" + n)), Outcome: p.data("state-" + n), Ready: p.data("ready-" + n)}
		links := []*html.Node{}
		walk(s, func(c *html.Node) {
			switch {
			case c.Type != html.ElementNode:
			case c.Data == "h2":
				one.Title = strings.TrimSpace(text(c))
			case c.Data == "p" && one.From == "":
				one.From = strings.TrimPrefix(strings.TrimSpace(text(c)), "From ")
			case c.Data == "a" && attr(c, "class") == "document":
				links = append(links, c)
			}
		})
		for _, a := range links {
			got, err := v.fetch(ctx, p, attr(a, "href"))
			if err != nil {
				return err
			}
			got.Role, got.Title = attr(a, "data-role"), strings.TrimSpace(text(a))
			one.Received = append(one.Received, got)
		}
		out.Exchanges = append(out.Exchanges, one)
	}
	v.step("the portal has the evidence for both proofs")
	return nil
}

func (v *visitor) fetch(ctx context.Context, p *page, href string) (Received, error) {
	to, err := p.url.Parse(href)
	if err != nil {
		return Received{}, fmt.Errorf("reading link: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return Received{}, fmt.Errorf("fetching evidence: %w", err)
	}
	resp, err := v.b.client.Do(req)
	if err != nil {
		return Received{}, fmt.Errorf("fetching evidence: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return Received{}, fmt.Errorf("fetching evidence: %s %w", resp.Status, err)
	}
	sum := sha256.Sum256(data)
	return Received{Media: resp.Header.Get("Content-Type"), Size: len(data), Digest: "sha256:" + hex.EncodeToString(sum[:])}, nil
}
