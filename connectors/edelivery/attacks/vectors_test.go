package attacks

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
)

// vectors says which test of which file looks at the files of EXPECTED.md. A pattern
// is that of path.Match, below shared/assets/as4.
var vectors = []struct{ pattern, file, test string }{
	{"phase4/captured/dump-raw.as4out", "connectors/xmlsec/vectors_test.go", "TestCapturedMessages"},
	{"phase4/captured/dump-raw.as4out", "connectors/edelivery/wssec/captured_test.go", "TestCapturedUserMessage"},
	{"phase4/captured/helger.as4in", "connectors/edelivery/wssec/captured_test.go", "TestCapturedSignals"},
	{"phase4/captured/dataport1-mustunderstand.as4in", "connectors/edelivery/wssec/captured_test.go", "TestCapturedSignals"},
	{"phase4/captured/dataport1.as4in", "connectors/edelivery/wssec/captured_test.go", "TestCapturedSignals"},
	{"phase4/testfiles/TestReceipt12.xml", "connectors/edelivery/wssec/captured_test.go", "TestCapturedSignals"},
	{"phase4/testfiles-legacy/TestMessage11.xml", "connectors/xmlsec/vectors_test.go", "TestCapturedMessages"},
	{"phase4/testfiles/WrongSigningAlgorithm.xml", "connectors/edelivery/wssec/captured_test.go", "TestCollectedMessagesAreRefused"},
	{"phase4/testfiles/WrongSigningDigestAlgorithm.xml", "connectors/edelivery/wssec/captured_test.go", "TestCollectedMessagesAreRefused"},
	{"phase4/testfiles/WrongCompression.mime", "connectors/edelivery/attacks/vectors_test.go", "TestVectorsThroughTheReceiver"},
	{"phase4/testfiles/TwoUserMessages.xml", "connectors/edelivery/attacks/vectors_test.go", "TestVectorsThroughTheReceiver"},
	{"phase4/testfiles/UserMessageNoPartyID.xml", "connectors/edelivery/attacks/vectors_test.go", "TestVectorsThroughTheReceiver"},
	{"phase4/testfiles/NoResponder.xml", "connectors/edelivery/attacks/vectors_test.go", "TestVectorsThroughTheReceiver"},
	{"harmony/as4/*.xml", "connectors/edelivery/attacks/vectors_test.go", "TestReindentedSignatures"},
	{"harmony/as4-it/*.xml", "connectors/edelivery/attacks/vectors_test.go", "TestReindentedSignatures"},
	{"harmony/as4-wss/*.xml", "connectors/edelivery/attacks/vectors_test.go", "TestReindentedSignatures"},
	{"phase4/cef-samples/sample2.txt", "connectors/edelivery/attacks/vectors_test.go", "TestReindentedSignatures"},
	{"phase4/cef-samples/sample5.txt", "connectors/edelivery/attacks/vectors_test.go", "TestReindentedSignatures"},
	{"harmony/smp/SignedServiceMetadataResponseOASIS.xml", "connectors/edelivery/discovery/metadata_test.go", "TestHarmonySampleIsRefused"},
	{"harmony/pmode-tests/*.xml", "connectors/edelivery/pmode/domibus/assets_test.go", "TestOutcomesOfDomibus"},
	{"wss4j/soap/recursiveDTD.txt", "connectors/edelivery/attacks/bombs_test.go", "TestRecursiveDTD"},
	{"santuario/exc-c14n-merlin/*", "connectors/xmldoc/canonical_test.go", "TestExclusiveVectors"},
	{"santuario/exc-c14n-interop/Y1/*", "connectors/xmldoc/canonical_test.go", "TestExclusiveVectors"},
	{"santuario/exc-c14n-interop/Y3/*", "connectors/xmlsec/vectors_test.go", "TestVectorsWithXPath"},
	{"santuario/exc-c14n-interop/Y4/*", "connectors/xmlsec/vectors_test.go", "TestVectorsWithXPath"},
	{"santuario/exc-c14n-interop/Y5/*", "connectors/xmlsec/vectors_test.go", "TestVectorsWithXPath"},
}

