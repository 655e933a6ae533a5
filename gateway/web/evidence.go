package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"oncegate/gateway/exchange"
	"oncegate/gateway/preview"
	"oncegate/schemas/canon"
)

type evidencePage struct {
	frame
	Action       string
	CSRF         string
	Requester    phrase
	Country      string
	Procedure    string
	Requirements []phrase
	Evidence     phrase
	AskedAt      moment
	Exempt       string // provision, where nobody asked explicitly
	Due          moment
	Record       []field
	NoRecord     bool
	Pieces       []piece
	Several      bool // documents, not one
	Reasons      []string
	Missing      []string // numbers of documents without a decision
}

// A piece is one evidence and what goes with it: annexes, versions to read,
// translations.
type piece struct {
	Main shownDocument
	With []shownDocument
}

// A documentView is one document as its template sees it, on its page.
type documentView struct {
	shownDocument
	Page *evidencePage
}

// View gives a template one document of the page.
func (p *evidencePage) View(d shownDocument) documentView { return documentView{d, p} }

type shownDocument struct {
	ID, Number        string
	Of                string // number of the evidence that it goes with
	Role              string // key of its role; empty for the evidence itself
	Title             phrase
	Issuer            phrase
	IssuedOn          string
	Languages         string
	MediaType, Size   string
	Digest            string
	Href              string
	Text              string // the exact bytes, where they are text and short
	Approve, Decline  bool
	Missing           bool
	ApproveID, DeclID string
}

// declineReasons are the three of recital 47 (B-030); giving one is optional.
var declineReasons = []string{"wrong", "outdated", "excessive"}

// evidence shows what was asked, by whom and for what, what would be sent, and
// the decision for each document (B-028, B-033). form is nil but after a form
// that lacked a decision.
func (p *Preview) evidence(w http.ResponseWriter, r *http.Request, c *exchange.Conversation, s preview.Session, status int, form *decisionForm) error {
	page := &evidencePage{
		frame:   p.frame(r, "evidence.title", p.address(c)),
		Action:  p.address(c, "decision"),
		CSRF:    s.CSRF,
		Country: c.Requester.Country,
		AskedAt: at(c.ExplicitRequest.At),
		Due:     at(c.Due),
		Reasons: declineReasons,
	}
	if !c.ExplicitRequest.Given {
		page.Exempt = c.ExplicitRequest.Exemption
	}
	page.Procedure = page.language.procedure(c.Procedure)
	page.Requester = page.language.pick(c.Requester.Names)
	page.Evidence = page.language.pick(c.EvidenceType.Titles)
	for _, q := range c.Requirements {
		page.Requirements = append(page.Requirements, page.language.pick(q.Names))
	}
	record, err := p.record(r.Context(), c, page.language)
	if err != nil {
		return err
	}
	page.Record, page.NoRecord = record, record == nil
	digests := map[string]string{}
	page.Several = len(c.Documents) > 1
	for i, d := range inOrder(c.Documents) {
		shown, err := p.shown(r.Context(), c, d, page.language)
		if err != nil {
			return err
		}
		shown.Number = strconv.Itoa(i + 1)
		shown.ApproveID, shown.DeclID = "approve-"+shown.Number, "decline-"+shown.Number
		if form != nil {
			shown.Approve, shown.Decline = form.choice[d.ID] == "approve", form.choice[d.ID] == "decline"
			shown.Missing = !shown.Approve && !shown.Decline
			if shown.Missing {
				page.Missing = append(page.Missing, shown.Number)
			}
		}
		if n := len(page.Pieces); d.For != "" && n > 0 && page.Pieces[n-1].Main.ID == d.For {
			shown.Of = page.Pieces[n-1].Main.Number
			page.Pieces[n-1].With = append(page.Pieces[n-1].With, shown)
		} else {
			page.Pieces = append(page.Pieces, piece{Main: shown})
		}
		digests[d.ID] = d.Payload.Digest
	}
	// What was shown is what may be released: its digests are on record (B-031).
	if err := p.audit(r.Context(), c, "preview.shown", "", digests); err != nil {
		return err
	}
	return p.pages.write(w, status, "evidence", page.Lang, page)
}

// inOrder puts what goes with an evidence right behind it. Documents are numbered
// in this order, on the page and in the names of files.
func inOrder(docs []canon.Document) []canon.Document {
	var out []canon.Document
	for _, d := range docs {
		if d.For != "" && slices.ContainsFunc(docs, func(o canon.Document) bool { return o.ID == d.For && o.For == "" }) {
			continue
		}
		out = append(out, d)
		for _, o := range docs {
			if o.For == d.ID && d.For == "" {
				out = append(out, o)
			}
		}
	}
	return out
}

