package sandbox

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/exchangelog"
	"oncegate/schemas/canon"
)

// What the law wants kept is kept: after the evidence was delivered and the exchange
// forgotten, both sides can show every message of it, and no evidence.
// Covers: B-041, B-049
func TestTheExchangeLogOutlivesTheExchange(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, _ := watched(t, ctx)
	res, err := l.Play(ctx, Script{Register: "births"})
	if err != nil || res.Outcome != "delivered" {
		t.Fatalf("outcome %q, %v\nsteps: %q", res.Outcome, err, res.Steps)
	}
	if err := l.settle(ctx, &Report{Requester: res.Exchange}); err != nil {
		t.Fatal(err)
	}
	want := []string{"ExecuteQueryRequest", "ExceptionResponse", "ExecuteQueryRequest", "ExecuteQueryResponse"}
	for member, first := range map[string]canon.MessageDirection{Slovenia: canon.MessageOut, Spain: canon.MessageIn} {
		n := l.Node(member)
		found, err := n.FindRecorded(ctx, string(res.Exchange))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: found %v, %v", member, found, err)
		}
		key := logKey(t, l, member)
		open := func(m canon.Message) ([]byte, error) { return exchangelog.Open(m, key) }
		x, err := n.ExportExchange(ctx, found[0], "os:tester", "test of the export", open)
		if err != nil {
			t.Fatal(err)
		}
		var actions []string
		for _, r := range x.Records {
			actions = append(actions, r.Record.Action)
			if r.Problem != "" || !bytes.Contains(r.Document, []byte("QueryRe")) {
				t.Errorf("%s: %s: %s, document of %d bytes", member, r.Record.Action, r.Problem, len(r.Document))
			}
			if bytes.Contains(r.Document, []byte("%PDF")) {
				t.Errorf("%s: the evidence stands in the record", member)
			}
		}
		if strings.Join(actions, " ") != strings.Join(want, " ") || x.Records[0].Record.Direction != first {
			t.Errorf("%s: recorded %v, first %s; want %v, first %s", member, actions, x.Records[0].Record.Direction, want, first)
		}
		if last := x.Records[len(x.Records)-1].Record; len(last.Evidence) == 0 || len(last.Parts) < 2 || last.Status != canon.StatusDelivered {
			t.Errorf("%s: the answer's record does not name its evidence: %+v", member, last)
		}
		receipts, exports := 0, 0
		for _, e := range x.Events {
			if len(e.Event.Proof) > 0 {
				receipts++
			}
			if e.Event.Step == "record.exported" && e.Event.Actor == "os:tester" {
				exports++
			}
		}
		if receipts != len(want) || exports != 1 {
			t.Errorf("%s: %d receipts and %d entries of this export, want %d and 1", member, receipts, exports, len(want))
		}
		sealed, err := n.ExportExchange(ctx, found[0], "os:tester", "without the key", nil)
		if err != nil || len(sealed.Records) != len(want) || sealed.Records[0].XML != "" {
			t.Errorf("%s: without the key: %v", member, err)
		}
		if x.Records[0].Record.Sealed.Key != "log-1" {
			t.Errorf("%s: sealed to %s", member, x.Records[0].Record.Sealed.Key)
		}
	}
}

func logKey(t *testing.T, l *Landscape, member string) *ecdh.PrivateKey {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(l.ConfigFile(member)), "log-1.key"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := exchangelog.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
