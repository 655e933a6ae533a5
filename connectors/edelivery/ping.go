package edelivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// A PingReport is what one test message met on its way, step by step. It holds
// nothing but settings, names of certificates and times.
type PingReport struct {
	Partner   string            `json:"partner"`
	URL       string            `json:"url"`
	At        time.Time         `json:"at"`
	OK        bool              `json:"ok"` // a receipt came and holds
	MessageID string            `json:"messageId"`
	PMode     PingPMode         `json:"pMode"`
	Steps     []PingStep        `json:"steps"`
	TLS       *PingTLS          `json:"tls,omitempty"`
	Request   int64             `json:"requestBytes"`
	Status    int               `json:"httpStatus,omitempty"`
	Answer    PingAnswer        `json:"answer"`
	Keys      []PingCertificate `json:"certificates"`
	Problem   *PingProblem      `json:"problem,omitempty"`
}

// A PingPMode is what the header said, to be compared with the partner's own.
type PingPMode struct {
	From          string `json:"from"`
	FromType      string `json:"fromType,omitempty"`
	FromRole      string `json:"fromRole"`
	To            string `json:"to"`
	ToType        string `json:"toType,omitempty"`
	ToRole        string `json:"toRole"`
	Agreement     string `json:"agreement,omitempty"`
	AgreementType string `json:"agreementType,omitempty"`
	Service       string `json:"service"`
	Action        string `json:"action"`
	MPC           string `json:"mpc,omitempty"`
	Profile       string `json:"profile"`
	Security      string `json:"security"`
	SignToken     string `json:"signToken"`
	EncryptToken  string `json:"encryptToken"`
}

// A PingStep is one step of the way and how long it took.
type PingStep struct {
	Name   string        `json:"name"` // dns, tcp, tls, request, answer
	OK     bool          `json:"ok"`
	Took   time.Duration `json:"tookNanos"`
	Detail string        `json:"detail,omitempty"`
}

// PingTLS is the connection as it was made, or as far as it came.
type PingTLS struct {
	Version string          `json:"version,omitempty"`
	Cipher  string          `json:"cipher,omitempty"`
	Server  PingCertificate `json:"server"`
}

// A PingCertificate is one that takes part.
type PingCertificate struct {
	Use      string    `json:"use"`
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	DaysLeft int       `json:"daysLeft"`
}

// A PingAnswer is what came back.
type PingAnswer struct {
	Kind       string `json:"kind"`             // receipt, error, other or none
	Signer     string `json:"signer,omitempty"` // whose signature was checked
	References int    `json:"references,omitempty"`
	Code       string `json:"code,omitempty"` // ebMS error
	Meaning    string `json:"meaning,omitempty"`
	Text       string `json:"text,omitempty"` // what the partner says of it
	Bytes      int64  `json:"bytes"`
}

// A PingProblem is why there is no receipt that holds.
type PingProblem struct {
	Symptom string   `json:"symptom"`
	Cause   string   `json:"cause"`
	Remedy  string   `json:"remedy"`
	Compare []string `json:"compare,omitempty"` // our values, for the partner to compare
	Detail  string   `json:"detail,omitempty"`  // the words of the library
}

// Ping sends a message of the test service (ebMS3 5.2.2.8), which the partner
// processes and does not deliver, and explains the round trip. It touches no exchange
// and is not repeated. An error means that there is nothing to report: no such
// partner, or a message that we cannot make.
func (s *Sender) Ping(ctx context.Context, partner string, parts ...Part) (PingReport, error) {
	t := s.PModes.Table()
	p, ok := t.Named(partner)
	if !ok {
		return PingReport{}, canon.NewFault(canon.CodeNoAgreement, nil, "there is no partner %q in the P-Modes", partner)
	}
	if p.URL == "" {
		return PingReport{}, canon.NewFault(canon.CodeNoAgreement, nil, "partner %q has no url: it fetches its messages and cannot be reached; let it ping us", partner)
	}
	l, report, err := s.pingLetter(ctx, t, p, parts)
	if err != nil {
		return PingReport{}, err
	}
	defer l.close(ctx, s.Logger)
	s.pingOnce(ctx, p, l, &report)
	report.OK = report.Problem == nil
	return report, nil
}