// TestEveryVectorHasATest finds what EXPECTED.md speaks of and no test looks at.
func TestEveryVectorHasATest(t *testing.T) {
	t.Parallel()
	root := assets.Path(t, "as4")
	page := string(assets.Read(t, "as4/EXPECTED.md"))
	repo := filepath.Join(root, "..", "..", "..", "main")
	for dir := must(os.Getwd()); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			repo = dir
		}
	}
	sources := map[string]string{}
	for _, v := range vectors {
		if sources[v.file] == "" {
			sources[v.file] = string(must(os.ReadFile(filepath.Join(repo, v.file))))
		}
		src := sources[v.file]
		i := strings.Index(src, "\nfunc "+v.test+"(")
		if i < 0 {
			t.Errorf("%s has no %s", v.file, v.test)
			continue
		}
		// The test file names the vector: by its name, or by that of its folder.
		name, folder := path.Base(v.pattern), path.Base(path.Dir(v.pattern))
		if !strings.Contains(src, `/`+name+`"`) && !strings.Contains(src, `"`+name+`"`) && !strings.Contains(src, folder+`"`) && !strings.Contains(src, folder+"/") {
			t.Errorf("%s does not name %s", v.file, v.pattern)
		}
		if found := must(filepath.Glob(filepath.Join(root, v.pattern))); len(found) == 0 {
			t.Errorf("%s is no vector any more", v.pattern)
		}
	}
	covered := func(name string) bool {
		return slices.ContainsFunc(vectors, func(v struct{ pattern, file, test string }) bool {
			ok, err := path.Match(v.pattern, name)
			return err == nil && ok || v.pattern == name
		})
	}
	named := regexp.MustCompile(`[\w./*-]+\.(xml|as4in|as4out|mime|txt)`).FindAllString(page, -1)
	if len(named) < 30 {
		t.Fatalf("EXPECTED.md names %d files only", len(named))
	}
	folder := ""
	for _, name := range named {
		switch {
		case strings.Contains(name, "c14n-"), name == "exc-signature.xml", strings.HasPrefix(name, "signature"):
			continue // files of the exc-c14n folders, which are rows of their own
		case strings.Contains(name, "/"):
			folder = path.Dir(name)
		case strings.HasPrefix(name, "domibus-"):
			name = "harmony/pmode-tests/" + name
		case name == "MSHAS4Request.xml":
			name = "harmony/as4/" + name
		default:
			name = folder + "/" + name
		}
		if strings.HasPrefix(name, "as4-it/") {
			name = "harmony/" + name
		}
		if !covered(name) {
			t.Errorf("no test looks at %s", name)
		}
	}
	// What lies in the folders that the page treats as a whole.
	for _, pattern := range []string{"harmony/as4/*", "harmony/as4-it/*", "harmony/as4-wss/*", "harmony/pmode-tests/*", "phase4/captured/*", "santuario/exc-c14n-merlin/*"} {
		for _, f := range must(filepath.Glob(filepath.Join(root, pattern))) {
			if name := filepath.ToSlash(must(filepath.Rel(root, f))); !covered(name) {
				t.Errorf("no test looks at %s", name)
			}
		}
	}
}

var (
	envelopeStart = regexp.MustCompile(`(<\?xml[^>]*\?>\s*)?<([\w-]+:)?Envelope[\s>]`)
	inBody        = regexp.MustCompile(`(?s)(<[\w-]+:Body[^>]*>)(.*)(</[\w-]+:Body>)`)
	envelopeEnd   = regexp.MustCompile(`</([\w-]+:)?Envelope\s*>`)
)

// cutEnvelope cuts the SOAP envelope out of a captured message.
func cutEnvelope(b []byte) []byte {
	start, end := envelopeStart.FindIndex(b), envelopeEnd.FindIndex(b)
	if start == nil || end == nil {
		return nil
	}
	return b[start[0]:end[1]]
}

// Every message of the collection, posted to our access point, is answered with an
// error: with the one of EXPECTED.md where it names one. None is taken, and none but
// a signal, which nothing follows from, goes without an error.
//
// Covers: B-049, B-050
func TestVectorsThroughTheReceiver(t *testing.T) {
	t.Parallel()
	root := assets.Path(t, "as4")
	stated := map[string]ebms.Code{
		"TwoUserMessages.xml":      ebms.ValueInconsistent,
		"UserMessageNoPartyID.xml": ebms.InvalidHeader,
		"NoResponder.xml":          ebms.InvalidHeader,
		"WrongCompression.mime":    ebms.ValueInconsistent,
	}
	seen := 0
	for _, pattern := range []string{"harmony/as4/*.xml", "harmony/as4-it/*.xml", "harmony/as4-wss/*.xml", "phase4/captured/*", "phase4/testfiles/*", "phase4/testfiles-legacy/*",
		"phase4/soap12/*", "phase4/soap11-headers/*", "phase4/cef-samples/*", "wss4j/soap/*"} {
		for _, file := range must(filepath.Glob(filepath.Join(root, pattern))) {
			name := filepath.Base(file)
			b := must(os.ReadFile(file))
			ct, body := "application/soap+xml", cutEnvelope(b)
			if i := bytes.Index(b, []byte("------=_Part")); i >= 0 && (strings.HasSuffix(name, ".mime") || strings.HasSuffix(name, ".as4out")) {
				line, _, _ := bytes.Cut(b[i:], []byte("\n"))
				ct, body = `multipart/related; boundary="`+strings.TrimSpace(string(line[2:]))+`"; type="application/soap+xml"`, b[i:]
			}
			if body == nil {
				body = b
			}
			if stated[name] == ebms.InvalidHeader { // their payload in the Body is refused for itself
				body = inBody.ReplaceAll(body, []byte("$1$3"))
			}
			seen++
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newStation(t, agreements()["1.15"])
				rec := s.post(ct, body)
				code := errorOf(rec.Body.Bytes())
				switch want := stated[name]; {
				case want != "" && code != want:
					t.Errorf("answer is %d %s, want %s", rec.Code, code, want)
				case rec.Code == http.StatusAccepted && rec.Body.Len() == 0: // a signal
				case code == "":
					t.Errorf("answer is %d %s, want an error", rec.Code, rec.Body)
				}
				decoded, _, published, _ := s.heard()
				if len(decoded) > 0 || bytes.Contains(rec.Body.Bytes(), []byte(receiptMark)) {
					t.Error("the message was taken")
				}
				for _, m := range published {
					if m.Kind != canon.KindAudit {
						t.Errorf("%s was published", m.Kind)
					}
				}
			})
		}
	}
	if seen < 60 {
		t.Errorf("%d messages only", seen)
	}
}

