package wssec

import (
	"bytes"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
)

func sealedPlain(t testing.TB, parts ...OutPart) *Sealed {
	t.Helper()
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Sign: parties()["RSA"].from.sign, SignOnly: true, Parts: parts})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignOnly(t *testing.T) {
	t.Parallel()
	parts := []OutPart{
		{ID: "a@x", MediaType: "application/gzip", Content: []byte("one\n")},
		{ID: "b@x", MediaType: "text/xml", Content: []byte("<a b='1'/>")},
		{ID: "c@x", MediaType: "text/plain", Content: []byte("1\n2\r\n")},
	}
	plain := sealedPlain(t, parts...)
	in := Opening{Verifier: pinned(t, ring().sender.cert), Decrypt: []Decryption{parties()["RSA"].to.decrypt}}
	if _, err := open(t, plain, in); code(err) != ebms.PolicyNoncompliance {
		t.Errorf("a part that is not encrypted: %v, want %s", err, ebms.PolicyNoncompliance)
	}
	in.SignOnly = true
	o, err := open(t, plain, in)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"one\n", `<a b="1"></a>`, "1\r\n2\r\n"} {
		if string(o.Parts[i].Content) != want {
			t.Errorf("part %d is %q, want what was signed: %q", i, o.Parts[i].Content, want)
		}
	}
	if strings.Contains(string(plain.Envelope), "Encrypted") || plain.Parts[1].MediaType != "text/xml" || string(plain.Parts[1].Content) != "<a b='1'/>" {
		t.Errorf("parts are not sent as they are: %+v", plain.Parts)
	}
	// More than was agreed is no fault.
	if o, err := open(t, sealed(t, TokenBST, parts...), in); err != nil || string(o.Parts[0].Content) != "one\n" {
		t.Errorf("encrypted parts where signing is enough: %v", err)
	}
	for i := range parts {
		changed := *plain
		changed.Parts = append(changed.Parts[:0:0], plain.Parts...)
		changed.Parts[i].Content = append(bytes.Clone(changed.Parts[i].Content), '1')
		if _, err := open(t, &changed, in); code(err) != ebms.FailedAuthentication {
			t.Errorf("part %d changed: %v, want %s", i, err, ebms.FailedAuthentication)
		}
	}
	short := *plain
	short.Parts = plain.Parts[:2]
	if _, err := open(t, &short, in); code(err) != ebms.FailedAuthentication {
		t.Errorf("a part is gone: %v", err)
	}
	long := *sealedPlain(t, parts[0])
	long.Parts = plain.Parts[:2]
	if _, err := open(t, &long, in); code(err) != ebms.PolicyNoncompliance {
		t.Errorf("a part that nobody signed: %v, want %s", err, ebms.PolicyNoncompliance)
	}
}

// Covers: B-045
func TestSealingNeedsToKnowWhetherToEncrypt(t *testing.T) {
	t.Parallel()
	p := parties()["RSA"]
	for _, tt := range []struct {
		name string
		in   Sealing
		ok   bool
	}{
		{"no recipient", Sealing{Parts: []OutPart{{ID: "a@x"}}}, false},
		{"a recipient and sign only", Sealing{Parts: []OutPart{{ID: "a@x"}}, Recipient: p.to.decrypt.Certificate, SignOnly: true}, false},
		{"no parts", Sealing{}, true},
		{"no parts, sign only", Sealing{SignOnly: true}, true},
	} {
		tt.in.Messaging, tt.in.MessageID, tt.in.Sign = header, "m@x", p.from.sign
		if _, err := Seal(tt.in); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
