package schemas_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// TestFilledBodiesAreValid: whatever Go can say within the comments of canon,
// the schema accepts, also the clear private part.
func TestFilledBodiesAreValid(t *testing.T) {
	for _, kind := range canon.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				body := reflect.New(reflect.TypeOf(bodies[kind].body).Elem())
				fill(rt, "", body.Elem())
				agree(rt, body.Interface())
				doc, err := canon.MarshalBody(body.Interface().(canon.Body), func(plain []byte) (canon.Box, error) {
					if err := schemas.ValidatePrivate(kind, plain); err != nil {
						rt.Errorf("private part: %v\n%s", err, plain)
					}
					return canon.Box{Key: "k-1", Nonce: make([]byte, 12), Data: append(plain, make([]byte, 16)...)}, nil
				})
				if err != nil {
					rt.Fatal(err)
				}
				if err := schemas.Validate(kind, doc); err != nil {
					rt.Fatalf("%v\n%s", err, doc)
				}
			})
		})
	}
}

// agree makes fields say one thing.
func agree(rt *rapid.T, body any) {
	switch b := body.(type) {
	case *canon.EvidenceRequest:
		fill(rt, "requester", reflect.ValueOf(&b.Requester).Elem())
		if len(b.Requirements) == 0 {
			b.Requirements = make([]canon.Requirement, 1)
			fill(rt, "", reflect.ValueOf(&b.Requirements[0]).Elem())
		}
		if b.Offer.AccessPoint.IsZero() {
			b.Offer = canon.Offer{}
		} else if len(b.Offer.Specifications) == 0 {
			b.Offer.Specifications = []string{"oots-edm:v2.0"}
		}
		for i := range b.Choices {
			if len(b.Choices[i].Shown) == 0 {
				b.Choices[i].Shown = []string{b.Choices[i].Taken}
			}
		}
	case *canon.PreviewRequired:
		fill(rt, "requester", reflect.ValueOf(&b.Requester).Elem())
	case *canon.EvidenceResponse:
		fill(rt, "requester", reflect.ValueOf(&b.Requester).Elem())
		switch {
		case b.Status != canon.StatusDelivered:
			b.Documents, b.AvailableAt = nil, time.Unix(1_800_000_000, 0).UTC()
		case len(b.Documents) == 0:
			b.Documents = make([]canon.Document, 1)
			fill(rt, "", reflect.ValueOf(&b.Documents[0]).Elem())
		}
	case *canon.RegisterRecord:
		if b.Outcome == canon.RecordFound {
			fill(rt, "record", reflect.ValueOf(&b.Record).Elem())
		} else {
			b.Code = canon.CodeRegisterReply
		}
	case *canon.ExchangeRecord:
		if len(b.Parts) == 0 {
			b.Parts = []canon.RecordedPart{{ID: "1@example", MediaType: "application/x-ebrs+xml", Size: -1}}
		}
	case *canon.DeliveryReceipt:
		if b.Outcome == canon.DeliveryFailed {
			b.Code = canon.CodePeerRefused
		}
	}
}

func pick[T any](rt *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(rt, "pick") }

// fill sets a value and all below it; fields that may be left out are, at times.
func fill(rt *rapid.T, name string, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "s"), rapid.Int64Range(0, 999_999_999).Draw(rt, "ns")).UTC()
		return
	case *[]byte:
		*p = rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(rt, name)
		return
	case *canon.Sealed[canon.RequestPrivate]:
		*p = private[canon.RequestPrivate](rt)
		return
	case *canon.Sealed[canon.PreviewPrivate]:
		*p = private[canon.PreviewPrivate](rt)
		return
	case *canon.Sealed[canon.ResponsePrivate]:
		*p = private[canon.ResponsePrivate](rt)
		return
	case *canon.Sealed[canon.OpenedPrivate]:
		*p = private[canon.OpenedPrivate](rt)
		return
	case *canon.Sealed[canon.QueryPrivate]:
		*p = private[canon.QueryPrivate](rt)
		return
	case *canon.Subject:
		*p = canon.Subject{}
		if rapid.Bool().Draw(rt, "natural") {
			p.Natural = &canon.NaturalPerson{}
			fill(rt, "natural", reflect.ValueOf(p.Natural).Elem())
		} else {
			p.Legal = &canon.LegalPerson{}
			fill(rt, "legal", reflect.ValueOf(p.Legal).Elem())
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			field, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if options != "" && rapid.Bool().Draw(rt, "left out") {
				v.Field(i).SetZero()
				continue
			}
			field = otherwise(v.Type(), field)
			fill(rt, field, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rt, name, v.Elem())
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(rt, "n")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(rt, name, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range rapid.IntRange(0, 3).Draw(rt, "n") {
			v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("part-%d", i)), reflect.ValueOf(word(rt, "digest")))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(rt, "b"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(0, 1000).Draw(rt, "i"))
	case reflect.String:
		v.SetString(word(rt, stringKind(name, v)))
	default:
		rt.Fatalf("no way to fill %s", v.Type())
	}
}

