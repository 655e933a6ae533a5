package pmode

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// detailed has an agreement with everything that a header is compared with.
const detailed = `own:
  party: {id: AP_NL_01, type: "urn:t"}
  domain: as4.example.nl
  signing: {certificate: own.pem, key: own-key.pem}
  decryption: [{certificate: own.pem, key: own-key.pem}]
partners:
  - name: finland
    party: {id: AP_FI_03, type: "urn:t"}
    url: https://as4.example.fi/msh
    own_role: ours
    role: theirs
    two_way: true
    mpc: "urn:mpc:fi"
    pull: {every: 1m, mpc: "urn:mpc:nl"}
    signing: {pinned: [fi.pem]}
    encryption: [fi.pem]
    agreement: {value: "urn:agreement", type: "urn:kind"}
    corners: {theirs: [{id: C1, type: "urn:c"}], ours: [{id: C4, type: "urn:c"}]}
    limits: {part: 10MiB, message: 20MiB, ratio: 100, parts: 2}
    services:
      - service: "urn:service"
        actions: [ask, answer]
        replies: [answer]
        properties: [{name: originalSender, required: true}, {name: finalRecipient, required: true}, {name: count, datatype: int}, {name: urgent, datatype: boolean}]
        payloads: {max: 2, size: 5MiB, types: [application/xml, application/pdf], parts: [{id: message, type: application/xml, required: true, size: 1MiB}, {id: attachment}]}
  - name: sweden
    party: {id: AP_SE_01, type: "urn:t"}
    mep: pull
    mpc: "urn:mpc:se"
    signing: {pinned: [fi.pem]}
    encryption: [fi.pem]
`

func inbound() *ebms.UserMessage {
	return &ebms.UserMessage{
		From: ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "AP_FI_03"}, Role: "theirs"},
		To:   ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "AP_NL_01"}, Role: "ours"},
		MPC:  "urn:mpc:fi", Agreement: ebms.Agreement{Value: "urn:agreement", Type: "urn:kind"},
		Service: ebms.Service{Value: "urn:service"}, Action: "ask",
		Properties: []ebms.Property{{Name: "originalSender", Type: "urn:c", Value: "C1"}, {Name: "finalRecipient", Type: "urn:c", Value: "C4"}},
		Parts:      []ebms.PartInfo{{ID: "message", Properties: []ebms.Property{{Name: "MimeType", Value: "application/xml; charset=UTF-8"}}}},
	}
}

func part(id, media string) ebms.PartInfo {
	return ebms.PartInfo{ID: id, Properties: []ebms.Property{{Name: "MimeType", Value: media}}}
}

