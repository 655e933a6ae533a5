package edelivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
)

// unreachable explains why no answer came. What the certificate of a server says is
// public; nothing of ours is in it.
func unreachable(err error, p *pmode.Partner) *PingProblem {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		timeout   net.Error
	)
	out := &PingProblem{Symptom: explain(err), Detail: err.Error()}
	text := err.Error()
	clientCertificate := "Agree on the client certificate: name ours in tls.certificate and tls.key of the partner, and give the partner that certificate or its authority."
	switch {
	case errors.As(err, &dns):
		out.Cause = "The host in url is misspelt, or this machine's DNS does not know it."
		out.Remedy = "Compare url with the partner's; look the host up on this machine (getent hosts HOST)."
		if dns.IsTimeout || dns.IsTemporary {
			out.Cause, out.Remedy = "The DNS server of this machine does not answer.", "Check /etc/resolv.conf and the way to the DNS server."
		}
	case errors.As(err, &host):
		out.Cause = "The certificate names other hosts than the url: " + strings.Join(namesOf(host.Certificate), ", ") + "."
		out.Remedy = "Use the host of the certificate in url, or set tls.server_name to it if the partner confirms that name."
	case errors.As(err, &authority):
		out.Cause = "The authority that issued the server's certificate is not among those we trust for TLS, or the server does not send its intermediate certificates."
		out.Remedy = "Add the issuing authority to tls.ca of the partner (or edelivery.ca); if it is a public one, ask the partner to send the whole chain."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		out.Cause = "The server's certificate is past its end, or this machine's clock is wrong."
		out.Remedy = "Compare the dates below with the clock; the partner renews its TLS certificate."
	case errors.As(err, &invalid):
		out.Cause = "The certificate may not be used by a TLS server."
		out.Remedy = "The partner needs a TLS server certificate (extended key usage serverAuth)."
	case errors.As(err, &record):
		out.Cause = "The port serves plain HTTP, or another protocol."
		out.Remedy = "Correct the port or the scheme in url."
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		out.Symptom = "the server does not speak TLS at this address"
		out.Cause, out.Remedy = "The port serves plain HTTP.", "Correct the port or the scheme in url."
	case strings.Contains(text, "tls: certificate required"), strings.Contains(text, "remote error: tls: bad certificate"),
		strings.Contains(text, "remote error: tls: unknown certificate"), strings.Contains(text, "remote error: tls: expired certificate"),
		strings.Contains(text, "remote error: tls: revoked certificate"), strings.Contains(text, "remote error: tls: unsupported certificate"),
		strings.Contains(text, "remote error: tls: access denied"):
		if p.TLS.Own == nil {
			out.Symptom = "the server demands a client certificate and we have none for it"
			out.Cause = "The partner uses mutual TLS; the P-Mode has no tls.certificate."
		} else {
			out.Symptom = "the server refuses our client certificate"
			out.Cause = "The partner does not know the certificate in tls.certificate or its authority, or it has expired."
		}
		out.Remedy = clientCertificate
	case strings.Contains(text, "remote error: tls: handshake failure"), strings.Contains(text, "remote error: tls: protocol version not supported"),
		strings.Contains(text, "remote error: tls: insufficient security level"), strings.Contains(text, "tls: no supported versions"), strings.Contains(text, "unsupported protocol version"):
		out.Symptom = "no TLS version or cipher suite in common"
		out.Cause = "The server offers less than TLS 1.2 with forward secrecy, or wants a client certificate of another kind."
		out.Remedy = "Compare TLS versions and suites with the partner; eDelivery wants TLS 1.2 or 1.3 (as4 b.6). If it uses mutual TLS: " + clientCertificate
	case errors.Is(err, syscall.ECONNREFUSED):
		out.Cause = "The host is there, but nothing listens at this port, or a firewall rejects us."
		out.Remedy = "Compare the port in url; ask the partner whether its access point is up and whether our address may connect."
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		out.Cause = "This machine has no way to the host's address."
		out.Remedy = "Check routes, VPN and firewall between the two networks."
	case errors.Is(err, context.Canceled):
		out.Symptom, out.Cause, out.Remedy = "given up", "The ping was interrupted.", "Run it again."
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		out.Cause = "A firewall drops our packets, or the partner's access point is stuck; the steps below show how far we came."
		out.Remedy = "Without a tcp step: open the firewalls on both sides. With one: ask the partner; raise timeout in the P-Mode if it is just slow."
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(text, "EOF"):
		out.Cause = "A proxy or firewall cuts the connection, the server refuses requests of this size, or it wants a client certificate."
		out.Remedy = "Ask the partner what its proxy logs at this time. If it uses mutual TLS: " + clientCertificate
	default:
		out.Cause, out.Remedy = "See the detail.", "Give the detail to whoever runs the network between the two access points."
	}
	return out
}

