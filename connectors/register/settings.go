package register

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/register/care"
	"oncegate/mapping"
)

// Settings are what a deployment's configuration says about one register. They
// name files and hold no secret: Endpoint reads those.
type Settings struct {
	URL          string   `yaml:"url"`           // Required for transports over HTTP: https, or http on loopback
	CA           string   `yaml:"ca"`            // file: who vouches for the register. Default: the system's
	Cert         string   `yaml:"client_cert"`   // file: who we are in TLS. Default: none
	Key          string   `yaml:"client_key"`    // file. Required with client_cert
	User         string   `yaml:"user"`          // Default: none
	PasswordFile string   `yaml:"password_file"` // Required with user
	Header       string   `yaml:"header"`        // name of a header that holds a secret. Default: none
	HeaderFile   string   `yaml:"header_file"`   // Required with header
	Timeout      Duration `yaml:"timeout"`       // of one call. Default: that of register.yaml

	KnownHosts  string `yaml:"known_hosts"`            // file: the key of an SFTP server. Required for sftp://
	SSHKey      string `yaml:"ssh_key"`                // file: who we are on an SFTP server. Default: password_file
	NameKeyFile string `yaml:"name_key_file"`          // file: of what names of files are made. Required where files are deferred
	OnTopic     string `yaml:"personal_data_on_topic"` // accepted: persons may stand on the topics of a register on Kafka. Default: refused

	Secrets map[string]string `yaml:"secrets"` // files: what secret('name') of the query rules stands for. Default: none

	Care care.Settings `yaml:",inline"` // tighter than register.yaml, never looser

	Shadow string          `yaml:"shadow"` // directory of registers: the version there runs beside and only reports. Default: none
	Record *RecordSettings `yaml:"record"` // Default: nothing is recorded

	OAuth *OAuthSettings `yaml:"oauth2"` // client credentials of OAuth 2. Default: none
	WSSE  *WSSESettings  `yaml:"wsse"`   // WS-Security, for SOAP. Default: none
	XRoad *XRoadSettings `yaml:"xroad"`  // Required for a register of X-Road
}

// RecordSettings say how answers become samples that name nobody.
type RecordSettings struct {
	Dir   string    `yaml:"dir"`   // Required: where the samples are written
	Until time.Time `yaml:"until"` // Required: nothing is recorded from then on
	Most  int       `yaml:"most"`  // Default: 200 samples
}

func (r *RecordSettings) validate() error {
	if r != nil && (r.Dir == "" || r.Until.IsZero() || r.Most < 0) {
		return errors.New("record: want dir, the time until which answers are recorded, and no negative number")
	}
	return nil
}

// XRoadSettings say who we are in X-Road.
type XRoadSettings struct {
	Client   string `yaml:"client"`   // INSTANCE/CLASS/MEMBER/SUBSYSTEM. Required
	User     string `yaml:"user"`     // who asks for us: a system, never a person asked about. Default: none
	Instance string `yaml:"instance"` // of the register, as in a test environment. Default: as register.yaml says
}

// identity refuses a section that says nothing.
func (x *XRoadSettings) identity() (XRoad, error) {
	switch {
	case x == nil:
		return XRoad{}, nil
	case x.Client == "":
		return XRoad{}, errors.New("xroad: client is required")
	}
	return XRoad(*x), nil
}

// A Duration is written as 90s or 15m.
type Duration time.Duration

// UnmarshalYAML reads "15m".
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as 90s or 15m", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes "15m".
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// A File is a file that settings name.
type File struct {
	Key    string // of the settings: client_key
	Name   string
	Secret bool // only its owner may read it
}

// Files are the files that the settings name.
func (s Settings) Files() []File {
	all := []File{
		{"ca", s.CA, false},
		{"client_cert", s.Cert, false},
		{"client_key", s.Key, true},
		{"password_file", s.PasswordFile, true},
		{"header_file", s.HeaderFile, true},
		{"known_hosts", s.KnownHosts, false},
		{"ssh_key", s.SSHKey, true},
		{"name_key_file", s.NameKeyFile, true},
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		all = append(all, File{"secrets." + name, s.Secrets[name], true})
	}
	if s.OAuth != nil {
		all = append(all, File{"oauth2.client_secret_file", s.OAuth.SecretFile, true})
	}
	if w := s.WSSE; w != nil {
		all = append(all, File{"wsse.password_file", w.PasswordFile, true}, File{"wsse.sign_cert", w.SignCert, false},
			File{"wsse.sign_key", w.SignKey, true}, File{"wsse.verify_ca", w.VerifyCA, false})
	}
	out := all[:0]
	for _, f := range all {
		if f.Name != "" {
			out = append(out, f)
		}
	}
	return out
}

