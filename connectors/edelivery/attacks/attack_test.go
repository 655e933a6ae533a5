package attacks

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
)

// An attack is one row of the corpus.
type attack struct {
	name   string // what the attacker does
	under  string // the agreement; default 1.15
	do     func(p *parcel)
	make   func(t testing.TB, a agreement) *parcel // in place of the message of our Sender
	code   ebms.Code
	status int    // default 200
	reason string // in our log
	with   []stationOption
}

// edited makes a message by hand, edits its bytes, and signs it again as the partner.
func edited(edit func(p *parcel), edits ...func(*letter)) func(testing.TB, agreement) *parcel {
	return func(t testing.TB, a agreement) *parcel {
		p := seal(t, a, edits...)
		if edit != nil {
			edit(p)
			p.resign(a.keys.partner.key)
		}
		return p
	}
}

func run(t *testing.T, attacks []attack) {
	t.Helper()
	all := agreements()
	names := map[string]bool{}
	for _, c := range attacks {
		if names[c.under+c.name] {
			t.Fatalf("two attacks are called %q", c.name)
		}
		names[c.under+c.name] = true
		if c.under == "" {
			c.under = "1.15"
		}
		t.Run(c.under+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			a := all[c.under]
			s := newStation(t, a, c.with...)
			untouched := base(t, a)
			p := untouched.clone()
			if c.make != nil {
				p, untouched = c.make(t, a), seal(t, a)
			}
			if c.do != nil {
				c.do(p)
			}
			ct, body := p.pack()
			if wct, want := untouched.pack(); ct == wct && slices.Equal(body, want) {
				t.Fatal("the attack changes nothing")
			}
			s.wantRefused(s.post(ct, body), c.status, c.code, c.reason)
			s.wantTaken(untouched)
		})
	}
}

// wantTaken posts what must be taken, with its header and content as they were sealed.
func (s *station) wantTaken(p *parcel) {
	s.t.Helper()
	before, _, _, _ := s.heard()
	rec := s.post(p.pack())
	decoded, contents, _, log := s.heard()
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), receiptMark) {
		s.t.Fatalf("the unchanged message is refused: %d %s\n%s", rec.Code, rec.Body, log)
	}
	if len(decoded) != len(before)+1 {
		s.t.Fatalf("%d messages handed on, want one", len(decoded)-len(before))
	}
	if in := decoded[len(decoded)-1]; in.Header.Action != action || in.Header.From.ID.ID != partnerID || !strings.HasSuffix(in.Header.MessageID, "@ap-nl-01.example.org") || !slices.Equal(contents[len(contents)-1], documents) {
		s.t.Errorf("handed on %+v with %q", in.Header, contents[len(contents)-1])
	}
}

// The messages that are changed are good, also when their signature is made again.
func TestBasesAreTaken(t *testing.T) {
	t.Parallel()
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newStation(t, a).wantTaken(base(t, a))
			newStation(t, a).wantTaken(seal(t, a))
			p := seal(t, a)
			p.digestMessaging()
			p.resign(a.keys.partner.key)
			newStation(t, a).wantTaken(p)
		})
	}
}

// Changes that the signature permits must change nothing of what is handed on.
func TestHarmlessChanges(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(p *parcel){
		"parts in another order": func(p *parcel) { p.parts[0], p.parts[1] = p.parts[1], p.parts[0] },
		"CipherReferences exchanged between EncryptedData": func(p *parcel) {
			p.every(`<xenc:CipherReference URI="cid:`+partA, `<xenc:CipherReference URI="cid:X`)
			p.every(`<xenc:CipherReference URI="cid:`+partB, `<xenc:CipherReference URI="cid:`+partA)
			p.every(`<xenc:CipherReference URI="cid:X`, `<xenc:CipherReference URI="cid:`+partB)
		},
		"a comment inside the action":       func(p *parcel) { p.swap(">"+action+"<", ">ExecuteQuery<!-- x -->Request<") },
		"a comment at the end of a PartyId": func(p *parcel) { p.swap(">"+partnerID+"<", ">"+partnerID+"<!--_evil--><") },
		"a comment inside the MessageId":    func(p *parcel) { p.in("<eb:MessageId>", "</eb:MessageId>", replace("@", "<!---->@")) },
		"CDATA around the action":           func(p *parcel) { p.swap(">"+action+"<", "><![CDATA["+action+"]]><") },
		"CDATA around half of it":           func(p *parcel) { p.swap(">"+action+"<", ">ExecuteQuery<![CDATA[Request]]><") },
		"a character reference":             func(p *parcel) { p.swap(">"+action+"<", ">&#x45;xecuteQueryRequest<") },
		"an unused declaration":             func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns:w="urn:w"`) },
		"an unused default namespace":       func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns="urn:w"`) },
		"a default namespace undeclared":    func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns=""`) },
		"an unknown header block":           func(p *parcel) { p.swap(headerEnd, wrap("x")+headerEnd) },
		"a BOM":                             func(p *parcel) { p.envelope = "\xef\xbb\xbf" + p.envelope },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agreements()["1.15"]
			p := base(t, a)
			do(p)
			newStation(t, a).wantTaken(p)
		})
	}
}
