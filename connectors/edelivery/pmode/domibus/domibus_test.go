package domibus

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/assets"
)

var update = flag.Bool("update", false, "write the golden files again")

// identity is made for the test run and never kept.
var identity = sync.OnceValue(func() pkitest.Pair { return pkitest.SelfSigned("any", pkitest.RSA()) })

// parse loads YAML in which every file has the same certificate.
func parse(t testing.TB, y []byte) (*pmode.Table, error) {
	t.Helper()
	return pmode.Load("pmodes.yaml", y, func(name string) ([]byte, error) {
		if strings.HasSuffix(name, ".key") {
			return pkitest.KeyPEM(identity().Key), nil
		}
		return pkitest.CertificatePEM(identity().Cert), nil
	})
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// draft reads a file that must be accepted.
func draft(t testing.TB, name string, data []byte) (pmode.Draft, []Note) {
	t.Helper()
	c := Read(name, data)
	if err := c.Refused(); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return c.Draft(Options{})
}

func TestImport(t *testing.T) {
	d, notes := draft(t, "ministry.xml", fixture(t, "ministry.xml"))
	got, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.Write(got)
	for _, n := range notes {
		b.WriteString("# note: " + n.Text + "\n")
	}
	golden := filepath.Join("testdata", "ministry.yaml")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(fixture(t, "ministry.yaml")), b.String()); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
	if _, err := parse(t, got); err != nil {
		t.Errorf("YAML does not load: %v", err)
	}
}

// rich has everything that Domibus can say, and OOTS as it is by default.
const rich = `own:
  party: {id: AP_SI_TEST, type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI"}
  domain: ap.example
  signing: {certificate: as4.pem, key: as4.key}
  decryption: [{certificate: as4.pem, key: as4.key}]
partners:
  - name: spain
    party: {id: AP_ES_TEST, type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES"}
    url: https://ap.spain.example/as4
    signing: {pinned: [es.pem]}
    encryption: [es.pem]
    retry: {attempts: 5, initial: 3m, factor: 1, max: 3m, jitter: 0}
  - name: france
    party: {id: AP_FR_TEST, type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FR"}
    role: "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/responder"
    own_role: "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/initiator"
    direction: out
    url: https://ap.france.example/as4?a=1&b=2
    token: ski
    signing: {pinned: [fr.pem]}
    encryption: [fr.pem]
    agreement: {value: "A&1", type: "urn:t"}
    compress: false
    retry: {attempts: 1}
    services:
      - service: bdx:noprocess
        type: tc1
        actions: [TC1Leg1, TC1Leg2]
        properties: [{name: originalSender, required: true}, {name: count, datatype: int}]
        payloads: {size: 10MiB, parts: [{id: message, type: text/xml, required: true, size: 1MiB}, {id: attachment}]}
      - {service: "urn:other", actions: [a]}
  - name: italy
    party: {id: AP_IT_TEST, type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:IT"}
    mep: pull
    mpc: "urn:mpc:italy"
    direction: out
    security: sign
    token: ski
    signing: {pinned: [it.pem]}
    retry: {attempts: 4, initial: 1m, factor: 2, max: 10m, jitter: 0, expiry: 10m}
  - name: malta
    party: {id: AP_MT_TEST, type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:MT"}
    url: https://ap.malta.example/as4
    mpc: "urn:mpc:malta"
    pull: {every: 1m}
    direction: in
    token: issuer-serial
    signing: {pinned: [mt.pem]}
  - name: poland
    party: {id: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:AP_PL_TEST"}
    url: https://ap.poland.example/as4
    signing: {pinned: [pl.pem]}
    encryption: [pl.pem]
    retry: {attempts: 5, initial: 3m, factor: 1, max: 3m, jitter: 0}
`

// expressible is what Domibus can say of a partner; the rest are the defaults.
func expressible(p *pmode.Partner) map[string]string {
	out := map[string]string{}
	for _, s := range p.Settings() {
		switch {
		case p.Direction == pmode.In && (strings.HasPrefix(s.Key, "retry") || s.Key == "encryption[0]"):
		default:
			out[s.Key] = s.Value
		}
	}
	return out
}

