package domibus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/schemas/assets"
)

// What Domibus 5.1 says of its own test files (EXPECTED.md, P-Mode import). Where
// that page is silent, the schema and the checks of d.3 speak.
var outcomes = map[string]struct {
	refused    bool
	issues     int      // that refuse
	says       []string // in the issues
	agreements int      // that are left
}{
	"domibus-configuration-valid.xml":                      {agreements: 24},
	"domibus-configuration-valid-testservice.xml":          {says: []string{`agreement: attribute "value" is missing`}, agreements: 27},
	"domibus-configuration-valid_green.xml":                {says: []string{`security: name "eDeliveryAS4Policy" stands twice`}, agreements: 4},
	"domibus-configuration-splitting-valid.xml":            {agreements: 4},
	"domibus-configuration-blue-pull.xml":                  {agreements: 3},
	"domibus-configuration-red-pull.xml":                   {says: []string{`leg "pullLeg1": service "pullService" is not known`}, agreements: 2},
	"domibus-pmode-without_payloadprofile.xml":             {},
	"domibus-pmode-with-pull-processes.xml":                {agreements: 28},
	"domibus-configuration-with-whitespaces.xml":           {says: []string{`action "tc2Action" is not known`}, agreements: 2},
	"domibus-configuration-xsd-not-compliant.xml":          {refused: true, issues: 4, says: []string{`"retention_undownloaded" is "11111111111111111111111111111111111", want a number of 32 bits`, `"propertyRef" is not expected`}},
	"domibus-configuration-long-names.xml":                 {refused: true, issues: 1, says: []string{"has 270 characters, more than 255"}},
	"domibus-configuration-maxsize-overflow.xml":           {refused: true, issues: 1, says: []string{`is "40894464534632746754875696", want a number`}},
	"domibus-pmode-duplicate-entities-validation-blue.xml": {refused: true, issues: 8, says: []string{"mpc: name", "mpc: qualifiedName", "role: name", "partyIdType: name", "partyIdType: value", "party: name", "mep: name", "mep: value"}},
	"domibus-pmode-AS4-entities-validation-blue.xml":       {refused: true, issues: 2, says: []string{`is "true123", want true or false`, `is "true11", want true or false`}},
	"domibus-pmode-URI-attributes-exceeds-maxlength.xml":   {refused: true, issues: 2, says: []string{`"value" has 1047 characters, more than 1024`, `"endpoint" has 1038 characters, more than 1024`}},
	"domibus-configuration-not-unique-process.xml":         {refused: true, issues: 1, says: []string{`process: name "noSecProcess" stands twice`}},
	"domibus-pmode-red-xxe-vulnerability.xml":              {refused: true, issues: 1, says: []string{"DOCTYPE is not accepted"}},
	"domibus-pmode-validation-tests-issues.xml": {refused: true, issues: 6, says: []string{`our own party "blue_gw_inexistent"`, `service "gibberish1" is not known`, `mep "twoway" is not known`,
		`binding "pushAndPush" is not known`, `agreement "agreementABC" is not known`, `responderParty "turquoise_gw"`, `leg "madeUpLegName" is not known`}},
	"domibus-pmode-validation-tests.xml":   {refused: true, issues: 7, says: []string{"only the one-way mep is supported", "only the bindings push and pull are supported"}},
	"PMode_custom_mpc.xml":                 {refused: true, issues: 2, says: []string{`element "mpc" is missing`}},
	"noDynInitiatorAndNotPartySelf.xml":    {refused: true, issues: 1, says: []string{"neither initiator nor responder"}},
	"PModeDynamicDiscovery.xml":            {says: []string{`propertySet "eDeliveryPropertySet" is not known`}},
	"PModeDynamicDiscoverySignOnly.xml":    {says: []string{`propertySet "eDeliveryPropertySet" is not known`}, agreements: 1},
	"PModeTemplate.xml":                    {says: []string{`propertySet "eDeliveryPropertySet" is not known`}, agreements: 5},
	"dynResponderAndPartySelf.xml":         {},
	"dynamicDiscoveryEnabled.xml":          {},
	"multipleDynInitiatorAndPartySelf.xml": {},
	"multipleDynResponderAndInitiator.xml": {},
	"multipleDynResponderAndPartySelf.xml": {},
}

func TestOutcomesOfDomibus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(assets.Path(t, "as4/harmony"), "pmode-tests", "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		t.Run(name, func(t *testing.T) {
			want, ok := outcomes[name]
			if !ok {
				t.Fatal("no outcome is written down")
			}
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			c := Read(name, data)
			var said strings.Builder
			refuse := 0
			for _, i := range c.Issues {
				said.WriteString(i.Error() + "\n")
				if !i.Warning {
					refuse++
				}
			}
			if got := c.Refused() != nil; got != want.refused || refuse != want.issues {
				t.Errorf("refused %t with %d issues, want %t with %d:\n%s", got, refuse, want.refused, want.issues, said.String())
			}
			for _, s := range want.says {
				if !strings.Contains(said.String(), s) {
					t.Errorf("nothing says %q:\n%s", s, said.String())
				}
			}
			if c.Refused() != nil {
				return
			}
			d, notes := c.Draft(Options{})
			for _, n := range notes {
				t.Logf("line %d: %s", n.Line, n.Text)
			}
			if n := len(d.Partners); n != want.agreements {
				t.Errorf("%d agreements, want %d", n, want.agreements)
			}
			for i := range d.Partners { // as an operator must say; told by a note
				d.Partners[i].AllowHTTP = strings.HasPrefix(d.Partners[i].URL, "http:")
			}
			y, err := d.YAML()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parse(t, y); err != nil && len(d.Partners) > 0 && !strings.Contains(err.Error(), "mpc of its own") {
				t.Errorf("its YAML does not load: %v\n%s", err, y)
			}
		})
	}
}
