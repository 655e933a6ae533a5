package interop

import (
	"slices"
	"strings"
	"testing"
)

// TestForged gives the same wrong message, rightly signed and encrypted, to our
// access point and to phase4, and compares the codes (c.3).
func TestForged(t *testing.T) {
	t.Parallel()
	one := documents(1)
	two := documents(2)
	// What the Security header says nothing of is refused before parts are read.
	lacking := []string{"EBMS:0011", "EBMS:0103"}
	wrong := []string{"EBMS:0001", "EBMS:0003", "EBMS:0007", "EBMS:0009", "EBMS:0010", "EBMS:0011"}
	for _, c := range []struct {
		name  string
		edit  func(*header)
		parts []wirePart
		// The codes that we may answer with, and those that phase4 does; phase4 empty
		// means that it takes the message.
		ours, phase4 []string
	}{
		{"nothing wrong", func(*header) {}, compressed(one...), nil, nil},
		{"two user messages", func(h *header) { h.after = strings.Replace(h.user(), h.id, "2-"+h.id, 1) }, compressed(one...), []string{"EBMS:0003", "EBMS:0009"}, []string{"EBMS:0003"}},
		{"no From", func(h *header) { h.from = "" }, compressed(one...), []string{"EBMS:0009"}, []string{"EBMS:0009"}},
		{"no PartyId", func(h *header) { h.from = "<eb:From><eb:Role>" + role + "</eb:Role></eb:From>" }, compressed(one...), []string{"EBMS:0009"}, []string{"EBMS:0009"}},
		{"no To", func(h *header) { h.to = "" }, compressed(one...), []string{"EBMS:0009"}, []string{"EBMS:0009"}},
		{"two PartyIds", func(h *header) {
			h.from = strings.Replace(h.from, "<eb:Role>", `<eb:PartyId type="urn:x">second</eb:PartyId><eb:Role>`, 1)
		}, compressed(one...), []string{"EBMS:0003", "EBMS:0009"}, []string{"EBMS:0003", "EBMS:0009"}},
		{"PartyId without type is no URI", func(h *header) {
			h.from = strings.Replace(h.from, ` type="`+theirID.Scheme+`"`, "", 1)
		}, compressed(one...), []string{"EBMS:0003"}, nil},
		{"no ConversationId", func(h *header) { h.conversation = "" }, compressed(one...), []string{"EBMS:0009"}, wrong},
		{"unknown service", func(h *header) { h.service = "<eb:Service>urn:other</eb:Service>" }, compressed(one...), []string{"EBMS:0010"}, nil},
		{"unknown agreement", func(h *header) { h.agreement = "<eb:AgreementRef>urn:other</eb:AgreementRef>" }, compressed(one...), []string{"EBMS:0010"}, nil},
		{"wrong attachment id", func(h *header) { h.parts = payloadInfo(xmlDocument(9)) }, compressed(one...), []string{"EBMS:0003", "EBMS:0007", "EBMS:0011"}, []string{"EBMS:0003", "EBMS:0011"}},
		{"PartInfo without attachment", func(h *header) { h.parts = payloadInfo(two...) }, compressed(one...), lacking, []string{"EBMS:0011"}},
		{"PartInfo without any attachment", func(*header) {}, nil, lacking, []string{"EBMS:0011", "EBMS:0003"}},
		{"attachment without PartInfo", func(*header) {}, compressed(two...), []string{"EBMS:0011", "EBMS:0007", "EBMS:0103"}, []string{"EBMS:0011"}},
		{"attachment without PayloadInfo", func(h *header) { h.parts = "" }, compressed(one...), []string{"EBMS:0011", "EBMS:0007", "EBMS:0103"}, []string{"EBMS:0011"}},
		{"payload in the body", func(h *header) { h.body = "<doc xmlns=''>x</doc>" }, compressed(one...), []string{"EBMS:0003", "EBMS:0008", "EBMS:0009", "EBMS:0103"}, append(wrong, "EBMS:0004")},
		{"external payload", func(h *header) {
			h.parts = strings.Replace(payloadInfo(two...), "cid:"+two[1].id, "http://127.0.0.1:9/x", 1)
		}, compressed(one...), []string{"EBMS:0011"}, []string{"EBMS:0011", "EBMS:0003"}},
		{"other CompressionType", func(h *header) { h.parts = strings.Replace(h.parts, "application/gzip", "application/zip", 1) }, compressed(one...), []string{"EBMS:0003"}, []string{"EBMS:0003"}},
		{"no MimeType", func(h *header) {
			h.parts = strings.Replace(h.parts, `<eb:Property name="MimeType">`+one[0].mediaType+`</eb:Property>`, "", 1)
		}, compressed(one...), wrong, wrong},
		{"bad CharacterSet", func(h *header) {
			h.parts = strings.Replace(h.parts, "</eb:PartProperties>", `<eb:Property name="CharacterSet">!utf*</eb:Property></eb:PartProperties>`, 1)
		}, compressed(one...), wrong, wrong},
		{"broken gzip", func(*header) {}, []wirePart{{one[0].id, "application/gzip", []byte("this is not gzip")}}, []string{"EBMS:0303"}, []string{"EBMS:0303"}},
		{"cut gzip", func(*header) {}, cut(compressed(one...)), []string{"EBMS:0303"}, []string{"EBMS:0303", "EBMS:0004"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{})
			h := r.header(one...)
			c.edit(&h)
			ct, b := r.wss4jSeals(t, h.envelope(), c.parts, r.keys.ourDecrypt, nil)
			e := r.post(ct, b)
			if got := codeOf(e.answer); (got != "" || c.ours != nil) && !slices.Contains(c.ours, got) {
				t.Errorf("we answer status %d %s, want one of %v", e.status, brief(e.answer), c.ours)
			}
			if in, _ := r.codec.taken(); len(in) != 0 && c.ours != nil {
				t.Error("we handed it on")
			}
			// The same for phase4. It trusts this signer, and decrypts with its own key.
			ct, b = r.wss4jSeals(t, h.envelope(), c.parts, r.keys.theirDecrypt, nil)
			p, err := r.postStation(ct, b)
			if err != nil {
				t.Fatal(err)
			}
			if got := codeOf(p.answer); (got != "" || c.phase4 != nil) && !slices.Contains(c.phase4, got) {
				t.Errorf("phase4 answers status %d %s, want one of %v", p.status, brief(p.answer), c.phase4)
			}
		})
	}
}

func cut(parts []wirePart) []wirePart {
	for i := range parts {
		parts[i].content = parts[i].content[:len(parts[i].content)-12]
	}
	return parts
}
