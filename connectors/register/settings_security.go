package register

import (
	"crypto/x509"
	"encoding/pem"
)

// OAuthSettings say where a token for the register is to be had.
type OAuthSettings struct {
	TokenURL   string   `yaml:"token_url"`          // Required: https
	ClientID   string   `yaml:"client_id"`          // Required
	SecretFile string   `yaml:"client_secret_file"` // Required
	Scopes     []string `yaml:"scopes"`             // Default: none
	Audience   string   `yaml:"audience"`           // Default: none
}

func (o *OAuthSettings) endpoint(f *files) *OAuth {
	if o == nil {
		return nil
	}
	return &OAuth{o.TokenURL, o.ClientID, f.secret("oauth2.client_secret_file", o.SecretFile), o.Scopes, o.Audience}
}

// WSSESettings say how messages of SOAP are secured beyond TLS.
type WSSESettings struct {
	User         string `yaml:"user"`          // of a UsernameToken. Default: none
	PasswordFile string `yaml:"password_file"` // Required with user
	Password     string `yaml:"password"`      // digest, or text, which is refused without https. Default: digest
	SignCert     string `yaml:"sign_cert"`     // file: messages are signed with it. Default: none
	SignKey      string `yaml:"sign_key"`      // file. Required with sign_cert
	// VerifyCA is a file: the certificate with which the register signs replies, or an
	// authority that certifies such signers alone. With it a reply must be signed.
	VerifyCA string `yaml:"verify_ca"`
}

func (w *WSSESettings) endpoint(f *files) *WSS {
	if w == nil {
		return nil
	}
	return &WSS{
		User: w.User, Password: f.secret("wsse.password_file", w.PasswordFile), Text: w.Password == "text",
		Sign: f.keyPair("wsse.sign_cert", w.SignCert, w.SignKey), Trust: f.certificates("wsse.verify_ca", w.VerifyCA),
	}
}

// certificates reads every certificate of a file; none without a file.
func (f *files) certificates(key, name string) []*x509.Certificate {
	text := f.bytes(key, name)
	if text == nil {
		return nil
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			f.fail(key, "%w", err)
			return nil
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		f.fail(key, "no certificate in %s", name)
	}
	return all
}