// pingLetter makes the test message.
func (s *Sender) pingLetter(ctx context.Context, t *pmode.Table, p *pmode.Partner, parts []Part) (*letter, PingReport, error) {
	now := s.Now()
	report := PingReport{Partner: p.Name, URL: p.URL, At: now.UTC(), Answer: PingAnswer{Kind: "none"}, Keys: s.pingKeys(t, p)}
	nonce, err := s.random(16)
	if err != nil {
		return nil, report, err
	}
	report.MessageID = canon.DeriveUUID("ping", nonce) + "@" + t.Own().Domain
	var recipient *x509.Certificate
	if len(parts) > 0 {
		if recipient, err = p.Recipient(ctx, now); err != nil {
			return nil, report, canon.NewFault(canon.CodeSecurity, err, "no certificate of %s is valid for encryption", p.Name)
		}
	}
	own := t.Own().Party.ID
	service := ebms.Service{Value: ebms.TestService}
	l, err := s.seal(t, canon.Message{At: now}, report.MessageID, p, recipient, service, Outgoing{
		Action: ebms.TestAction, OriginalSender: own, FinalRecipient: p.Party.ID, Parts: parts,
	})
	if err != nil {
		return nil, report, fmt.Errorf("making test message: %w", err)
	}
	security := "sign and encrypt"
	if p.SignOnly {
		security = "sign"
	}
	report.PMode = PingPMode{
		From: own.ID, FromType: t.Own().Party.Type(), FromRole: p.OwnRole, To: p.Party.ID.ID, ToType: p.Party.Type(), ToRole: p.Party.Role,
		Agreement: p.Agreement.Value, AgreementType: p.Agreement.Type, Service: service.Value, Action: ebms.TestAction,
		Profile: string(p.Profile), Security: security, SignToken: string(p.SignToken), EncryptToken: string(p.EncryptToken),
	}
	if p.MPC != ebms.DefaultMPC {
		report.PMode.MPC = p.MPC
	}
	report.Request = l.body.Length
	return l, report, nil
}

// pingKeys lists the certificates that messages between the two rest on.
func (s *Sender) pingKeys(t *pmode.Table, p *pmode.Partner) []PingCertificate {
	var out []PingCertificate
	add := func(use string, c *x509.Certificate) { out = append(out, s.pingCertificate(use, c)) }
	if i, err := t.Identity(p, s.Now()); err == nil {
		add("we sign with", i.Certificate)
	}
	for _, d := range t.Own().Decrypt {
		add("they encrypt for us with", d.Certificate)
	}
	if c, err := p.Profile.Recipient(p.Encrypt, s.Now()); err == nil {
		add("we encrypt for them with", c)
	}
	for _, c := range p.Trust.Pinned {
		add("they sign with (pinned)", c)
	}
	for _, c := range p.Trust.Anchors {
		add("who vouches for their signature", c)
	}
	if p.TLS.Own != nil && len(p.TLS.Own.Certificate) > 0 {
		if c, err := x509.ParseCertificate(p.TLS.Own.Certificate[0]); err == nil {
			add("we connect with (TLS)", c)
		}
	}
	return out
}

func (s *Sender) pingCertificate(use string, c *x509.Certificate) PingCertificate {
	left := c.NotAfter.Sub(s.Now())
	days := int(left / (24 * time.Hour))
	if left < 0 {
		days-- // expired today is not zero days left
	}
	return PingCertificate{Use: use, Subject: c.Subject.String(), Issuer: c.Issuer.String(), NotAfter: c.NotAfter.UTC(), DaysLeft: days}
}

