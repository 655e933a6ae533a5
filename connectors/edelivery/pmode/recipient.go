package pmode

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"oncegate/connectors/edelivery/ebms"
)

// Recipient returns the certificate that a message to the partner is encrypted for:
// the first that is good now and was not revoked; nil where nothing is encrypted. Where
// none is left the error is that of the last, unless one of them may be good later:
// then it is an *ebms.Error with a passing code.
func (p *Partner) Recipient(ctx context.Context, now time.Time) (*x509.Certificate, error) {
	if p.SignOnly {
		return nil, nil
	}
	var last error
	for rest := p.Encrypt; ; {
		c, err := p.Profile.Recipient(rest, now)
		if err != nil {
			if last == nil {
				last = err
			}
			return nil, last
		}
		if err = p.verifier.CheckRecipient(ctx, c, now); err == nil {
			return c, nil
		}
		if e, ok := errors.AsType[*ebms.Error](last); !ok || !e.Code.Passing() {
			last = err
		}
		rest = rest[slices.Index(rest, c)+1:]
	}
}
