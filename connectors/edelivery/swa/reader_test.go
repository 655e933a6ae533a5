package swa

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const related = `multipart/related; type="application/soap+xml"; boundary="b"`

// text writes a body with CRLF line ends.
func text(lines ...string) string { return strings.Join(lines, "\r\n") }

func root(envelope string) string {
	return text("--b", "Content-Type: application/soap+xml; charset=UTF-8", "Content-Transfer-Encoding: binary", "", envelope, "")
}

type seen struct{ ID, MediaType, Content string }

func read(contentType string, body io.Reader, lim Limits) (string, []seen, error) {
	r, err := NewReader(contentType, body, lim)
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	env, err := r.Envelope()
	if err != nil {
		return "", nil, err
	}
	parts, err := r.Parts()
	if err != nil {
		return string(env), nil, err
	}
	var out []seen
	for _, p := range parts {
		b, err := p.Content.Bytes()
		if err != nil {
			return "", nil, err
		}
		if p.Digest != sha256.Sum256(b) || p.Content.Size() != int64(len(b)) {
			return "", nil, errors.New("digest or size of a part is wrong")
		}
		out = append(out, seen{p.ID, p.MediaType, string(b)})
	}
	return string(env), out, nil
}

func TestRead(t *testing.T) {
	binary := "a\r\n--\r\n--bx\r\n--c\r\n\x00\xff\n--b \r"
	for _, tt := range []struct {
		name, contentType, body, envelope string
		parts                             []seen
	}{
		{"envelope alone", "application/soap+xml; charset=UTF-8", "<e/>", "<e/>", nil},
		{"no payload", related, root("<e/>") + "--b--", "<e/>", nil},
		{"one part", related, root("<e/>") + text("--b", "Content-Type: application/octet-stream", "Content-ID: <p@x>", "", "data", "--b--", ""), "<e/>",
			[]seen{{"p@x", "application/octet-stream", "data"}}},
		{"binary that looks like a boundary", related, root("<e/>") + text("--b", "content-id: p@x", "", binary, "--b--", "epilogue"), "<e/>", []seen{{"p@x", "", binary}}},
		{"empty part", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "", "", "--b--"), "<e/>", []seen{{"p@x", "", ""}}},
		{"empty part without a line of its own", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "", "--b--"), "<e/>", []seen{{"p@x", "", ""}}},
		{"base64", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "Content-Transfer-Encoding: BASE64", "", "aGVs", "bG8=", "--b--"), "<e/>", []seen{{"p@x", "", "hello"}}},
		{"quoted-printable", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "Content-Transfer-Encoding: quoted-printable", "", "h=C3=A9l=", "lo", "--b--"), "<e/>", []seen{{"p@x", "", "héllo"}}},
		{"folded header and unknown headers", related, root("<e/>") + text("--b", "X: y", "Content-Type: application/pdf;", "\tname=x", "Content-Description: Attachment", "Content-ID:", " <p@x>", "", "d", "--b--"), "<e/>",
			[]seen{{"p@x", "application/pdf; name=x", "d"}}},
		{"start names a later part", related + `; start="<r@x>"`,
			text("--b", "Content-ID: <p@x>", "", "first", "--b", "Content-Type: application/soap+xml", "Content-ID: <r@x>", "", "<e/>", "--b--"), "<e/>", []seen{{"p@x", "", "first"}}},
		{"preamble and blanks after the boundary", related, "This is MIME.\r\n" + strings.Replace(root("<e/>"), "--b\r\n", "--b \t\r\n", 1) + "--b--  \r\n", "<e/>", nil},
		{"line ends of a text tool", related, strings.ReplaceAll(root("<e/>")+text("--b", "Content-ID: <p@x>", "", "data", "--b--", ""), "\r\n", "\n"), "<e/>", []seen{{"p@x", "", "data"}}},
		{"boundary in quotes with odd characters", `multipart/related; boundary="----=_Part_0_'()+_,-./:=?"`, strings.ReplaceAll(root("<e/>")+"--b--", "--b", "------=_Part_0_'()+_,-./:=?"), "<e/>", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole":        strings.NewReader(tt.body),
				"byte by byte": iotest.OneByteReader(strings.NewReader(tt.body)),
				"data and EOF": iotest.DataErrReader(strings.NewReader(tt.body)),
			} {
				env, parts, err := read(tt.contentType, r, Limits{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if env != tt.envelope {
					t.Errorf("%s: envelope %q, want %q", name, env, tt.envelope)
				}
				if diff := cmp.Diff(tt.parts, parts); diff != "" {
					t.Errorf("%s: parts (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	part := func(head ...string) string {
		return root("<e/>") + text(append(append([]string{"--b"}, head...), "", "data", "--b--", "")...)
	}
	many := root("<e/>")
	for i := range 101 {
		many += text("--b", fmt.Sprintf("Content-ID: <p%d@x>", i), "", "d", "")
	}
	for _, tt := range []struct {
		name, contentType, body string
		want                    Problem
	}{
		{"no content type", "", "", WrongType},
		{"other type", "text/xml", "", WrongType},
		{"SOAP 1.1 in multipart", `multipart/related; type="text/xml"; boundary=b`, root("<e/>"), WrongType},
		{"no boundary", "multipart/related", "", Malformed},
		{"long boundary", "multipart/related; boundary=" + strings.Repeat("b", 71), "", Malformed},
		{"start that is no id", related + `; start="<a b>"`, root("<e/>"), Malformed},
		{"start that is not there", related + `; start="<other@x>"`, part("Content-ID: <p@x>"), Inconsistent},
		{"no parts", related, "--b--", Malformed},
		{"no boundary in the body", related, strings.Repeat("text\r\n", 10_000), Malformed},
		{"cut short in the header", related, root("<e/>") + "--b\r\nContent-ID: <p@x>\r\n", Malformed},
		{"cut short in the body", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "", "data"), Malformed},
		{"cut short in the boundary", related, root("<e/>") + "--b", Malformed},
		{"root of another type", related, strings.Replace(part("Content-ID: <p@x>"), "application/soap+xml", "text/xml", 1), Malformed},
		{"nested multipart", related, part("Content-Type: multipart/mixed; boundary=c", "Content-ID: <p@x>"), Malformed},
		{"nested message", related, part("Content-Type: message/rfc822", "Content-ID: <p@x>"), Malformed},
		{"part without id", related, part("Content-Type: application/pdf"), Inconsistent},
		{"id with blanks", related, part("Content-ID: <p x>"), Malformed},
		{"id without its end", related, part("Content-ID: <p@x"), Malformed},
		{"id twice in one header", related, part("Content-ID: <p@x>", "Content-ID: <q@x>"), Malformed},
		{"one id for two parts", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "", "1", "--b", "Content-ID: <p@x>", "", "2", "--b--"), Inconsistent},
		{"ids that differ in encoding", related, root("<e/>") + text("--b", "Content-ID: <p%40x>", "", "1", "--b", "Content-ID: <P@x>", "", "2", "--b--"), Inconsistent},
		{"header without a name", related, part("Content-ID <p@x>"), Malformed},
		{"control character", related, part("Content-ID: <p\x01@x>"), Malformed},
		{"unknown encoding", related, part("Content-ID: <p@x>", "Content-Transfer-Encoding: uuencode"), Malformed},
		{"broken base64", related, part("Content-ID: <p@x>", "Content-Transfer-Encoding: base64"), 0},
		{"text after the base64", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "Content-Transfer-Encoding: base64", "", "aGU=", "!!!!", "--b--"), Malformed},
		{"header too large", related, part("Content-ID: <p@x>", "X: "+strings.Repeat("x", 16<<10)), TooLarge},
		{"header with too many lines", related, part("Content-ID: <p@x>", strings.Repeat("X: y\r\n", 4000)+"Z: z"), TooLarge},
		{"more than 100 parts", related, many + "--b--", TooLarge},
		{"envelope too large", related, root("<e>" + strings.Repeat("x", 2000) + "</e>"), TooLarge},
		{"envelope alone too large", "application/soap+xml", strings.Repeat("x", 1025), TooLarge},
		{"part too large", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "", strings.Repeat("x", 501), "--b--"), TooLarge},
		{"message too large", related, root("<e/>") + text("--b", "Content-ID: <p@x>", "", strings.Repeat("x", 400), "--b", "Content-ID: <q@x>", "", strings.Repeat("x", 400), "--b--"), TooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, parts, err := read(tt.contentType, strings.NewReader(tt.body), Limits{Envelope: 1024, Part: 500, Message: 700})
			if tt.want == 0 { // "data" is base64 of three bytes
				if err != nil || len(parts) != 1 {
					t.Errorf("got %v, %v", parts, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Problem != tt.want {
				t.Errorf("err = %v, want problem %d", err, tt.want)
			}
		})
	}
}

func TestReaderThatFailsIsNotTheSendersFault(t *testing.T) {
	broken := errors.New("connection reset")
	_, _, err := read(related, io.MultiReader(strings.NewReader(root("<e/>")), iotest.ErrReader(broken)), Limits{})
	var e *Error
	if !errors.As(err, &e) || e.Problem != Unreadable || !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
}

func TestBoundSetsTheLimitsOfTheAgreement(t *testing.T) {
	body := root("<e/>") + text("--b", "Content-ID: <p@x>", "", strings.Repeat("x", 100), "--b--")
	for _, tt := range []struct {
		part, message int64
		large         bool
	}{{0, 0, false}, {99, 0, true}, {100, 100, false}, {1000, 99, true}, {1000, 1000, false}} {
		r, err := NewReader(related, strings.NewReader(body), Limits{Part: 200})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Envelope(); err != nil {
			t.Fatal(err)
		}
		r.Bound(tt.part, tt.message)
		_, err = r.Parts()
		if e := (*Error)(nil); errors.As(err, &e) != tt.large || tt.large && e.Problem != TooLarge {
			t.Errorf("%+v: err = %v", tt, err)
		}
		if !tt.large && r.Size() != 100 {
			t.Errorf("size = %d", r.Size())
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Before the root nobody knows whose message it is.
func TestPartsAheadOfTheRootAreFew(t *testing.T) {
	body := text("--b", "Content-ID: <p@x>", "", strings.Repeat("x", 100), "") + text("--b", "Content-Type: application/soap+xml", "Content-ID: <root@x>", "", "<e/>", "--b--")
	for limit, problem := range map[int64]Problem{99: TooLarge, 100: 0} {
		r, err := NewReader(related+`; start="<root@x>"`, strings.NewReader(body), Limits{Ahead: limit})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Envelope()
		if e := (*Error)(nil); errors.As(err, &e) != (problem != 0) || problem != 0 && e.Problem != problem {
			t.Errorf("limit %d: err = %v", limit, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteIsReadBack(t *testing.T) {
	parts := []OutPart{
		{"a@x", "application/octet-stream", []byte("\r\n--B--\r\n")},
		{"empty@x", "application/gzip", nil},
		{"big@x", "application/octet-stream", bytes.Repeat([]byte("0123456789\r\n--"), 50_000)},
	}
	for n := range len(parts) + 1 {
		b := Write([]byte("<e/>"), parts[:n], "BOUNDARY0123456789")
		for range 2 { // a retry reads it again
			raw, err := io.ReadAll(b.Reader())
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(raw)) != b.Length {
				t.Errorf("%d bytes, says %d", len(raw), b.Length)
			}
			env, got, err := read(b.ContentType, bytes.NewReader(raw), Limits{Memory: 1000})
			if err != nil || env != "<e/>" {
				t.Fatalf("%q, %v", env, err)
			}
			var want []seen
			for _, p := range parts[:n] {
				want = append(want, seen{p.ID, p.MediaType, string(p.Content)})
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		}
	}
}

func TestSpoolOnDiskLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	s := NewSpool(dir, 10)
	for range 3 {
		if _, err := s.Write([]byte("0123456")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 0 {
		t.Errorf("directory holds %v, %v while the part waits", files, err)
	}
	b, err := s.Bytes()
	if err != nil || string(b) != "012345601234560123456" {
		t.Errorf("%q, %v", b, err)
	}
	b[0] = 'x' // parts are decrypted in place
	if again, _ := s.Bytes(); again[0] != 'x' || s.Size() != 21 {
		t.Error("change in place is lost")
	}
	if _, err := s.Write(nil); err == nil {
		t.Error("written after it was mapped")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, n := range []int{0, 10, 11, 4096, 100_000} {
		s := NewSpool(dir, 10)
		if _, err := s.Write(bytes.Repeat([]byte("x"), n)); err != nil {
			t.Fatal(err)
		}
		b, err := s.Roomy(28)
		if err != nil || len(b) != n || cap(b) < n+28 {
			t.Fatalf("room behind %d: %d of %d, %v", n, len(b), cap(b), err)
		}
		for i := range b[:n+28] {
			b[:n+28][i] = 'y' // the blocks are there
		}
		if again, err := s.Roomy(28); err != nil || len(again) != n {
			t.Errorf("again: %d, %v", len(again), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewSpool(dir+"/missing", 1).Write([]byte("xx")); err == nil {
		t.Error("no error without a directory")
	}
}

func TestCID(t *testing.T) {
	for _, id := range []string{"a@example.org", "a b@x", "100%@x", "pdf/1+a&b@x", "ü@x", "<a@x>", ""} {
		got, ok := DecodeCID(EncodeCID(id))
		if want := ValidID(id); ok != want || ok && got != id {
			t.Errorf("%q: got %q, %v, want %v", id, got, ok, want)
		}
	}
	for _, href := range []string{"cid:", "cid", "#a", "http://x/", "cid:%zz", "cid:a%20b", "cid:a%", "cid:" + strings.Repeat("a", 256)} {
		if got, ok := DecodeCID(href); ok {
			t.Errorf("%q is %q", href, got)
		}
	}
	if got, ok := DecodeCID("CID:a%40x"); !ok || got != "a@x" {
		t.Errorf("got %q, %v", got, ok)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(related, root("<e/>")+text("--b", "Content-ID: <p@x>", "Content-Transfer-Encoding: base64", "", "aGVsbG8=", "--b--", ""))
	f.Add(related, root("<e/>")+text("--b", "Content-ID: <p@x>", "", "\r\n--b", "--bb", "--b--"))
	f.Add(related+`; start="<p@x>"`, strings.ReplaceAll(root("<e/>")+"--b--", "\r\n", "\n"))
	f.Add("application/soap+xml", "<e/>")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		lim := Limits{Envelope: 1 << 12, Part: 1 << 12, Message: 1 << 13, Parts: 5, Memory: 1 << 16}
		env, parts, err := read(contentType, strings.NewReader(body), lim)
		again, partsAgain, errAgain := read(contentType, iotest.OneByteReader(strings.NewReader(body)), lim)
		if env != again || (err == nil) != (errAgain == nil) || cmp.Diff(parts, partsAgain) != "" {
			t.Fatalf("depends on how the bytes arrive: %v, %v", err, errAgain)
		}
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Problem == 0 {
				t.Fatalf("error without a problem: %v", err)
			}
			return
		}
		total := 0
		ids := map[string]bool{}
		for _, p := range parts {
			total += len(p.Content)
			if ids[p.ID] || !ValidID(p.ID) {
				t.Fatalf("id %q", p.ID)
			}
			ids[p.ID] = true
		}
		if len(env) > 1<<12 || total > 1<<13 || len(parts) > 5 {
			t.Fatal("limits are not kept")
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body := Write([]byte(strings.Repeat("<e/>", 2000)), []OutPart{{"a@x", "application/octet-stream", make([]byte, 10<<20)}}, "BOUNDARY0123456789")
	b.SetBytes(body.Length)
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(body.ContentType, body.Reader(), Limits{Memory: 16 << 20})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Envelope(); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Parts(); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
