package register_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/schemas/assets"
)

// TestRealShapesCanBeMapped: the language reaches what real formats hold:
// namespaced root over unqualified children, default namespaces that change
// within the document, repeated persons, identifiers chosen by attribute.
func TestRealShapesCanBeMapped(t *testing.T) {
	for _, tc := range []struct {
		file  string
		rules string
		want  map[string]any
	}{
		{"it-ansc-birth-nascita.xml", `prefixes: {a: "http://sogei.it/ansc/predisposizioneAnagrafica"}
rules:
  - {to: number, from: a:predisposizioneAnagrafica/evento/atto/idAnsc, required: true}
  - {to: registeredOn, from: date(//atto/dataFormazioneAtto)}
  - {to: sex, from: /a:predisposizioneAnagrafica/evento/intestatario/sesso}
  - {to: place, from: "concat(//intestatario/luogoNascita/comune/nomeComune, ' (', //intestatario/luogoNascita/comune/siglaProvinciaIstat, ')')"}
`, map[string]any{"number": "2023-2810235-4323432-016017", "registeredOn": "2022-11-29", "sex": "M", "place": "ROMA (RM)"}},
		{"it-ansc-marriage-matrimonio.xml", `prefixes: {a: "http://sogei.it/ansc/predisposizioneAnagrafica"}
rules:
  - to: spouses[]
    each: a:predisposizioneAnagrafica/evento/intestatario
    rules:
      - {to: sex, from: sesso}
`, map[string]any{"spouses": []any{map[string]any{"sex": "M"}, map[string]any{"sex": "F"}}}},
		{"nl-kvk-company-registration.xml", `prefixes: {"": "urn:eu-de4a:xsd:CanonicalEvidenceType::CompanyRegistration:v0.6", cvb: "http://www.w3.org/ns/corevocabulary/BasicComponents"}
rules:
  - {to: name, from: LegalEntity/CompanyName/cvb:LegalEntityLegalName}
  - {to: registeredOn, from: date(LegalEntity/RegistrationDate)}
  - {to: seat.line, from: "concat(LegalEntity/RegisteredAddress/Thoroughfare, ' ', LegalEntity/RegisteredAddress/LocationDesignator)"}
`, map[string]any{"name": "Regional Tris-ice Coöperatie", "registeredOn": "1980-09-18", "seat": map[string]any{"line": "Leverkruidweg 379"}}},
		{"ewp-elmo-transcript-of-records-signed.xml", `prefixes: {e: "https://github.com/emrex-eu/elmo-schemas/tree/v1"}
rules:
  - {to: learner, from: "//e:learner/e:identifier[@type = 'nationalIdentifier']"}
  - {to: issuer, from: "//e:report[1]/e:issuer/e:identifier[@type = 'erasmus']"}
`, map[string]any{"learner": "83041234567", "issuer": "PL WARSZAW01"}},
		{"de4a-domicile-registration-1.7.xml", `prefixes: {d: "urn:eu-de4a:xsd:CanonicalEvidenceType::DomicileRegistrationEvidence:v1.7", b: "http://www.w3.org/ns/corevocabulary/BasicComponents"}
rules:
  - {to: "given[]", each: //d:Inhabitant/d:PersonName/d:GivenName}
  - {to: sex, from: lower(//d:Inhabitant/d:Gender)}
  - {to: postCode, from: //d:Domicile/b:PostCode}
`, map[string]any{"given": []any{"Given-1102158115", "Given-1666944491"}, "sex": "male", "postCode": "PostCode-1905854907"}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			doc, err := xmldoc.ParseBytes(assets.Read(t, "registers/"+tc.file), xmldoc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := mapping.Compile("rules", []byte("apiVersion: oncegate/v1\nkind: Mapping\nname: x\ndirection: xml-to-value\n"+tc.rules))
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := p.Run(register.Node(doc.Root()))
			if diff := cmp.Diff(any(tc.want), got); diff != "" || err != nil {
				t.Errorf("err %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
