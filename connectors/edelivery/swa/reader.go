package swa

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"sync"
)

// SOAPType is the media type of a SOAP 1.2 envelope.
const SOAPType = "application/soap+xml"

// Limits bound what a Reader takes. The zero value of a field means its default.
type Limits struct {
	Envelope int64  // bytes of the root part; default 1 MiB
	Part     int64  // bytes of one payload part; default 64 MiB
	Message  int64  // bytes of all parts; default 128 MiB
	Ahead    int64  // bytes of parts that stand before the root; default 8 MiB
	Parts    int    // payload parts; default 100
	Header   int    // bytes of one part's header; default 16 KiB
	Memory   int64  // bytes of all parts kept on the heap; default 1 MiB
	TempDir  string // where what is more waits; default the system's
	Root     string // media type of the root part; default SOAPType
}

// WithDefaults returns l with every unset field at its default.
func (l Limits) WithDefaults() Limits {
	set := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	set(&l.Envelope, 1<<20)
	set(&l.Part, 64<<20)
	set(&l.Message, 128<<20)
	set(&l.Ahead, 8<<20)
	set(&l.Memory, 1<<20)
	if l.Parts == 0 {
		l.Parts = 100
	}
	if l.Header == 0 {
		l.Header = 16 << 10
	}
	if l.Root == "" {
		l.Root = SOAPType
	}
	return l
}

const maxBoundary = 70 // RFC 2046 5.1.1

// A Part is one payload part as it came over the wire, transfer-decoded.
type Part struct {
	ID        string
	MediaType string // the Content-Type header
	Digest    [sha256.Size]byte
	Content   *Spool
}

// A Reader reads one message: first the envelope, then the parts. Close it.
type Reader struct {
	lim      Limits
	plain    io.Reader // a message that is not multipart
	framing  *framing
	start    string
	envelope []byte
	rootType string // its Content-Type
	parts    []*Part
	ids      map[string]bool
	total    int64
	heap     int64    // of total
	buffers  *buffers // of framing
	home     *Buffers // where they go
}

// Buffers keeps what readers need while they read, for the next ones. It holds bytes
// as they were on the wire only. The zero value is ready; it is safe for concurrent use.
type Buffers struct{ pool sync.Pool }

type buffers struct {
	window *bufio.Reader
	copy   []byte // for the content of parts
}

func (k *Buffers) take(r io.Reader) *buffers {
	if got, ok := k.pool.Get().(*buffers); ok {
		got.window.Reset(r)
		return got
	}
	return &buffers{bufio.NewReaderSize(r, window), make([]byte, window)}
}

// NewReader looks at the Content-Type and gets ready to read r.
func NewReader(contentType string, r io.Reader, lim Limits) (*Reader, error) {
	return new(Buffers).NewReader(contentType, r, lim)
}

// NewReader returns a reader that gives its buffers back when it is closed.
func (k *Buffers) NewReader(contentType string, r io.Reader, lim Limits) (*Reader, error) {
	lim = lim.WithDefaults()
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, because(WrongType, err, "reading content type")
	}
	switch media {
	case lim.Root:
		return &Reader{lim: lim, plain: r}, nil
	case "multipart/related":
	default:
		return nil, fail(WrongType, "neither multipart/related nor %s", lim.Root)
	}
	if t, ok := params["type"]; ok && !strings.EqualFold(t, lim.Root) {
		return nil, fail(WrongType, "root type of the multipart is not %s", lim.Root)
	}
	b := params["boundary"]
	if b == "" || len(b) > maxBoundary || strings.HasSuffix(b, " ") {
		return nil, fail(Malformed, "boundary missing or longer than %d", maxBoundary)
	}
	for i := range len(b) {
		if b[i] < ' ' || b[i] >= 0x7f {
			return nil, fail(Malformed, "boundary is not printable")
		}
	}
	rd := &Reader{lim: lim, home: k, ids: map[string]bool{}}
	if s, ok := params["start"]; ok {
		if rd.start, ok = headerID(s); !ok {
			return nil, fail(Malformed, "start is not a Content-ID")
		}
	}
	rd.buffers = k.take(r)
	rd.framing = newFraming(rd.buffers.window, b, lim.Header)
	return rd, nil
}

// Bound sets the limits for the parts that are still to come, to those of the
// agreement that the envelope names. Zero leaves a limit as it is.
func (r *Reader) Bound(part, message int64) {
	if part > 0 {
		r.lim.Part = part
	}
	if message > 0 {
		r.lim.Message = message
	}
}

// Size returns how many bytes of parts were read.
func (r *Reader) Size() int64 { return r.total }

// Envelope reads up to the end of the root part and returns its bytes. Parts
// that stand before the root are kept.
func (r *Reader) Envelope() ([]byte, error) {
	if r.plain != nil {
		b, err := readAll(r.plain, r.lim.Envelope, nil)
		r.plain, r.envelope = nil, b
		return b, err
	}
	for r.envelope == nil {
		if err := r.step(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, fail(Malformed, "no root part")
			}
			return nil, err
		}
	}
	return r.envelope, nil
}

// RootType returns the Content-Type header of the root part of a multipart, once
// Envelope has read it.
func (r *Reader) RootType() string { return r.rootType }