func TestWhatIsExportedIsImportedTheSame(t *testing.T) {
	tab, err := parse(t, []byte(rich))
	if err != nil {
		t.Fatal(err)
	}
	data, notes, err := Write(tab, Export{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		t.Log(n.Text)
	}
	again, _, err := Write(tab, Export{})
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("two exports differ: %v", err)
	}
	d, _ := draft(t, "export.xml", data)
	y, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parse(t, y)
	if err != nil {
		t.Fatalf("%v\n%s", err, y)
	}
	if len(back.Partners()) != len(tab.Partners()) {
		t.Fatalf("%d partners of %d\n%s", len(back.Partners()), len(tab.Partners()), y)
	}
	for i, p := range tab.Partners() {
		q := back.Partners()[i]
		if diff := cmp.Diff(expressible(p), expressible(q)); p.Name != q.Name || diff != "" {
			t.Errorf("%s, %s (-exported +imported):\n%s\n%s", p.Name, q.Name, diff, y)
		}
	}
}

// The other side of an agreement sees the same file with another party.
func TestExportForThePartner(t *testing.T) {
	tab, err := parse(t, []byte(rich))
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := Write(tab, Export{Party: "spain", Partners: []string{"spain"}, Endpoint: "https://ap.example/as4"})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := draft(t, "spain.xml", data)
	if d.Own.Party.ID.ID != "AP_ES_TEST" || len(d.Partners) != 1 || d.Partners[0].Party.ID.ID != "AP_SI_TEST" || d.Partners[0].URL != "https://ap.example/as4" {
		t.Errorf("the partner's file is\n%s", data)
	}
	for _, e := range []Export{{Partners: []string{"nobody"}}, {Party: "nobody"}} {
		if _, _, err := Write(tab, e); err == nil {
			t.Errorf("%+v: no error", e)
		}
	}
}

func TestExportIsValidForDomibus(t *testing.T) {
	xsd := filepath.Join(assets.Path(t, "as4/harmony"), "xsd", "domibus-pmode.xsd")
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not here")
	}
	tab, err := parse(t, []byte(rich))
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := Write(tab, Export{Endpoint: "https://ap.example/as4"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "export.xml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(lint, "--nonet", "--noout", "--schema", xsd, file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, data)
	}
}

func TestRetry(t *testing.T) {
	constant := func(attempts int, pause time.Duration) pmode.Retry {
		return pmode.Retry{Attempts: attempts, Initial: pause, Factor: 1, Max: pause, Jitter: -1}
	}
	for _, tt := range []struct {
		in   string
		want pmode.Retry
		ok   bool
	}{
		{"", pmode.Retry{Attempts: 1}, true},
		{"0;0;SEND_ONCE", pmode.Retry{Attempts: 1}, true},
		{"12;4;CONSTANT", constant(5, 3*time.Minute), true},
		{" 1 ; 5 ; CONSTANT ", constant(6, 12*time.Second), true},
		{"0;0;CONSTANT", pmode.Retry{Attempts: 1}, true},
		{"0;3;CONSTANT", constant(4, time.Second), true},
		// Pauses of 1, 2 and 4 minutes; the next would end after the ten.
		{"10;1;2;PROGRESSIVE", pmode.Retry{Attempts: 4, Initial: time.Minute, Factor: 2, Max: 10 * time.Minute, Jitter: -1, Expiry: 10 * time.Minute}, true},
		{"12;0;CONSTANT", pmode.Retry{}, false},
		{"12;4", pmode.Retry{}, false},
		{"12;4;SOMETIMES", pmode.Retry{}, false},
		{"-1;4;CONSTANT", pmode.Retry{}, false},
		{"12;100;CONSTANT", pmode.Retry{}, false},
		{"99999999;1;CONSTANT", pmode.Retry{}, false},
		{"10;10;2;PROGRESSIVE", pmode.Retry{}, false},
		{"10;1;1;PROGRESSIVE", pmode.Retry{}, false},
		{"10;1;PROGRESSIVE", pmode.Retry{}, false},
	} {
		got, err := parseRetry(tt.in)
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.in, err)
		} else if diff := cmp.Diff(tt.want, got); tt.ok && diff != "" {
			t.Errorf("%q: %s", tt.in, diff)
		}
	}
	for in, want := range map[string]pmode.Retry{
		"12;4;CONSTANT": constant(5, 3*time.Minute), "0;0;SEND_ONCE": {Attempts: 1},
		"10;1;2;PROGRESSIVE": {Attempts: 4, Initial: time.Minute, Factor: 2, Max: 10 * time.Minute, Jitter: -1, Expiry: 10 * time.Minute},
	} {
		if got, lost := formatRetry(want); got != in || lost != "" {
			t.Errorf("%+v: %q, lost %q", want, got, lost)
		}
	}
	if got, lost := formatRetry(pmode.Retry{Attempts: 5, Initial: time.Second, Factor: 2, Max: time.Minute, Jitter: 0.1}); lost == "" {
		t.Errorf("seconds became %q without a word", got)
	}
}

