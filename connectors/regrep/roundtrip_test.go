package regrep

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"oncegate/connectors/regrep/rim"
	"oncegate/schemas"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// Generators draw canonical values as the wire can carry them: an agent has a
// country only where its address travels, text has no outer white space.

var (
	genUUID    = rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}`)
	genText    = rapid.Map(rapid.StringMatching(`[A-Za-zÄÖéß&<>"'\]Ωж漢][A-Za-z &<>"'\]=éΩж漢😀;-]{0,40}[A-Za-z.&<>"']`), rim.Collapse)
	genLang    = rapid.SampledFrom([]string{"EN", "FI", "EL", "LV", "NL"})
	genCountry = rapid.SampledFrom([]string{"FI", "NL", "EL", "LV", "IE"})
	genFormat  = rapid.SampledFrom([]string{"application/xml", "application/pdf", "application/json", "image/png", "image/svg+xml"})
	genScheme  = rapid.SampledFrom([]string{easPrefix + "0190", easPrefix + "9930", unregisteredPrefix + "LV", unregisteredPrefix + "oots"})
	genTime    = rapid.Map(rapid.Int64Range(0, 4102444800000), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
	genDate    = rapid.Map(genTime, func(t time.Time) string { return t.Format(time.DateOnly) })
	genURL     = rapid.StringMatching(`https://[a-z]{1,10}\.example(:8443)?/[a-zA-Z0-9/_~.-]{0,30}(\?[a-z]=[a-z0-9%2F]{0,0}&[b-f]=[0-9]{1,5})?`)
	genModel   = rapid.StringMatching(`https://sr\.(acc\.)?oots\.tech\.ec\.europa\.eu/datamodels/[a-z-]{1,20}-[0-9]\.[0-9]\.[0-9]`)
	genEidas   = rapid.StringMatching(`(FI|NL|EL)/(LV|DE)/[!-~]{6,40}`)
	genTexts   = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) canon.Text {
		return canon.Text{Lang: genLang.Draw(t, "lang"), Text: genText.Draw(t, "text")}
	}), 1, 3)
)

func genAgent(country bool) *rapid.Generator[canon.Agent] {
	return rapid.Custom(func(t *rapid.T) canon.Agent {
		a := canon.Agent{
			ID:    canon.Participant{Scheme: genScheme.Draw(t, "scheme"), ID: rapid.StringMatching(`[!-~]{1,60}`).Draw(t, "id")},
			Names: genTexts.Draw(t, "names"),
		}
		if country {
			a.Country = genCountry.Draw(t, "country")
		}
		return a
	})
}

func maybe[T any](t *rapid.T, g *rapid.Generator[T], name string) (v T) {
	if rapid.Bool().Draw(t, name+"?") {
		v = g.Draw(t, name)
	}
	return v
}

func genSubject(request bool) *rapid.Generator[canon.Subject] {
	return rapid.Custom(func(t *rapid.T) canon.Subject {
		level := ""
		if request {
			level = rapid.SampledFrom([]string{"Low", "Substantial", "High"}).Draw(t, "assurance")
		}
		if rapid.Bool().Draw(t, "legal") {
			return canon.Subject{Legal: &canon.LegalPerson{Assurance: level, Identifier: genEidas.Draw(t, "id"), Name: genText.Draw(t, "name")}}
		}
		p := &canon.NaturalPerson{Assurance: level, Identifier: maybe(t, genEidas, "id"), FamilyName: genText.Draw(t, "family"),
			GivenName: genText.Draw(t, "given"), BirthDate: genDate.Draw(t, "birth"), PlaceOfBirth: maybe(t, genText, "place")}
		if request {
			p.Gender = maybe(t, rapid.SampledFrom([]string{"Male", "Female", "Unspecified"}), "gender")
			p.Nationality = maybe(t, genCountry, "nationality")
		}
		return canon.Subject{Natural: p}
	})
}

func genEnvelope(t *rapid.T) canon.Envelope {
	return canon.Envelope{Leg: canon.LegOut, From: pointFI, To: pointNL, Exchange: canon.ExchangeID(genUUID.Draw(t, "exchange")),
		Session: canon.SessionID(genUUID.Draw(t, "session")), Specification: specification20, IssuedAt: genTime.Draw(t, "at"),
		RefTo: maybe(t, rapid.StringMatching(`[!-~]{1,40}`), "refTo")}
}

