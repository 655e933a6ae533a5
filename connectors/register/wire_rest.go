package register

import (
	"context"
	"errors"
)

// restWire is the way to a register of REST. Where that is a service of X-Road, the
// security server is told whose it is.
type restWire struct {
	*httpWire
	t     *rest
	xroad *xroadCall
}

func (t *rest) dial(e Endpoint, with Config) (wire, error) {
	if e.WSS != nil {
		return nil, errors.New("wsse: this register does not speak SOAP")
	}
	h, err := dialHTTP(e, with, t.accepts)
	if err != nil {
		return nil, err
	}
	w := &restWire{httpWire: h, t: t}
	if w.xroad, err = t.xroad.dial(e.XRoad); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *restWire) exchange(ctx context.Context, r *request) (*raw, error) {
	if w.xroad == nil {
		return w.httpWire.exchange(ctx, r)
	}
	out := *r
	out.target, out.header = w.xroad.target(r.target), r.header.Clone()
	w.xroad.header(out.header, r)
	reply, header, err := w.send(ctx, &out)
	if err != nil {
		return nil, err
	}
	if refusal := w.xroad.checkREST(w.t.xroad, header, r); refusal != nil {
		return nil, refusal
	}
	return reply, nil
}
