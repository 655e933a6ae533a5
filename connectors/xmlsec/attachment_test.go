package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

func TestAttachmentDigest(t *testing.T) {
	for _, c := range []struct{ name, mediaType, content, digested string }{
		{"binary as it is", "application/gzip", "a\r\nb\n\x00", "a\r\nb\n\x00"},
		{"nothing said", "", "a\nb", "a\nb"},
		{"text with CR LF", "text/plain; charset=utf-8", "a\nb\rc\r\nd\n\n\r\r\n", "a\r\nb\r\nc\r\nd\r\n\r\n\r\n\r\n"},
		{"XML", "application/xml", "<?xml version='1.0'?><a  b='1'\n/>\n", `<a b="1"></a>`},
		{"text/xml", "TEXT/XML", "<!--c--><a/>", `<a></a>`},
		{"a suffix", "application/x-ebrs+xml; charset=utf-8", "<a><b/></a>", `<a><b></b></a>`},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with the end": iotest.DataErrReader} {
			got, err := xmlsec.AttachmentDigest(c.mediaType, wrap(strings.NewReader(c.content)), crypto.SHA256, xmldoc.Limits{})
			if want := sha256.Sum256([]byte(c.digested)); err != nil || !bytes.Equal(got, want[:]) {
				t.Errorf("%s %s: digest differs, %v", c.name, how, err)
			}
		}
	}
	for _, mediaType := range []string{"application/xml", "text/plain", "application/gzip"} {
		if _, err := xmlsec.AttachmentDigest(mediaType, iotest.ErrReader(io.ErrUnexpectedEOF), crypto.SHA256, xmldoc.Limits{}); err == nil {
			t.Errorf("%s: the reader's error is lost", mediaType)
		}
	}
	if _, err := xmlsec.AttachmentDigest("application/xml", strings.NewReader("<!DOCTYPE a><a/>"), crypto.SHA256, xmldoc.Limits{}); err == nil {
		t.Error("an attachment with a DOCTYPE is digested")
	}
}

func TestParseCID(t *testing.T) {
	for in, want := range map[string]string{"cid:a@b": "a@b", "cid:%61%40b": "a@b", "cid:a%25b": "a%b", "cid:a+b": "a+b"} {
		if got, err := xmlsec.ParseCID(in); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "cid:", "CID:a", "a", "cid:a%4", "cid:a%zz", "cid:a%00b", "cid:a b", "cid:<a>", "cid:a%0d%0ab", "cid:" + strings.Repeat("a", 2000)} {
		if got, err := xmlsec.ParseCID(in); err == nil {
			t.Errorf("%q is read as %q", in, got)
		}
	}
}
