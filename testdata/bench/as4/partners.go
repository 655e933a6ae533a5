package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/pkitest"
)

// A crowd is what many partners cost.
type crowd struct {
	Partners  int     `json:"partners"`
	Load      float64 `json:"load_s"`   // from YAML and certificates in files to a table
	Match     float64 `json:"match_ns"` // the agreement of a message that comes
	Outbound  float64 `json:"outbound_ns"`
	Heap      float64 `json:"heap_mb"` // of the table
	FileBytes int     `json:"file_bytes"`
}

// partners loads a file of agreements, each with a certificate of its own in a file of
// its own, and looks some up.
func partners(o options) error {
	data, err := makeCrowd(o.dir, o.partners)
	if err != nil {
		return fmt.Errorf("making partners: %w", err)
	}
	before := heap()
	began := time.Now()
	t, err := pmode.Load("pmodes.yaml", data, files(o.dir).Public)
	if err != nil {
		return err
	}
	c := crowd{Partners: o.partners, Load: time.Since(began).Seconds(), FileBytes: len(data)}
	c.Heap = float64(heap()-before) / 1e6
	headers := make([]*ebms.UserMessage, 997) // not one that stays in the cache
	for i := range headers {
		headers[i] = &ebms.UserMessage{
			From: ebms.Party{ID: participant(fmt.Sprintf("AP_%d", i*o.partners/len(headers))), Role: pmode.OOTSRole}, To: t.Own().Party,
			Service: ebms.Service{Value: pmode.OOTSService, Type: pmode.OOTSServiceType}, Action: pmode.OOTSActions()[0],
		}
	}
	c.Match, err = each(func(i int) error {
		_, err := t.Match(headers[i%len(headers)])
		return err
	})
	if err != nil {
		return err
	}
	c.Outbound, err = each(func(i int) error {
		h := headers[i%len(headers)]
		_, _, err := t.Outbound(h.From.ID, h.Action)
		return err
	})
	if err != nil {
		return err
	}
	runtime.KeepAlive(t)
	return json.NewEncoder(os.Stdout).Encode(c)
}

// each returns nanoseconds of one call.
func each(one func(int) error) (float64, error) {
	const n = 200_000
	began := time.Now()
	for i := range n {
		if err := one(i); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(began).Nanoseconds()) / n, nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// makeCrowd writes the certificates and returns the file that names them. All have one
// key: ten thousand RSA keys would take an hour to make and no longer to load.
func makeCrowd(dir string, n int) ([]byte, error) {
	if err := makeKeys(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "p"), 0o700); err != nil {
		return nil, err
	}
	key, root := pkitest.RSA(), pkitest.SelfSigned("Authority", pkitest.Ed25519(), bench, pkitest.Authority)
	var b strings.Builder
	own := fileOf(partyA, rsa115, "sign")
	fmt.Fprintf(&b, "own:\n  party: {id: %s, type: %q}\n  domain: bench.example.org\n  signing: [{certificate: %[3]s.pem, key: %[3]s.key}]\n  decryption: [{certificate: %[3]s.pem, key: %[3]s.key}]\npartners:\n",
		partyA, partyType, own)
	for i := range n {
		c := root.Issue(fmt.Sprintf("AP_%d", i), key, bench).Cert
		if err := os.WriteFile(filepath.Join(dir, "p", fmt.Sprintf("%d.pem", i)), pkitest.CertificatePEM(c), 0o600); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "  - name: partner-%[1]d\n    party: {id: AP_%[1]d, type: %[2]q}\n    url: https://ap-%[1]d.example/as4\n    signing: {pinned: [p/%[1]d.pem]}\n    encryption: [p/%[1]d.pem]\n    retry: {attempts: 4, initial: 2s, factor: 1.5, max: 10s}\n",
			i, partyType)
	}
	return []byte(b.String()), nil
}
