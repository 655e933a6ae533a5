package swa

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// framing walks over the parts of one multipart body. Line ends are CRLF; a body
// whose first delimiter line ends in LF alone is read with LF throughout, as
// messages that went through a text tool have it.
type framing struct {
	br      *bufio.Reader
	dash    []byte // --boundary
	delim   []byte // line end and --boundary
	started bool
	ended   bool
	maxHead int
}

const window = 16 << 10

func newFraming(br *bufio.Reader, boundary string, maxHead int) *framing {
	return &framing{
		br:      br,
		dash:    []byte("--" + boundary),
		delim:   []byte("\r\n--" + boundary),
		maxHead: maxHead,
	}
}

// header is what a part says about itself.
type header struct {
	contentType, contentID, encoding string
	hasID                            bool
}

// next moves to the next part, over what is left of the one before. It returns
// io.EOF after the closing delimiter.
func (f *framing) next() (header, error) {
	if !f.started {
		if err := f.preamble(); err != nil {
			return header{}, err
		}
	}
	if f.ended {
		return header{}, io.EOF
	}
	return f.header()
}

// preamble reads up to and including the first delimiter line.
func (f *framing) preamble() error {
	f.started = true
	for read := 0; read < window; {
		line, err := f.line(window)
		if err != nil {
			return err
		}
		read += len(line) + 1
		if rest, ok := bytes.CutPrefix(line, f.dash); ok && f.delimiterTail(bytes.TrimSuffix(rest, []byte("\r"))) {
			if !bytes.HasSuffix(line, []byte("\r")) {
				f.delim = append([]byte("\n"), f.dash...)
			}
			return nil
		}
	}
	return fail(Malformed, "no boundary at the beginning of the body")
}

// delimiterTail reports whether rest ends a delimiter line, and notes the end.
func (f *framing) delimiterTail(rest []byte) bool {
	rest = bytes.TrimRight(rest, " \t")
	if bytes.Equal(rest, []byte("--")) {
		f.ended = true
		return true
	}
	return len(rest) == 0
}

// line returns the next line without its LF. The bytes are good until the next read.
func (f *framing) line(limit int) ([]byte, error) {
	line, err := f.br.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(line) > 0:
		return line, nil // the closing delimiter may be the last thing there is
	case errors.Is(err, io.EOF):
		return nil, fail(Malformed, "body ends before its closing boundary")
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > limit:
		return nil, fail(TooLarge, "line of a part header is too long")
	case err != nil:
		return nil, because(Unreadable, err, "reading body")
	}
	return line[:len(line)-1], nil
}

func (f *framing) header() (header, error) {
	var h header
	var seen [3]bool
	var field []byte
	left := f.maxHead
	finish := func() error {
		if field == nil {
			return nil
		}
		name, value, ok := strings.Cut(string(field), ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return fail(Malformed, "part header without a name")
		}
		value = strings.Trim(value, " \t")
		for i := range len(value) {
			if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
				return fail(Malformed, "control character in a part header")
			}
		}
		set := func(i int, to *string) error {
			if seen[i] {
				return fail(Malformed, "part header %s twice", strings.ToLower(name)) // one of the three below, so nothing of the sender
			}
			seen[i], *to = true, value
			return nil
		}
		switch strings.ToLower(name) {
		case "content-type":
			return set(0, &h.contentType)
		case "content-id":
			h.hasID = true
			return set(1, &h.contentID)
		case "content-transfer-encoding":
			return set(2, &h.encoding)
		}
		return nil
	}
	for {
		line, err := f.line(f.maxHead)
		if err != nil {
			return h, err
		}
		if left -= len(line) + 1; left < 0 {
			return h, fail(TooLarge, "part header is too large")
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && field != nil {
			field = append(append(field, ' '), bytes.TrimLeft(line, " \t")...)
			continue
		}
		if err := finish(); err != nil {
			return h, err
		}
		if len(line) == 0 {
			return h, nil
		}
		field = append(field[:0], line...)
	}
}

// body reads the content of the current part, up to the next delimiter.
type body struct {
	f     *framing
	begun bool
	done  bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	f := b.f
	if !b.begun {
		b.begun = true
		// An empty part may have its delimiter right after the header.
		if peek, _ := f.br.Peek(len(f.dash) + 2); bytes.HasPrefix(peek, f.dash) && isDelimiter(peek[len(f.dash):]) {
			return 0, b.finish(len(f.dash))
		}
	}
	want := 1
	for {
		if _, err := f.br.Peek(want); err != nil {
			if errors.Is(err, io.EOF) {
				return 0, fail(Malformed, "body ends before its closing boundary")
			}
			return 0, because(Unreadable, err, "reading body")
		}
		buf, _ := f.br.Peek(f.br.Buffered())
		i := bytes.Index(buf, f.delim)
		switch {
		case i == 0:
			after := buf[len(f.delim):]
			if len(after) < 2 {
				if more, _ := f.br.Peek(len(f.delim) + 2); len(more) > len(f.delim) {
					after = more[len(f.delim):]
				}
			}
			if isDelimiter(after) {
				return 0, b.finish(len(f.delim))
			}
			i = 1 // only looks like one: the first byte is content
		case i < 0:
			// What could be the beginning of a delimiter stays for the next look.
			if i = len(buf) - len(f.delim) + 1; i > 0 {
				break
			}
			switch i = bytes.IndexByte(buf, f.delim[0]); {
			case i < 0:
				i = len(buf)
			case i == 0 && bytes.HasPrefix(f.delim, buf):
				want = len(buf) + 1
				continue
			case i == 0:
				i = 1
			}
		}
		n := copy(p, buf[:i])
		_, err := f.br.Discard(n)
		return n, err
	}
}

// isDelimiter looks at the two bytes after the boundary.
func isDelimiter(after []byte) bool {
	if len(after) == 0 {
		return false
	}
	switch after[0] {
	case '\r', '\n', ' ', '\t':
		return true
	case '-':
		return len(after) > 1 && after[1] == '-'
	}
	return false
}

func (b *body) finish(n int) error {
	b.done = true
	if _, err := b.f.br.Discard(n); err != nil {
		return because(Unreadable, err, "reading body")
	}
	line, err := b.f.line(window)
	if err != nil {
		// "--boundary--" at the very end, without a line end, is read by line already.
		return err
	}
	if !b.f.delimiterTail(bytes.TrimSuffix(line, []byte("\r"))) {
		return fail(Malformed, "text after a boundary")
	}
	return io.EOF
}
