package edelivery

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf16"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
)

// framed writes a parcel by hand: every stack does it in its own way.
type framed struct {
	contentType   string                // of the whole
	root, payload string                // part headers
	encode        func(b []byte) string // of the payload
	envelope      func(s string) []byte
	lineEnd       string
	before, after string // preamble and epilogue
}

func (f framed) body(p *parcel) []byte {
	nl := f.lineEnd
	if nl == "" {
		nl = "\r\n"
	}
	var b bytes.Buffer
	b.WriteString(f.before + "--b" + nl + strings.ReplaceAll(f.root, "\n", nl) + nl + nl)
	if f.envelope != nil {
		b.Write(f.envelope(p.envelope))
	} else {
		b.WriteString(p.envelope)
	}
	for _, part := range p.parts {
		b.WriteString(nl + "--b" + nl + strings.ReplaceAll(f.payload, "\n", nl) + nl + nl)
		if f.encode != nil {
			b.WriteString(f.encode(part.Content))
		} else {
			b.Write(part.Content)
		}
	}
	b.WriteString(nl + "--b--" + f.after)
	return b.Bytes()
}

func wide(order func(u uint16) [2]byte) func(string) []byte {
	return func(s string) []byte {
		s = "\ufeff" + strings.Replace(s, `encoding="UTF-8"`, `encoding="UTF-16"`, 1)
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			two := order(u)
			b = append(b, two[0], two[1])
		}
		return b
	}
}

// The forms that messages have on the wire (a.2): each is the same message.
func TestFormsOfAMessage(t *testing.T) {
	t.Parallel()
	const (
		soap    = "Content-Type: application/soap+xml; charset=UTF-8"
		payload = "Content-Type: application/octet-stream\nContent-ID: <a@example.org>"
		related = `multipart/related; boundary=b; type="application/soap+xml"`
	)
	base := framed{contentType: related, root: soap, payload: payload}
	with := func(f func(*framed)) framed { c := base; f(&c); return c }
	little := func(u uint16) [2]byte { return [2]byte{byte(u), byte(u >> 8)} }
	big := func(u uint16) [2]byte { return [2]byte{byte(u >> 8), byte(u)} }
	lines := func(b []byte) string {
		s := base64.StdEncoding.EncodeToString(b)
		var out strings.Builder
		for len(s) > 76 {
			out.WriteString(s[:76] + "\r\n")
			s = s[76:]
		}
		return out.String() + s
	}
	qp := func(b []byte) string {
		var out strings.Builder
		w := quotedprintable.NewWriter(&out)
		w.Binary = true
		_, _ = w.Write(b) // into memory
		_ = w.Close()
		return out.String()
	}
	for name, tt := range map[string]struct {
		framed
		status int // of a refusal; 0: a receipt
	}{
		"as phase4 writes it, without start": {base, 0},
		"start and start-info": {with(func(f *framed) {
			f.contentType = related + `; start="<r@x>"; start-info="application/soap+xml"`
			f.root += "\nContent-ID: <r@x>"
		}), 0},
		"start without brackets": {with(func(f *framed) {
			f.contentType = related + `; start="r@x"`
			f.root += "\nContent-ID: r@x"
		}), 0},
		"start that names nothing": {with(func(f *framed) { f.contentType = related + `; start="<q@x>"` }), 200},
		"no type":                  {with(func(f *framed) { f.contentType = "multipart/related; boundary=b" }), 0},
		"type of SOAP 1.1":         {with(func(f *framed) { f.contentType = `multipart/related; boundary=b; type="text/xml"` }), 415},
		"mixed":                    {with(func(f *framed) { f.contentType = "multipart/mixed; boundary=b" }), 415},
		"headers of phase4":        {with(func(f *framed) { f.payload += "\nContent-Description: Attachment\nContent-Transfer-Encoding: binary" }), 0},
		"names in capitals": {with(func(f *framed) {
			f.payload = strings.ToUpper(strings.Split(payload, "\n")[0]) + "\nCONTENT-ID: <a@example.org>"
		}), 0},
		"folded header":       {with(func(f *framed) { f.payload += "\nContent-Description: a\n longer text" }), 0},
		"base64":              {with(func(f *framed) { f.payload += "\nContent-Transfer-Encoding: base64"; f.encode = lines }), 0},
		"quoted-printable":    {with(func(f *framed) { f.payload += "\nContent-Transfer-Encoding: Quoted-Printable"; f.encode = qp }), 0},
		"8bit":                {with(func(f *framed) { f.payload += "\nContent-Transfer-Encoding: 8bit" }), 0},
		"unknown encoding":    {with(func(f *framed) { f.payload += "\nContent-Transfer-Encoding: x-uuencode" }), 400},
		"base64 that is none": {with(func(f *framed) { f.payload += "\nContent-Transfer-Encoding: base64" }), 400},
		"byte order mark":     {with(func(f *framed) { f.envelope = func(s string) []byte { return []byte("\ufeff" + s) } }), 0},
		"UTF-16 little-endian": {with(func(f *framed) {
			f.envelope = wide(little)
			f.root = "Content-Type: application/soap+xml; charset=UTF-16"
		}), 0},
		"UTF-16 big-endian":     {with(func(f *framed) { f.envelope = wide(big); f.root = "Content-Type: application/soap+xml; charset=UTF-16" }), 0},
		"preamble and epilogue": {with(func(f *framed) { f.before, f.after = "This is MIME.\r\n", "\r\nThat was it.\r\n" }), 0},
		"lines end in LF":       {with(func(f *framed) { f.lineEnd = "\n" }), 0},
		"no end":                {with(func(f *framed) { f.after = "x" }), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			p := sealWith(t, ring().requester, nil, wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: gzipped(t, "Zoë Example")})
			rec := r.post(tt.contentType, tt.body(p))
			if tt.status != 0 {
				if rec.Code != tt.status || len(r.codec.decoded) != 0 {
					t.Errorf("answer %d %s, want %d", rec.Code, rec.Body, tt.status)
				}
				return
			}
			if !isReceipt(rec) {
				t.Fatalf("answer %d %s", rec.Code, rec.Body)
			}
			if _, texts := r.delivered(t); len(texts) != 1 || texts[0] != "Zoë Example" {
				t.Errorf("delivered %q", texts)
			}
		})
	}
}

// A Content-ID is one id, however the references to it are spelled (RFC 2392).
func TestContentIDsArePercentDecoded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := document{"pdf/1+a%b&c@example.org", "application/pdf", "%PDF"}
	ct, body := r.letter(t, r.message("m", d))
	if !bytes.Contains(body, []byte("cid:pdf/1+a%25b&amp;c@example.org")) || !bytes.Contains(body, []byte("Content-ID: <pdf/1+a%b&c@example.org>")) {
		t.Error("the reference is not encoded, or the header is")
	}
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
}

// Chunked and with a stated length, over a real connection.
func TestChunkedBody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	srv := httptest.NewServer(r.receiver)
	t.Cleanup(srv.Close)
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	for _, length := range []int64{-1, int64(len(body))} {
		req, err := http.NewRequest(http.MethodPost, srv.URL, struct{ *bytes.Reader }{bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Content-Type", ct)
		req.Header.Set("Expect", "100-continue")
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("length %d: status %d", length, resp.StatusCode)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(fmt.Errorf("closing: %w", err))
		}
	}
}
