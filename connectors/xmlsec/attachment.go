package xmlsec

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"mime"
	"strings"

	"oncegate/connectors/xmldoc"
)

// AttachmentDigest computes the digest of a MIME part as
// Attachment-Content-Signature-Transform sees it (SwA profile 1.1, 5.4.2, as WSS4J
// reads it): XML in exclusive C14N, other text with line ends as CR LF, everything
// else as it is. content is what is left after the transfer encoding is undone; XML is
// read within limits.
func AttachmentDigest(mediaType string, content io.Reader, hash crypto.Hash, limits xmldoc.Limits) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		kind = ""
	}
	h := hash.New()
	switch {
	case kind == "text/xml", kind == "application/xml", strings.HasSuffix(kind, "+xml"):
		doc, err := xmldoc.Parse(content, limits)
		if err != nil {
			return nil, fmt.Errorf("reading an attachment: %w", err)
		}
		if err := doc.Canonical(h, xmldoc.C14N{}); err != nil {
			return nil, fmt.Errorf("digesting an attachment: %w", err)
		}
	case strings.HasPrefix(kind, "text/"):
		if err := copyLines(h, content); err != nil {
			return nil, fmt.Errorf("reading an attachment: %w", err)
		}
	default:
		if _, err := io.Copy(h, content); err != nil {
			return nil, fmt.Errorf("reading an attachment: %w", err)
		}
	}
	return h.Sum(nil), nil
}

// copyLines copies text and turns CR, LF and CR LF into CR LF.
func copyLines(w io.Writer, r io.Reader) error {
	in := make([]byte, 8<<10)
	out := make([]byte, 0, 2*len(in))
	afterCR := false
	for {
		n, err := r.Read(in)
		out = out[:0]
		for _, c := range in[:n] {
			switch {
			case c == '\r' || c == '\n' && !afterCR:
				out = append(out, '\r', '\n')
			case c == '\n': // the second half of a CR LF
			default:
				out = append(out, c)
			}
			afterCR = c == '\r'
		}
		if _, werr := io.Copy(w, bytes.NewReader(out)); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
