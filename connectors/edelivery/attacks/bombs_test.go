package attacks

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/assets"
)

// XML that is small and costs much (i.3). Nobody needs a key for these.
func TestXMLBombs(t *testing.T) {
	t.Parallel()
	inMessaging := func(s string) func(p *parcel) {
		return func(p *parcel) { p.swap("</eb:Messaging>", s+"</eb:Messaging>") }
	}
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	doctype := func(subset string) func(p *parcel) {
		return func(p *parcel) { p.first("<S12:Envelope", "<!DOCTYPE S12:Envelope ["+subset+"]><S12:Envelope") }
	}
	attacks := []attack{
		{name: "a billion laughs", do: doctype(`<!ENTITY a "ha">` + many(30, `<!ENTITY a%d "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">`)), reason: "doctype"},
		{name: "parameter entities", do: doctype(`<!ENTITY % p SYSTEM "http://127.0.0.1/p"> %p;`), reason: "doctype"},
		{name: "an empty DOCTYPE", do: doctype(""), reason: "doctype"},
		{name: "a DOCTYPE in small letters", do: func(p *parcel) { p.first("<S12:Envelope", "<!doctype x><S12:Envelope") }, reason: "syntax"},
		{name: "a hundred thousand levels", do: inMessaging(strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 100_000)), reason: "too-deep"},
		{name: "33 levels", do: inMessaging(strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33)), reason: "too-deep"},
		{name: "ten thousand attributes", do: inMessaging("<a " + many(10_000, `a%d="" `) + "/>"), reason: "too-many-attributes"},
		{name: "ten thousand namespaces on one element", do: inMessaging("<a " + many(10_000, `xmlns:n%d="urn:n" `) + "/>"), reason: "too-many"},
		{name: "ten thousand namespaces, some on each element", do: inMessaging(strings.Repeat("<a "+many(10, `xmlns:n%d="urn:n" `)+"/>", 1000) + "<a " + many(60, `xmlns:m%d="urn:m" `) + "><a " + many(60, `xmlns:o%d="urn:o" `) + "/></a>"), reason: "too-many-namespaces"},
		{name: "a hundred thousand elements", do: inMessaging(strings.Repeat("<a/>", 100_000)), reason: "too-many-nodes"},
		{name: "a hundred thousand comments", do: inMessaging(strings.Repeat("<!---->", 100_000)), reason: "too-many-nodes"},
		{name: "a hundred thousand instructions", do: inMessaging(strings.Repeat("<?a?>", 100_000)), reason: "too-many-nodes"},
		{name: "a name of 100 KB", do: inMessaging("<" + strings.Repeat("a", 100<<10) + "/>"), reason: "name-too-long"},
		{name: "a namespace of 100 KB", do: inMessaging(`<a xmlns="urn:` + strings.Repeat("a", 100<<10) + `"/>`), reason: "name-too-long"},
		{name: "a text of 2 MB", do: inMessaging(strings.Repeat("a", 2<<20)), status: http.StatusRequestEntityTooLarge, code: ebms.Other, reason: "envelope is too large"},
		{name: "an attribute of 2 MB", do: inMessaging(`<a a="` + strings.Repeat("a", 2<<20) + `"/>`), status: http.StatusRequestEntityTooLarge, code: ebms.Other, reason: "envelope is too large"},
		{name: "a value of 100 KB", do: func(p *parcel) { p.swap(">conversation<", ">"+strings.Repeat("a", 100<<10)+"<") }, status: 200, reason: "ConversationId is too long"},
		{name: "a thousand properties", do: func(p *parcel) {
			p.swap("</eb:MessageProperties>", many(1000, `<eb:Property name="p%d">x</eb:Property>`)+"</eb:MessageProperties>")
		}, status: 200, reason: "more than 100 properties"},
		{name: "an envelope that ends in the middle", do: func(p *parcel) { p.envelope = p.envelope[:len(p.envelope)-100] }, reason: "not acceptable XML"},
		{name: "no envelope", do: func(p *parcel) { p.envelope = "" }, reason: "not acceptable XML"},
	}
	for i := range attacks {
		if attacks[i].status == 0 {
			attacks[i].status = http.StatusBadRequest
		}
		if attacks[i].code == "" {
			attacks[i].code = ebms.InvalidHeader
		}
	}
	run(t, attacks)
}