// Each edit of a sound file breaks one rule of d.3.
func TestChecks(t *testing.T) {
	sound := string(fixture(t, "ministry.xml"))
	for _, tt := range []struct{ name, old, new, want string }{
		{"own party", `party="home_gw"`, `party="other"`, `our own party "other" is not among the parties`},
		{"entity", `<db:configuration`, "<!DOCTYPE a SYSTEM \"https://127.0.0.1/a\">\n<db:configuration", "DOCTYPE is not accepted"},
		{"root", `xmlns:db="http://domibus.eu/configuration"`, `xmlns:db="urn:other"`, "root is not configuration"},
		{"retry", `12;4;CONSTANT`, `12;4;ALWAYS`, "strategy is not CONSTANT"},
		{"agreement", `agreement="agreementOne"`, `agreement="none"`, `agreement "none" is not known`},
		{"mep", `mep="oneway"`, `mep="twoway"`, `mep "twoway" is not known`},
		{"two-way", `200704/oneWay`, `200704/twoWay`, "only the one-way mep"},
		{"binding", `200704/push"`, `200704/pushAndPush"`, "only the bindings push and pull"},
		{"role", `initiatorRole="sender"`, `initiatorRole="nobody"`, `initiatorRole "nobody" is not known`},
		{"same role", `value="urn:role:receiver"`, `value="urn:role:sender"`, "have the same role"},
		{"party", `<responderParty name="south_gw"/>`, `<responderParty name="nobody"/>`, `responderParty "nobody" is not among the parties`},
		{"leg", `<leg name="legOne"/>`, `<leg name="nothing"/>`, `leg "nothing" is not known`},
		{"service of a leg", `service="serviceOne"`, `service="nothing"`, `service "nothing" is not known`},
		{"mpc of a leg", `defaultMpc="defaultMpc"`, `defaultMpc="nothing"`, `defaultMpc "nothing" is not known`},
		{"property", `<propertyRef property="originalSenderProperty"/>`, `<propertyRef property="nothing"/>`, `property "nothing" is not known`},
		{"payload", `<attachment name="letter"/>`, `<attachment name="nothing"/>`, `attachment "nothing" is not a known payload`},
		{"negative size", `name="MessageProfile" maxSize="1048576"`, `name="MessageProfile" maxSize="-1"`, "maxSize is negative"},
		{"empty endpoint", `endpoint="https://south.example/as4"`, `endpoint=""`, "has no endpoint"},
		{"party id twice", `partyId="south"`, `partyId="HOME"`, `partyId "HOME" stands twice`},
		{"party by case", `name="south_gw" endpoint`, `name="HOME_gw" endpoint`, "differs from"},
		{"untyped service", `value="bdx:noprocess" type="tc1"`, `value="no process"`, "without a type is not a URI"},
		{"forbidden character", `name="processOne"`, `name="a&gt;b"`, "holds < or >"},
		{"unknown attribute", `<mpc name`, `<mpc other="1" name`, `attribute "other" is not known`},
		{"unknown element", `<mpcs>`, `<mpcs><other/>`, `element "other" is not expected`},
		{"order", `<roles>`, `<agreements/><roles>`, "is not expected here"},
		{"profile", `signatureMethod="RSA_SHA256"`, `profile="DSA"`, "want RSA or ECC"},
		{"datatype", `datatype="string"`, `datatype="date"`, `datatype "date" is not known`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(sound, tt.old) {
				t.Fatalf("no %q", tt.old)
			}
			c := Read("f.xml", []byte(strings.Replace(sound, tt.old, tt.new, 1)))
			for _, i := range c.Issues {
				if strings.Contains(i.Error(), tt.want) && i.Line > 0 && i.Col > 0 {
					return
				}
			}
			t.Errorf("nothing says %q: %v", tt.want, c.Issues)
		})
	}
}

// A party's name becomes a file name that cannot lead elsewhere.
func TestFileName(t *testing.T) {
	for in, want := range map[string]string{"red_gw": "red_gw", "../../etc/x": "_.._etc_x", "a b/c": "a_b_c", "...": "party", "": "party"} {
		if got := FileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(fixture(f, "ministry.xml"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Read("f.xml", data)
		if c.Refused() != nil {
			return
		}
		d, _ := c.Draft(Options{})
		y, err := d.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(t, y); err != nil {
			for _, known := range []string{"is not", "needs an mpc", "is required", "http", "own", "holds", "twice", "overlap", "same party", "name is taken", "want"} {
				if strings.Contains(err.Error(), known) {
					return
				}
			}
			t.Fatalf("%v\n%s", err, y)
		}
	})
}