func genClassification(t *rapid.T) string {
	return "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/" +
		rapid.SampledFrom([]string{"FI", "EL", "oots"}).Draw(t, "country") + "/" + genUUID.Draw(t, "classification")
}

var genRequest = rapid.Custom(func(t *rapid.T) canon.Body {
	q := &canon.EvidenceRequest{
		Envelope: genEnvelope(t), Step: canon.StepFirst, Request: canon.RequestID(uuidURN + genUUID.Draw(t, "request")),
		Procedure: rapid.SampledFrom(codes.Default().Codes("Procedures")).Draw(t, "procedure"), PreviewPossible: rapid.Bool().Draw(t, "preview"),
		ExplicitRequest: canon.ExplicitRequest{Given: rapid.Bool().Draw(t, "explicit")},
		Intermediaries:  rapid.SliceOfN(genAgent(rapid.Bool().Draw(t, "addressed")), 0, 2).Draw(t, "intermediaries"),
		Requirements: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) canon.Requirement {
			return canon.Requirement{ID: "https://sr.oots.tech.ec.europa.eu/requirements/" + genUUID.Draw(t, "id"), Names: genTexts.Draw(t, "names")}
		}), 1, 3).Draw(t, "requirements"),
		EvidenceType: canon.EvidenceType{ID: genUUID.Draw(t, "type"), Classification: genClassification(t), Titles: genTexts.Draw(t, "titles"),
			Distributions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) canon.Distribution {
				return canon.Distribution{Format: genFormat.Draw(t, "format"), Languages: nonEmpty(rapid.SliceOfN(genLang, 0, 2).Draw(t, "languages")),
					ConformsTo: maybe(t, genModel, "model")}
			}), 1, 3).Draw(t, "distributions")},
	}
	if len(q.Intermediaries) == 0 {
		q.Intermediaries = nil
	}
	q.Requester, q.Provider = genAgent(true).Draw(t, "requester"), genAgent(false).Draw(t, "provider")
	private := canon.RequestPrivate{Subject: genSubject(true).Draw(t, "subject")}
	if rapid.Bool().Draw(t, "second") {
		q.Step = canon.StepPreview
		private.PreviewLocation, private.ReturnLocation = genURL.Draw(t, "location"), genURL.Draw(t, "return")
	}
	q.Private = canon.Clear(private)
	return q
})

func nonEmpty(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}

func answerEnvelope(t *rapid.T) canon.Envelope {
	env := genEnvelope(t)
	env.Requester, env.Provider = genAgent(false).Draw(t, "requester"), genAgent(true).Draw(t, "provider")
	return env
}

func genResponse(s *store) *rapid.Generator[canon.Body] {
	return rapid.Custom(func(t *rapid.T) canon.Body {
		p := &canon.EvidenceResponse{Envelope: answerEnvelope(t), Request: canon.RequestID(uuidURN + genUUID.Draw(t, "request")),
			Response: genUUID.Draw(t, "response")}
		switch rapid.IntRange(0, 4).Draw(t, "status") {
		case 0:
			p.Status = canon.StatusDeclined
		case 1:
			p.Status, p.AvailableAt = canon.StatusDeferred, genTime.Draw(t, "available")
		default:
			p.Status = canon.StatusDelivered
			for range rapid.IntRange(1, 3).Draw(t, "packages") {
				p.Documents = append(p.Documents, genPackage(t, s, canon.ConversationID(p.Exchange))...)
			}
			p.Private = canon.Clear(canon.ResponsePrivate{Subject: genSubject(false).Draw(t, "subject")})
		}
		return p
	})
}

