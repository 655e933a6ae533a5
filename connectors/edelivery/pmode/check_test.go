package pmode

import (
	"strings"
	"testing"
	"time"
)

func check(t *testing.T, text string) (*Table, string) {
	t.Helper()
	tab, faults := Loader{File: "f.yaml", Public: readFile, Secret: readFile, Now: time.Now()}.Check(t.Context(), []byte(text))
	var b strings.Builder
	for _, f := range faults {
		b.WriteString(f.Error() + "\n")
	}
	return tab, b.String()
}

// What is wrong keeps a file out of force; what is weak is told.
func TestFaultsAndWarningsOfTheWholeTable(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           string
		warning        bool
	}{
		{"plain http", "https://as4.example.fi", "http://as4.example.fi", "10:10: url is http: headers would travel in clear and the server would not be checked; https, or allow_http: true", false},
		{"plain http that is allowed", "url: https://as4.example.fi", "allow_http: true\n    url: http://as4.example.fi", "10:17: warning: url is http", true},
		{"plain http to this host", "https://as4.example.fi", "http://127.0.0.1:8080", "", true},
		{"a pull without an mpc", "token: ski", "mep: pull", "16:10: a partner that pulls needs an mpc of its own; mpc: a URI", false},
		{"an mpc of two", "name: sweden", "name: a\n    party: {id: A, type: \"urn:t\"}\n    mep: pull\n    mpc: urn:m\n    encryption: [fi.pem]\n    signing: {pinned: [fi.pem]}\n  - name: b\n    mep: pull\n    mpc: urn:m\n    encryption: [fi.pem]", `mpc is that of "a", which pulls too`, false},
		{"an mpc that is no URI", "token: ski", "mpc: south", "mpc is not a URI", false},
		{"fetching without a url", "name: sweden", "name: sweden\n    pull: {every: 1m}", "url is required to pull", false},
		{"fetching all the time", "token: ski", "pull: {every: 1ms}", "pull.every is less than a second", false},
		{"only out, nowhere", "name: sweden", "name: sweden\n    direction: out", "url is required to send; url, or mep: pull", false},
		{"profile without our key", "token: ski", "profile: \"2.0\"", "16:14: profile 2.0 needs a signing identity of ours with an ed25519 key; add it under own.signing", false},
		{"profile that is unknown", "token: ski", "profile: \"3.0\"", "want one of 1.15, 2.0, 2.0-ecdsa", false},
		{"sign only", "token: ski", "security: sign", "16:15: warning: payloads are signed but not encrypted", true},
		{"weak key transport", "key_transport: [rsa-oaep, rsa-oaep-mgf1p]", "key_transport: [rsa-oaep-mgf1p]", "warning: rsa-oaep-mgf1p uses SHA-1", true},
		{"weak token", "token: ski", "token: {sign: thumbprint}", "warning: thumbprint names certificates by SHA-1", true},
		{"two-way without replies", "token: ski", "two_way: true", "a two-way agreement names its replies", false},
		{"replies without two-way", "actions: [a, b]", "actions: [a, b], replies: [b]", "a service names replies, but the agreement is not two-way", false},
		{"a reply that is no action", "actions: [a, b]", "actions: [a, b], replies: [c]", `"c" is not one of the actions`, false},
		{"an action twice", "actions: [a, b]", "actions: [a, a]", `action "a" twice`, false},
		{"a service without a type", "urn:service", "service", "a service without a type must be a URI", false},
		{"a property twice", "actions: [a, b]", "actions: [a, b], properties: [{name: x}, {name: x}]", `property "x" is empty or twice`, false},
		{"a payload twice", "actions: [a, b]", "actions: [a, b], payloads: {parts: [{id: x}, {id: x}]}", `payload part "x" is empty or twice`, false},
		{"more required than allowed", "actions: [a, b]", "actions: [a, b], payloads: {max: 1, parts: [{id: x, required: true}, {id: y, required: true}]}", "more parts are required than are allowed", false},
		{"payloads above the limits", "actions: [a, b]", "actions: [a, b], payloads: {size: 1GiB}", "warning: payloads may be larger than limits.message", true},
		{"many parts", "ratio: 100", "ratio: 100, parts: 29", "warning: more than 28 payload parts", true},
		{"no parts", "ratio: 100", "ratio: 100, parts: 0", "want a number of parts", false},
		{"short memory", "timeout: 30s", "retention: 1s", "warning: duplicates are remembered for less time", true},
		{"jitter", "factor: 1.5", "factor: 1.5, jitter: 1", "want a share from 0 to 0.99", false},
		{"old TLS", "token: ski", "tls: {min: \"1.1\"}", "want one of 1.2, 1.3", false},
		{"clients without names", "token: ski", "tls: {clients: {ca: [fi.pem]}}", "clients of a ca without names", false},
		{"a policy that is none", "names: [AP_FI_03]", "names: [AP_FI_03]\n      policies: [x]", "want an object identifier", false},
		{"revocation that nobody checks", "names: [AP_FI_03]", "names: [AP_FI_03]\n      revocation: {mode: hard}", "revocation is not checked here", false},
		{"the same party under two agreements", "name: sweden\n    party: {id: AP_SE_01, type: \"urn:t\"}", "name: other\n    party: {id: AP_FI_03, type: \"urn:t\"}\n    url: https://x.example\n    encryption: [fi.pem]\n    services: [{service: \"urn:service\", actions: [b]}]", `warning: action "b" to this party is sent under "finland", which stands first`, true},
		{"an identity of two kinds", "key: own-key.pem", "key: own-key.pem, pkcs12: {file: x, password_file: y}", "4:12: want one of: certificate and key, pkcs12, pkcs11", false},
		{"a typing slip", "timeout: 30s", "timeuot: 30s", `23:5: unknown key "timeuot"; did you mean timeout?`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(good, tt.old) {
				t.Fatalf("no %q", tt.old)
			}
			tab, said := check(t, strings.Replace(good, tt.old, tt.new, 1))
			if (tab != nil) != tt.warning || !strings.Contains(said, tt.want) {
				t.Errorf("table %t, want %t; nothing says %q:\n%s", tab != nil, tt.warning, tt.want, said)
			}
		})
	}
}