// The bomb of WSS4J's own tests (EXPECTED.md) ends at its DOCTYPE.
func TestRecursiveDTD(t *testing.T) {
	t.Parallel()
	b := assets.Read(t, "as4/wss4j/soap/recursiveDTD.txt")
	s := newStation(t, agreements()["1.15"])
	s.wantRefused(s.post("application/soap+xml", b), http.StatusBadRequest, ebms.InvalidHeader, "doctype")
}

// Packages that cost much to take apart, or that two readers take apart in two ways (i.7).
func TestMIME(t *testing.T) {
	t.Parallel()
	const (
		boundary = "ATTACKBOUNDARY"
		delim    = "\r\n--" + boundary
	)
	body := func(edit func(b string) string) func(p *parcel) {
		return func(p *parcel) { p.wire(func(ct, b string) (string, string) { return ct, edit(b) }) }
	}
	header := func(edit func(ct string) string) func(p *parcel) {
		return func(p *parcel) { p.wire(func(ct, b string) (string, string) { return edit(ct), b }) }
	}
	// inLast changes what stands between the last delimiter but one and the last.
	inLast := func(old, new string) func(p *parcel) {
		return body(func(b string) string {
			i := strings.LastIndex(b[:strings.LastIndex(b, delim)], delim)
			if !strings.Contains(b[i:], old) {
				return b
			}
			return b[:i] + strings.Replace(b[i:], old, new, 1)
		})
	}
	ending := func(more string) func(p *parcel) {
		return body(func(b string) string { return strings.TrimSuffix(b, "--\r\n") + more })
	}
	part := func(id, more string) string {
		return "\r\nContent-Type: application/octet-stream\r\nContent-ID: <" + id + ">\r\n" + more + "\r\nx" + delim
	}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(part(fmt.Sprint("p", i, "@x"), ""))
		}
		return b.String() + "--\r\n"
	}
	const binaryEncoding = "Content-Transfer-Encoding: binary"
	const tooLarge, malformed, mismatch = http.StatusRequestEntityTooLarge, http.StatusBadRequest, http.StatusUnsupportedMediaType
	run(t, []attack{
		{name: "ten thousand parts", do: ending(many(10_000)), status: tooLarge, code: ebms.Other, reason: "more than 100 parts"},
		{name: "101 parts", do: ending(many(99)), status: tooLarge, code: ebms.Other, reason: "more than 100 parts"},
		{name: "a part header of 17 KB", do: inLast(binaryEncoding, binaryEncoding+"\r\nX: "+strings.Repeat("x", 17<<10)), status: tooLarge, code: ebms.Other, reason: "part header is too"},
		{name: "a part header of a thousand fields", do: inLast(binaryEncoding, binaryEncoding+strings.Repeat("\r\nX-Field: some more text", 1000)), status: tooLarge, code: ebms.Other, reason: "part header is too large"},
		{name: "a part header of folded lines", do: inLast(binaryEncoding, binaryEncoding+strings.Repeat("\r\n x", 10_000)), status: tooLarge, code: ebms.Other, reason: "part header is too large"},
		{name: "a preamble of a megabyte", do: body(func(b string) string { return strings.Repeat("x\r\n", 300_000) + b }), status: malformed, code: ebms.MimeInconsistency, reason: "no boundary"},
		{name: "boundary lines without parts", do: body(func(b string) string { return strings.Repeat("--"+boundary+"\r\n", 100_000) + b }), status: malformed, code: ebms.MimeInconsistency, reason: "part header without a name"},
		{name: "boundary lines with empty headers", do: body(func(b string) string { return strings.Repeat("--"+boundary+"\r\n\r\n", 100_000) + b }), code: ebms.MimeInconsistency, reason: "without Content-ID"},
		{name: "a boundary of 71 characters", do: header(replace(boundary, strings.Repeat("x", 71))), status: malformed, code: ebms.MimeInconsistency, reason: "boundary missing or longer"},
		{name: "a boundary of 100 KB", do: header(replace(boundary, strings.Repeat("x", 100<<10))), status: malformed, code: ebms.MimeInconsistency, reason: "boundary missing or longer"},
		{name: "an empty boundary", do: header(replace(boundary, "")), status: malformed, code: ebms.MimeInconsistency, reason: "boundary missing"},
		{name: "another boundary", do: header(replace(boundary, "OTHER")), status: malformed, code: ebms.MimeInconsistency, reason: "ends before its closing boundary"},
		{name: "two boundaries", do: header(func(s string) string { return s + "; boundary=OTHER" }), status: mismatch, code: ebms.MimeInconsistency, reason: "reading content type"},
		{name: "no Content-Type", do: header(func(string) string { return " " }), status: mismatch, code: ebms.MimeInconsistency, reason: "reading content type"},
		{name: "multipart/mixed", do: header(replace("multipart/related", "multipart/mixed")), status: mismatch, code: ebms.MimeInconsistency, reason: "neither multipart/related"},
		{name: "SOAP 1.1 in the multipart", do: header(replace(`type="application/soap+xml"`, `type="text/xml"`)), status: mismatch, code: ebms.MimeInconsistency, reason: "root type"},
		{name: "start names a part", do: header(replace(`start="<root@attackboundary>"`, `start="<`+partA+`>"`)), status: malformed, code: ebms.MimeInconsistency, reason: "root part is not"},
		{name: "start names nothing", do: header(replace(`start="<root@attackboundary>"`, `start="<nowhere@x>"`)), status: malformed, code: ebms.MimeInconsistency, reason: "no root part"},
		{name: "a forged envelope in front of the one that start names", do: func(p *parcel) {
			forgery := strings.Replace(p.envelope, action, "ExceptionResponse", 1)
			p.wire(func(ct, b string) (string, string) {
				return ct, "--" + boundary + "\r\nContent-Type: application/soap+xml\r\nContent-ID: <first@x>\r\n\r\n" + forgery + "\r\n" + b
			})
		}, code: ebms.ExternalPayloadError, reason: "3 parts for 2 PartInfo"},
		{name: "a multipart in a part", do: inLast("application/octet-stream", `multipart/related; boundary="inner"`), status: malformed, code: ebms.MimeInconsistency, reason: "nested multipart"},
		{name: "a message in a part", do: inLast("application/octet-stream", "message/rfc822"), status: malformed, code: ebms.MimeInconsistency, reason: "nested multipart"},
		{name: "no end", do: body(func(b string) string { return strings.TrimSuffix(b, delim+"--\r\n") }), status: malformed, code: ebms.MimeInconsistency, reason: "ends before its closing boundary"},
		{name: "an end within a part", do: body(func(b string) string { return b[:len(b)-60] }), status: malformed, code: ebms.MimeInconsistency, reason: "ends before its closing boundary"},
		{name: "an end within the root", do: body(func(b string) string { return b[:1000] }), status: malformed, code: ebms.MimeInconsistency, reason: "ends before its closing boundary"},
		{name: "base64 that is none", do: inLast(binaryEncoding, "Content-Transfer-Encoding: base64"), status: malformed, code: ebms.MimeInconsistency, reason: "undoing a transfer encoding"},
		{name: "quoted-printable that is none", do: inLast(binaryEncoding+"\r\nContent-ID: <"+partB+">\r\n\r\n", "Content-Transfer-Encoding: quoted-printable\r\nContent-ID: <"+partB+">\r\n\r\n=ZZ"), status: malformed, code: ebms.MimeInconsistency, reason: "undoing a transfer encoding"},
		{name: "quoted-printable with a line of a megabyte", do: inLast(binaryEncoding+"\r\nContent-ID: <"+partB+">\r\n\r\n", "Content-Transfer-Encoding: quoted-printable\r\nContent-ID: <"+partB+">\r\n\r\n"+strings.Repeat("=41", 400_000)), status: malformed, code: ebms.MimeInconsistency, reason: "undoing a transfer encoding"},
		{name: "a transfer encoding that nobody knows", do: inLast(binaryEncoding, "Content-Transfer-Encoding: x-uuencode"), status: malformed, code: ebms.MimeInconsistency, reason: "unknown transfer encoding"},
		{name: "gzip as transfer encoding", do: inLast(binaryEncoding, "Content-Transfer-Encoding: gzip"), status: malformed, code: ebms.MimeInconsistency, reason: "unknown transfer encoding"},
		{name: "one field twice", do: inLast("Content-ID: <"+partB+">", "Content-ID: <x@x>\r\nContent-ID: <"+partB+">"), status: malformed, code: ebms.MimeInconsistency, reason: "content-id twice"},
		{name: "one field twice, its case changed", do: inLast("Content-ID: <"+partB+">", "content-id: <x@x>\r\nCONTENT-ID: <"+partB+">"), status: malformed, code: ebms.MimeInconsistency, reason: "content-id twice"},
		{name: "a field with a blank before its colon", do: inLast("Content-ID: <", "Content-ID : <"), status: malformed, code: ebms.MimeInconsistency, reason: "part header without a name"},
		{name: "a field with a NUL", do: inLast("Content-ID: <"+partB, "Content-ID: <\x00"+partB), status: malformed, code: ebms.MimeInconsistency, reason: "control character"},
		{name: "a Content-ID of 300 characters", do: inLast(partB, strings.Repeat("x", 300)), status: malformed, code: ebms.MimeInconsistency, reason: "unusable Content-ID"},
		{name: "a Content-ID that is a path", do: inLast(partB, "../../etc/passwd"), code: ebms.ValueInconsistent, reason: "names a part that is not there"},
		{name: "no Content-ID", do: inLast("Content-ID: <"+partB+">\r\n", ""), code: ebms.MimeInconsistency, reason: "without Content-ID"},
		{name: "the Content-ID of the root again", do: inLast(partB, "root@attackboundary"), code: ebms.MimeInconsistency, reason: "two parts with one Content-ID"},
		{name: "text behind a boundary", do: body(func(b string) string { return strings.Replace(b, delim+"\r\n", delim+" x\r\n", 1) }), status: malformed, code: ebms.MimeInconsistency, reason: "text after a boundary"},
		{name: "a boundary within a part", do: inLast("\r\n\r\n", "\r\n\r\n"+delim[2:]+"\r\n\r\n"), code: ebms.MimeInconsistency, reason: "without Content-ID"},
		{name: "nothing at all", do: body(func(string) string { return "" }), status: malformed, code: ebms.MimeInconsistency, reason: "ends before its closing boundary"},
	})
}