// roleKeys name what a document is beside the evidence itself; a role that nobody
// here knows is a supplement.
var roleKeys = map[string]string{
	canon.RoleMain: "", "Annex": "role.annex", "HumanReadableVersion": "role.readable", "Translation": "role.translation",
}

func roleKey(role string) string {
	if key, ok := roleKeys[role]; ok {
		return key
	}
	return "role.other"
}

// record reads the canonical record; nil where it cannot be shown as data.
func (p *Preview) record(ctx context.Context, c *exchange.Conversation, l language) ([]field, error) {
	if c.Record.Digest == "" || c.Record.Size > maxRecord {
		return nil, nil
	}
	data, err := p.read(ctx, c, c.Record, maxRecord)
	if err != nil {
		return nil, err
	}
	fs, err := fields(data, l)
	if err != nil {
		// The documents can still be looked at; which rule broke goes to the log.
		p.cfg.Log.Warn("showing a record", "conversation", c.ID, "error", err)
		return nil, nil
	}
	return fs, nil
}

func (p *Preview) read(ctx context.Context, c *exchange.Conversation, ref canon.PayloadRef, limit int64) ([]byte, error) {
	content, err := p.open(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	data, err := io.ReadAll(io.LimitReader(content, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading evidence: %w", err)
	}
	return data, nil
}

func (p *Preview) open(ctx context.Context, c *exchange.Conversation, ref canon.PayloadRef) (io.ReadCloser, error) {
	content, err := p.cfg.Payloads.Open(ctx, c.ID, ref)
	if errors.Is(err, canon.ErrForgotten) {
		return nil, canon.NewFault(canon.CodePayloadForgotten, err, "the evidence was erased")
	}
	if err != nil {
		return nil, fmt.Errorf("opening evidence: %w", err)
	}
	return content, nil
}

// maxShownText is how long a document may be to be shown letter by letter.
const maxShownText = 64 << 10

func (p *Preview) shown(ctx context.Context, c *exchange.Conversation, d canon.Document, l language) (shownDocument, error) {
	out := shownDocument{
		ID: d.ID, Title: l.pick(d.Titles), Issuer: l.pick(d.Issuer.Names), IssuedOn: d.IssuedOn, Languages: strings.Join(d.Languages, ", "),
		Role: roleKey(d.Role), MediaType: d.Payload.MediaType, Size: size(d.Payload.Size), Digest: d.Payload.Digest,
		Href: p.address(c, "document", d.ID),
	}
	if out.Title.Text == "" {
		out.Title = l.pick(c.EvidenceType.Titles)
	}
	if t, _, err := mime.ParseMediaType(d.Payload.MediaType); err != nil || d.Payload.Size > maxShownText ||
		t != "application/xml" && t != "application/json" && !strings.HasPrefix(t, "text/") && !strings.HasSuffix(t, "+xml") {
		return out, nil
	}
	data, err := p.read(ctx, c, d.Payload, maxShownText)
	if err != nil {
		return out, err
	}
	if utf8.Valid(data) && len(data) <= maxShownText {
		out.Text = string(data)
	}
	return out, nil
}

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1_000_000)
}

// document hands the person the exact bytes that would be sent.
func (p *Preview) document(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	if _, _, ok, err := p.person(r, c); !ok {
		return p.toBeginning(w, r, c, err)
	}
	if c.Phase != exchange.Held || p.late(c) {
		return canon.NewFault(canon.CodePreviewClosed, nil, "there is nothing to see in this state")
	}
	docs := inOrder(c.Documents)
	i := slices.IndexFunc(docs, func(d canon.Document) bool { return d.ID == r.PathValue("document") })
	if i < 0 {
		return errNoTicket
	}
	d := docs[i]
	content, err := p.open(r.Context(), c, d.Payload)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := p.audit(r.Context(), c, "preview.fetched", "", map[string]string{d.ID: d.Payload.Digest}); err != nil {
		return err
	}
	mediaType, extension := "application/octet-stream", ".bin"
	if t, _, err := mime.ParseMediaType(d.Payload.MediaType); err == nil {
		mediaType = t
		if e, ok := extensions[t]; ok {
			extension = e
		}
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox") // it came from elsewhere
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.FormatInt(d.Payload.Size, 10))
	h.Set("Content-Disposition", `attachment; filename="evidence-`+strconv.Itoa(i+1)+extension+`"`)
	if _, err := io.Copy(w, content); err != nil {
		p.cfg.Log.Warn("sending evidence", "conversation", c.ID, "error", err)
		panic(http.ErrAbortHandler) // the length was promised
	}
	return nil
}

var extensions = map[string]string{
	"application/xml": ".xml", "text/xml": ".xml", "application/pdf": ".pdf", "application/json": ".json",
	"image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt",
}