// otherwise renames fields that hold something else in one type than in the rest.
func otherwise(t reflect.Type, field string) string {
	switch {
	case t == reflect.TypeFor[canon.Requirement]() && field == "id", t == reflect.TypeFor[canon.ConceptAnswer]() && field == "scheme":
		return "classification" // a URI, not a UUID
	case field == "scheme" && (t == reflect.TypeFor[canon.NaturalPerson]() || t == reflect.TypeFor[canon.LegalPerson]()):
		return "personScheme"
	case field == "scheme" && t == reflect.TypeFor[canon.Identifier]():
		return "legalScheme"
	case field == "kind" && t == reflect.TypeFor[canon.ConceptAnswer]():
		return "valueKind"
	}
	return field
}

func private[T any](rt *rapid.T) canon.Sealed[T] {
	var p T
	fill(rt, "", reflect.ValueOf(&p).Elem())
	return canon.Clear(p)
}

// stringKind tells strings apart by their type and, where that is string, by name.
func stringKind(name string, v reflect.Value) string {
	if t := v.Type().Name(); t != "string" {
		return t
	}
	return name
}

func uuid(rt *rapid.T) string { return canon.DeriveUUID(fmt.Sprint(rapid.Uint64().Draw(rt, "uuid"))) }

func word(rt *rapid.T, kind string) string {
	switch kind {
	case "MessageID", "id", "response", "for", "document":
		return uuid(rt)
	case "RequestID":
		return "urn:uuid:" + uuid(rt)
	case "ExchangeID", "SessionID", "as4", "refTo", "reference", "notice", "where", "mapping":
		return rapid.StringMatching(`[!-~]{1,40}`).Draw(rt, kind)
	case "Leg":
		return string(pick(rt, canon.LegPortal, canon.LegIn, canon.LegOut))
	case "Step":
		return string(pick(rt, canon.StepFirst, canon.StepPreview))
	case "ResponseStatus":
		return string(pick(rt, canon.StatusDelivered, canon.StatusDeclined, canon.StatusDeferred))
	case "RecordOutcome":
		return string(pick(rt, canon.RecordFound, canon.RecordNotFound, canon.RecordAmbiguous, canon.RecordFailed))
	case "DeliveryOutcome":
		return string(pick(rt, canon.DeliveryAcknowledged, canon.DeliveryFailed))
	case "MessageDirection":
		return string(pick(rt, canon.MessageIn, canon.MessageOut))
	case "action":
		return pick(rt, "ExecuteQueryRequest", "ExceptionResponse")
	case "evidence":
		return uuid(rt)
	case "key":
		return "log-2026"
	case "Code":
		return string(pick(rt, canon.Codes()...))
	case "Kind":
		return string(pick(rt, canon.Kinds()...))
	case "specification":
		return pick(rt, "oots-edm:v1.2", "oots-edm:v2.0")
	case "specifications":
		return pick(rt, "oots-edm:v1.2", "oots-edm:v2.0")
	case "edition":
		return pick(rt, "oots-cs:v1.2", "oots-cs:v2.0")
	case "Chosen":
		return string(pick(rt, canon.ChoseRequirement, canon.ChoseOption, canon.ChoseService))
	case "about", "shown", "taken":
		return "https://sr.oots.tech.ec.europa.eu/requirements/" + uuid(rt)
	case "asked":
		return uuid(rt)
	case "source":
		return "https://dsd.example/" + uuid(rt)
	case "query", "signer":
		return rapid.StringOfN(rapid.Rune(), 1, 60, -1).Draw(rt, kind)
	case "requirements", "needs":
		return "https://sr.oots.tech.ec.europa.eu/requirements/" + uuid(rt)
	case "scheme":
		return pick(rt, "urn:cef.eu:names:identifier:EAS:9939", "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots")
	case "lang", "languages", "language", "country", "nationality", "otherNationalities", "countryOfBirth", "residence":
		return rapid.StringMatching(`[A-Z]{2}`).Draw(rt, kind)
	case "classification", "evidenceType":
		return "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/LV/" + uuid(rt)
	case "format", "mediaType":
		return pick(rt, "application/pdf", "application/xml", "image/svg+xml", "application/xml; charset=utf-8")
	case "digest", "receipt":
		return "sha256:" + rapid.StringMatching(`[0-9a-f]{64}`).Draw(rt, kind)
	case "store":
		return pick(rt, "kafka", "files")
	case "associated":
		return pick(rt, canon.RoleAnnex, canon.RoleReadable, canon.RoleTranslation)
	case "personScheme":
		return pick(rt, canon.SchemeEidas, canon.SchemeEidas2)
	case "legalScheme":
		return pick(rt, "VAT", "BusinessCode", "LEI")
	case "type":
		return pick(rt, "codelist", "string", "boolean")
	case "valueKind":
		return pick(rt, "string", "date", "boolean")
	case "method":
		return pick(rt, "GET", "POST", "PUT")
	case "region":
		return rapid.StringMatching(`[A-Z]{2}[0-9A-Z]{0,3}`).Draw(rt, kind)
	case "valueUrl":
		return "https://cs.example/codelists/" + uuid(rt)
	case "role":
		return pick(rt, canon.RoleMain, "Annex", "HumanReadableVersion", "Translation")
	case "issuedOn", "birthDate", "validFrom", "validUntil":
		return time.Unix(rapid.Int64Range(-2e9, 4e9).Draw(rt, kind), 0).UTC().Format(time.DateOnly)
	case "procedure", "procedures":
		return pick(rt, "00", "R1", "T3", "AM1", "X11")
	case "assurance":
		return pick(rt, "Low", "Substantial", "High")
	case "identifier":
		return "ES/AT/" + rapid.StringMatching(`[0-9A-Za-z]{6,20}`).Draw(rt, kind)
	case "errorCode":
		return fmt.Sprintf("EDM:ERR:%04d", rapid.IntRange(1, 8).Draw(rt, kind))
	case "errorRole":
		return pick(rt, "ERRP", "EP", "IP")
	case "error":
		return pick(rt, "EBMS:0004", "EBMS:0301")
	case "timer":
		return pick(rt, "T1", "T2", "T3")
	case "state", "step", "outcome":
		return pick(rt, "delivered", "preview-offered", "request.received")
	case "room":
		return pick(rt, "edelivery", "gateway/web", "exchange")
	case "actor":
		return pick(rt, "api:", "os:") + rapid.StringMatching(`[!-~]{1,80}`).Draw(rt, kind)
	case "portal", "register":
		return rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`).Draw(rt, kind)
	case "previewLocation", "returnLocation", "location":
		return "https://preview.example/s/" + uuid(rt) + "?lang=fi"
	case "gender":
		return pick(rt, "Male", "Female", "Unspecified")
	case "text", "familyName", "givenName", "placeOfBirth", "name", "detail", "reason", "exemption", "waived", "basis", "conformsTo", "transformation",
		"birthName", "townOfBirth", "nonLatinName", "phone", "email", "full", "locator", "postCode", "city", "street", "uri", "value", "values":
		return rapid.StringOfN(rapid.Rune(), 1, 60, -1).Draw(rt, kind)
	}
	rt.Fatalf("no words for %q", kind)
	return ""
}
