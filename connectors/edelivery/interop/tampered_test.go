package interop

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"

	"oncegate/schemas/canon"
)

// harms are changes that somebody on the line makes to a message.
var harms = []struct {
	name string
	harm func(t *testing.T, b []byte) []byte
}{
	{"header", func(t *testing.T, b []byte) []byte {
		return replace(t, b, conversation, "2c6f6a6a-3b1f-4b62-8a53-9d7e4b0c1a21")
	}},
	{"property", func(t *testing.T, b []byte) []byte { return replace(t, b, ">C4", ">C5") }},
	{"body", func(t *testing.T, b []byte) []byte {
		return replaceExpr(t, b, `(:Body[^>]*)(/>|></[A-Za-z0-9]+:Body>)`, `${1} evil="1"${2}`)
	}},
	{"signature value", func(t *testing.T, b []byte) []byte { return flipBase64(t, b, "SignatureValue>") }},
	{"digest", func(t *testing.T, b []byte) []byte { return flipBase64(t, b, "DigestValue>") }},
	{"encrypted key", func(t *testing.T, b []byte) []byte { return flipBase64(t, b, "CipherValue>") }},
	{"attachment", func(t *testing.T, b []byte) []byte { return flipPart(t, b, 1, 40) }},
	{"tag of an attachment", func(t *testing.T, b []byte) []byte { return flipPart(t, b, 2, -1) }},
	{"attachments swapped", swapParts},
	{"attachment dropped", dropPart},
}

func replace(t *testing.T, b []byte, old, with string) []byte {
	t.Helper()
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("message has no %q", old)
	}
	return bytes.Replace(b, []byte(old), []byte(with), 1)
}

func replaceExpr(t *testing.T, b []byte, expr, with string) []byte {
	t.Helper()
	re := regexp.MustCompile(expr)
	if !re.Match(b) {
		t.Fatalf("message has no %s", expr)
	}
	return re.ReplaceAll(b, []byte(with))
}

// flipBase64 changes a character of the base64 text after the mark.
func flipBase64(t *testing.T, b []byte, mark string) []byte {
	t.Helper()
	i := bytes.Index(b, []byte(mark))
	if i < 0 {
		t.Fatalf("message has no %s", mark)
	}
	b = bytes.Clone(b)
	i += len(mark) + 10
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return b
}

// parts returns where the contents of the MIME parts begin and end, root first.
func parts(t *testing.T, b []byte) [][2]int {
	t.Helper()
	start := bytes.Index(b, []byte("--"))
	end := bytes.Index(b[start:], []byte("\r\n"))
	delimiter := append([]byte("\r\n"), b[start:start+end]...)
	var out [][2]int
	at := start + end
	for {
		head := bytes.Index(b[at:], []byte("\r\n\r\n"))
		if head < 0 {
			return out
		}
		from := at + head + 4
		n := bytes.Index(b[from:], delimiter)
		if n < 0 {
			return out
		}
		out = append(out, [2]int{from, from + n})
		at = from + n + len(delimiter)
	}
}

func flipPart(t *testing.T, b []byte, n, offset int) []byte {
	t.Helper()
	p := parts(t, b)[n]
	b = bytes.Clone(b)
	if offset < 0 {
		b[p[1]+offset] ^= 1
	} else {
		b[p[0]+offset] ^= 1
	}
	return b
}

func swapParts(t *testing.T, b []byte) []byte {
	t.Helper()
	p := parts(t, b)
	var out []byte
	out = append(out, b[:p[1][0]]...)
	out = append(out, b[p[2][0]:p[2][1]]...)
	out = append(out, b[p[1][1]:p[2][0]]...)
	out = append(out, b[p[1][0]:p[1][1]]...)
	return append(out, b[p[2][1]:]...)
}

func dropPart(t *testing.T, b []byte) []byte {
	t.Helper()
	p := parts(t, b)
	return append(bytes.Clone(b[:p[1][1]]), b[p[2][1]:]...)
}

// TestTamperedToUs: phase4's messages, changed on the line, are refused with a
// security error, and the untouched one is taken afterwards.
func TestTamperedToUs(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	// phase4 sends once to nobody: only its bytes are wanted.
	var kept []byte
	var contentType string
	hold := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		contentType, kept = req.Header.Get("Content-Type"), readAll(t, req.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := r.command(t, documents(3)...)
	c["url"] = serve(t, hold)
	_ = r.phase4Sends(t, c)
	for _, h := range harms {
		e := r.post(contentType, h.harm(t, kept))
		if got := codeOf(e.answer); !harmed(h.name, got) {
			t.Errorf("%s: status %d, %s", h.name, e.status, brief(e.answer))
		}
	}
	if in, _ := r.codec.taken(); len(in) != 0 {
		t.Errorf("we handed on %d messages", len(in))
	}
	if e := r.post(contentType, kept); e.status != 200 || codeOf(e.answer) != "" {
		t.Errorf("untouched: status %d, %s", e.status, brief(e.answer))
	}
}

// TestTamperedToPhase4: our messages, changed on the line. phase4 refuses them and
// we learn of a failure.
func TestTamperedToPhase4(t *testing.T) {
	t.Parallel()
	for _, h := range harms {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{})
			r.meddle = func(_ *http.Request, b []byte) []byte { return h.harm(t, b) }
			d := r.send(t, document{id: "a@example.org", mediaType: "application/pdf", content: []byte("%PDF >C4 one")}, pdfDocument(1), pdfDocument(2))
			_, out := r.traffic()
			if d.Outcome != canon.DeliveryFailed || !harmed(h.name, codeOf(out[0].answer)) {
				t.Errorf("delivery = %+v, %s", d, brief(out[0].answer))
			}
			if got := r.station.received(t); len(got) != 0 {
				t.Errorf("phase4 took %d messages", len(got))
			}
		})
	}
}

// harmed reports whether the error code fits the harm: a security error, or a
// mismatch of parts where one is missing. Which security error a stack gives is its
// own choice (b.4.6).
func harmed(name, code string) bool {
	switch name {
	case "attachment dropped":
		return code == "EBMS:0011" || code == "EBMS:0007" || code == "EBMS:0003" || security(code)
	default:
		return security(code)
	}
}

func security(code string) bool {
	return code == "EBMS:0101" || code == "EBMS:0102" || code == "EBMS:0103"
}

var errorCode = regexp.MustCompile(`errorCode="([^"]*)"`)

// codeOf returns the code of the first error of an answer, none for a receipt.
func codeOf(answer []byte) string {
	if m := errorCode.FindSubmatch(answer); m != nil {
		return string(m[1])
	}
	return ""
}

// TestTamperedReceipt: a receipt that was changed on the line is none.
func TestTamperedReceipt(t *testing.T) {
	t.Parallel()
	for _, h := range harms {
		if h.name != "signature value" && h.name != "digest" && h.name != "body" {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{})
			r.change = func(b []byte) []byte { return h.harm(t, b) }
			if d := r.send(t, documents(1)...); d.Outcome != canon.DeliveryFailed || d.Receipt != "" {
				t.Errorf("delivery = %+v, want failed without a receipt", d)
			}
		})
	}
	t.Run("of another message", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, setup{})
		var first []byte
		r.change = func(b []byte) []byte {
			if first == nil {
				first = b
			}
			return first
		}
		if d := r.send(t, documents(1)...); d.Outcome != canon.DeliveryAcknowledged {
			t.Fatalf("delivery = %+v", d)
		}
		if d := r.send(t, documents(1)...); d.Outcome != canon.DeliveryFailed {
			t.Errorf("delivery = %+v, want failed: the receipt is that of the message before", d)
		}
	})
}
