package keystore

import "crypto/x509"

// Truststore returns the certificates of a PKCS#12 store by alias, such as the trust
// store of another access point. Certificates without an alias are left out, and so
// is whatever else the store holds.
func Truststore(data []byte, password string) (map[string]*x509.Certificate, error) {
	s, err := readStore(data, password, maxIterations)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*x509.Certificate, len(s.certs))
	for _, c := range s.certs {
		if c.name != "" {
			out[c.name] = c.cert
		}
	}
	return out, nil
}
