package register

import (
	"context"
	"log/slog"
	"strings"

	"oncegate/connectors/register/soapsec"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// soapWire is the way to a register that speaks SOAP. It adds to a message what is
// the deployment's, and checks in a reply what only this call can tell.
type soapWire struct {
	*httpWire
	t        *soap
	xroad    *xroadCall
	security *soapsec.Security
	log      *slog.Logger
}

func (t *soap) dial(e Endpoint, with Config) (wire, error) {
	h, err := dialHTTP(e, with, func(mediaType string) bool { return t.accepts(mediaType) || mediaType == multipartMedia })
	if err != nil {
		return nil, err
	}
	w := &soapWire{httpWire: h, t: t, log: with.Log}
	if w.security, err = e.WSS.security(with); err != nil {
		return nil, err
	}
	if w.xroad, err = t.xroad.dial(e.XRoad); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *soapWire) exchange(ctx context.Context, r *request) (*raw, error) {
	out := *r
	more := append(w.xroad.blocks(r), w.t.addressing.headers(r, w.t.action, strings.TrimRight(w.endpoint.URL, "/")+r.target)...)
	if err := w.complete(&out, more); err != nil {
		return nil, &callError{outcome: outcomeInvalid, detail: "the request cannot be made", err: err}
	}
	reply, err := w.httpWire.exchange(ctx, &out)
	if err != nil {
		return nil, err
	}
	reply.encoding = r.encoding
	if reply.form == nil {
		w.check(ctx, reply, r)
	}
	return reply, nil
}

// complete adds what is the deployment's.
func (w *soapWire) complete(r *request, more []*mapping.Element) (err error) {
	if len(more) > 0 {
		if r.body, err = r.envelope.write(more...); err != nil {
			return err
		}
	}
	r.body, err = w.security.Seal(r.body)
	return err
}

// check looks at what surrounds the answer. What is wrong with it is told as the
// reply's form: a bad status says more.
func (w *soapWire) check(ctx context.Context, reply *raw, r *request) {
	invalid := func(err error) {
		reply.form = &callError{outcome: outcomeInvalid, detail: err.Error(), err: err}
	}
	if err := reply.unpack(w.t.version.media, w.endpoint.MaxReply); err != nil {
		invalid(err)
		return
	}
	doc, err := reply.soap()
	if err != nil {
		if w.security.Verifies() {
			invalid(err)
		}
		return // read says so
	}
	header, content, err := w.t.version.open(doc)
	if err != nil {
		invalid(err)
		return
	}
	fault := content.Is(w.t.version.of("Fault"))
	opened, refusal := w.open(ctx, doc, fault)
	if refusal != nil {
		reply.form = refusal
		return
	}
	if err := w.t.addressing.check(header, r, opened.May); err != nil {
		invalid(err)
		return
	}
	if err := w.xroad.check(header, r); err != nil && !fault {
		invalid(err)
	}
}

// soap is document, with the parts of a multipart reply in their places.
func (r *raw) soap() (*xmldoc.Document, error) {
	if r.doc == nil {
		doc, err := r.document()
		if err != nil {
			return nil, err
		}
		if r.parts != nil {
			if doc, err = resolveXOP(doc, r.parts); err != nil {
				return nil, err
			}
		}
		r.doc = doc
	}
	return r.doc, nil
}
