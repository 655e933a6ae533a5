package wssec

import (
	"bytes"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/assets"
)

// body returns what follows the HTTP header of a captured file.
func body(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("<")) {
		return b
	}
	_, rest, _ := bytes.Cut(bytes.ReplaceAll(b, []byte("\r\n\r\n"), []byte("\n\n")), []byte("\n\n"))
	return rest
}

// ownCertificate returns the certificate in the token that the signature names.
func ownCertificate(t *testing.T, env Envelope) *x509.Certificate {
	t.Helper()
	sig, err := xmlsec.FindSignature(env.Security)
	if err != nil {
		t.Fatal(err)
	}
	info, err := sig.Only(ds("KeyInfo"))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := readReference(info, env.Security, Tokens())
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(ref.der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// EXPECTED.md: signatures of other stacks, valid and not.
func TestCapturedSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file       string
		ok         bool
		references int
	}{
		{"phase4/captured/helger.as4in", true, 3},
		{"phase4/captured/dataport1-mustunderstand.as4in", true, 3},
		{"phase4/testfiles/TestReceipt12.xml", true, 3}, // with a remark of phase4 beside the references
		{"phase4/captured/dataport1.as4in", false, 0},   // attribute prefix changed after signing
	} {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			env, err := Locate(parse(t, body(assets.Read(t, "as4/"+tt.file))))
			if err != nil {
				t.Fatal(err)
			}
			c := ownCertificate(t, env)
			o, err := Open(t.Context(), Opening{Envelope: env, Verifier: pinned(t, c), Now: c.NotBefore.Add(time.Hour)})
			if !tt.ok {
				if code(err) != ebms.FailedAuthentication {
					t.Errorf("err = %v, want %s", err, ebms.FailedAuthentication)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := ebms.Read(o.Messaging)
			if err != nil || m.Signal == nil || m.Signal.Receipt == nil || len(m.Signal.Receipt.References) != tt.references {
				t.Errorf("%+v, %v; want a receipt with %d references", m.Signal, err, tt.references)
			}
		})
	}
}

// The captured message of phase4 is read to the point where its private key is
// needed, which we do not have: its signature was found valid before.
func TestCapturedUserMessage(t *testing.T) {
	t.Parallel()
	raw := assets.Read(t, "as4/phase4/captured/dump-raw.as4out")
	i := bytes.Index(raw, []byte("------=_Part"))
	r, err := swa.NewReader(`multipart/related; boundary="----=_Part_0_1950117092.1769701143986"; type="application/soap+xml"`, bytes.NewReader(raw[i:]), swa.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := r.Parts()
	if err != nil || len(parts) != 1 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	env, err := Locate(parse(t, b))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || len(m.User.Parts) != 1 || m.User.CheckParts([]string{parts[0].ID}) != nil {
		t.Fatalf("%+v, %v", m.User, err)
	}
	content, err := parts[0].Content.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	c := ownCertificate(t, env)
	in := Opening{Envelope: env, Parts: []SealedPart{{ID: parts[0].ID, Content: content}}, Verifier: pinned(t, c), Now: m.User.Timestamp,
		Decrypt: []Decryption{{Certificate: ring().receiver.cert, Key: ring().receiver.key}}}
	if _, err := Open(t.Context(), in); code(err) != ebms.FailedDecryption {
		t.Errorf("err = %v, want %s: not encrypted for us", err, ebms.FailedDecryption)
	}
	in.Verifier = pinned(t, ring().sender.cert)
	if _, err := Open(t.Context(), in); code(err) != ebms.FailedAuthentication {
		t.Errorf("err = %v, want %s: not a partner", err, ebms.FailedAuthentication)
	}
}

// Messages that their authors indented after signing, and messages made to be
// refused. The code is that of EXPECTED.md; where it gives none any refusal is right.
func TestCollectedMessagesAreRefused(t *testing.T) {
	t.Parallel()
	files := map[string]ebms.Code{
		"phase4/testfiles/TwoUserMessages.xml":             ebms.ValueInconsistent,
		"phase4/testfiles/UserMessageNoPartyID.xml":        ebms.InvalidHeader,
		"phase4/testfiles/NoResponder.xml":                 ebms.InvalidHeader,
		"phase4/testfiles/WrongSigningAlgorithm.xml":       ebms.FailedAuthentication,
		"phase4/testfiles/WrongSigningDigestAlgorithm.xml": ebms.FailedAuthentication,
	}
	for _, f := range []string{
		"as4/MSHAS4Request-signOnly.xml", "as4/MSHAS4Request.xml", "as4/MSHAS4Response-signOnly.xml", "as4/MSHAS4Response.xml", "as4/SOAPMessage.xml",
		"as4/SOAPMessage2.xml", "as4/SoapRequest.xml", "as4/SoapRequestBinaryToken.xml", "as4/blue2redGoodMessage.xml", "as4/validAS4Response.xml",
		"as4-it/encrypted.xml", "as4-it/mshwebserviceit-soapenvelope.xml", "as4-wss/RawXMLMessageWithSpacesAndPkiPath.xml",
		"as4-wss/bst_X509PKIPathv1_incoming_message.xml", "as4-wss/bst_x509v3_incoming_message.xml", "as4-wss/is_incoming_message.xml",
		"as4-wss/ski_incoming_message.xml", "as4-wss/request_BST_PKIP.xml", "as4-wss/response_BST_PKIP.xml",
	} {
		files["harmony/"+f] = ""
	}
	for file, want := range files {
		t.Run(file, func(t *testing.T) {
			doc, err := xmldoc.ParseBytes(assets.Read(t, "as4/"+file), xmldoc.Limits{})
			if err != nil {
				return // refused before it is a message
			}
			root := doc.Root()
			head, err := root.Only(s12("Header"))
			if err != nil {
				return
			}
			// Located by hand, so that a payload in the Body does not end it at once.
			env := Envelope{}
			if env.Body, err = root.Only(s12("Body")); err != nil {
				return
			}
			env.Security, _ = head.Maybe(wsse("Security"))
			if env.Messaging, err = head.Only(ebms.MessagingName); err != nil {
				return
			}
			_, err = ebms.Read(env.Messaging)
			if err == nil || want == ebms.FailedAuthentication {
				v := pinned(t, ring().sender.cert)
				if want == "" && !env.Security.IsZero() {
					if sig, e := xmlsec.FindSignature(env.Security); e == nil {
						if info, e := sig.Only(ds("KeyInfo")); e == nil {
							if ref, e := readReference(info, env.Security, Tokens()); e == nil && ref.der != nil {
								c, e := x509.ParseCertificate(ref.der)
								if e != nil {
									t.Fatal(e)
								}
								v = pinned(t, c)
							}
						}
					}
				}
				_, err = Open(t.Context(), Opening{Envelope: env, Verifier: v, Now: testNow})
			}
			if code(err) == "" || want != "" && code(err) != want {
				t.Errorf("err = %v, want %q", err, want)
			}
		})
	}
}

// An entity bomb ends at its DOCTYPE.
func TestEntityBombIsRefused(t *testing.T) {
	t.Parallel()
	_, err := xmldoc.ParseBytes(assets.Read(t, "as4/wss4j/soap/recursiveDTD.txt"), xmldoc.Limits{})
	if e, ok := errors.AsType[*xmldoc.ParseError](err); !ok || e.Reason != xmldoc.ReasonDoctype {
		t.Errorf("%v, want %s", err, xmldoc.ReasonDoctype)
	}
}
