package canon_test

import (
	"testing"
	"time"

	"oncegate/schemas/canon"
)

// Derived ids are on logs that outlive a release: these must never change.
func TestDerivedIDsAreStable(t *testing.T) {
	ap := canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", ID: "ap-fi"}
	tests := map[string]struct{ got, want string }{
		"nothing":      {canon.DeriveUUID(), "0332a709-862a-53c4-a08a-7bc43a6ca3d0"},
		"parts":        {canon.DeriveUUID("a", "b"), "373259aa-8e64-5015-b81c-fc6964a2981f"},
		"message":      {string(canon.Derive("6f1c0f0e-0000-5000-8000-000000000001", "register.query")), "31c700c9-5889-5319-a9ed-1229d7a377ae"},
		"edge":         {string(canon.Derive("", "as4:1@ap-fi")), "b7b61ab5-218f-5e40-8908-db64a0526ce0"},
		"conversation": {string(canon.InboundConversation(ap, "11111111-2222-4333-8444-555555555555")), "86d3d5b0-2a7e-5c36-b33e-006002ae3241"},
		"own":          {string(canon.OwnConversation("fi-portal", "key-1")), "80011117-ba34-5be8-b930-aa08d281ebf0"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.got != tc.want {
				t.Errorf("got %s, want %s", tc.got, tc.want)
			}
			if !canon.ValidUUID(tc.got) || tc.got[14] != '5' {
				t.Errorf("%s is not a UUIDv5", tc.got)
			}
		})
	}
}

func TestDerivationKeepsPartsApart(t *testing.T) {
	seen := make(map[string][]string)
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "b", ""}, {"1:a"}, {"a1:b"}, {"a", "1:b"}, {"1", "a"}} {
		id := canon.DeriveUUID(parts...)
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q give the same id", parts, other)
		}
		seen[id] = parts
	}
	a, b := canon.Participant{Scheme: "s", ID: "1"}, canon.Participant{Scheme: "s", ID: "2"}
	if canon.InboundConversation(a, "x") == canon.InboundConversation(b, "x") {
		t.Error("two peers share a conversation by guessing an ExchangeId")
	}
}

func TestFollow(t *testing.T) {
	cause := canon.Message{ID: canon.Derive("", "x"), Conversation: "c", Trace: "00-1-2-01", ReplayOf: "r"}
	zone := time.FixedZone("EET", 7200)
	a := canon.Follow(cause, "step", time.Date(2026, 1, 1, 2, 0, 0, 0, zone), &canon.Deadline{})
	b := canon.Follow(cause, "step", time.Date(2027, 1, 1, 2, 0, 0, 0, zone), &canon.Deadline{})
	if a.ID != b.ID || a.ID == cause.ID {
		t.Error("the same step of the same cause has another id")
	}
	if a.ID == canon.Follow(cause, "other", time.Time{}, &canon.Deadline{}).ID {
		t.Error("another step has the same id")
	}
	if a.Kind != canon.KindDeadline || a.Conversation != "c" || a.Cause != cause.ID || a.Trace != cause.Trace || a.ReplayOf != "" {
		t.Errorf("%+v", a)
	}
	if a.At.Location() != time.UTC {
		t.Error("time is not UTC")
	}
}

func TestValidUUID(t *testing.T) {
	for s, want := range map[string]bool{
		"6f1c0f0e-0000-5000-8000-000000000001":          true,
		"6F1C0F0E-0000-5000-8000-000000000001":          false,
		"6f1c0f0e-0000-5000-8000-00000000000":           false,
		"6f1c0f0e-0000-5000-8000-0000000000012":         false,
		"6f1c0f0e00005000-8000-000000000001----":        false,
		"6f1c0f0e_0000-5000-8000-000000000001":          false,
		"urn:uuid:6f1c0f0e-0000-5000-8000-000000000001": false,
		"../../../../../../../../../etc/passwd":         false,
		"":                                              false,
	} {
		if got := canon.ValidUUID(s); got != want {
			t.Errorf("ValidUUID(%q) = %v, want %v", s, got, want)
		}
	}
}

// FuzzPreviewConversation: whatever a partner sends as a location, what is claimed is
// a UUID, and the same whatever the browser's query.
func FuzzPreviewConversation(f *testing.F) {
	for _, s := range []string{"", "/", "https://preview.example/p/O7cxJoLjXuSCiyxi_nqK27Y_INYPRBKM79cBQ9y-0unuOKKnfliiGg", "https://x.example/p/abc?returnurl=a/b", "\x00/AAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := canon.PreviewConversation(s)
		if ok != canon.ValidUUID(string(id)) {
			t.Errorf("%q claims %q", s, id)
		}
		if again, _ := canon.PreviewConversation(s + "?returnurl=https%3A%2F%2Fx.example/y"); ok && again != id {
			t.Errorf("with a query %q claims %q, want %q", s, again, id)
		}
	})
}
