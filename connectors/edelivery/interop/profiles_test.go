package interop

import (
	"fmt"
	"slices"
	"testing"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
)

// both runs a case in both directions.
func both(t *testing.T, s setup, docs []document) {
	t.Run("we send", func(t *testing.T) {
		t.Parallel()
		weSend(t, newRig(t, s), docs)
	})
	t.Run("phase4 sends", func(t *testing.T) {
		t.Parallel()
		phase4Sends(t, newRig(t, s), docs)
	})
}

// TestTokens: every form of a reference to a certificate, for signing and for
// encrypting, also different ones (b.2).
func TestTokens(t *testing.T) {
	t.Parallel()
	allow := func(p *pmode.Partner) {
		p.Allow.Tokens = []wssec.Token{wssec.TokenBST, wssec.TokenPKIPath, wssec.TokenSKI, wssec.TokenIssuerSerial, wssec.TokenThumbprint}
		p.Trust.Known = known("rsa2048") // SKI and others name a certificate that is known
	}
	forms := []wssec.Token{wssec.TokenBST, wssec.TokenPKIPath, wssec.TokenSKI, wssec.TokenIssuerSerial, wssec.TokenThumbprint}
	for i, sign := range forms {
		for _, encrypt := range []wssec.Token{sign, forms[(i+2)%len(forms)]} {
			if encrypt == wssec.TokenPKIPath {
				encrypt = wssec.TokenBST // WSS4J writes and reads a path for signatures only
			}
			t.Run(fmt.Sprintf("sign %s, encrypt %s", sign, encrypt), func(t *testing.T) {
				t.Parallel()
				both(t, setup{token: string(sign), encrypt: string(encrypt), partner: func(p *pmode.Partner) {
					allow(p)
					p.SignToken, p.EncryptToken = sign, encrypt
				}}, documents(2))
			})
		}
	}
}

// TestProfiles: keys of every kind and size of 1.15 and 2.0.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys, peer string
		profile    wssec.Profile
	}{
		{"rsa3072", "edelivery-1.15", wssec.Profile115},
		{"rsa4096", "edelivery-1.15", wssec.Profile115},
		{"eddsa", "edelivery-2.0", wssec.Profile20},
		{"p256", "edelivery-2.0-ecdsa", wssec.Profile20ECDSA},
		{"p384", "edelivery-2.0-ecdsa", wssec.Profile20ECDSA},
		{"p521", "edelivery-2.0-ecdsa", wssec.Profile20ECDSA},
	} {
		for _, token := range []wssec.Token{wssec.TokenBST, wssec.TokenPKIPath, wssec.TokenSKI} {
			if c.profile == wssec.Profile115 && token != wssec.TokenBST {
				continue // TestTokens has them
			}
			for _, n := range []int{0, 1, 3, 28} {
				if n != 3 && !slices.Contains([]string{"eddsa", "p256"}, c.keys) {
					continue
				}
				t.Run(fmt.Sprintf("%s %s %d parts", c.keys, token, n), func(t *testing.T) {
					t.Parallel()
					encrypt := token
					if token == wssec.TokenPKIPath {
						encrypt = wssec.TokenBST
					}
					both(t, setup{keys: c.keys, profile: c.peer, token: string(token), encrypt: string(encrypt), partner: func(p *pmode.Partner) {
						p.Profile, p.SignToken, p.EncryptToken = c.profile, token, encrypt
						p.Trust.Known = known(c.keys)
					}}, documents(n))
				})
			}
		}
	}
}
