package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

const tokenReference = `<wsse:SecurityTokenReference xmlns:wsse="` + xmlsec.SpaceWSSE + `"><wsse:Reference URI="#token"/></wsse:SecurityTokenReference>`

func encrypted(t testing.TB, alg xmlsec.DataAlgorithm) (header string, sealed map[string][]byte) {
	t.Helper()
	out, err := xmlsec.Encrypt(xmlsec.Encryption{
		Recipient: keys().rsa.Public(), Algorithm: alg, KeyID: "EK-1", KeyInfo: []byte(tokenReference),
		Parts: []xmlsec.Part{
			{CID: "first%part@test", DataID: "ED-1", MimeType: "application/gzip", Content: []byte("first content")},
			{CID: "second", DataID: "ED-2", MimeType: `text/plain; name="a"`, Content: nil},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "<h>" + string(out.Key) + string(bytes.Join(out.Data, nil)) + "</h>",
		map[string][]byte{"first%part@test": out.Sealed[0], "second": out.Sealed[1]}
}

func decryption(t testing.TB, header string, sealed map[string][]byte, key crypto.Decrypter) xmlsec.Decryption {
	t.Helper()
	root := parse(t, header).Root()
	in := xmlsec.Decryption{
		Key: func(xmldoc.Element) (crypto.Decrypter, error) { return key, nil },
		Ciphertext: func(cid string) ([]byte, error) {
			b, ok := sealed[cid]
			if !ok {
				return nil, fmt.Errorf("no part %q", cid)
			}
			return b, nil
		},
	}
	for e := range root.Children() {
		switch e.Name().Local {
		case "EncryptedKey":
			in.Keys = append(in.Keys, e)
		case "EncryptedData":
			in.Data = append(in.Data, e)
		}
	}
	return in
}

func TestDecryptOpensWhatEncryptSeals(t *testing.T) {
	for _, alg := range []xmlsec.DataAlgorithm{xmlsec.AES128GCM, xmlsec.AES256GCM} {
		header, sealed := encrypted(t, alg)
		in := decryption(t, header, sealed, keys().rsa)
		in.Policy.Data = []xmlsec.DataAlgorithm{alg}
		got, err := xmlsec.Decrypt(in)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].CID != "first%part@test" || string(got[0].Content) != "first content" || got[0].MimeType != "application/gzip" ||
			got[1].CID != "second" || len(got[1].Content) != 0 || got[1].MimeType != `text/plain; name="a"` {
			t.Errorf("%s: got %+v", alg, got)
		}
	}
}

// An independent reading of our output: openssl unwraps the key, crypto/aes opens.
func TestOpensslUnwrapsOurKey(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	header, sealed := encrypted(t, xmlsec.AES128GCM)
	value := header[strings.Index(header, "<xenc:CipherValue>")+len("<xenc:CipherValue>") : strings.Index(header, "</xenc:CipherValue>")]
	wrapped, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	private, _ := pemFiles(t, dir, keys().rsa)
	key, err := exec.Command(program, "pkeyutl", "-decrypt", "-inkey", private, "-in", writeFile(t, dir, "wrapped", string(wrapped)),
		"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256").Output()
	if err != nil {
		t.Fatalf("openssl does not unwrap: %v", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	s := sealed["first%part@test"]
	got, err := gcm.Open(nil, s[:12], s[12:], nil)
	if err != nil || string(got) != "first content" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDecryptRefuses(t *testing.T) {
	header, sealed := encrypted(t, xmlsec.AES128GCM)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string {
		if !strings.Contains(header, old) {
			t.Fatalf("header does not hold %q", old)
		}
		return strings.ReplaceAll(header, old, new)
	}
	cut := func(from, to string) string {
		i := strings.Index(header, from)
		return header[:i] + header[i+strings.Index(header[i:], to)+len(to):]
	}
	changed := map[string][]byte{"first%part@test": bytes.Clone(sealed["first%part@test"]), "second": sealed["second"]}
	changed["first%part@test"][14] ^= 1
	data1 := header[strings.Index(header, `<xenc:EncryptedData xmlns:xenc="`+xmlsec.SpaceXENC+`" Id="ED-1"`):strings.Index(header, `<xenc:EncryptedData xmlns:xenc="`+xmlsec.SpaceXENC+`" Id="ED-2"`)]
	for _, c := range []struct {
		name   string
		header string
		sealed map[string][]byte
		key    crypto.Decrypter
		want   xmlsec.Reason
	}{
		{"a wrong private key", header, sealed, other, xmlsec.ReasonDecryption},
		{"a changed content", header, changed, keys().rsa, xmlsec.ReasonDecryption},
		{"a changed key", swap("<xenc:CipherValue>", "<xenc:CipherValue>AAAA"), sealed, keys().rsa, xmlsec.ReasonDecryption},
		{"swapped contents, one session key", header, map[string][]byte{"first%part@test": nil, "second": sealed["second"]}, keys().rsa, xmlsec.ReasonDecryption},
		{"a short content", header, map[string][]byte{"first%part@test": {1}, "second": sealed["second"]}, keys().rsa, xmlsec.ReasonDecryption},
		{"a part that is not there", header, map[string][]byte{"second": sealed["second"]}, keys().rsa, xmlsec.ReasonMissingTarget},
		{"RSA 1.5", swap(string(xmlsec.RSAOAEP), "http://www.w3.org/2001/04/xmlenc#rsa-1_5"), sealed, keys().rsa, xmlsec.ReasonUnknownAlgorithm},
		{"mgf1p without leave", swap(string(xmlsec.RSAOAEP), string(xmlsec.RSAOAEPMGF1P)), sealed, keys().rsa, xmlsec.ReasonAlgorithmDenied},
		{"MGF1 with SHA-1", swap("xmlenc11#mgf1sha256", "xmlenc11#mgf1sha1"), sealed, keys().rsa, xmlsec.ReasonAlgorithmDenied},
		{"CBC", swap(string(xmlsec.AES128GCM), "http://www.w3.org/2001/04/xmlenc#aes128-cbc"), sealed, keys().rsa, xmlsec.ReasonUnknownAlgorithm},
		{"AES-256 without leave", swap(string(xmlsec.AES128GCM), string(xmlsec.AES256GCM)), sealed, keys().rsa, xmlsec.ReasonAlgorithmDenied},
		{"data that no key refers to", swap(`<xenc:DataReference URI="#ED-2"/>`, ""), sealed, keys().rsa, xmlsec.ReasonMissingTarget},
		{"a reference to nothing", swap(`URI="#ED-2"`, `URI="#ED-3"`), sealed, keys().rsa, xmlsec.ReasonMissingTarget},
		{"data referred to twice", swap(`URI="#ED-2"`, `URI="#ED-1"`), sealed, keys().rsa, xmlsec.ReasonDuplicateTarget},
		{"data that names another key", swap(`<wsse:Reference URI="#EK-1"/>`, `<wsse:Reference URI="#EK-2"/>`), sealed, keys().rsa, xmlsec.ReasonMissingTarget},
		{"one part named twice, spelt differently", swap(`cid:second`, `cid:%66irst%25part@test`), sealed, keys().rsa, xmlsec.ReasonDuplicateTarget},
		{"data twice", strings.Replace(header, "</h>", data1+"</h>", 1), sealed, keys().rsa, xmlsec.ReasonDuplicateTarget},
		{"a web address for content", swap(`cid:second`, `http://127.0.0.1/second`), sealed, keys().rsa, xmlsec.ReasonURI},
		{"an encrypted element", swap("#Attachment-Content-Only", "#Element"), sealed, keys().rsa, xmlsec.ReasonStructure},
		{"a second part that was changed", header, map[string][]byte{"first%part@test": sealed["first%part@test"], "second": sealed["first%part@test"][1:]}, keys().rsa, xmlsec.ReasonDecryption},
		{"no reference list", cut("<xenc:ReferenceList>", "</xenc:ReferenceList>"), sealed, keys().rsa, xmlsec.ReasonStructure},
		{"no key in the key", cut("<xenc:CipherValue>", "</xenc:CipherValue>"), sealed, keys().rsa, xmlsec.ReasonStructure},
		{"no mask", cut("<xenc11:MGF", "/>"), sealed, keys().rsa, xmlsec.ReasonAlgorithmDenied},
		{"OAEP parameters", swap("<xenc11:MGF", "<xenc:OAEPparams>AAAA</xenc:OAEPparams><xenc11:MGF"), sealed, keys().rsa, xmlsec.ReasonStructure},
		{"two digests", swap("<xenc11:MGF", `<ds:DigestMethod xmlns:ds="`+xmlsec.SpaceDS+`" Algorithm="`+string(xmlsec.SHA256)+`"/><xenc11:MGF`), sealed, keys().rsa, xmlsec.ReasonStructure},
		{"a reference to a key", swap("xenc:DataReference", "xenc:KeyReference"), sealed, keys().rsa, xmlsec.ReasonURI},
		{"one id on two data", swap(`Id="ED-2"`, `Id="ED-1"`), sealed, keys().rsa, xmlsec.ReasonIDCollision},
		{"a carried key name", swap("</xenc:EncryptedKey>", "<xenc:CarriedKeyName>a</xenc:CarriedKeyName></xenc:EncryptedKey>"), sealed, keys().rsa, xmlsec.ReasonStructure},
		{"no private key", header, sealed, nil, xmlsec.ReasonKeyUnresolved},
		{"no transform", swap("#Attachment-Ciphertext-Transform", "#Other"), sealed, keys().rsa, xmlsec.ReasonTransform},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := xmlsec.Decrypt(decryption(t, c.header, c.sealed, c.key))
			wantReason(t, err, c.want)
			if got != nil {
				t.Errorf("content was delivered: %v", got)
			}
		})
	}
}

// Every failure behind a good structure reads the same.
func TestDecryptionFailuresCannotBeToldApart(t *testing.T) {
	header, sealed := encrypted(t, xmlsec.AES128GCM)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, wrongKey := xmlsec.Decrypt(decryption(t, header, sealed, other))
	sealed["first%part@test"][13] ^= 1
	_, wrongContent := xmlsec.Decrypt(decryption(t, header, sealed, keys().rsa))
	if wrongKey == nil || wrongContent == nil || wrongKey.Error() != wrongContent.Error() {
		t.Errorf("%q and %q differ", wrongKey, wrongContent)
	}
}

func TestDecryptReadsMGF1PWithLeave(t *testing.T) {
	header, sealed := encrypted(t, xmlsec.AES128GCM)
	key := bytes.Repeat([]byte{7}, 16)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	for cid := range sealed {
		nonce := make([]byte, 12)
		copy(nonce, cid)
		sealed[cid] = gcm.Seal(nonce, nonce, []byte("content of "+cid), nil)
	}
	for name, opts := range map[string]*rsa.OAEPOptions{
		"sha1":   {Hash: crypto.SHA1, MGFHash: crypto.SHA1},
		"sha256": {Hash: crypto.SHA256, MGFHash: crypto.SHA1},
	} {
		pub := &keys().rsa.PublicKey
		wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, pub, key, opts)
		if err != nil {
			t.Fatal(err)
		}
		digest := `<ds:DigestMethod xmlns:ds="` + xmlsec.SpaceDS + `" Algorithm="` + xmlsec.SpaceDS + `sha1"/>`
		if name == "sha256" {
			digest = strings.ReplaceAll(digest, xmlsec.SpaceDS+"sha1", string(xmlsec.SHA256))
		}
		h := header[:strings.Index(header, "<xenc:EncryptionMethod")] + `<xenc:EncryptionMethod Algorithm="` + string(xmlsec.RSAOAEPMGF1P) + `">` + digest +
			header[strings.Index(header, "</xenc:EncryptionMethod>"):]
		from, to := strings.Index(h, "<xenc:CipherValue>")+len("<xenc:CipherValue>"), strings.Index(h, "</xenc:CipherValue>")
		h = h[:from] + base64.StdEncoding.EncodeToString(wrapped) + h[to:]
		in := decryption(t, h, sealed, keys().rsa)
		in.Policy.Transports = []xmlsec.KeyTransport{xmlsec.RSAOAEPMGF1P}
		got, err := xmlsec.Decrypt(in)
		if err != nil || len(got) != 2 || string(got[1].Content) != "content of second" {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestSessionKeyPrintsNothing(t *testing.T) {
	session, err := xmlsec.NewSessionKey(xmlsec.AES256GCM)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if s := fmt.Sprintf(verb, session); s != "[redacted]" {
			t.Errorf("%s prints %q", verb, s)
		}
	}
	if _, err := xmlsec.NewSessionKey("urn:none"); err == nil {
		t.Error("an unknown algorithm is accepted")
	}
}

func TestEncryptRefuses(t *testing.T) {
	good := func() xmlsec.Encryption {
		return xmlsec.Encryption{Recipient: keys().rsa.Public(), KeyID: "EK", KeyInfo: []byte(tokenReference), Parts: []xmlsec.Part{{CID: "a", DataID: "ED"}}}
	}
	for name, spoil := range map[string]func(*xmlsec.Encryption){
		"no recipient":       func(e *xmlsec.Encryption) { e.Recipient = nil },
		"a key of a curve":   func(e *xmlsec.Encryption) { e.Recipient = keys().p256.Public() },
		"unknown algorithm":  func(e *xmlsec.Encryption) { e.Algorithm = "urn:none" },
		"an id with markup":  func(e *xmlsec.Encryption) { e.KeyID = `"><x` },
		"a data id with gap": func(e *xmlsec.Encryption) { e.Parts[0].DataID = "a b" },
		"no parts":           func(e *xmlsec.Encryption) { e.Parts = nil },
		"one part twice":     func(e *xmlsec.Encryption) { e.Parts = append(e.Parts, xmlsec.Part{CID: "a", DataID: "ED2"}) },
		"one id twice":       func(e *xmlsec.Encryption) { e.Parts = append(e.Parts, xmlsec.Part{CID: "b", DataID: "EK"}) },
	} {
		e := good()
		spoil(&e)
		if _, err := xmlsec.Encrypt(e); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := xmlsec.Encrypt(good()); err != nil {
		t.Errorf("a good one is refused: %v", err)
	}
}
