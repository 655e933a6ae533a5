package preview_test

import (
	"strings"
	"testing"

	"oncegate/gateway/preview"
	"oncegate/schemas/canon"
)

const id = canon.ConversationID("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")

func tickets(t testing.TB, key string) *preview.Tickets {
	t.Helper()
	k, err := preview.NewTickets("https://preview.example/p", []byte(strings.Repeat(key, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLocationIsThatOfOneRequest(t *testing.T) {
	k := tickets(t, "k")
	location := k.Location(id, "urn:uuid:1")
	token, ok := strings.CutPrefix(location, "https://preview.example/p/")
	if !ok || location != k.Location(id, "urn:uuid:1") {
		t.Fatalf("got %s, want the same place under the base each time", location)
	}
	if got, ok := k.Conversation(token); !ok || got != id {
		t.Errorf("the token claims %q, want %q", got, id)
	}
	for _, tc := range []struct {
		name  string
		k     *preview.Tickets
		token string
		id    canon.ConversationID
		first canon.RequestID
		want  bool
	}{
		{"its own", k, token, id, "urn:uuid:1", true},
		{"another request", k, token, id, "urn:uuid:2", false},
		{"another conversation", k, token, "6d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", "urn:uuid:1", false},
		{"another key", tickets(t, "x"), token, id, "urn:uuid:1", false},
		{"cut short", k, token[:len(token)-1], id, "urn:uuid:1", false},
		{"empty", k, "", id, "urn:uuid:1", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.k.Valid(tc.token, tc.id, tc.first); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}

func TestBaseAndKeyAreChecked(t *testing.T) {
	long := []byte(strings.Repeat("k", 32))
	for _, tc := range []struct {
		base string
		key  []byte
	}{
		{"http://preview.example/p", long}, {"https:///p", long}, {"https://preview.example/p?x=1", long},
		{"https://preview.example/p#x", long}, {"https://me@preview.example/p", long}, {"%", long},
		{"https://preview.example/p", long[:31]},
	} {
		if _, err := preview.NewTickets(tc.base, tc.key); err == nil {
			t.Errorf("base %q with a key of %d bytes is taken", tc.base, len(tc.key))
		}
	}
}

// No token is valid for a conversation but the one that was minted for it.
func FuzzToken(f *testing.F) {
	k := tickets(f, "k")
	f.Add(k.Token(id, "urn:uuid:1"))
	f.Add("")
	f.Add(strings.Repeat("A", 54))
	f.Fuzz(func(t *testing.T, token string) {
		claimed, ok := k.Conversation(token)
		if !ok {
			return
		}
		if k.Valid(token, claimed, "urn:uuid:1") && token != k.Token(claimed, "urn:uuid:1") {
			t.Errorf("%q passes for %s", token, claimed)
		}
	})
}

func TestAWayBackIsThatOfOneConversation(t *testing.T) {
	k := tickets(t, "k")
	const back = "https://portal.example/back/5aa8f1a4"
	sealed := k.SealBack(id, back)
	if sealed != k.SealBack(id, back) {
		t.Error("the same way back is sealed in two ways: states could not be compared")
	}
	if strings.Contains(sealed, "portal") {
		t.Errorf("the way back stands in clear: %s", sealed)
	}
	if got, ok := k.OpenBack(id, sealed); !ok || got != back {
		t.Errorf("OpenBack = %q, %v; want %q", got, ok, back)
	}
	for name, open := range map[string]func() (string, bool){
		"another conversation": func() (string, bool) { return k.OpenBack("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1953", sealed) },
		"another key":          func() (string, bool) { return tickets(t, "x").OpenBack(id, sealed) },
		"changed":              func() (string, bool) { return k.OpenBack(id, sealed[:len(sealed)-2]+"AA") },
		"cut":                  func() (string, bool) { return k.OpenBack(id, sealed[:8]) },
		"no base64":            func() (string, bool) { return k.OpenBack(id, "!") },
		"nothing":              func() (string, bool) { return k.OpenBack(id, "") },
	} {
		if got, ok := open(); ok {
			t.Errorf("%s: OpenBack = %q, want nothing", name, got)
		}
	}
}

// Whoever has no key reads the same claim from a location (EDM up to 1.2: it ties
// the second request to the first).
func TestTheClaimOfALocation(t *testing.T) {
	id := canon.OwnConversation("portal", "key")
	location := tickets(t, "k").Location(id, "urn:uuid:1")
	for _, l := range []string{location, location + "?returnurl=https%3A%2F%2Fportal.example%2F"} {
		if got, ok := canon.PreviewConversation(l); !ok || got != id {
			t.Errorf("%s claims %q, want %s", l, got, id)
		}
	}
	for _, l := range []string{"", "https://preview.example/p/", "https://preview.example/p/abc", location + "!", location + strings.Repeat("A", 400)} {
		if got, ok := canon.PreviewConversation(l); ok {
			t.Errorf("%q claims %s", l, got)
		}
	}
}
