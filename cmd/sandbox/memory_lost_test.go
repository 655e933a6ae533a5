package sandbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"oncegate/cmd/node"
)

// TestRealMemoryLost empties the real Redis of both Member States in the middle
// of exchanges, at every step that a worker or an edge takes.
func TestRealMemoryLost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var l *Landscape
	traps := map[string]*trap{}
	for _, member := range []string{Slovenia, Spain} {
		traps[member] = &trap{spring: func() {
			if err := errors.Join(l.Node(Slovenia).Forget(ctx), l.Node(Spain).Forget(ctx)); err != nil {
				t.Error(err)
			}
		}}
	}
	cfg := onServices(t)
	cfg.Logger = logger(t)
	cfg.Options = func(member string) node.Options { return traps[member].options() }
	cfg.Edit = func(string) map[string]any { return obj{"timeouts": obj{"poll": "200ms"}} }
	l = started(ctx, t, cfg)
	o := &observer{l: l, node: l.Node}
	registers := []string{"births", "residence", "companies"}
	for i, tt := range []struct{ member, place string }{
		{Slovenia, "publish/web/after/evidence.request.v1.portal.first"},
		{Slovenia, "handle/edelivery/before/evidence.request.v1.out.first"},
		{Spain, "publish/edelivery/before/evidence.request.v1.in.first"},
		{Spain, "publish/edelivery/after/evidence.request.v1.in.first"},
		{Slovenia, "handle/edelivery/after/evidence.request.v1.out.first"},
		{Spain, "handle/core/before/evidence.request.v1.in.first"},
		{Spain, "handle/core/after/evidence.request.v1.in.first"},
		{Slovenia, "handle/core/before/evidence.preview.v1.in"},
		{Slovenia, "handle/web/before/exchange.notice.v1.preview-offered"},
		{Slovenia, "handle/core/before/evidence.request.v1.portal.after-preview"},
		{Spain, "handle/core/before/preview.opened.v1"},
		{Spain, "handle/registers/before/register.query.v1"},
		{Spain, "handle/registers/after/register.query.v1"},
		{Spain, "handle/core/before/register.record.v1"},
		{Spain, "publish/web/before/consent.decision.v1"},
		{Spain, "handle/core/before/consent.decision.v1"},
		{Spain, "handle/edelivery/before/evidence.response.v1.out"},
		{Slovenia, "publish/edelivery/after/evidence.response.v1.in"},
		{Slovenia, "handle/core/before/evidence.response.v1.in"},
		{Slovenia, "handle/web/before/exchange.notice.v1.delivered"},
		{Spain, "handle/core/before/delivery.receipt.v1.evidence.response.v1"},
	} {
		t.Run(tt.member+" "+tt.place, func(t *testing.T) {
			register := registers[i%len(registers)]
			traps[tt.member].arm(tt.place)
			one, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			res, err := l.Play(one, Script{Register: register, Through: patient})
			if err != nil {
				t.Fatalf("%v\nsteps: %q", err, res.Steps)
			}
			until(one, t, "the place", func() (bool, error) { return traps[tt.member].sprung(), nil })
			o.settled(one, t, res)
			sameEvidence(t, register, res)
			want, got := delivered(register), o.count(ctx, t, res)
			identifiedAgain(want, got)
			o.check(ctx, t, res, want)
		})
	}
	o.buried(ctx, t)
}
