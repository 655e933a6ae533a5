package main

import (
	"context"
	"crypto/x509"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

const (
	partyType = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:oots"
	role      = "http://sdg.europa.eu/edelivery/gateway"
)

var service = ebms.Service{Type: "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0", Value: "urn:oasis:names:tc:ebcore:ebrs"}

func participant(id string) canon.Participant { return canon.Participant{Scheme: partyType, ID: id} }

func other(party string) string {
	if party == partyA {
		return partyB
	}
	return partyA
}

// table is what one party has agreed with the other: one agreement for each profile.
func table(ctx context.Context, dir, as, url, provider string) (*pmode.Table, error) {
	own := pmode.Own{Party: ebms.Party{ID: participant(as), Role: role}, Domain: "bench.example.org"}
	authority, err := certificate(dir, "authority")
	if err != nil {
		return nil, err
	}
	var partners []pmode.Partner
	for _, p := range profiles() {
		sign, err := identity(ctx, dir, as, p, provider)
		if err != nil {
			return nil, err
		}
		decrypt, err := decryption(ctx, dir, as, p, provider)
		if err != nil {
			return nil, err
		}
		encrypt, err := certificate(dir, fileOf(other(as), p, "decrypt"))
		if err != nil {
			return nil, err
		}
		own.Signing, own.Decrypt = append(own.Signing, sign), append(own.Decrypt, decrypt)
		partners = append(partners, pmode.Partner{
			Name: p.files, Party: ebms.Party{ID: participant(other(as)), Role: role}, OwnRole: role, URL: url,
			Profile:  p.wssec,
			Trust:    trust(authority, other(as)),
			Encrypt:  []*x509.Certificate{encrypt},
			Services: []pmode.Service{{Service: service, Actions: []string{p.action()}}},
			Plain:    true, // text and XML are compressed all the same
			Retry:    pmode.Retry{Attempts: 1, Initial: time.Second, Max: time.Second},
			Timeout:  5 * time.Minute,
			Limits:   pmode.Limits{Part: 4 << 30, Message: 4 << 30, Ratio: 1 << 20},
		})
	}
	return pmode.New(own, partners)
}

func trust(authority *x509.Certificate, party string) wssec.Trust {
	return wssec.Trust{Anchors: []*x509.Certificate{authority}, Names: []string{party}}
}
