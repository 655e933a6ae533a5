package sandbox

import (
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/registers"
)

// asked is what every exchange does up to the preview.
func asked() effects {
	return effects{
		Steps: map[string]int{
			"SI evidence.request.v1 portal first":                     1,
			"SI evidence.request.v1 out first":                        1,
			"SI delivery.receipt.v1 evidence.request.v1 acknowledged": 2,
			"SI evidence.preview.v1 in":                               1,
			"SI exchange.notice.v1 preview-offered":                   1,
			"SI evidence.request.v1 portal after-preview":             1,
			"SI evidence.request.v1 out after-preview":                1,
			"ES evidence.request.v1 in first":                         1,
			"ES evidence.preview.v1 out":                              1,
			"ES delivery.receipt.v1 evidence.preview.v1 acknowledged": 1,
			"ES evidence.request.v1 in after-preview":                 1,
			"SI exchange.record.v1 recorded out":                      2,
			"SI exchange.record.v1 recorded in":                       1,
			"ES exchange.record.v1 recorded in":                       2,
			"ES exchange.record.v1 recorded out":                      1,
		},
		Notices:  map[string]int{"preview-offered": 1},
		Receipts: map[string]int{"SI evidence.request.v1 out first": 1, "SI evidence.request.v1 out after-preview": 1, "ES evidence.preview.v1 out": 1},
	}
}

// answered adds an answer of a kind that ends both sides in a phase.
func answered(kind, outcome, phase string, more ...string) effects {
	e := asked()
	e.Steps["ES "+kind+" out "+outcome] = 1
	e.Steps["ES delivery.receipt.v1 "+kind+" acknowledged"] = 1
	e.Steps["SI "+kind+" in "+outcome] = 1
	e.Steps["SI exchange.notice.v1 "+phase] = 1
	e.Steps["ES exchange.record.v1 recorded out"]++
	e.Steps["SI exchange.record.v1 recorded in"]++
	for _, s := range more {
		e.Steps[s] = 1
	}
	e.Receipts["ES "+kind+" out"] = 1
	e.Notices[phase] = 1
	e.Phases = map[string]string{"SI": phase, "ES": phase}
	return e
}

// delivered is all that an exchange does which ends well.
func delivered(register string) effects {
	return answered("evidence.response.v1", "delivered", "delivered", "ES preview.opened.v1",
		"ES register.query.v1 "+register, "ES register.record.v1 "+register+" found", "ES consent.decision.v1 1 of 1 approved")
}

// TestOutcomes lets persons end exchanges in the ways that are theirs, and counts
// what each did.
//
// Covers: B-015, B-027, B-029
func TestOutcomes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l := started(ctx, t, Config{Dir: t.TempDir(), Logger: logger(t)})
	o := &observer{l: l, node: l.Node}
	for _, tt := range []struct {
		name    string
		script  Script
		outcome string
		code    string
		edm     string
		asked   int // times that the register was asked
		want    effects
	}{
		{name: "delivered", script: Script{Register: "births"}, outcome: "delivered", asked: 1, want: delivered("births")},
		{name: "a company", script: Script{Register: "companies"}, outcome: "delivered", asked: 1, want: delivered("companies")},
		{
			name: "declined", script: Script{Register: "residence", Decline: true}, outcome: "declined", asked: 1,
			want: answered("evidence.response.v1", "declined", "declined", "ES preview.opened.v1",
				"ES register.query.v1 residence", "ES register.record.v1 residence found", "ES consent.decision.v1 0 of 1 approved"),
		},
		{
			name: "not found", script: Script{Register: "births", Persona: "ingrid"},
			outcome: "refused", code: "OG-REG-0001", edm: "EDM:ERR:0004", asked: 1,
			want: answered("evidence.refusal.v1", "EDM:ERR:0004", "refused", "ES preview.opened.v1",
				"ES register.query.v1 births", "ES register.record.v1 births not-found"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := l.regs.count(tt.script.Register)
			res, err := l.Play(ctx, tt.script)
			if err != nil {
				t.Fatalf("%v\nsteps: %q", err, res.Steps)
			}
			o.settled(ctx, t, res)
			if res.Outcome != tt.outcome || res.Code != tt.code || res.EDM != tt.edm {
				t.Errorf("outcome %q code %q error %q, want %q %q %q", res.Outcome, res.Code, res.EDM, tt.outcome, tt.code, tt.edm)
			}
			if (len(res.Evidence) > 0) != (tt.outcome == "delivered") {
				t.Errorf("%d bytes of evidence", len(res.Evidence))
			}
			if got := l.regs.count(tt.script.Register) - before; got != tt.asked {
				t.Errorf("register was asked %d times, want %d", got, tt.asked)
			}
			o.check(ctx, t, res, tt.want)
		})
	}
	o.buried(ctx, t)
}

// TestAnotherPersonSeesNothing lets somebody else identify at the provider: the
// register is not asked, and the exchange ends with its timer.
//
// Covers: B-024, B-029
func TestAnotherPersonSeesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := started(ctx, t, Config{Dir: t.TempDir(), Logger: logger(t), Edit: func(member string) map[string]any {
		if member == Spain {
			return obj{"timeouts": obj{"provide_t3": "2s", "poll": "50ms"}}
		}
		return nil
	}})
	o := &observer{l: l, node: l.Node}
	status := 0
	res, err := l.Play(ctx, Script{Register: "residence", Other: "lucia", Through: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil {
				status = resp.StatusCode
			}
			return resp, err
		})
	}})
	if err == nil || status != http.StatusForbidden {
		t.Fatalf("status %d, error %v, want 403\nsteps: %q", status, err, res.Steps)
	}
	o.settled(ctx, t, res)
	if got := l.regs.count("residence"); got != 0 {
		t.Errorf("register was asked %d times", got)
	}
	o.check(ctx, t, res, answered("evidence.refusal.v1", "EDM:ERR:0005", "expired", "ES preview.opened.v1", "ES exchange.deadline.v1 T3"))
	o.buried(ctx, t)
}

// TestRealExchange is the exchange on a real Kafka and a real Redis.
func TestRealExchange(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cfg := onServices(t)
	cfg.Logger = logger(t)
	l := started(ctx, t, cfg)
	o := &observer{l: l, node: l.Node}
	for _, reg := range []string{"births", "residence", "companies"} {
		t.Run(reg, func(t *testing.T) {
			res, err := l.Play(ctx, Script{Register: reg})
			if err != nil {
				t.Fatalf("%v\nsteps: %q", err, res.Steps)
			}
			o.settled(ctx, t, res)
			sameEvidence(t, reg, res)
			o.check(ctx, t, res, delivered(reg))
			if got := l.regs.count(reg); got != 1 {
				t.Errorf("register was asked %d times, want once", got)
			}
		})
	}
	o.buried(ctx, t)
}

// lines joins what a sample writes on lines of their own.
func lines(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), nil) }

// sameEvidence compares what the portal downloaded with what the register gave.
func sameEvidence(t *testing.T, register string, res *Result) {
	t.Helper()
	want, err := fs.ReadFile(registers.FS, path.Join(register, "testdata", "found.evidence.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != "delivered" || !bytes.Equal(lines(want), lines(res.Evidence)) {
		t.Errorf("outcome %q, evidence is not what the register gave (-want +got):\n%s\nsteps: %q", res.Outcome, cmp.Diff(string(lines(want)), string(lines(res.Evidence))), res.Steps)
	}
}

// started starts a landscape and ends it with the test.
func started(ctx context.Context, t *testing.T, cfg Config) *Landscape {
	t.Helper()
	l, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