// A consequence of a fault is not told as a fault of its own.
func TestOneMistakeIsOneFault(t *testing.T) {
	for _, tt := range []struct{ old, new string }{
		{"encryption: [fi.pem]", "encryption: [gone.pem]"},
		{"key: own-key.pem", "key: gone.pem"},
		{"certificate: own.pem, key: own-pkcs1.pem", "certificate: own.pem, key: gone.pem"},
		{"party: {id: AP_SE_01, type: \"urn:t\"}", "party: AP_SE_01"},
		{"domain: as4.example.nl", "domain:"},
	} {
		_, said := check(t, strings.Replace(good, tt.old, tt.new, 1))
		faults := 0
		for _, l := range strings.Split(strings.TrimSpace(said), "\n") {
			if !strings.Contains(l, "warning:") {
				faults++
			}
		}
		if faults != 1 {
			t.Errorf("%s: %d faults\n%s", tt.new, faults, said)
		}
	}
}

func TestExpiredCertificatesAreWarnings(t *testing.T) {
	tab, faults := Loader{File: "f.yaml", Public: readFile, Secret: readFile, Now: time.Now().AddDate(2, 0, 0)}.Check(t.Context(), []byte(good))
	if tab == nil || len(faults) == 0 {
		t.Fatalf("table %v, %d warnings", tab, len(faults))
	}
	expired := 0
	for _, f := range faults {
		if !f.Warning {
			t.Errorf("%v", f)
		}
		if strings.Contains(f.Text, "expired on") {
			expired++
		}
	}
	if expired < 4 {
		t.Errorf("%d expired certificates are told: %v", expired, faults)
	}
	_, faults = Loader{File: "f.yaml", Public: readFile, Secret: readFile, Now: time.Now().AddDate(0, 0, 350)}.Check(t.Context(), []byte(good))
	if len(faults) == 0 || !strings.Contains(faults[0].Text, "expires on") {
		t.Errorf("%v", faults)
	}
}

func TestDiff(t *testing.T) {
	from, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if d := Diff(from, from); !d.Empty() {
		t.Errorf("the same differs: %+v", d)
	}
	text := strings.NewReplacer("timeout: 30s", "timeout: 31s", "name: sweden", "name: norway", "domain: as4.example.nl", "domain: other.example.nl").Replace(good)
	to, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	d := Diff(from, to)
	if len(d.Own) != 1 || d.Own[0] != (Change{"domain", "as4.example.nl", "other.example.nl"}) ||
		strings.Join(d.Added, " ") != "norway" || strings.Join(d.Removed, " ") != "sweden" || len(d.Changed) != 1 || len(d.Changed["finland"]) != 1 {
		t.Errorf("%+v", d)
	}
}