func namesOf(c *x509.Certificate) []string {
	var out []string
	if c != nil {
		out = append(out, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			out = append(out, ip.String())
		}
		if len(out) == 0 {
			out = append(out, c.Subject.CommonName)
		}
	}
	return out
}

// presented returns the certificate that a server showed and that was refused.
func presented(err error) *x509.Certificate {
	if v, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && len(v.UnverifiedCertificates) > 0 {
		return v.UnverifiedCertificates[0]
	}
	return nil
}

// noEBMS explains an answer that is no ebMS message.
func noEBMS(resp *http.Response, err error) *PingProblem {
	out := &PingProblem{Symptom: fmt.Sprintf("HTTP status %d and no ebMS message in the answer", resp.StatusCode), Detail: err.Error()}
	switch s := resp.StatusCode; {
	case s/100 == 3:
		out.Cause = "The address has moved; messages are never sent on to an address that no agreement names."
		out.Remedy = "Ask the partner for its address and put it into url."
		if to := resp.Header.Get("Location"); to != "" {
			out.Detail = "Location: " + textOf([]byte(to))
		}
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		out.Cause = "A proxy before the access point wants a login, a client certificate or our address on its list."
		out.Remedy = "Ask the partner which; client certificates are tls.certificate and tls.key of the partner."
	case s == http.StatusNotFound, s == http.StatusMethodNotAllowed:
		out.Cause = "The host answers, but its access point is not at this path."
		out.Remedy = "Compare the path in url with the partner's (Domibus: /services/msh, phase4: /as4)."
	case s == http.StatusRequestEntityTooLarge:
		out.Cause, out.Remedy = "A proxy of the partner bounds the size of requests.", "Let the partner raise its limit to that of the agreement."
	case s == http.StatusUnsupportedMediaType, s == http.StatusBadRequest:
		out.Cause = "What answers does not take AS4 messages, or a proxy changes them."
		out.Remedy = "Check the path in url, and that no proxy between the two rewrites requests."
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
		out.Cause, out.Remedy = "The partner is overloaded or under maintenance.", "Try again later; messages are repeated by themselves."
	case s == http.StatusBadGateway, s == http.StatusGatewayTimeout:
		out.Cause, out.Remedy = "A proxy of the partner does not reach its access point.", "Tell the partner."
	case s >= 500:
		out.Cause, out.Remedy = "The partner's access point failed without an ebMS error.", "Give the partner the MessageId and the time."
	case s == http.StatusAccepted, s == http.StatusNoContent:
		out.Cause = "The partner answers later (callback) or is no access point; the profile wants the receipt in the answer (ReplyPattern=Response)."
		out.Remedy = "Let the partner set replyPattern to response."
	default:
		out.Cause = "Something other than an access point answers: a web page, a health check, a proxy."
		out.Remedy = "Compare the path in url with the partner's."
	}
	return out
}

// unsignedError explains an error that the partner did not sign, or that somebody
// else did. It may be true all the same, so its meaning is told too.
func unsignedError(code ebms.Code, env wssec.Envelope, report *PingReport, err error) *PingProblem {
	out := signedError(code, report)
	how := "an error that is not signed"
	if !env.Security.IsZero() {
		how = "an error whose signature is not that of the partner"
	}
	out.Symptom = how + ": " + string(code)
	out.Cause += " It is not proven to be the partner's: a message that is sent for real is repeated after it."
	out.Detail = err.Error()
	return out
}

func unsignedReceipt(env wssec.Envelope, err error) *PingProblem {
	if env.Security.IsZero() {
		return &PingProblem{
			Symptom: "the receipt is not signed", Cause: "The partner's P-Mode has no non-repudiation, or does not sign receipts.",
			Remedy: "Let the partner switch on signed receipts (nonRepudiation=true, SendReceipt.NonRepudiation).", Detail: err.Error(),
		}
	}
	return &PingProblem{
		Symptom: "the signature of the receipt is not that of the partner",
		Cause:   "The partner signs with another certificate than signing.pinned or signing.anchors of the P-Mode allow, with an expired or revoked one, or with an algorithm or token form that was not agreed.",
		Remedy:  "Compare the partner's signing certificate with the P-Mode (fingerprints); the detail says which check failed.", Detail: err.Error(),
	}
}