// zeros are so many members of n zeros each. The limit of an agreement counts what
// comes out, so that a member of some MB is as good as a larger one.
func zeros(n int64, members int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_ = must(io.CopyN(w, zero{}, n))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return bytes.Repeat(b.Bytes(), members)
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Compressed parts that become large, or are not what they say (i.6). The partner
// itself makes them.
func TestGzip(t *testing.T) {
	t.Parallel()
	part := func(make func() []byte) func(testing.TB, agreement) *parcel {
		return func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.parts[1].Content = make() })
		}
	}
	edited := func(edit func(b []byte) []byte) func(testing.TB, agreement) *parcel {
		return part(func() []byte { return edit(gzipped(strings.Repeat(documents[1], 50))) })
	}
	small := []stationOption{func(p *pmode.Partner, _ *edelivery.Config) { p.Limits.Part, p.Limits.Message = 1<<20, 3<<19 }}
	const large, broken = "too large when decompressed", "a part is not gzip"
	attacks := []attack{
		{name: "4 MB in 4 KB", make: part(func() []byte { return zeros(4<<20, 1) }), reason: large},
		{name: "100 MB in a hundred members", make: part(func() []byte { return zeros(1<<20, 100) }), reason: large},
		{name: "more than agreed, at any ratio", make: part(func() []byte { return zeros(3<<19, 1) }), with: append(small, func(p *pmode.Partner, _ *edelivery.Config) { p.Limits.Ratio = 1 << 40 }), reason: large},
		{name: "each part as agreed and all together more", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.parts[0].Content, l.parts[1].Content = zeros(1<<20, 1), zeros(1<<20, 1) })
		}, with: append(small, func(p *pmode.Partner, _ *edelivery.Config) { p.Limits.Ratio = 1 << 40 }), reason: large},
		{name: "bytes behind the end", make: edited(func(b []byte) []byte { return append(b, "more"...) }), reason: broken},
		{name: "zeros behind the end", make: edited(func(b []byte) []byte { return append(b, 0, 0, 0) }), reason: broken},
		{name: "half of a second member", make: edited(func(b []byte) []byte { return append(b, b[:len(b)/2]...) }), reason: broken},
		{name: "cut", make: edited(func(b []byte) []byte { return b[:len(b)/2] }), reason: broken},
		{name: "without its trailer", make: edited(func(b []byte) []byte { return b[:len(b)-8] }), reason: broken},
		{name: "a wrong checksum", make: edited(func(b []byte) []byte { b[len(b)-8] ^= 1; return b }), reason: broken},
		{name: "a size of 2^31", make: edited(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[len(b)-4:], 1<<31); return b }), reason: broken},
		{name: "a file name without end", make: edited(func(b []byte) []byte {
			b[3] |= 8
			return append(b[:10:10], bytes.Repeat([]byte("x"), 1<<20)...)
		}), reason: broken},
		{name: "an extra field of 64 KB that is not there", make: edited(func(b []byte) []byte { b[3] |= 4; return append(append(b[:10:10], 0xff, 0xff), b[10:]...) }), reason: broken},
		{name: "another method", make: edited(func(b []byte) []byte { b[2] = 7; return b }), reason: broken},
		{name: "a zip archive", make: part(func() []byte { return []byte("PK\x03\x04 and so on") }), reason: broken},
		{name: "nothing", make: part(func() []byte { return []byte{} }), reason: broken},
		{name: "not compressed", make: part(func() []byte { return []byte(documents[1]) }), reason: broken},
	}
	for i := range attacks {
		attacks[i].code = ebms.DecompressionFailure
	}
	attacks = append(attacks,
		attack{name: "compressed by a method that is not gzip", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.header.Parts[1].Properties[1].Value = "application/rar" })
		}, code: ebms.ValueInconsistent, reason: "CompressionType is not"},
		attack{name: "no MimeType", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.header.Parts[1].Properties = l.header.Parts[1].Properties[1:] })
		}, code: ebms.ValueInconsistent, reason: "MimeType missing"})
	run(t, attacks)
}

