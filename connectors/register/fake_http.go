package register

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"oncegate/connectors/xmldoc"
)

const maxFakeQuery = 1 << 20

// ServeHTTP answers one query. The path is relative to the endpoint's URL: mount it
// with http.StripPrefix where that has a path of its own.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFakeQuery))
	if err != nil {
		http.Error(w, "the query cannot be read", http.StatusBadRequest)
		return
	}
	says, err := bodySays(f.def, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	target := r.URL.EscapedPath()
	if t, ok := f.def.transport.(*rest); ok && t.xroad != nil {
		target = f.xroadPath(w, r, target)
	}
	targetSays(says, target+"?"+r.URL.RawQuery)
	c, err := f.choose(r.Context(), says)
	if err != nil {
		return // the caller is gone
	}
	if c == nil {
		http.Error(w, errFakeDown.Error(), http.StatusServiceUnavailable)
		return
	}
	out := c.reply.body
	if mine, theirs := c.messageOf(says); mine != "" {
		out = bytes.ReplaceAll(out, []byte(mine), []byte(theirs))
	}
	if t, ok := f.def.transport.(*soap); ok && t.xroad != nil {
		if out, err = t.repeatHeaders(body, out); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", c.reply.media)
	w.WriteHeader(c.reply.status)
	_, _ = w.Write(out) // the caller may be gone
}

// xroadPath is what a security server does between us and a REST service.
func (f *Fake) xroadPath(w http.ResponseWriter, r *http.Request, path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/r1/"), "/", 6)
	if len(parts) < 5 {
		return path
	}
	w.Header().Set("X-Road-Id", r.Header.Get("X-Road-Id"))
	w.Header().Set("X-Road-Client", r.Header.Get("X-Road-Client"))
	w.Header().Set("X-Road-Service", strings.Join(parts[:5], "/"))
	if len(parts) == 6 {
		return "/" + parts[5]
	}
	return ""
}

// repeatHeaders puts the X-Road headers of a query into a reply (Message Protocol
// 4.0, 2.2).
func (t *soap) repeatHeaders(query, reply []byte) ([]byte, error) {
	asked, err := xmldoc.ParseBytes(query, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the query: %w", err)
	}
	header, _, err := t.version.open(asked)
	if err != nil {
		return nil, err
	}
	doc, err := xmldoc.ParseBytes(reply, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the sample: %w", err)
	}
	own, _, err := t.version.open(doc)
	if err != nil {
		return nil, err
	}
	b := xmldoc.NewBuilder(t.version.of("Envelope"), xmldoc.NS{Prefix: "soap", URI: t.version.space})
	head := b.Root().Add(t.version.of("Header"))
	if !header.IsZero() {
		for block := range header.Children() {
			if block.Name().Space == xroadSpace {
				head.Copy(block)
			}
		}
	}
	if !own.IsZero() {
		for block := range own.Children() {
			if block.Name().Space != xroadSpace {
				head.Copy(block)
			}
		}
	}
	body, err := doc.Root().Only(t.version.of("Body"))
	if err != nil {
		return nil, err
	}
	b.Root().Copy(body)
	return b.Document()
}

// wireReply is the reply of a sample with the content type it has on the wire.
func (c *sampleCase) wireReply() (*raw, error) {
	out := &raw{status: http.StatusOK, media: "application/xml"}
	kind := "reply.xml"
	if t, ok := c.d.transport.(*soap); ok {
		out.media = t.version.media
	}
	switch {
	case c.has["reply.json"]:
		kind, out.media = "reply.json", "application/json"
	case c.has["reply.mime"]:
		kind = "reply.mime"
	}
	text, err := c.file(kind)
	if err != nil {
		return nil, err
	}
	out.body = text
	if kind == "reply.mime" {
		text := bufio.NewReader(bytes.NewReader(out.body))
		header, err := textproto.NewReader(text).ReadMIMEHeader()
		if err != nil {
			return nil, fmt.Errorf("reply.mime: the header cannot be read: %w", err)
		}
		out.media = header.Get("Content-Type")
		if out.body, err = io.ReadAll(text); err != nil {
			return nil, err
		}
	}
	if c.has["reply.status"] {
		status, err := c.file("reply.status")
		if err != nil {
			return nil, err
		}
		if out.status, err = strconv.Atoi(strings.TrimSpace(string(status))); err != nil {
			return nil, errors.New("reply.status: want an HTTP status")
		}
	}
	return out, nil
}