// Validate reports all faults of the settings themselves at once; it opens no file.
// Whether they are enough for a register's transport New says.
func (s Settings) Validate() error {
	var errs []error
	pair := func(a, b, have, want string) {
		if (have == "") != (want == "") {
			errs = append(errs, fmt.Errorf("%s and %s go together", a, b))
		}
	}
	pair("client_cert", "client_key", s.Cert, s.Key)
	if s.SSHKey == "" {
		pair("user", "password_file", s.User, s.PasswordFile)
	} else if s.User == "" || s.PasswordFile != "" {
		errs = append(errs, errors.New("ssh_key goes with user, and takes the place of password_file"))
	}
	if s.OnTopic != "" && s.OnTopic != "accepted" && s.OnTopic != "refused" {
		errs = append(errs, errors.New("personal_data_on_topic: want accepted or refused"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		if !mapping.SecretName(name) || s.Secrets[name] == "" {
			errs = append(errs, fmt.Errorf("secrets: want names of lower-case letters, digits, _ and -, each with a file: %s", strconv.Quote(name)))
		}
	}
	pair("header", "header_file", s.Header, s.HeaderFile)
	xroad, err := s.XRoad.identity()
	if o := s.OAuth; o != nil && (o.TokenURL == "" || o.ClientID == "" || o.SecretFile == "") {
		errs = append(errs, errors.New("oauth2: token_url, client_id and client_secret_file are required"))
	}
	if w := s.WSSE; w != nil {
		pair("wsse.user", "wsse.password_file", w.User, w.PasswordFile)
		pair("wsse.sign_cert", "wsse.sign_key", w.SignCert, w.SignKey)
		if !slices.Contains([]string{"", "digest", "text"}, w.Password) {
			errs = append(errs, errors.New("wsse.password: want digest or text"))
		}
	}
	errs = append(errs, err, s.Record.validate(), Endpoint{URL: s.URL, Timeout: time.Duration(s.Timeout), XRoad: xroad}.Validate())
	return errors.Join(errs...)
}

// Endpoint reads the files that the settings name. read finds a file beside the
// configuration and refuses a secret that others may read.
func (s Settings) Endpoint(read func(file string) ([]byte, error)) (Endpoint, error) {
	if err := s.Validate(); err != nil {
		return Endpoint{}, err
	}
	f := files{read: read}
	xroad, _ := s.XRoad.identity() // Validate looked
	e := Endpoint{
		URL: s.URL, Timeout: time.Duration(s.Timeout), Care: s.Care, XRoad: xroad,
		RootCAs: f.pool("ca", s.CA), ClientCert: f.keyPair("client_cert", s.Cert, s.Key),
		Auth: Auth{
			User: s.User, Password: f.secret("password_file", s.PasswordFile),
			Header: s.Header, Value: f.secret("header_file", s.HeaderFile),
		},
		KnownHosts: f.bytes("known_hosts", s.KnownHosts), SSHKey: f.secret("ssh_key", s.SSHKey), NameKey: f.secret("name_key_file", s.NameKeyFile),
		PersonalDataOnTopic: s.OnTopic == "accepted", Secrets: f.secrets(s.Secrets),
		OAuth: s.OAuth.endpoint(&f), WSS: s.WSSE.endpoint(&f),
	}
	return e, errors.Join(f.errs...)
}

// files reads what settings name; a missing name reads as nothing.
type files struct {
	read func(string) ([]byte, error)
	errs []error
}

func (f *files) bytes(key, name string) []byte {
	if name == "" {
		return nil
	}
	text, err := f.read(name)
	if err != nil {
		f.errs = append(f.errs, fmt.Errorf("%s: %w", key, err))
	}
	return text
}

func (f *files) fail(key, format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf(key+": "+format, args...))
}

const maxSecret = 4096

// secret reads a secret; white space around it is the editor's.
func (f *files) secret(key, name string) Secret {
	text := f.bytes(key, name)
	if text == nil {
		return ""
	}
	switch text = bytes.TrimSpace(text); {
	case len(text) == 0:
		f.fail(key, "%s is empty", name)
	case len(text) > maxSecret:
		f.fail(key, "%s is larger than %d bytes", name, maxSecret)
	}
	return Secret(text)
}

// secrets reads what query rules send. Each must be able to stand in XML and JSON.
func (f *files) secrets(names map[string]string) map[string]Secret {
	out := make(map[string]Secret, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		key := "secrets." + name
		out[name] = f.secret(key, names[name])
		if text := string(out[name]); !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			f.fail(key, "%s holds characters that cannot be sent", names[name])
		}
	}
	return out
}

// pool reads authorities; nil without a file: the system's.
func (f *files) pool(key, name string) *x509.CertPool {
	text := f.bytes(key, name)
	if text == nil {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		f.fail(key, "no certificate in %s", name)
	}
	return pool
}

// keyPair reads a certificate chain and its key; nil without a file.
func (f *files) keyPair(key, certName, keyName string) *tls.Certificate {
	certPEM, keyPEM := f.bytes(key, certName), f.bytes(key, keyName)
	if certPEM == nil || keyPEM == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		f.fail(key, "%w", err)
		return nil
	}
	return &pair
}
