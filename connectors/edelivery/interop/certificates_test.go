package interop

import (
	"crypto/x509"
	"testing"
	"time"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -1)
}

// TestForeignCertificateToUs: phase4 signs with an expired certificate, or with one that is
// not yet valid, of another party, or of another authority.
func TestForeignCertificateToUs(t *testing.T) {
	t.Parallel()
	k := rings["rsa2048"]()
	stranger := newAuthority("Other Authority", "rsa2048")
	for name, id := range map[string]identity{
		"expired":           k.authority.issue(theirID.ID, "rsa2048", expired),
		"not yet valid":     k.authority.issue(theirID.ID, "rsa2048", func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, 0, 1) }),
		"of another party":  k.authority.issue("AP_XX_09", "rsa2048"),
		"of another issuer": stranger.issue(theirID.ID, "rsa2048"),
		"not for signing":   k.authority.issue(theirID.ID, "rsa2048", pkitest.Usage(x509.KeyUsageKeyEncipherment)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{stationSign: &id})
			s := r.phase4Sends(t, r.command(t, documents(1)...))
			if s.Result != "AS4_ERROR_MESSAGE_RECEIVED" && s.Result != "INVALID_SIGNAL_MESSAGE_RECEIVED" || codeOf(s.Response) != "EBMS:0101" {
				t.Errorf("phase4 says %s %s\n%s", s.Result, s.Exception, brief(s.Response))
			}
			if in, _ := r.codec.taken(); len(in) != 0 {
				t.Errorf("we handed on %d messages", len(in))
			}
		})
	}
}

// TestForeignCertificateToPhase4: phase4 refuses our expired certificate, and one
// of an authority that it does not know.
func TestForeignCertificateToPhase4(t *testing.T) {
	t.Parallel()
	k := rings["rsa2048"]()
	stranger := newAuthority("Other Authority", "rsa2048").issue(ourID.ID, "rsa2048")
	t.Run("of another issuer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, setup{own: func(o *pmode.Own) { o.Signing = []wssec.Identity{stranger.signing()} }})
		d := r.send(t, documents(1)...)
		_, out := r.traffic()
		if d.Outcome != canon.DeliveryFailed || !security(codeOf(out[0].answer)) {
			t.Errorf("delivery = %+v, %s", d, brief(out[0].answer))
		}
	})
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		old := k.authority.issue(ourID.ID, "rsa2048", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(2 * time.Second) })
		r := newRig(t, setup{own: func(o *pmode.Own) { o.Signing = []wssec.Identity{old.signing(k.authority.Cert)} }})
		// Sealed while it is valid, delivered when it is not.
		r.meddle = waitUntil(old.Cert.NotAfter.Add(time.Second))
		d := r.send(t, documents(1)...)
		_, out := r.traffic()
		if d.Outcome != canon.DeliveryFailed || !security(codeOf(out[0].answer)) {
			t.Errorf("delivery = %+v, %s", d, brief(out[0].answer))
		}
	})
}

// TestReceiptOfAnother: a receipt that somebody else of the same authority signed
// is none (i.16).
func TestReceiptOfAnother(t *testing.T) {
	t.Parallel()
	k := rings["rsa2048"]()
	other := k.authority.issue("AP_XX_09", "rsa2048")
	r := newRig(t, setup{stationSign: &other})
	if d := r.send(t, documents(1)...); d.Outcome != canon.DeliveryFailed || d.Receipt != "" {
		t.Errorf("delivery = %+v, want failed", d)
	}
}

// TestOwnExpired: with nothing but an expired certificate of ours nothing is sent.
func TestOwnExpired(t *testing.T) {
	t.Parallel()
	k := rings["rsa2048"]()
	old := k.authority.issue(ourID.ID, "rsa2048", expired)
	r := newRig(t, setup{own: func(o *pmode.Own) { o.Signing = []wssec.Identity{old.signing()} }})
	d := r.send(t, documents(1)...)
	if _, out := r.traffic(); d.Outcome != canon.DeliveryFailed || len(out) != 0 {
		t.Errorf("delivery = %+v after %d requests, want failed without any", d, len(out))
	}
}

// TestRotation: two certificates with overlap; what was encrypted for either is
// read.
func TestRotation(t *testing.T) {
	t.Parallel()
	k := rings["rsa2048"]()
	next := k.authority.issue(ourID.ID, "rsa2048")
	r := newRig(t, setup{own: func(o *pmode.Own) { o.Decrypt = append(o.Decrypt, next.decryption()) }})
	for _, c := range []*x509.Certificate{k.ourDecrypt.Cert, next.Cert} {
		command := r.command(t, documents(1)...)
		command["certificate"] = certificates(t, r.dir, "rotation.pem", c)
		if s := r.phase4Sends(t, command); s.Result != "SUCCESS" {
			t.Errorf("encrypted for %s: phase4 says %s, %v", c.SerialNumber, s.Result, s.Errors)
		}
	}
}