// The memory of a bomb is that of the window it is decompressed through.
func TestBombTakesNoMemory(t *testing.T) { // not parallel: it measures
	a := agreements()["1.15"]
	s := newStation(t, a, func(p *pmode.Partner, _ *edelivery.Config) {
		p.Limits.Part, p.Limits.Message, p.Limits.Ratio = 16<<20, 16<<20, 1<<40
	})
	ct, body := seal(t, a, func(l *letter) { l.parts[1].Content = zeros(5<<20, 1000) }).pack()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.wantRefused(s.post(ct, body), 200, ebms.DecompressionFailure, "too large when decompressed")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
		t.Errorf("%d MiB were allocated for 5 GB in %d KiB", grown>>20, len(body)>>10)
	}
}

// endless gives the same bytes for ever and counts them.
type endless struct {
	head []byte
	more string
	n    *atomic.Int64
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.head)
	e.head = e.head[n:]
	for n < len(b) {
		n += copy(b[n:], e.more)
	}
	e.n.Add(int64(n))
	return n, nil
}

// A body without end is read to the limit and no further, whatever part of a message
// it pretends to be (i.8).
func TestEndlessBodies(t *testing.T) {
	t.Parallel()
	a := agreements()["1.15"]
	_, whole := base(t, a).pack()
	const ct = `multipart/related; type="application/soap+xml"; boundary="ATTACKBOUNDARY"; start="<root@attackboundary>"`
	upto := func(mark string) []byte { return whole[:bytes.LastIndex(whole, []byte(mark))] }
	for _, c := range []struct {
		name, contentType string
		head              []byte
		more              string
		with              stationOption
	}{
		{"an envelope", "application/soap+xml", []byte("<S12:Envelope>"), "<a></a>", nil},
		{"a preamble", ct, nil, "x\r\n", nil},
		{"a line", ct, nil, "x", nil},
		{"boundary lines", ct, nil, "--ATTACKBOUNDARY\r\n", nil},
		{"a part header", ct, []byte("--ATTACKBOUNDARY\r\n"), "X: y\r\n", nil},
		{"parts before the root", ct, nil, "--ATTACKBOUNDARY\r\nContent-ID: <x>\r\n\r\nx\r\n", nil},
		{"a part before the root", ct, []byte("--ATTACKBOUNDARY\r\nContent-ID: <x>\r\n\r\n"), "content\r\n", nil},
		{"the last part of a partner", ct, upto("\r\n--ATTACKBOUNDARY--"), "content\r\n", func(p *pmode.Partner, _ *edelivery.Config) { p.Limits.Part, p.Limits.Message = 1<<20, 2<<20 }},
		{"parts of a partner", ct, append(upto("--\r\n"), "\r\n"...), "\r\n--ATTACKBOUNDARY\r\nContent-ID: <x>\r\n\r\nx", nil},
		{"an epilogue", ct, whole, "more\r\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStation(t, a)
			if c.with != nil {
				s = newStation(t, a, c.with)
			}
			server := httptest.NewServer(s.receiver)
			defer server.Close()
			var sent atomic.Int64
			req := must(http.NewRequest(http.MethodPost, server.URL, &endless{bytes.Clone(c.head), c.more, &sent}))
			req.ContentLength = -1
			req.Header.Set("Content-Type", c.contentType)
			client := &http.Client{Timeout: 20 * time.Second}
			resp, err := client.Do(req)
			if err == nil {
				_ = must(io.Copy(io.Discard, resp.Body))
				_ = resp.Body.Close() // nothing depends on it
			} else if e := (net.Error)(nil); errors.As(err, &e) && e.Timeout() {
				t.Error("the receiver read on until it was given up")
			}
			client.CloseIdleConnections()
			// Twice what may come before the agreement is known, what is read of a refused
			// message, and what lies in the buffers of two sockets.
			if n := sent.Load(); n > 48<<20 {
				t.Errorf("%d MiB were taken", n>>20)
			}
			decoded, _, _, _ := s.heard()
			if c.name != "an epilogue" && len(decoded) > 0 {
				t.Error("the message was handed on")
			}
		})
	}
}

