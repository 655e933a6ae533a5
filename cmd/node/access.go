package node

import (
	"crypto/tls"
	"fmt"

	"oncegate/connectors/edelivery"
)

// How the AS4 listener asks for TLS client certificates. Which certificate a partner
// may show is said by its P-Mode.
const (
	clientsNone    = "none"
	clientsRequest = "request"
	clientsRequire = "require"
)

// A TLSConfig narrows the TLS of the AS4 listener.
type TLSConfig struct {
	Min    string   `yaml:"min"`    // 1.2 or 1.3. Default: 1.2
	Max    string   `yaml:"max"`    // 1.2 or 1.3. Default: the latest there is
	Suites []string `yaml:"suites"` // of TLS 1.2, IANA names. Default: all of the profile
}

func (e *EDeliveryConfig) validateTLS(bad func(string, string, ...any), file func(string, string, bool)) {
	switch e.ClientAuth {
	case "", clientsNone, clientsRequest, clientsRequire:
	default:
		bad("edelivery.client_auth", "%q: want none, request or require", e.ClientAuth)
	}
	if e.ClientAuth == clientsRequire || e.ClientAuth == clientsRequest {
		if e.Cert == "" {
			bad("edelivery.client_auth", "%s needs tls_cert: a proxy that ends TLS must ask itself", e.ClientAuth)
		}
	} else if e.ClientCA != "" {
		bad("edelivery.client_ca", "goes with client_auth request or require")
	}
	file("edelivery.client_ca", e.ClientCA, e.ClientAuth == clientsRequire)
	if _, err := e.TLS.rules(); err != nil {
		bad("edelivery.tls", "%v", err)
	}
}

func (t TLSConfig) rules() (edelivery.TLSRules, error) {
	return edelivery.ParseTLS(t.Min, t.Max, t.Suites)
}

// as4TLS is how the AS4 listener speaks TLS; nil where a proxy ends it. asked reports
// whether a P-Mode names TLS clients: P-Modes change while the listener stays.
func (n *Node) as4TLS(asked func() bool) (*tls.Config, error) {
	e := n.cfg.EDelivery
	if e.Cert == "" {
		return nil, nil
	}
	pair, err := n.cfg.keyPair(e.Cert, e.Key)
	if err != nil {
		return nil, fmt.Errorf("reading server certificate: %w", err)
	}
	rules, err := e.TLS.rules()
	if err != nil {
		return nil, fmt.Errorf("edelivery.tls: %w", err)
	}
	pool, err := n.cfg.pool(e.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("edelivery.client_ca: %w", err)
	}
	conf := edelivery.ServerTLS(pair, nil)
	rules.Narrow(conf)
	conf.ClientCAs = pool
	switch {
	case e.ClientAuth == clientsRequire:
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	case e.ClientAuth == clientsRequest && pool != nil:
		conf.ClientAuth = tls.VerifyClientCertIfGiven
	case e.ClientAuth == clientsRequest:
		conf.ClientAuth = tls.RequestClientCert // the agreement judges it
	case e.ClientAuth == "":
		conf.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if !asked() {
				return nil, nil
			}
			asking := conf.Clone()
			asking.ClientAuth, asking.GetConfigForClient = tls.RequestClientCert, nil
			// Who resumes a session of before is not asked.
			asking.SessionTicketsDisabled = true
			return asking, nil
		}
	}
	return conf, nil
}