// Messages that their authors indented again after signing are refused for their
// signature (EBMS:0101), with the certificate of their own token trusted and their
// time in force, so that for nothing else.
func TestReindentedSignatures(t *testing.T) {
	t.Parallel()
	root := assets.Path(t, "as4")
	refused := 0
	for _, pattern := range []string{"harmony/as4/*.xml", "harmony/as4-it/*.xml", "harmony/as4-wss/*.xml", "phase4/cef-samples/sample2.txt", "phase4/cef-samples/sample5.txt"} {
		for _, file := range must(filepath.Glob(filepath.Join(root, pattern))) {
			b := must(os.ReadFile(file))
			if !bytes.Contains(b, []byte("SignedInfo>")) {
				continue
			}
			doc, err := xmldoc.ParseBytes(cutEnvelope(b), xmldoc.Limits{})
			if err != nil {
				t.Logf("%s: %v", filepath.Base(file), err)
				continue
			}
			env := locate(doc)
			if env.Security.IsZero() || env.Messaging.IsZero() {
				t.Logf("%s: no Security beside Messaging", filepath.Base(file))
				continue
			}
			certs := tokens(env.Security)
			now := testNow
			if len(certs) > 0 {
				now = certs[len(certs)-1].NotBefore.Add(time.Hour)
			} else { // the certificate is named and not there
				certs = []*x509.Certificate{world().rsa.partner.cert}
			}
			v := must(wssec.NewVerifier(wssec.Trust{Pinned: certs}))
			in := wssec.Opening{Envelope: env, Verifier: v, Now: now, SignOnly: true, Allow: wssec.Algorithms{Tokens: wssec.Tokens()}}
			if m, err := ebms.Read(env.Messaging); err == nil && m.User != nil {
				for _, p := range m.User.Parts {
					in.Parts = append(in.Parts, wssec.SealedPart{ID: p.ID})
				}
			}
			_, err = wssec.Open(t.Context(), in)
			switch e, ok := errors.AsType[*ebms.Error](err); {
			case ok && e.Code == ebms.FailedAuthentication:
			case ok && e.Code == ebms.PolicyNoncompliance: // for how it is encrypted; the signature is bad beside
				if verifies(env.Security, certs) {
					t.Errorf("%s: its signature verifies", filepath.Base(file))
				}
			default:
				t.Errorf("%s: %v, want %s", filepath.Base(file), err, ebms.FailedAuthentication)
			}
			t.Logf("%s: %v", filepath.Base(file), err)
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("%d signed messages only", refused)
	}
}

// verifies tries the signature with each key, whatever it covers of the parts.
func verifies(security xmldoc.Element, certs []*x509.Certificate) bool {
	sig, err := xmlsec.FindSignature(security)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(certs, func(c *x509.Certificate) bool {
		_, err := xmlsec.Verify(xmlsec.Verification{
			Signature: sig, Key: xmlsec.WithKey(c.PublicKey), Policy: xmlsec.Policy{UncheckedAttachments: true},
			Attachments: func(string, crypto.Hash) ([]byte, error) { return nil, xmlsec.ErrAttachmentUnknown },
		})
		return err == nil
	})
}

// locate finds the elements by hand, so that a payload in the Body does not end it.
func locate(doc *xmldoc.Document) (env wssec.Envelope) {
	for c := range doc.Root().Children() {
		switch c.Name().Local {
		case "Body":
			env.Body = c
		case "Header":
			for h := range c.Children() {
				switch h.Name().Local {
				case "Security":
					env.Security = h
				case "Messaging":
					env.Messaging = h
				}
			}
		}
	}
	return env
}

// tokens returns the certificates that stand in the Security header.
func tokens(security xmldoc.Element) (out []*x509.Certificate) {
	for b := range security.All(xmldoc.Name{Space: xmlsec.SpaceWSSE, Local: "BinarySecurityToken"}) {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(b.Text()), ""))
		if err != nil {
			continue
		}
		if c, err := x509.ParseCertificate(der); err == nil {
			out = append(out, c)
			continue
		}
		var path []asn1.RawValue
		if _, err := asn1.Unmarshal(der, &path); err == nil && len(path) > 0 {
			if c, err := x509.ParseCertificate(path[len(path)-1].FullBytes); err == nil {
				out = append(out, c)
			}
		}
	}
	return out
}
