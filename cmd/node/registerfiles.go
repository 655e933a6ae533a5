package node

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"oncegate/connectors/register"
)

// Endpoint reads the files that the settings of a register name, for tools.
func (c *Config) Endpoint(name string) (register.Endpoint, error) {
	s, ok := c.Registers[name]
	if !ok {
		return register.Endpoint{}, fmt.Errorf("registers.%s: there are no settings", name)
	}
	return c.endpoint(s)
}

// A RegisterCertificate is the first to end in a file that settings of a register name.
type RegisterCertificate struct {
	Key   string // of the settings: client_cert
	Until time.Time
}

// RegisterCertificates are those of one register. Files that cannot be read are left
// out: Endpoint names them.
func (c *Config) RegisterCertificates(name string) []RegisterCertificate {
	var out []RegisterCertificate
	for _, f := range c.Registers[name].Files() {
		if f.Secret || !strings.HasSuffix(f.Key, "cert") && !strings.HasSuffix(f.Key, "ca") {
			continue
		}
		text, err := readBounded(c.path(f.Name), maxNamed, false)
		if err != nil {
			continue
		}
		one := RegisterCertificate{Key: f.Key}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err == nil && (one.Until.IsZero() || cert.NotAfter.Before(one.Until)) {
				one.Until = cert.NotAfter
			}
		}
		if !one.Until.IsZero() {
			out = append(out, one)
		}
	}
	return out
}
