package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// secretFile reads a small file that only its owner may read.
func (c *Config) secretFile(name string) (string, error) {
	path := c.path(name)
	st, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	if err := private(path, st); err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	if st.Size() > 4096 {
		return "", fmt.Errorf("reading secret: %s is too large", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// private refuses a file that others may read.
func private(path string, st os.FileInfo) error {
	if st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s may be read by others (mode %o): chmod 600 it", path, st.Mode().Perm())
	}
	return nil
}

// readPEM reads certificates, or a key that only its owner may read.
func readPEM(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err == nil && bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		err = private(path, st)
	}
	return data, err
}

// keyPair reads a certificate chain and its key.
func (c *Config) keyPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := readPEM(c.path(cert))
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := readPEM(c.path(key))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// keyFile reads a key of 32 bytes in base64.
func (c *Config) keyFile(name string) ([]byte, error) {
	text, err := c.secretFile(name)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("reading key %s: want 32 bytes in base64 (openssl rand -base64 32)", c.path(name))
	}
	return key, nil
}

// pool reads trust anchors; no file means the system's.
func (c *Config) pool(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.path(name))
	if err != nil {
		return nil, fmt.Errorf("reading trust anchors: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("reading trust anchors: no certificate in %s", c.path(name))
	}
	return pool, nil
}

// clientTLS is how we call servers that the given anchors vouch for.
func (c *Config) clientTLS(ca, cert, key string) (*tls.Config, error) {
	pool, err := c.pool(ca)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if cert != "" {
		pair, err := c.keyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("reading client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// serverTLS is nil where the listener speaks plain HTTP to loopback.
func (c *Config) serverTLS(s ServerConfig) (*tls.Config, error) {
	if s.Cert == "" {
		return nil, nil
	}
	pair, err := c.keyPair(s.Cert, s.Key)
	if err != nil {
		return nil, fmt.Errorf("reading server certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}
