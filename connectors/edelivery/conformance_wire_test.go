package edelivery

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

func noMimeType(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) { h.Parts[0].Properties = h.Parts[0].Properties[1:] }, zipped(t, "x")).close()
	r.refused(t, r.post(ct, body), ebms.ValueInconsistent)
}

func withCharacterSet(name string) func(h *ebms.UserMessage) {
	return func(h *ebms.UserMessage) {
		h.Parts[0].Properties = append(h.Parts[0].Properties, ebms.Property{Name: ebms.PropertyCharacterSet, Value: name})
	}
}

func characterSets(t *testing.T, _ *rig) {
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(`<?xml version="1.0" encoding="UTF-16"?><doc>Zoë</doc>`)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, content := range map[string]string{"UTF-8": "<doc>Zoë</doc>", "UTF-16": string(wide)} {
		r := newRig(t)
		ct, body := sealWith(t, ring().requester, withCharacterSet(name), zipped(t, content)).close()
		if rec := r.post(ct, body); !isReceipt(rec) {
			t.Fatal(rec.Body)
		}
		in, texts := r.delivered(t)
		if got, _ := in.Header.Parts[0].Property(ebms.PropertyCharacterSet); got != name || texts[0] != content {
			t.Errorf("%s: delivered %q as %q", name, texts[0], got)
		}
	}
	// An uncompressed XML part is signed in its canonical form, and that is UTF-8.
	r := newRig(t)
	ct, body := sealWith(t, ring().requester, func(h *ebms.UserMessage) {
		h.Parts[0].Properties = []ebms.Property{{Name: "MimeType", Value: "application/xml"}, {Name: "CharacterSet", Value: "UTF-16"}}
	}, wssec.OutPart{ID: "a@x", MediaType: "application/xml", Content: wide}).close()
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Fatal(rec.Body)
	}
	in, texts := r.delivered(t)
	if texts[0] != "<doc>Zoë</doc>" || in.Parts[0].Properties[1].Value != "UTF-8" {
		t.Errorf("delivered %q with %+v", texts[0], in.Parts[0].Properties)
	}
}

func badCharacterSet(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, withCharacterSet("!utf*"), zipped(t, "x")).close()
	r.refused(t, r.post(ct, body), ebms.ValueInconsistent)
}

func notGzip(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, nil, wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: []byte("not gzip")}).close()
	r.refused(t, r.post(ct, body), ebms.DecompressionFailure)
}

func deliveredDecompressed(t *testing.T, r *rig) {
	r.send(t, xmlDocument(0))
	in, texts := r.delivered(t)
	if texts[0] != xmlDocument(0).content {
		t.Errorf("delivered %q", texts[0])
	}
	for _, p := range in.Parts[0].Properties {
		if p.Name == ebms.PropertyCompressionType {
			t.Error("CompressionType is passed on")
		}
	}
}

func compressSignEncrypt(t *testing.T, r *rig) {
	ct, body := sealWith(t, ring().requester, nil, zipped(t, "x")).close()
	if rec := r.post(ct, body); !isReceipt(rec) {
		t.Error(rec.Body)
	}
	r = newRig(t, func(_ *rig, a, b *pmode.Partner, _ *Config) { a.SignOnly, b.SignOnly = true, true })
	if d, env := r.send(t, xmlDocument(0)); d.Outcome != canon.DeliveryAcknowledged || strings.Contains(env, "EncryptedData") {
		t.Errorf("signed only: %+v", d)
	}
}

func wrongOrder(t *testing.T, r *rig) {
	// Encrypted, then compressed: the part on the wire is gzip of the ciphertext.
	p := sealWith(t, ring().requester, nil, zipped(t, "x"))
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(p.parts[0].Content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.parts[0].Content = b.Bytes()
	ct, body := p.close()
	r.refused(t, r.post(ct, body), ebms.FailedDecryption)
	// Signed, then compressed: the digest is that of the clear bytes.
	clear := wssec.OutPart{ID: "a@example.org", MediaType: "application/octet-stream", Content: []byte("clear bytes")}
	signed := sealWith(t, ring().requester, nil, clear)
	packed := sealWith(t, ring().requester, nil, zipped(t, "clear bytes"))
	packed.cut("<ds:Signature ", "</ds:Signature>")
	packed.swap(headerEnd, signed.cut("<ds:Signature ", "</ds:Signature>")+headerEnd)
	ct, body = packed.close()
	r = newRig(t)
	rec := r.post(ct, body)
	if got, _ := readError(t, rec.Body.Bytes()); got.Code != ebms.FailedAuthentication && got.Code != ebms.FailedDecryption || len(r.codec.decoded) != 0 {
		t.Errorf("signed before compression: %s", rec.Body)
	}
}

func tlsConfigured(t *testing.T, _ *rig) {
	server := newKeypair("127.0.0.1", pkitest.Hosts("127.0.0.1"))
	pool := x509.NewCertPool()
	pool.AddCert(server.cert)
	const gcm256 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
	for name, tt := range map[string]struct {
		oldest, latest string
		suites         []string
		client         func(*tls.Config)
		version        uint16 // 0: no connection
		suite          string
	}{
		"default":                   {version: tls.VersionTLS13},
		"1.2 where the peer has it": {client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, version: tls.VersionTLS12},
		"1.1 is refused":            {client: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }},
		"1.3 only":                  {oldest: "1.3", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		"1.2 only":                  {latest: "1.2", version: tls.VersionTLS12},
		"one suite":                 {latest: "1.2", suites: []string{gcm256}, version: tls.VersionTLS12, suite: gcm256},
		"no suite in common": {latest: "1.2", suites: []string{gcm256}, client: func(c *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}},
		"no forward secrecy is refused": {client: func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}},
	} {
		rules, err := ParseTLS(tt.oldest, tt.latest, tt.suites)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = ServerTLS(tls.Certificate{Certificate: [][]byte{server.cert.Raw}, PrivateKey: server.key}, nil)
		rules.Narrow(s.TLS)
		s.StartTLS()
		conf := ClientTLS(pool, nil)
		conf.Time = func() time.Time { return testNow }
		if tt.client != nil {
			tt.client(conf)
		}
		resp, err := Client(conf).Get(s.URL)
		if (err == nil) != (tt.version != 0) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = resp.Body.Close()
			if got := resp.TLS; got.Version != tt.version || tt.suite != "" && tls.CipherSuiteName(got.CipherSuite) != tt.suite {
				t.Errorf("%s: %s with %s", name, tls.VersionName(got.Version), tls.CipherSuiteName(got.CipherSuite))
			}
		}
		s.Close()
	}
	for _, bad := range [][3]string{{"1.1", "", ""}, {"", "SSLv3", ""}, {"1.3", "1.2", ""}, {"", "", "TLS_RSA_WITH_AES_128_CBC_SHA"}} {
		var names []string
		if bad[2] != "" {
			names = bad[2:]
		}
		if _, err := ParseTLS(bad[0], bad[1], names); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func bothProtocols(t *testing.T, _ *rig) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", network)
		if err != nil {
			t.Logf("%s: %v", network, err) // a machine without IPv6
			continue
		}
		r := newRig(t)
		s := &http.Server{Handler: r.receiver, ErrorLog: log.New(io.Discard, "", 0)}
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Serve(l) }()
		ct, body := r.letter(t, r.message("m", xmlDocument(0)))
		resp, err := http.Post("http://"+l.Addr().String()+"/as4", ct, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Contains(b, []byte("NonRepudiation")) {
			t.Errorf("%s: %s, %v", network, b, err)
		}
		_ = resp.Body.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-done
	}
}