// genPackage draws a main evidence and documents that supplement it or each other.
func genPackage(t *rapid.T, s *store, id canon.ConversationID) []canon.Document {
	put := func() canon.PayloadRef {
		text := rapid.StringN(0, 50, -1).Draw(t, "bytes")
		ref, err := s.Put(context.Background(), id, genFormat.Draw(t, "format"), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	docs := []canon.Document{{ID: genUUID.Draw(t, "main"), Role: canon.RoleMain, Classification: genClassification(t),
		Titles: genTexts.Draw(t, "titles"), Issuer: genAgent(false).Draw(t, "issuer"), IssuedOn: genDate.Draw(t, "issued"),
		Languages: nonEmpty(rapid.SliceOfN(genLang, 0, 2).Draw(t, "languages")), ConformsTo: maybe(t, genModel, "model"), Payload: put()}}
	for range rapid.IntRange(0, 3).Draw(t, "supplements") {
		docs = append(docs, canon.Document{ID: genUUID.Draw(t, "supplement"),
			Role:      rapid.SampledFrom([]string{"Annex", "HumanReadableVersion", "Translation"}).Draw(t, "role"),
			For:       docs[rapid.IntRange(0, len(docs)-1).Draw(t, "for")].ID,
			Titles:    []canon.Text{{Lang: "EN", Text: genText.Draw(t, "title")}},
			Languages: nonEmpty(rapid.SliceOfN(genLang, 0, 2).Draw(t, "languages")), Payload: put()})
	}
	return docs
}

var genException = rapid.Custom(func(t *rapid.T) canon.Body {
	env, request, response := answerEnvelope(t), canon.RequestID(uuidURN+genUUID.Draw(t, "request")), genUUID.Draw(t, "response")
	if rapid.Bool().Draw(t, "preview") {
		p := &canon.PreviewRequired{Envelope: env, Request: request, Response: response,
			Private: canon.Clear(canon.PreviewPrivate{Location: genURL.Draw(t, "location")})}
		if rapid.Bool().Draw(t, "described") {
			p.Descriptions = genTexts.Draw(t, "descriptions")
		}
		return p
	}
	return &canon.EvidenceRefusal{Envelope: env, Request: request, Response: response,
		ErrorCode: rapid.SampledFrom(codes.Default().Codes(listErrors)).Draw(t, "code"), Detail: rapid.SampledFrom([]string{"", "R-EDM-REQ-S005", "R-EDM-ERR-C022 EDM:ERR:0003", "OG-REG-0001"}).Draw(t, "detail"),
		ErrorRole: rapid.SampledFrom([]string{"ERRP", "EP", "IP"}).Draw(t, "role")}
})

func TestDecodeOfEncodeIsIdentity(t *testing.T) {
	c := newCodec(t)
	s := new(store)
	for name, g := range map[string]*rapid.Generator[canon.Body]{
		"request": genRequest, "response": genResponse(s), "exception": genException,
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				body := g.Draw(t, "body")
				env := canon.EnvelopeOf(body)
				m := message(body)
				m.Conversation = canon.ConversationID(env.Exchange)
				out, ok, err := c.Encode(context.Background(), m, s)
				if err != nil || !ok {
					t.Fatalf("Encode: ok %v, %v", ok, err)
				}
				ms, err := c.Decode(context.Background(), carry(out, env), s)
				if err != nil {
					t.Fatalf("Decode: %v", err)
				}
				if d := cmp.Diff(received(body, "carried@example"), ms[0].Body, equal); d != "" {
					t.Fatalf("(-want +got):\n%s", d)
				}
				if err := publishable(ms[0]); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestGeneratedDocumentsAreValid lets xmllint judge a few documents of each kind.
func TestGeneratedDocumentsAreValid(t *testing.T) {
	assets(t)
	c := newCodec(t)
	s := new(store)
	dir := t.TempDir()
	var files []string
	for _, g := range []*rapid.Generator[canon.Body]{genRequest, genResponse(s), genException} {
		for seed := range 20 {
			out, _, err := c.Encode(t.Context(), message(g.Example(seed)), s)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fmt.Sprintf("%d.xml", len(files)))
			if err := os.WriteFile(path, read(t, out.Parts[0]), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, path)
		}
	}
	lint(t, files...)
}

// publishable says whether a message keeps the schemas of its kind, private part
// included: what was decoded must never be stopped at the log.
func publishable(m canon.Message) error {
	var private []byte
	doc, err := canon.MarshalBody(m.Body, func(plain []byte) (canon.Box, error) {
		private = plain
		return canon.Box{Key: "test", Nonce: make([]byte, 12), Data: append(plain, make([]byte, 16)...)}, nil
	})
	if err != nil {
		return err
	}
	if err := schemas.Validate(m.Kind, doc); err != nil {
		return fmt.Errorf("%w\n%s", err, doc)
	}
	if private != nil {
		if err := schemas.ValidatePrivate(m.Kind, private); err != nil {
			return err
		}
	}
	if !json.Valid(doc) || !canon.ValidUUID(string(m.ID)) || m.Conversation == "" || m.Kind != m.Body.Kind() {
		return fmt.Errorf("message %q is not complete", m.ID)
	}
	return nil
}
