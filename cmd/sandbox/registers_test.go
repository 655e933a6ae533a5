package sandbox

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// Every register of the landscape gives its evidence over its own wire: SOAP, REST
// with XML and JSON, X-Road, a database.
func TestEveryRegisterGivesItsEvidence(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	l, err := Start(ctx, Config{Logger: logger(t), Everywhere: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, o := range l.portal.offers {
		t.Run(o.Register, func(t *testing.T) {
			res, err := l.Play(ctx, Script{Register: o.Register})
			if err != nil || res.Outcome != "delivered" || len(res.Evidence) == 0 {
				t.Fatalf("outcome %q %s %s, %v\nsteps: %q", res.Outcome, res.Code, res.EDM, err, res.Steps)
			}
			if !bytes.HasPrefix(res.Evidence, []byte("<?xml")) && !bytes.HasPrefix(res.Evidence, []byte("%PDF")) {
				t.Errorf("the evidence is %.40q", res.Evidence)
			}
			if n := l.regs.count(o.Register); n != 1 {
				t.Errorf("the register was asked %d times, want once", n)
			}
		})
	}
}
