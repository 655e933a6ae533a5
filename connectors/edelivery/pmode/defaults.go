package pmode

import (
	"crypto/tls"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
)

// Values of the Once-Only Technical System (TDD 4.7), the defaults of a table.
const (
	OOTSRole        = "http://sdg.europa.eu/edelivery/gateway"
	OOTSService     = "QueryManager"
	OOTSServiceType = "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0"
)

// OOTSActions are the actions of the service QueryManager.
func OOTSActions() []string {
	return []string{"ExecuteQueryRequest", "ExecuteQueryResponse", "ExceptionResponse"}
}

// ootsReplies are those of them that answer.
func ootsReplies() []string { return OOTSActions()[1:] }

func or[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

func (p Partner) withDefaults(own *Own) Partner {
	or(&p.Party.Role, OOTSRole)
	or(&p.OwnRole, own.Party.Role)
	or(&p.Profile, wssec.Profile115)
	or(&p.Direction, Both)
	or(&p.MEP, Push)
	or(&p.MPC, ebms.DefaultMPC)
	if p.Fetch.Every > 0 {
		or(&p.Fetch.MPC, p.MPC)
	}
	or(&p.Token, wssec.TokenBST)
	or(&p.SignToken, p.Token)
	or(&p.EncryptToken, p.Token)
	if len(p.Services) == 0 {
		p.Services = []Service{{Service: ebms.Service{Value: OOTSService, Type: OOTSServiceType}, Actions: OOTSActions()}}
		if p.TwoWay {
			p.Services[0].Replies = ootsReplies()
		}
	}
	or(&p.Retry.Attempts, 5)
	or(&p.Retry.Initial, time.Second)
	or(&p.Retry.Factor, 2)
	or(&p.Retry.Max, max(time.Minute, p.Retry.Initial))
	or(&p.Retry.Jitter, 0.1)
	or(&p.Timeout, time.Minute)
	or(&p.Limits.Part, 64<<20)
	or(&p.Limits.Message, max(128<<20, p.Limits.Part))
	or(&p.Limits.Ratio, 200)
	or(&p.Limits.Parts, 28)
	or(&p.TLS.Min, tls.VersionTLS12)
	return p
}