// pingOnce makes the one attempt, on a connection of its own so that every step of
// making it is seen.
func (s *Sender) pingOnce(ctx context.Context, p *pmode.Partner, l *letter, report *PingReport) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout+time.Duration(l.body.Length/outPace)*time.Second)
	defer cancel()
	client := *s.lines.to(p)
	if base, ok := client.Transport.(*http.Transport); ok {
		own := base.Clone()
		own.DisableKeepAlives = true
		client.Transport = own
		defer own.CloseIdleConnections()
	}
	route := &route{}
	var lend lending
	defer lend.end()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, route.trace()), http.MethodPost, p.URL, lend.reader(l.body.Reader()))
	if err != nil {
		report.Problem = &PingProblem{Symptom: "the url cannot be used", Cause: "It is not a URL.", Remedy: "Correct url in the P-Mode.", Detail: err.Error()}
		return
	}
	req.ContentLength = l.body.Length
	req.GetBody = func() (io.ReadCloser, error) { return lend.reader(l.body.Reader()), nil }
	req.Header.Set("Content-Type", l.body.ContentType)
	req.Header.Set("User-Agent", "oncegate")
	resp, err := client.Do(req)
	route.report(s, report)
	if err != nil {
		report.Problem = unreachable(err, p)
		if c := presented(err); c != nil && report.TLS == nil {
			report.TLS = &PingTLS{Server: s.pingCertificate("their server's (TLS)", c)}
		}
		return
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on it
	report.Status = resp.StatusCode
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	report.Answer.Bytes = int64(len(b))
	if err != nil {
		report.Problem = unreachable(err, p)
		return
	}
	report.Problem = s.pingAnswer(ctx, p, l, resp, b, report)
}

// pingAnswer says what came back, and what is wrong with it.
func (s *Sender) pingAnswer(ctx context.Context, p *pmode.Partner, l *letter, resp *http.Response, b []byte, report *PingReport) *PingProblem {
	if len(b) > maxAnswer {
		return &PingProblem{Symptom: "the answer is larger than any receipt", Cause: "Something other than an access point answers.", Remedy: "Check the path in url."}
	}
	sig, env, err := readSignal(resp.Header.Get("Content-Type"), b)
	if err != nil {
		if len(b) > 0 {
			report.Answer.Kind = "other"
		}
		return noEBMS(resp, err)
	}
	for _, e := range sig.Errors {
		report.Answer.Kind, report.Answer.Code, report.Answer.Text = "error", string(e.Code), strings.TrimSpace(e.Description+" "+e.Detail)
		if entry, ok := e.Code.Entry(); ok {
			report.Answer.Meaning = entry.Short
		}
		if e.Severity == ebms.SeverityFailure {
			break
		}
	}
	if sig.Receipt != nil {
		report.Answer.Kind, report.Answer.References = "receipt", len(sig.Receipt.References)
	}
	opened, err := wssec.Open(ctx, wssec.Opening{Envelope: env, Verifier: p.Verifier(), Profile: p.Profile, Allow: p.Allow, Now: s.Now()})
	if err != nil {
		if len(sig.Errors) > 0 {
			return unsignedError(ebms.Code(report.Answer.Code), env, report, err)
		}
		return unsignedReceipt(env, err)
	}
	report.Answer.Signer = opened.Signer.Subject.String()
	report.Keys = append(report.Keys, s.pingCertificate("they signed the answer with", opened.Signer))
	switch {
	case !sig.Answers(l.id):
		return &PingProblem{
			Symptom: "the signed answer is about another message", Cause: "RefToMessageId is not the MessageId that we sent.",
			Remedy: "The partner's access point, or a proxy before it, mixes up answers; send it both ids.", Compare: []string{"we sent " + l.id, "they answer " + sig.RefToMessageID},
		}
	case sig.Receipt != nil:
		if err := wssec.CheckReceipt(l.references, sig.Receipt); err != nil {
			return receiptDiffers(l, sig.Receipt)
		}
		return nil
	}
	return signedError(ebms.Code(report.Answer.Code), report)
}

