package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/assets"
)

var (
	envelopeStart = regexp.MustCompile(`(<\?xml[^>]*\?>\s*)?<([\w-]+:)?Envelope[\s>]`)
	envelopeEnd   = regexp.MustCompile(`</([\w-]+:)?Envelope\s*>`)
)

// envelope cuts the SOAP envelope out of a captured HTTP or MIME message.
func envelope(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("vector is absent: %v", err)
	}
	start, end := envelopeStart.FindIndex(b), envelopeEnd.FindIndex(b)
	if start == nil || end == nil {
		t.Fatalf("%s holds no envelope", path)
	}
	return b[start[0]:end[1]]
}

// tokenKey finds the certificate a SecurityTokenReference names directly. Trust is no
// matter here: the certificates of the vectors have expired.
func tokenKey(doc *xmldoc.Document) func(xmldoc.Element) (crypto.PublicKey, error) {
	return func(keyInfo xmldoc.Element) (crypto.PublicKey, error) {
		wsse := func(l string) xmldoc.Name { return xmldoc.Name{Space: xmlsec.SpaceWSSE, Local: l} }
		str, err := keyInfo.Only(wsse("SecurityTokenReference"))
		if err != nil {
			return nil, err
		}
		ref, err := str.Only(wsse("Reference"))
		if err != nil {
			return nil, err
		}
		uri, _ := ref.Attr(xmldoc.Name{Local: "URI"})
		for e := range doc.Root().Descendants() {
			id, _ := e.Attr(xmldoc.Name{Space: xmlsec.SpaceWSU, Local: "Id"})
			if id == "" || "#"+id != uri {
				continue
			}
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.Text()), ""))
			if err != nil {
				return nil, err
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, err
			}
			return cert.PublicKey, nil
		}
		return nil, x509.ErrUnsupportedAlgorithm
	}
}

func TestCapturedMessages(t *testing.T) {
	const valid = xmlsec.ReasonUnset
	for _, c := range []struct {
		file       string
		want       xmlsec.Reason
		references int
		unchecked  int
	}{
		{"phase4/captured/dump-raw.as4out", valid, 3, 1},
		{"phase4/captured/helger.as4in", valid, 2, 0},
		{"phase4/captured/dataport1-mustunderstand.as4in", valid, 2, 0},
		{"phase4/testfiles/TestReceipt12.xml", valid, 2, 0},
		{"phase4/testfiles-legacy/TestMessage11.xml", valid, 1, 0},
		{"phase4/captured/dataport1.as4in", xmlsec.ReasonDigestMismatch, 0, 0},
		{"phase4/testfiles/WrongSigningAlgorithm.xml", xmlsec.ReasonUnknownAlgorithm, 0, 0},
		{"phase4/testfiles/WrongSigningDigestAlgorithm.xml", xmlsec.ReasonUnknownAlgorithm, 0, 0},
	} {
		t.Run(c.file, func(t *testing.T) {
			doc, err := xmldoc.ParseBytes(envelope(t, filepath.Join(assets.Path(t, "as4"), c.file)), xmldoc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			in := xmlsec.Verification{
				Signature:   findSignature(t, doc),
				Key:         tokenKey(doc),
				Attachments: func(string, crypto.Hash) ([]byte, error) { return nil, xmlsec.ErrAttachmentUnknown },
				Policy:      xmlsec.Policy{UncheckedAttachments: true},
			}
			v, err := xmlsec.Verify(in)
			if c.want != valid {
				wantReason(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if len(v.References()) != c.references || len(v.Unchecked()) != c.unchecked || len(v.CIDs()) != 0 {
				t.Errorf("%d references, unchecked %v, cids %v", len(v.References()), v.Unchecked(), v.CIDs())
			}
			if c.unchecked > 0 { // what a receiver does
				in.Policy.UncheckedAttachments = false
				_, err := xmlsec.Verify(in)
				wantReason(t, err, xmlsec.ReasonAttachmentUnknown)
			}
		})
	}
}

// Messages that their authors indented again after signing must never verify.
func TestReindentedMessagesAreRefused(t *testing.T) {
	root := assets.Path(t, "as4")
	var files []string
	for _, pattern := range []string{"harmony/as4/*.xml", "harmony/as4-it/*.xml", "harmony/as4-wss/*.xml", "phase4/cef-samples/sample2.txt", "phase4/cef-samples/sample5.txt"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	refused := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(":SignedInfo")) || !envelopeStart.Match(b) {
			continue
		}
		doc, err := xmldoc.ParseBytes(envelope(t, file), xmldoc.Limits{})
		if err != nil {
			refused++
			t.Logf("%s: %v", filepath.Base(file), err)
			continue
		}
		_, err = xmlsec.Verify(xmlsec.Verification{
			Signature:   findSignature(t, doc),
			Key:         tokenKey(doc),
			Attachments: func(string, crypto.Hash) ([]byte, error) { return nil, xmlsec.ErrAttachmentUnknown },
			Policy:      xmlsec.Policy{UncheckedAttachments: true},
		})
		if err == nil {
			t.Errorf("%s verifies", file)
		}
		refused++
		t.Logf("%s: %v", filepath.Base(file), err)
	}
	t.Logf("%d signed messages refused", refused)
}

// The interoperability vectors that choose nodes by XPath, and all by DSA with SHA-1:
// nothing of that exists here. Their ds:SignedInfo still has one canonical form.
func TestVectorsWithXPath(t *testing.T) {
	root := filepath.Join(assets.Path(t, "as4"), "santuario", "exc-c14n-interop")
	for _, tt := range []struct {
		file string
		info string // canonical octets of ds:SignedInfo
	}{
		{"Y3/signature.xml", "c14n-8.txt"}, {"Y4/signature.xml", "c14n-27.txt"},
		{"Y5/signature.xml", "c14n-27.txt"}, {"Y5/signatureCommented.xml", ""},
	} {
		b, err := os.ReadFile(filepath.Join(root, tt.file))
		if err != nil {
			t.Logf("%s is absent", tt.file)
			continue
		}
		doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
		if err != nil {
			t.Logf("%s: %v", tt.file, err)
			continue
		}
		_, err = xmlsec.Verify(xmlsec.Verification{Signature: findSignature(t, doc), Key: xmlsec.WithKey(keys().rsa.Public()), Policy: allowAll})
		wantReason(t, err, xmlsec.ReasonUnknownAlgorithm)
		if tt.info == "" {
			continue
		}
		want, err := os.ReadFile(filepath.Join(root, filepath.Dir(tt.file), tt.info))
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		info, err := findSignature(t, doc).Only(xmldoc.Name{Space: xmlsec.SpaceDS, Local: "SignedInfo"})
		if err != nil {
			t.Fatal(err)
		}
		if got := info.AppendCanonical(nil, xmldoc.C14N{Inclusive: true}); !bytes.Equal(got, want) {
			t.Errorf("%s: canonical ds:SignedInfo is %q", tt.file, got)
		}
	}
}