// receiptDiffers explains a signed receipt for other references than were sent.
func receiptDiffers(l *letter, r *ebms.Receipt) *PingProblem {
	sent := l.signed()
	var got []string
	for _, ref := range r.References {
		got = append(got, ref.URI+" "+ref.Digest)
	}
	out := &PingProblem{
		Symptom: "the receipt does not hold: its references are not those of the message (EBMS:0302)",
		Cause:   fmt.Sprintf("We signed %d references, the receipt has %d.", len(sent), len(got)),
		Remedy:  "Where a proxy changes requests, stop it; otherwise the partner's access point computes receipts of its own: send it the lines below.",
	}
	for _, s := range sent {
		if !slices.Contains(got, s) {
			out.Compare = append(out.Compare, "only sent: "+s)
		}
	}
	for _, g := range got {
		if !slices.Contains(sent, g) {
			out.Compare = append(out.Compare, "only in the receipt: "+g)
		}
	}
	return out
}

// signedError explains an ebMS error of the partner.
func signedError(code ebms.Code, report *PingReport) *PingProblem {
	out := &PingProblem{Symptom: "the partner answers " + strings.TrimSpace(string(code)+" "+report.Answer.Meaning)}
	m := report.PMode
	ours := []string{
		"From/PartyId " + typed(m.From, m.FromType), "From/Role " + m.FromRole,
		"To/PartyId " + typed(m.To, m.ToType), "To/Role " + m.ToRole,
	}
	ours = append(ours, "AgreementRef "+orNone(typed(m.Agreement, m.AgreementType)), "Service "+m.Service, "Action "+m.Action, "mpc "+orDefault(m.MPC))
	switch code {
	case ebms.ProcessingModeMismatch:
		out.Cause = "The partner has no P-Mode that fits our header, or none for the test service."
		out.Remedy = "Compare each value below with the partner's P-Mode, letter by letter: types and roles are URIs. Ask whether the test service is switched on."
		out.Compare = ours
	case ebms.ValueInconsistent, ebms.ValueNotRecognized, ebms.InvalidHeader:
		out.Cause = "The partner does not accept a value of our header."
		out.Remedy = "Compare the values below; the partner's own text names the field."
		out.Compare = ours
	case ebms.FailedAuthentication:
		out.Cause = "The partner does not accept our signature: it has another certificate of ours, none at all, an expired one, or it cannot resolve our token form (" + m.SignToken + ")."
		out.Remedy = "Give the partner our signing certificate and its chain; if it finds certificates by SubjectKeyIdentifier, set token to ski."
		out.Compare = keysFor(report, "we sign with")
	case ebms.FailedDecryption:
		out.Cause = "The partner cannot decrypt: we encrypt for a certificate whose key it has no more, or with an algorithm it does not take."
		out.Remedy = "Get the partner's present encryption certificate and put it into encryption of the P-Mode."
		out.Compare = keysFor(report, "we encrypt for them with")
	case ebms.PolicyNoncompliance:
		out.Cause = "The partner's security policy wants something else: encrypted parts, another algorithm, another token form, another profile."
		out.Remedy = "Compare profile (" + m.Profile + "), security (" + m.Security + "), token (" + m.SignToken + ") and algorithms with the partner."
	case ebms.EmptyPartition:
		out.Cause, out.Remedy = "The partner takes the message for a pull request.", "Check the url: it is that of another service."
	case ebms.MimeInconsistency, ebms.ExternalPayloadError:
		out.Cause, out.Remedy = "The partner finds other parts than the header names.", "A proxy may change the message; compare the sizes of the request on both sides."
	case ebms.DecompressionFailure:
		out.Cause, out.Remedy = "The partner cannot decompress our payload.", "Set compress: false for the partner, and tell it."
	case ebms.DeliveryFailure, ebms.ConnectionFailure:
		out.Cause, out.Remedy = "The partner cannot take messages at present.", "Try again later; messages are repeated by themselves."
	case ebms.DuplicateDetected:
		out.Cause, out.Remedy = "The partner has seen this MessageId, which is new: its memory mixes up messages.", "Tell the partner."
	case ebms.FeatureNotSupported, ebms.HeaderNotSupported:
		out.Cause, out.Remedy = "The partner's access point does not know something in our message.", "The partner's own text says what; compare profile and service."
	default:
		out.Cause, out.Remedy = "The partner could not process the test message.", "Give the partner the MessageId and the time; its log has the reason."
	}
	return out
}

func typed(value, kind string) string {
	if kind == "" || value == "" {
		return value
	}
	return value + " (type " + kind + ")"
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func orDefault(mpc string) string {
	if mpc == "" {
		return "(default)"
	}
	return mpc
}

func keysFor(report *PingReport, use string) []string {
	var out []string
	for _, k := range report.Keys {
		if k.Use == use {
			out = append(out, fmt.Sprintf("%s %s, issued by %s, until %s", k.Use, k.Subject, k.Issuer, k.NotAfter.Format("2006-01-02")))
		}
	}
	return out
}
