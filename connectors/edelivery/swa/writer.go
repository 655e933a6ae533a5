package swa

import (
	"bytes"
	"io"
	"strings"
)

// An OutPart is a payload part to be written. Content is written as it is.
type OutPart struct {
	ID        string
	MediaType string
	Content   []byte
}

// A Body is a finished message. It can be read any number of times, which a
// retry needs; it copies no content.
type Body struct {
	ContentType string
	Length      int64
	segments    [][]byte
}

// Write frames an envelope and its parts. Without parts the envelope stands
// alone. The boundary is 1 to 70 letters and digits that occur in no content,
// which a random one does not.
func Write(envelope []byte, parts []OutPart, boundary string) *Body {
	if len(parts) == 0 {
		return &Body{
			ContentType: SOAPType + "; charset=UTF-8",
			Length:      int64(len(envelope)),
			segments:    [][]byte{envelope},
		}
	}
	root := "root@" + strings.ToLower(boundary)
	b := &Body{ContentType: `multipart/related; type="` + SOAPType + `"; boundary="` + boundary + `"; start="<` + root + `>"`}
	add := func(s []byte) {
		b.segments = append(b.segments, s)
		b.Length += int64(len(s))
	}
	head := func(first bool, mediaType, id string) {
		h := make([]byte, 0, 128+len(boundary)+len(mediaType)+len(id))
		if !first {
			h = append(h, "\r\n"...)
		}
		h = append(append(append(h, "--"...), boundary...), "\r\nContent-Type: "...)
		h = append(append(h, mediaType...), "\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <"...)
		add(append(append(h, id...), ">\r\n\r\n"...))
	}
	head(true, SOAPType+"; charset=UTF-8", root)
	add(envelope)
	for _, p := range parts {
		head(false, p.MediaType, p.ID)
		add(p.Content)
	}
	add([]byte("\r\n--" + boundary + "--\r\n"))
	return b
}

// Reader returns a new reader over the whole body.
func (b *Body) Reader() io.Reader {
	rs := make([]io.Reader, len(b.segments))
	for i, s := range b.segments {
		rs[i] = bytes.NewReader(s)
	}
	return io.MultiReader(rs...)
}