// The log says which field does not fit, with what was wanted and what came; the
// peer learns the rule.
func TestAMismatchNamesTheField(t *testing.T) {
	tab, err := load(t, detailed)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := tab.Match(inbound()); err != nil || p.Name != "finland" {
		t.Fatalf("%v, %v", p, err)
	}
	for _, tt := range []struct {
		name string
		edit func(h *ebms.UserMessage)
		code ebms.Code // default ProcessingModeMismatch
		want string
	}{
		{"type of the party", func(h *ebms.UserMessage) { h.From.ID.Scheme = "urn:u" }, "", `From/PartyId: the nearest agreement is "finland" with "AP_FI_03" of type "urn:t"; the message has "AP_FI_03" of type "urn:u"`},
		{"unknown party", func(h *ebms.UserMessage) { h.From.ID.ID = strings.Repeat("x", 500) }, "", `From/PartyId: no partner has "xxx`},
		{"receiver", func(h *ebms.UserMessage) { h.To.ID.ID = "AP_BE" }, "", `To/PartyId: the nearest agreement is "finland" with "AP_NL_01"; the message has "AP_BE"`},
		{"type of the receiver", func(h *ebms.UserMessage) { h.To.ID.Scheme = "" }, "", `To/PartyId/@type: the nearest agreement is "finland" with "urn:t"; the message has ""`},
		{"our role", func(h *ebms.UserMessage) { h.To.Role = "theirs" }, "", `To/Role: the nearest agreement is "finland" with "ours"`},
		{"partition", func(h *ebms.UserMessage) { h.MPC = "urn:mpc:other" }, "", "UserMessage/@mpc"},
		{"their role", func(h *ebms.UserMessage) { h.From.Role = "" }, "", `From/Role: the nearest agreement is "finland" with "theirs"; the message has ""`},
		{"agreement", func(h *ebms.UserMessage) { h.Agreement = ebms.Agreement{} }, "", `AgreementRef: the nearest agreement is "finland" with "urn:agreement"; the message has ""`},
		{"type of the agreement", func(h *ebms.UserMessage) { h.Agreement.Type = "" }, "", "AgreementRef/@type"},
		{"service", func(h *ebms.UserMessage) { h.Service.Value = "urn:other\n" }, "", `Service: the nearest agreement is "finland" with "urn:service"; the message has "urn:other\n"`},
		{"type of the service", func(h *ebms.UserMessage) { h.Service.Type = "x" }, "", "Service/@type"},
		{"action", func(h *ebms.UserMessage) { h.Action = "tell" }, "", `Action: the nearest agreement is "finland" with "ask" or "answer"; the message has "tell"`},
		{"answer to nothing", func(h *ebms.UserMessage) { h.Action = "answer" }, ebms.ValueInconsistent, "an answer without RefToMessageId"},
		{"foreign authority", func(h *ebms.UserMessage) { h.Properties[0].Value = "C9" }, "", "no agreement for this originalSender"},
		{"authority of another type", func(h *ebms.UserMessage) { h.Properties[1].Type = "" }, "", "no agreement for this finalRecipient"},
		{"unknown property", func(h *ebms.UserMessage) { h.Properties = append(h.Properties, ebms.Property{Name: "x"}) }, "", "a message property that the agreement does not have"},
		{"property twice", func(h *ebms.UserMessage) { h.Properties = append(h.Properties, h.Properties[0]) }, "", "originalSender twice"},
		{"property of another type", func(h *ebms.UserMessage) {
			h.Properties = append(h.Properties, ebms.Property{Name: "count", Value: "many"})
		}, "", "count is not of its type"},
		{"truth of another type", func(h *ebms.UserMessage) {
			h.Properties = append(h.Properties, ebms.Property{Name: "urgent", Value: "1"})
		}, "", "urgent is not of its type"},
		{"too many parts", func(h *ebms.UserMessage) {
			h.Parts = append(h.Parts, part("attachment", "application/pdf"), part("x", "application/pdf"))
		}, "", "more payload parts"},
		{"part of another type", func(h *ebms.UserMessage) { h.Parts = append(h.Parts, part("attachment", "text/html")) }, "", "of a type that the agreement does not have"},
		{"unknown part", func(h *ebms.UserMessage) { h.Parts = append(h.Parts, part("other", "application/pdf")) }, "", "a payload part that the agreement does not have"},
		{"named part of another type", func(h *ebms.UserMessage) { h.Parts[0] = part("message", "application/pdf") }, "", "message is not of its type"},
		{"missing part", func(h *ebms.UserMessage) { h.Parts = []ebms.PartInfo{part("attachment", "application/pdf")} }, "", "message is missing"},
	} {
		h := inbound()
		tt.edit(h)
		_, err := tab.Match(h)
		var e *ebms.Error
		if code := tt.code; !errors.As(err, &e) || code == "" && e.Code != ebms.ProcessingModeMismatch || code != "" && e.Code != code {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 600 {
			t.Errorf("%s: error lacks %q: %v", tt.name, tt.want, err)
		}
		if e.Err != nil && strings.Contains(e.Detail, "finland") {
			t.Errorf("%s: the peer is told %q", tt.name, e.Detail)
		}
	}
	for name, edit := range map[string]func(h *ebms.UserMessage){
		"an answer":                      func(h *ebms.UserMessage) { h.Action, h.RefToMessageID = "answer", "a@b" },
		"the partition that we pull":     func(h *ebms.UserMessage) { h.MPC = "urn:mpc:nl" },
		"the default one, beside a pull": func(h *ebms.UserMessage) { h.MPC = "" },
		"the test service, without anything": func(h *ebms.UserMessage) {
			h.Service, h.Action, h.Properties, h.Parts = ebms.Service{Value: ebms.TestService}, ebms.TestAction, nil, nil
		},
	} {
		h := inbound()
		edit(h)
		if _, err := tab.Match(h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatWeSendIsCheckedToo(t *testing.T) {
	tab, err := load(t, detailed)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := tab.Named("finland")
	h := inbound()
	if err := p.CheckOut(h); err == nil {
		t.Error("authorities of the other side were taken as ours")
	}
	h.Properties[0].Value, h.Properties[1].Value = "C4", "C1"
	if err := p.CheckOut(h); err != nil {
		t.Error(err)
	}
	h.Parts = append(h.Parts, part("attachment", "application/pdf"), part("x", "application/pdf"))
	if err := p.CheckOut(h); err == nil || !strings.Contains(err.Error(), "3 payload parts, where the agreement allows 2") {
		t.Errorf("got %v", err)
	}
	if l := p.Bounds(inbound()); l.Message != 5<<20 || l.Part != 5<<20 || l.Ratio != 100 {
		t.Errorf("bounds = %+v", l)
	}
	if err := p.CheckSizes(inbound(), map[string]int64{"message": 1<<20 + 1}); err == nil {
		t.Error("a part larger than agreed")
	}
	if err := p.CheckSizes(inbound(), map[string]int64{"message": 1 << 20}); err != nil {
		t.Error(err)
	}
}

func TestLookUps(t *testing.T) {
	tab, err := load(t, detailed)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := tab.Puller("urn:mpc:se"); !ok || p.Name != "sweden" {
		t.Errorf("puller: %v", p)
	}
	if _, ok := tab.Puller("urn:mpc:fi"); ok {
		t.Error("a partner that we push to may not pull")
	}
	if ps := tab.Fetched(); len(ps) != 1 || ps[0].Name != "finland" || ps[0].Fetch.MPC != "urn:mpc:nl" {
		t.Errorf("fetched: %v", ps)
	}
	if p, _, err := tab.Outbound(canon.Participant{Scheme: "urn:t", ID: "AP_SE_01"}, "ExecuteQueryRequest"); err != nil || p.MEP != Pull {
		t.Errorf("a partner that pulls needs no url: %v, %v", p, err)
	}
	if id, err := tab.Identity(tab.Partners()[0], time.Now()); err != nil || id.Certificate != tab.Own().Signing[0].Certificate {
		t.Errorf("%v, %v", id, err)
	}
	if tab.AsksClients() {
		t.Error("nobody wants a client certificate")
	}
}

func TestDirections(t *testing.T) {
	for direction, want := range map[string]struct{ in, out bool }{"both": {true, true}, "in": {true, false}, "out": {false, true}} {
		tab, err := load(t, strings.Replace(good, "    url: https", "    direction: "+direction+"\n    url: https", 1))
		if err != nil {
			t.Fatal(err)
		}
		h := &ebms.UserMessage{From: ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "AP_FI_03"}, Role: OOTSRole}, To: tab.Own().Party,
			Agreement: ebms.Agreement{Value: "urn:agreement"}, Service: ebms.Service{Value: "urn:service"}, Action: "a"}
		_, in := tab.Match(h)
		_, _, out := tab.Outbound(h.From.ID, "a")
		if (in == nil) != want.in || (out == nil) != want.out {
			t.Errorf("%s: in %v, out %v", direction, in, out)
		}
	}
}

func TestClients(t *testing.T) {
	parse := func(name string) *x509.Certificate {
		block, _ := pem.Decode(files()[name])
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	own, fi := parse("own.pem"), parse("fi.pem")
	pinned := Clients{Pinned: []*x509.Certificate{own}}
	state := func(c *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
	}
	now := time.Now()
	for _, tt := range []struct {
		name  string
		c     Clients
		state *tls.ConnectionState
		now   time.Time
		ok    bool
	}{
		{"none wanted", Clients{}, nil, now, true},
		{"no TLS", pinned, nil, now, false},
		{"none given", pinned, &tls.ConnectionState{}, now, false},
		{"pinned", pinned, state(own), now, true},
		{"another", pinned, state(fi), now, false},
		{"expired", pinned, state(own), now.AddDate(9, 0, 0), false},
		{"of the authority", Clients{CA: []*x509.Certificate{fi}, Names: []string{"fi"}}, state(fi), now, true},
		{"of the authority with another name", Clients{CA: []*x509.Certificate{fi}, Names: []string{"own"}}, state(fi), now, false},
		{"of another authority", Clients{CA: []*x509.Certificate{own}, Names: []string{"fi"}}, state(fi), now, false},
	} {
		if err := tt.c.Allow(tt.state, tt.now); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestNextAttempt(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Retry{Attempts: 3, Initial: time.Minute, Factor: 2, Max: time.Hour, Jitter: 0.5, Expiry: 10 * time.Minute}
	for _, tt := range []struct {
		attempt int
		since   time.Duration // from the first attempt
		random  float64
		pause   time.Duration
		ok      bool
	}{
		{1, 0, 0.5, time.Minute, true}, {1, 0, 0, 30 * time.Second, true}, {1, 0, 1, 90 * time.Second, true},
		{2, time.Minute, 0.5, 2 * time.Minute, true}, {3, 0, 0.5, 0, false},
		{1, 9 * time.Minute, 0.5, time.Minute, false}, // it would begin at the expiry
	} {
		at, ok := r.Next(tt.attempt, now.Add(-tt.since), now, tt.random)
		if ok != tt.ok || ok && at != now.Add(tt.pause) {
			t.Errorf("%+v: %v, %t", tt, at.Sub(now), ok)
		}
	}
}
