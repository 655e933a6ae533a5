package wssec

import (
	"bytes"
	"runtime"
	"syscall"
	"testing"
)

// mapped returns memory beside the heap, as a file of a part is.
func mapped(t *testing.T, size int) []byte {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skipf("no memory to map: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	return b
}

// A part is signed, encrypted, decrypted and verified where it lies: however long it
// is, the heap does not grow. Text with line ends of CRLF is no exception.
func TestLongPartsStayWhereTheyAre(t *testing.T) {
	const size = 8 << 20
	content := mapped(t, size)
	for i := range content {
		content[i] = byte('a' + i%26)
	}
	copy(content[size/2:], "\r\n")
	for _, tt := range []struct {
		name, mediaType string
		signOnly        bool
	}{
		{"compressed", "application/gzip", false},
		{"text", "text/plain", false},
		{"text in clear", "text/plain", true},
	} {
		a := parties()["Ed25519"]
		in := Sealing{Messaging: header, MessageID: "m@x", Profile: a.profile, Sign: a.from.sign, SignOnly: tt.signOnly,
			Parts: []OutPart{{ID: "a@x", MediaType: tt.mediaType, Content: content}}}
		if !tt.signOnly {
			in.Recipient, in.Parts[0].Dst = a.to.decrypt.Certificate, mapped(t, size+28)[:0]
		}
		v := pinned(t, a.from.sign.Certificate)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := Seal(in)
		if err != nil {
			t.Fatal(err)
		}
		env, err := Locate(parse(t, s.Envelope))
		if err != nil {
			t.Fatal(err)
		}
		o, err := Open(t.Context(), Opening{Envelope: env, Verifier: v, Profile: a.profile, SignOnly: tt.signOnly, Decrypt: []Decryption{a.to.decrypt}, Now: testNow,
			Parts: []SealedPart{{ID: "a@x", MediaType: s.Parts[0].MediaType, Content: s.Parts[0].Content}}})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > size/8 {
			t.Errorf("%s: %d bytes on the heap for a part of %d", tt.name, got, size)
		}
		if !bytes.Equal(o.Parts[0].Content, content) {
			t.Errorf("%s: other content", tt.name)
		}
	}
}