// What Content-Length says is believed only to refuse.
func TestContentLengthLies(t *testing.T) {
	t.Parallel()
	a := agreements()["1.15"]
	ct, body := base(t, a).pack()
	for _, c := range []struct {
		name   string
		length string
		body   []byte
		status string
	}{
		{"shorter than the body", fmt.Sprint(len(body) - 40), body, "400"},
		{"of the envelope's half", "2000", body, "400"},
		{"2^31", "2147483648", body, "413"},
		{"2^62", "4611686018427387904", body, "413"},
		{"negative", "-1", body, "400"},
		{"two of them", fmt.Sprint(len(body), "\r\nContent-Length: 10"), body, "400"},
		{"beside chunks", fmt.Sprint(len(body), "\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity"), body, "501"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStation(t, a)
			server := httptest.NewServer(s.receiver)
			defer server.Close()
			conn := must(net.Dial("tcp", server.Listener.Addr().String()))
			defer func() { _ = conn.Close() }() // nothing depends on it
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			_ = must(fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n", ct, c.length))
			_, _ = conn.Write(c.body)
			_ = conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(answer), "HTTP/1.1 "+c.status) {
				t.Errorf("answer is %.60q, want status %s", answer, c.status)
			}
			if decoded, _, _, _ := s.heard(); len(decoded) > 0 || bytes.Contains(answer, []byte(receiptMark)) {
				t.Error("the message was taken")
			}
			s.wantTaken(base(t, a))
		})
	}
}
