package sandbox

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A member is one Member State of the landscape: a directory with the very
// files that an operator would write, and the addresses in them.
type member struct {
	Country     string
	Name        string
	Dir         string
	AccessPoint string // scheme::id
	AS4         string // URL of the access point
	API         string // URL
	Web         string // URL
	Token       string // of the portal
	Operator    string // token of the operator
	Hook        []byte // secret of the webhook
	EIDSecret   string
}

// Config is the name of the member's configuration file.
func (m *member) Config() string { return filepath.Join(m.Dir, "oncegate.yaml") }

// engine says on what a member runs.
type engine struct {
	Brokers []string // empty: embedded
	Redis   string
	Prefix  string // before topics and keys, so that members can share services
}

// obj is a YAML mapping under construction.
type obj = map[string]any

func newMember(ports *ports, root, country, name string) (*member, error) {
	m := &member{
		Country: country, Name: name, Dir: filepath.Join(root, name),
		AccessPoint: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:" + country + "::AP_" + country + "_SANDBOX",
		Token:       rand.Text(), Operator: rand.Text(), Hook: make([]byte, 32), EIDSecret: rand.Text(),
	}
	rand.Read(m.Hook) //nolint:errcheck // never fails
	for _, u := range []*string{&m.AS4, &m.API, &m.Web} {
		addr, err := ports.free()
		if err != nil {
			return nil, err
		}
		*u = "https://" + addr
	}
	m.AS4 += "/as4"
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating %s: %w", m.Dir, err)
	}
	return m, nil
}

func (m *member) write(name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(m.Dir, name), data, 0o600); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	return nil
}

func (m *member) writeYAML(name string, v any) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	return m.write(name, data)
}

func (m *member) writeKey(name string) error {
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // never fails
	return m.write(name, []byte(base64.StdEncoding.EncodeToString(key)+"\n"))
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func hostOf(u string) string {
	const scheme = "https://"
	h := u[len(scheme):]
	for i := range len(h) {
		if h[i] == '/' {
			return h[:i]
		}
	}
	return h
}

// configure writes every file of the member but its P-Modes, which need the
// partner's certificate.
func (m *member) configure(ca *pki, on engine, issuer string, extra obj) error {
	cert, err := ca.tlsServer()
	if err != nil {
		return err
	}
	if err := writeKeyPair(filepath.Join(m.Dir, "tls.key"), filepath.Join(m.Dir, "tls.pem"), cert.PrivateKey, cert.Certificate[0]); err != nil {
		return err
	}
	if err := writePEM(filepath.Join(m.Dir, "ca.pem"), &pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}); err != nil {
		return err
	}
	key, der, err := ca.accessPoint("AP_" + m.Country + "_SANDBOX")
	if err != nil {
		return err
	}
	if err := writeKeyPair(filepath.Join(m.Dir, "as4.key"), filepath.Join(m.Dir, "as4.pem"), key, der); err != nil {
		return err
	}
	for _, k := range []string{"ticket.key", "session.key", "wrap-1.key"} {
		if err := m.writeKey(k); err != nil {
			return err
		}
	}
	if err := m.writeLogKey(); err != nil {
		return err
	}
	if err := m.write("webhook.secret", []byte("whsec_"+base64.StdEncoding.EncodeToString(m.Hook)+"\n")); err != nil {
		return err
	}
	if err := m.write("eid.secret", []byte(m.EIDSecret+"\n")); err != nil {
		return err
	}
	listen := func(u string) obj { return obj{"listen": hostOf(u), "tls_cert": "tls.pem", "tls_key": "tls.key"} }
	with := func(o obj, more obj) obj {
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	conf := obj{
		"name": m.Name, "country": m.Country, "audit": obj{"dir": "audit"}, "log": obj{"level": "info", "format": "json"},
		"keys": obj{
			"ticket": "ticket.key", "session": "session.key",
			"wrap": []obj{{"id": "wrap-1", "file": "wrap-1.key", "from": ca.cert.NotBefore.UTC(), "until": ca.cert.NotAfter.UTC()}},
		},
		"exchange_log": obj{"keys": []obj{{"id": "log-1", "file": "log-1.pub", "from": ca.cert.NotBefore.UTC(), "until": ca.cert.NotAfter.UTC()}}},
		"edelivery":    with(listen(m.AS4), obj{"pmodes": "pmodes.yaml", "path": "/as4", "ca": "ca.pem"}),
		"routes":       "routes.yaml",
		"api": with(listen(m.API), obj{
			"base_url":  m.API,
			"operators": []obj{{"name": "operator", "token_hashes": []string{hash(m.Operator)}}},
		}),
		"web": with(listen(m.Web), obj{
			"site": "Preview space of " + strings.ToUpper(m.Name[:1]) + m.Name[1:], "base_url": m.Web + "/preview",
			"eid": obj{"name": "Sandbox eID", "issuer": issuer, "client_id": m.Name, "client_secret_file": "eid.secret", "ca": "ca.pem"},
		}),
	}
	if len(on.Brokers) > 0 {
		conf["kafka"] = obj{"brokers": on.Brokers, "topic_prefix": on.Prefix + m.Name + ".", "partitions": 3, "replication": 1}
		conf["redis"] = obj{"address": on.Redis, "prefix": on.Prefix + m.Name}
	} else {
		conf["kafka"], conf["embedded"] = obj{"partitions": 3}, obj{"data": "data"}
	}
	for k, v := range extra {
		if have, ok := conf[k].(obj); ok {
			conf[k] = with(have, v.(obj))
			continue
		}
		conf[k] = v
	}
	return m.writeYAML("oncegate.yaml", conf)
}

// agree writes the P-Modes of the member for its partners.
func (m *member) agree(others ...*member) error {
	party := func(m *member) obj {
		return obj{"id": "AP_" + m.Country + "_SANDBOX", "type": "urn:oasis:names:tc:ebcore:partyid-type:unregistered:" + m.Country}
	}
	var partners []obj
	for _, other := range others {
		cert, err := os.ReadFile(filepath.Join(other.Dir, "as4.pem"))
		if err != nil {
			return fmt.Errorf("reading the partner's certificate: %w", err)
		}
		file := "partner-" + other.Name + ".pem"
		if err := m.write(file, cert); err != nil {
			return err
		}
		partners = append(partners, obj{
			"name": other.Name, "party": party(other), "url": other.AS4,
			"signing": obj{"pinned": []string{file}}, "encryption": []string{file},
			"retry": obj{"attempts": 8, "initial": "250ms", "factor": 2, "max": "4s"},
		})
	}
	return m.writeYAML("pmodes.yaml", obj{
		"own": obj{
			"party": party(m), "domain": "ap." + m.Name + ".example",
			"signing":    obj{"certificate": "as4.pem", "key": "as4.key"},
			"decryption": []obj{{"certificate": "as4.pem", "key": "as4.key"}},
		},
		"partners": partners,
	})
}

// writeLogKey makes the pair of the exchange log. A member would keep the private
// half elsewhere.
func (m *member) writeLogKey() error {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of the exchange log: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding the key of the exchange log: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.PublicKey())
	if err != nil {
		return fmt.Errorf("encoding the key of the exchange log: %w", err)
	}
	if err := writePEM(filepath.Join(m.Dir, "log-1.key"), &pem.Block{Type: "PRIVATE KEY", Bytes: private}); err != nil {
		return err
	}
	return writePEM(filepath.Join(m.Dir, "log-1.pub"), &pem.Block{Type: "PUBLIC KEY", Bytes: public})
}
