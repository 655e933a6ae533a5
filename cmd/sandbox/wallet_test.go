package sandbox

import (
	"context"
	"strings"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

// The wallet profile of EDM 2.0 is for tests: it is refused on both sides, by a reason
// that says so, until both set the switch.
// Covers: B-055
func TestWallets(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, tt := range []struct {
		name    string
		accept  []string // members
		outcome string
		code    canon.Code
		edm     string
	}{
		{"as it is", nil, "refused", canon.CodeWallet, ""},
		{"who asks accepts", []string{Slovenia}, "refused", canon.CodeAnswerUnsupported, "EDM:ERR:0007"},
		{"both accept", []string{Slovenia, Spain}, "delivered", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := staged(ctx, t, Config{}, func(_ *Landscape, member string, have obj) {
				for _, m := range tt.accept {
					if m == member {
						have["wallets"] = "accept"
					}
				}
			})
			s.wish(func(wish map[string]any) {
				p := wish["subject"].(map[string]any)["natural"].(map[string]any)
				p["scheme"], p["place_of_birth"], p["nationality"], p["birth_name"] = canon.SchemeEidas2, "Testburg", "SI", "Prøveland#Oskar"
			})
			res := s.play(t, Script{Register: "residence"})
			c, err := s.Node(Slovenia).Exchanges().Get(ctx, res.Exchange)
			if err != nil {
				t.Fatal(err)
			}
			if res.Outcome != tt.outcome || res.Code != string(tt.code) || res.EDM != tt.edm {
				t.Fatalf("outcome %q %q %q (%s), want %q %q %q\nsteps: %q", res.Outcome, res.Code, res.EDM, c.Detail, tt.outcome, tt.code, tt.edm, res.Steps)
			}
			// Of what the other side writes the stable words are kept.
			if tt.code != "" && !strings.Contains(c.Detail, "wallet (eidas2)") && c.Detail != string(canon.CodeWallet) {
				t.Errorf("the reason is %q", c.Detail)
			}
			docs := s.documents(t, res.Exchange)
			if len(tt.accept) == 0 && len(docs)+len(s.wire()) != 0 {
				t.Errorf("%d messages left", len(s.wire()))
			}
			if tt.outcome == "delivered" && !strings.Contains(docs[0], `schemeID="eidas2"`) {
				t.Errorf("the request is not of a wallet:\n%s", docs[0])
			}
		})
	}
}
