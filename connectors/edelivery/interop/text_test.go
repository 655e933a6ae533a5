package interop

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"
)

func utf16le(s string) []byte {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// texts are payloads of which WSS4J signs another form than the octets, unless
// they are compressed (b.3).
func texts(plain bool) []document {
	return []document{
		{id: "xml@example.org", mediaType: "text/xml", charset: "UTF-8", plain: plain,
			content: []byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- note --><a:doc b='2' xmlns:a=\"urn:a\" xmlns:unused=\"urn:u\" a='1'><empty/>Zoë &#13; <![CDATA[<x>]]></a:doc>\n")},
		{id: "plus@example.org", mediaType: "application/x-ebrs+xml", charset: "UTF-8", plain: plain, content: []byte("<doc  a = '1' ></doc >\n")},
		{id: "lines@example.org", mediaType: "text/plain", charset: "UTF-8", plain: plain, content: []byte("one\ntwo\r\nthree\rfour\n\nZoë")},
		{id: "octets@example.org", mediaType: "application/octet-stream", plain: plain, content: []byte("one\ntwo\r\nthree\r\x00")},
	}
}

// TestTextCompressed: what is compressed comes out as it went in.
func TestTextCompressed(t *testing.T) {
	t.Parallel()
	docs := append(texts(false), document{id: "wide@example.org", mediaType: "text/xml", charset: "UTF-16",
		content: utf16le("<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<doc>Zoë ελ</doc>\n")})
	both(t, setup{}, docs)
}

// TestTextPlain: phase4 signs the canonical form of XML and the lines of text with
// CRLF. We verify that form, and hand on what was signed: comments, the prolog and
// the kind of line ends are not.
func TestTextPlain(t *testing.T) {
	t.Parallel()
	signed := []struct{ charset, content string }{
		{"UTF-8", `<a:doc xmlns:a="urn:a" a="1" b="2"><empty></empty>Zoë &#xD; &lt;x&gt;</a:doc>`},
		{"UTF-8", `<doc a="1"></doc>`},
		{"UTF-8", "one\r\ntwo\r\nthree\r\nfour\r\n\r\nZoë"},
		{"", "one\ntwo\r\nthree\r\x00"},
		{"UTF-8", "<doc>Zoë ελ</doc>"},
	}
	for _, signOnly := range []bool{false, true} {
		r := newRig(t, setup{signOnly: signOnly})
		docs := append(texts(true), document{id: "wide@example.org", mediaType: "text/xml", charset: "UTF-16", plain: true,
			content: utf16le("<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<doc>Zoë ελ</doc>\n")})
		s := r.phase4Sends(t, r.command(t, docs...))
		if s.Result != "SUCCESS" || s.Receipt != "valid" {
			t.Fatalf("phase4 says %s, receipt %s, errors %v, %s\n%s", s.Result, s.Receipt, s.Errors, s.Exception, brief(s.Response))
		}
		_, parts := r.codec.taken()
		for i, p := range parts[0] {
			if string(p.content) != signed[i].content || p.charset != signed[i].charset {
				t.Errorf("sign only=%v: %s came as %q %q, want %q %q", signOnly, p.id, p.charset, p.content, signed[i].charset, signed[i].content)
			}
		}
	}
}