// A route notes the steps of a connection. Its hooks may be called by several
// goroutines at once.
type route struct {
	mu                        sync.Mutex
	start, dns, tcp, tls      time.Time
	dnsTook, tcpTook, tlsTook time.Duration
	host, address             string
	addresses                 []string
	dnsErr, tcpErr, tlsErr    error
	state                     *tls.ConnectionState
	wrote, first              time.Time
}

func (r *route) trace() *httptrace.ClientTrace {
	locked := func(f func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f()
	}
	r.start = time.Now()
	return &httptrace.ClientTrace{
		DNSStart: func(i httptrace.DNSStartInfo) { locked(func() { r.dns, r.host = time.Now(), i.Host }) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			locked(func() {
				r.dnsTook, r.dnsErr = time.Since(r.dns), i.Err
				for _, a := range i.Addrs {
					r.addresses = append(r.addresses, a.String())
				}
			})
		},
		ConnectStart: func(_, addr string) {
			locked(func() {
				if r.tcp.IsZero() {
					r.tcp = time.Now()
				}
			})
		},
		ConnectDone: func(_, addr string, err error) {
			locked(func() {
				if r.tcpErr == nil && r.address != "" {
					return // another address was faster
				}
				r.tcpTook, r.tcpErr, r.address = time.Since(r.tcp), err, addr
			})
		},
		TLSHandshakeStart: func() { locked(func() { r.tls = time.Now() }) },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			locked(func() { r.tlsTook, r.tlsErr, r.state = time.Since(r.tls), err, &s })
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { locked(func() { r.wrote = time.Now() }) },
		GotFirstResponseByte: func() { locked(func() { r.first = time.Now() }) },
	}
}

// report adds the steps that were made.
func (r *route) report(s *Sender, report *PingReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add := func(name string, took time.Duration, err error, detail string) {
		report.Steps = append(report.Steps, PingStep{Name: name, OK: err == nil, Took: took, Detail: detail})
	}
	if !r.dns.IsZero() {
		add("dns", r.dnsTook, r.dnsErr, strings.TrimSpace(r.host+" "+strings.Join(r.addresses, " ")))
	}
	if !r.tcp.IsZero() {
		add("tcp", r.tcpTook, r.tcpErr, r.address)
	}
	if !r.tls.IsZero() {
		detail := ""
		if r.tlsErr == nil && r.state != nil {
			report.TLS = &PingTLS{Version: tls.VersionName(r.state.Version), Cipher: tls.CipherSuiteName(r.state.CipherSuite)}
			if len(r.state.PeerCertificates) > 0 {
				report.TLS.Server = s.pingCertificate("their server's (TLS)", r.state.PeerCertificates[0])
			}
			detail = report.TLS.Version + " " + report.TLS.Cipher
		}
		add("tls", r.tlsTook, r.tlsErr, detail)
	}
	// An answer may be told of before the end of the request that it answers.
	if !r.first.IsZero() && (r.wrote.IsZero() || r.wrote.After(r.first)) {
		r.wrote = r.first
	}
	if !r.wrote.IsZero() {
		from := r.start
		for _, t := range []time.Time{r.tls.Add(r.tlsTook), r.tcp.Add(r.tcpTook)} {
			if t.After(from) {
				from = t
			}
		}
		add("request", max(0, r.wrote.Sub(from)), nil, fmt.Sprintf("%d bytes", report.Request))
	}
	if !r.first.IsZero() {
		add("answer", max(0, r.first.Sub(r.wrote)), nil, "first byte")
	}
}

// textOf is the start of a body that is no ebMS message, made safe for a terminal.
func textOf(b []byte) string {
	const most = 200
	s := string(bytes.ToValidUTF8(b[:min(len(b), most)], []byte("?")))
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
}
