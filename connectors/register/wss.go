package register

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"oncegate/connectors/register/soapsec"
	"oncegate/connectors/xmldoc"
)

// WSS is how a register of SOAP wants messages secured beyond TLS: WS-Security.
type WSS struct {
	User     string // of a UsernameToken. Default none
	Password Secret // Required with User
	Text     bool   // the password travels as it is, which needs https; otherwise its digest does
	Sign     *tls.Certificate
	Trust    []*x509.Certificate // who signs replies; none: they need not be signed
}

// Format prints no content: keys are among it.
func (s WSS) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[ws-security]") }

// LogValue prints no content.
func (s WSS) LogValue() slog.Value { return slog.StringValue("[ws-security]") }

// MarshalText writes no content.
func (s WSS) MarshalText() ([]byte, error) { return []byte("[ws-security]"), nil }

func (s *WSS) validate(address string) error {
	if s == nil {
		return nil
	}
	var errs []error
	if (s.User == "") != (s.Password == "") {
		errs = append(errs, errors.New("wsse: user and password go together"))
	}
	if u, err := url.Parse(address); s.User != "" && s.Text && (err != nil || u.Scheme != "https") {
		errs = append(errs, errors.New("wsse: a password may travel as it is over https only; say password: digest"))
	}
	if s.User == "" && s.Sign == nil && len(s.Trust) == 0 {
		errs = append(errs, errors.New("wsse: want user, sign_cert or verify_ca"))
	}
	return errors.Join(errs...)
}

// security makes what secures the messages; without WSS nothing is added, and a
// Timestamp is understood.
func (s *WSS) security(with Config) (*soapsec.Security, error) {
	conf := soapsec.Config{Now: with.Now}
	if s == nil {
		return soapsec.New(conf)
	}
	conf.Trust = s.Trust
	if s.User != "" {
		conf.User, conf.Password, conf.Digest = s.User, func() string { return string(s.Password) }, !s.Text
	}
	if s.Sign != nil {
		key, ok := s.Sign.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, errors.New("wsse: the key of sign_cert does not sign")
		}
		leaf, err := x509.ParseCertificate(s.Sign.Certificate[0])
		if err != nil {
			return nil, errors.New("wsse: sign_cert cannot be read")
		}
		conf.Key, conf.Certificate = key, leaf
	}
	return soapsec.New(conf)
}

// open checks the Security header of a reply. The cause goes to the log; outside it
// is one sentence (style 17).
func (w *soapWire) open(ctx context.Context, doc *xmldoc.Document, fault bool) (*soapsec.Opened, *callError) {
	opened, err := w.security.Open(ctx, doc)
	switch {
	case err == nil:
		return opened, nil
	case errors.Is(err, soapsec.ErrUnsigned) && fault:
		// Who cannot tell who asks does not sign. Its status may be believed as far as
		// any status is, what it writes may not.
		return nil, &callError{outcome: outcomeUnavailable, detail: "the register reported a SOAP fault that it did not sign"}
	}
	w.log.WarnContext(ctx, "security of a reply refused", "error", err)
	return nil, &callError{outcome: outcomeInvalid, detail: "the security of the reply is not accepted"}
}