// Parts reads the rest and returns the payload parts in the order of the wire.
// They belong to the reader and end with it.
func (r *Reader) Parts() ([]*Part, error) {
	if r.framing == nil {
		return nil, nil
	}
	for {
		if err := r.step(); err != nil {
			if errors.Is(err, io.EOF) {
				return r.parts, nil
			}
			return nil, err
		}
	}
}

// Close gives all parts up.
func (r *Reader) Close() error {
	var err error
	for _, p := range r.parts {
		err = errors.Join(err, p.Content.Close())
	}
	r.parts, r.framing = nil, nil
	if r.buffers != nil {
		r.buffers.window.Reset(nil) // the body is not held
		r.home.pool.Put(r.buffers)
		r.buffers = nil
	}
	return err
}

// step reads one part.
func (r *Reader) step() error {
	h, err := r.framing.next()
	if err != nil {
		return err
	}
	// An empty Content-Type is text/plain (RFC 2045 5.2), which carries nothing here.
	media, err := mediaType(h.contentType)
	if err != nil && h.contentType != "" && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return because(Malformed, err, "reading content type of a part")
	}
	if strings.HasPrefix(media, "multipart/") || strings.HasPrefix(media, "message/") {
		return fail(Malformed, "nested multipart")
	}
	var id string
	if h.hasID {
		var ok bool
		if id, ok = headerID(h.contentID); !ok {
			return fail(Malformed, "part with an unusable Content-ID")
		}
		if k := fold(id); r.ids[k] {
			return fail(Inconsistent, "two parts with one Content-ID")
		} else {
			r.ids[k] = true
		}
	}
	content, err := decoded(&body{f: r.framing}, h.encoding)
	if err != nil {
		return err
	}
	// Without start the first part is the root.
	if r.envelope == nil && (r.start == "" || r.start == id) {
		if media != r.lim.Root {
			return fail(Malformed, "root part is not %s", r.lim.Root)
		}
		r.rootType = h.contentType
		r.envelope, err = readAll(content, r.lim.Envelope, r.buffers.copy)
		return err
	}
	if id == "" {
		return fail(Inconsistent, "payload part without Content-ID")
	}
	if len(r.parts) == r.lim.Parts {
		return fail(TooLarge, "more than %d parts", r.lim.Parts)
	}
	p := &Part{ID: id, MediaType: h.contentType, Content: NewSpool(r.lim.TempDir, r.lim.Memory-r.heap)}
	r.parts = append(r.parts, p)
	return r.keep(p, content)
}

func (r *Reader) keep(p *Part, content io.Reader) error {
	limit := min(r.lim.Part, r.lim.Message-r.total)
	if r.envelope == nil { // nobody knows yet whose it is
		limit = min(limit, r.lim.Ahead-r.total)
	}
	sum := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(p.Content, sum), io.LimitReader(content, limit+1), r.buffers.copy)
	r.total += n
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			return e
		}
		return because(Unreadable, err, "keeping a part")
	}
	if n > limit {
		return fail(TooLarge, "part or message is too large")
	}
	if p.Content.file == nil {
		r.heap += n
	}
	sum.Sum(p.Digest[:0])
	return nil
}

// decoded undoes the transfer encoding.
func decoded(b io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
		return b, nil
	case "base64":
		return &decoding{whole: b, r: base64.NewDecoder(base64.StdEncoding, b)}, nil
	case "quoted-printable":
		return &decoding{whole: b, r: quotedprintable.NewReader(b)}, nil
	}
	return nil, fail(Malformed, "unknown transfer encoding")
}

// decoding names the error of a decoder and reads on to the end of the part,
// where a decoder stops at its own end.
type decoding struct {
	whole, r io.Reader
}

func (d *decoding) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err == nil {
		return n, nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return n, e
	}
	if !errors.Is(err, io.EOF) {
		return n, because(Malformed, err, "undoing a transfer encoding")
	}
	if rest, err := io.Copy(io.Discard, d.whole); err != nil {
		return n, err
	} else if rest > 0 {
		return n, fail(Malformed, "text after the end of an encoded part")
	}
	return n, io.EOF
}

// mediaType is what the Content-Type of a part says without its parameters. Those that
// nearly every part has are known as they are.
func mediaType(contentType string) (string, error) {
	switch contentType {
	case "application/octet-stream", "application/gzip", SOAPType:
		return contentType, nil
	case SOAPType + "; charset=UTF-8":
		return SOAPType, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	return media, err
}

// readAll reads through window, where there is one, so that what it returns is hardly
// larger than the envelope.
func readAll(r io.Reader, limit int64, window []byte) ([]byte, error) {
	r = io.LimitReader(r, limit+1)
	n, err := 0, error(nil)
	for n < len(window) && err == nil {
		var more int
		more, err = r.Read(window[n:])
		n += more
	}
	b := append([]byte{}, window[:n]...) // not nil: there is an envelope, however short
	if err == nil {
		buf := bytes.NewBuffer(b)
		buf.Grow(8 << 10) // most envelopes
		_, err = buf.ReadFrom(r)
		b = buf.Bytes()
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			return nil, e
		}
		return nil, because(Unreadable, err, "reading envelope")
	}
	if int64(len(b)) > limit {
		return nil, fail(TooLarge, "envelope is too large")
	}
	return b, nil
}
