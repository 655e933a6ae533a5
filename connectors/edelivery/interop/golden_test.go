package interop

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

var update = flag.Bool("update", false, "record the messages of phase4 anew; needs the Java peer")

// golden is traffic with phase4 that was recorded once, with keys made for it: a
// machine without Java replays it.
type golden struct {
	At          time.Time // when it was recorded, and so when the certificates were valid
	Profile     wssec.Profile
	ContentType string // of the message of phase4
}

var goldens = []struct {
	name, keys, peer string
	profile          wssec.Profile
	sign             wssec.Token
}{
	{"1.15", "rsa2048", "edelivery-1.15", wssec.Profile115, wssec.TokenBST},
	{"2.0", "eddsa", "edelivery-2.0", wssec.Profile20, wssec.TokenPKIPath},
	{"2.0-ecdsa", "p256", "edelivery-2.0-ecdsa", wssec.Profile20ECDSA, wssec.TokenSKI},
}

// recorded is what our message carries: parts that are not compressed, whose digests
// do not hang on a version of gzip.
func recorded() []document { return []document{pdfDocument(1), pdfDocument(2)} }

func goldenSetup(profile wssec.Profile, sign wssec.Token, k *ring) setup {
	return setup{token: string(sign), encrypt: "bst", partner: func(p *pmode.Partner) {
		p.Profile, p.SignToken, p.Plain = profile, sign, true
		p.Trust.Known = []*x509.Certificate{k.theirSign.Cert}
		p.Retry = pmode.Retry{Attempts: 2, Initial: time.Millisecond, Max: time.Millisecond}
	}}
}

// TestRecord writes testdata/golden with -update.
func TestRecord(t *testing.T) {
	if !*update {
		t.Skip("without -update nothing is recorded")
	}
	for _, g := range goldens {
		dir := filepath.Join("testdata", "golden", g.name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		s := goldenSetup(g.profile, g.sign, rings[g.keys]())
		s.keys, s.profile = g.keys, g.peer
		r := newRig(t, s)
		at := time.Now().UTC().Truncate(time.Millisecond)
		m := r.message(g.name, at, recorded()...)
		if d := r.handle(t, m); d.Outcome != canon.DeliveryAcknowledged {
			t.Fatalf("delivery = %+v", d)
		}
		// A sender that remembers nothing sends it again.
		outbox := r.codec.outbox
		r.equip(t, s, r.proxy.URL)
		r.codec.outbox = outbox
		if d := r.handle(t, m); d.Outcome != canon.DeliveryAcknowledged {
			t.Fatalf("delivery of the duplicate = %+v", d)
		}
		if sent := r.phase4Sends(t, r.command(t, documents(3)...)); sent.Result != "SUCCESS" {
			t.Fatalf("phase4 says %s", sent.Result)
		}
		in, out := r.traffic()
		meta, err := json.MarshalIndent(golden{At: at, Profile: g.profile, ContentType: in[0].contentType}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "golden.json", append(meta, '\n'))
		write(t, dir, "message.mime", in[0].body)
		write(t, dir, "receipt.xml", out[0].answer)
		write(t, dir, "duplicate.xml", out[1].answer)
		certificates(t, dir, "authority.pem", r.keys.authority.Cert)
		certificates(t, dir, "their-sign.pem", r.keys.theirSign.Cert)
		certificates(t, dir, "their-decrypt.pem", r.keys.theirDecrypt.Cert)
		r.keys.ourSign.files(t, dir, "our-sign")
		r.keys.ourDecrypt.files(t, dir, "our-decrypt")
	}
}

func loadCertificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(read(t, dir, name))
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func loadIdentity(t *testing.T, dir, name string) identity {
	t.Helper()
	b, _ := pem.Decode(read(t, dir, name+".key"))
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return identity{pkitest.Pair{Cert: loadCertificate(t, dir, name+".pem"), Key: key}}
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReplay: what phase4 once sent is taken, its receipt and its answer to a
// duplicate count, as they did when they were recorded.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "golden", g.name)
			var meta golden
			if err := json.Unmarshal(read(t, dir, "golden.json"), &meta); err != nil {
				t.Fatal(err)
			}
			k := &ring{
				authority:    identity{pkitest.Pair{Cert: loadCertificate(t, dir, "authority.pem")}},
				ourSign:      loadIdentity(t, dir, "our-sign"),
				ourDecrypt:   loadIdentity(t, dir, "our-decrypt"),
				theirSign:    identity{pkitest.Pair{Cert: loadCertificate(t, dir, "their-sign.pem")}},
				theirDecrypt: identity{pkitest.Pair{Cert: loadCertificate(t, dir, "their-decrypt.pem")}},
			}
			s := goldenSetup(meta.Profile, g.sign, k)
			s.config = func(c *edelivery.Config) { c.Now = func() time.Time { return meta.At.Add(time.Second) } }

			for name, answers := range map[string][]string{"receipt": {"receipt.xml"}, "duplicate": {"", "duplicate.xml"}} {
				r := &rig{keys: k, dir: t.TempDir()}
				var requests int
				r.equip(t, s, serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					_ = readAll(t, req.Body)
					requests++
					file := answers[min(requests, len(answers))-1]
					if file == "" {
						panic(http.ErrAbortHandler) // the answer gets lost
					}
					w.Header().Set("Content-Type", "application/soap+xml;charset=utf-8")
					_, _ = w.Write(read(t, dir, file))
				})))
				d := r.handle(t, r.message(g.name, meta.At, recorded()...))
				if d.Outcome != canon.DeliveryAcknowledged || d.Attempts != len(answers) || (d.Receipt != "") != (name == "receipt") {
					t.Errorf("%s: delivery = %+v; where the header that we write has changed, so have its digests: record anew with TestRecord -update", name, d)
				}
			}

			r := &rig{keys: k, dir: t.TempDir()}
			r.equip(t, s, "http://127.0.0.1:9/")
			e := r.post(meta.ContentType, read(t, dir, "message.mime"))
			if e.status != http.StatusOK || codeOf(e.answer) != "" {
				t.Fatalf("status %d, %s", e.status, brief(e.answer))
			}
			_, taken := r.codec.taken()
			if !slices.EqualFunc(taken[0], documents(3), func(a, b document) bool {
				return a.id == b.id && a.mediaType == b.mediaType && a.digest() == b.digest()
			}) {
				t.Errorf("we took %v", taken[0])
			}
		})
	}
}
