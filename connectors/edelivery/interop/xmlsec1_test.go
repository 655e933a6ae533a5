package interop

import (
	"crypto/x509"
	"fmt"
	"os/exec"
	"testing"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
)

// xmlsec1 lets the program judge the signature of an envelope without attachments.
func xmlsec1(t *testing.T, r *rig, signer identity, envelope []byte) error {
	t.Helper()
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Signer().Public())
	if err != nil {
		t.Fatal(err)
	}
	key := write(t, r.dir, "signer.pub", pkitest.PEM("PUBLIC KEY", der))
	out, err := exec.Command(program, "--verify", "--id-attr:Id", "Messaging", "--id-attr:Id", "Body", "--pubkey-pem", key,
		write(t, r.dir, "envelope.xml", envelope)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// TestXMLSec1: a third stack finds the same signatures right: those of our messages,
// receipts and errors, and those of phase4.
func TestXMLSec1(t *testing.T) {
	t.Parallel()
	for _, v := range variants {
		if v.profile == wssec.Profile20 {
			continue // xmlsec1 before 1.3 does not know Ed25519
		}
		t.Run(fmt.Sprint(v.keys, " ", v.sign), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{keys: v.keys, profile: v.peer, token: string(v.sign), partner: func(p *pmode.Partner) {
				p.Profile, p.SignToken = v.profile, v.sign
				p.Trust.Known, p.Allow.Tokens = known(v.keys), wssec.Tokens()
			}})
			r.send(t)
			_ = r.phase4Sends(t, r.command(t))
			wrong := r.command(t)
			wrong["action"] = "Unknown"
			_ = r.phase4Sends(t, wrong)
			in, out := r.traffic()
			for name, e := range map[string]struct {
				signer   identity
				envelope []byte
			}{
				"our message": {r.keys.ourSign, out[0].body}, "phase4's receipt": {r.keys.theirSign, out[0].answer},
				"phase4's message": {r.keys.theirSign, in[0].body}, "our receipt": {r.keys.ourSign, in[0].answer},
				"our error": {r.keys.ourSign, in[1].answer},
			} {
				if err := xmlsec1(t, r, e.signer, e.envelope); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := xmlsec1(t, r, e.signer, replaceExpr(t, e.envelope, `(MessageId>)[0-9a-f]`, "${1}x")); err == nil {
					t.Errorf("%s: xmlsec1 accepts a changed one", name)
				}
			}
			if codeOf(in[1].answer) != "EBMS:0010" {
				t.Errorf("unknown action: %s", brief(in[1].answer))
			}
		})
	}
}
