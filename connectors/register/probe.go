package register

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// A prober is a wire that can find out, without a query, whether its register is there
// and lets us in.
type prober interface {
	// probe says in words what it found. Errors hold no secret and no address.
	probe(ctx context.Context) (string, error)
}

var (
	_ prober = (*httpWire)(nil)
	_ prober = (*sqlWire)(nil)
	_ prober = (*filesWire)(nil)
)

// ErrNoProbe says that a register of this transport can only be asked.
var ErrNoProbe = errors.New("a register of this transport cannot be looked at without a query")

// wireTo gets ready to talk to a deployment's register, within what was agreed.
func (d *Definition) wireTo(e Endpoint, with Config) (wire, error) {
	if err := errors.Join(e.Validate(), with.Validate(), d.hasSecrets(e)); err != nil {
		return nil, err
	}
	terms, err := d.care.Tighten(e.Care, e.Timeout)
	if err != nil {
		return nil, err
	}
	return d.transport.dial(e.within(terms), with)
}

// Probe makes one connection to a register and sends no query.
func (d *Definition) Probe(ctx context.Context, e Endpoint, with Config) (string, error) {
	w, err := d.wireTo(e, with)
	if err != nil {
		return "", err
	}
	defer w.Close()
	p, ok := w.(prober)
	if !ok {
		return "", ErrNoProbe
	}
	return p.probe(ctx)
}

// Ask asks a register once, as an operator does who has a query that may be sent. It
// passes by budgets, breaker and opening hours. Only the outcome comes back.
func (d *Definition) Ask(ctx context.Context, e Endpoint, with Config, query any) (outcome, detail string, err error) {
	w, err := d.wireTo(e, with)
	if err != nil {
		return "", "", err
	}
	defer w.Close()
	if res, ok := d.answerUnasked(query); ok {
		return res.outcome.String(), res.detail, nil
	}
	req, res := d.makeRequest(query, e.secret)
	if req == nil {
		return "", "", outcomeError(res)
	}
	req.at = with.Now()
	req.id = canon.MessageID(canon.DeriveUUID("operator", d.Name, req.at.Format(time.RFC3339Nano)))
	reply, err := w.exchange(ctx, req)
	if err != nil {
		res = failedCall(err)
	} else {
		res = d.read(reply, query)
		if reply.settle != nil {
			err = reply.settle(ctx, res)
		}
	}
	if res.outcome == outcomeFound {
		res.detail = ""
	}
	return res.outcome.String(), res.detail, err
}

// probe shakes hands, and gets a token where one is wanted.
func (w *httpWire) probe(ctx context.Context) (string, error) {
	u, err := url.Parse(w.endpoint.URL)
	if err != nil {
		return "", errors.New("the url cannot be read")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	said := "connected, without TLS"
	if u.Scheme == "https" {
		t, ok := w.client.Transport.(*http.Transport)
		if !ok {
			return "", errors.New("this client knows no TLS")
		}
		conf := t.TLSClientConfig.Clone()
		conf.ServerName = u.Hostname()
		c := tls.Client(conn, conf)
		if err := c.HandshakeContext(ctx); err != nil {
			return "", fmt.Errorf("shaking hands: %w", err)
		}
		state := c.ConnectionState()
		said = fmt.Sprintf("%s, certificate until %s", tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))
		if len(conf.Certificates) > 0 {
			said += "; whether it takes our certificate, only a query shows"
		}
	}
	if w.tokens == nil {
		return said, nil
	}
	if _, err := w.tokens.get(ctx); err != nil {
		return "", fmt.Errorf("getting a token: %w", err)
	}
	return said + "; a token was given", nil
}

// probe prepares the statement and runs nothing.
func (w *sqlWire) probe(ctx context.Context) (string, error) {
	columns, err := w.reader.Prepare(ctx)
	if err != nil {
		return "", err
	}
	return "logged in; the statement is good and gives " + strings.Join(columns, ", "), nil
}

// probe looks whether both folders are there.
func (w *filesWire) probe(ctx context.Context) (string, error) {
	if err := w.drop.Look(ctx); err != nil {
		return "", err
	}
	return "the folders are there and can be listed", nil
}
