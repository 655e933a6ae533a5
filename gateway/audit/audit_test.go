package audit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/audit"
	"oncegate/schemas/canon"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// event is the n-th of a partition, one per day.
func event(partition, n int) audit.Record {
	id := canon.MessageID(fmt.Sprintf("m-%d-%d", partition, n))
	return audit.Record{Partition: partition, Offset: int64(n), Message: canon.Message{
		ID: id, Kind: canon.KindAudit, Conversation: canon.ConversationID(fmt.Sprintf("c-%d", n%3)), Cause: "cause", At: start.AddDate(0, 0, n),
		Body: &canon.AuditEvent{Step: "answer.given", Room: "exchange", Outcome: "delivered", Digests: map[string]string{"b": "sha256:1", "a": "sha256:2"}},
	}}
}

func open(t *testing.T, dir string, now time.Time) *audit.Trail {
	t.Helper()
	trail, err := audit.Open(audit.Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trail.Close() })
	return trail
}

func filled(t *testing.T, dir string) *audit.Trail {
	t.Helper()
	trail := open(t, dir, start)
	for p := range 2 {
		for n := range 9 {
			add(t, trail, event(p, n))
		}
	}
	return trail
}

func add(t *testing.T, trail *audit.Trail, rs ...audit.Record) {
	t.Helper()
	if err := trail.Append(t.Context(), rs...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func verify(t *testing.T, trail *audit.Trail) {
	t.Helper()
	if err := trail.Verify(t.Context()); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestChainHoldsAcrossRestartsAndRepeats(t *testing.T) {
	dir := t.TempDir()
	trail := filled(t, dir)
	verify(t, trail)
	want := trail.Heads()
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, start)
	add(t, again, event(0, 7), event(0, 8), event(1, 8))
	if d := cmp.Diff(want, again.Heads()); d != "" {
		t.Errorf("heads: (-want +got)\n%s", d)
	}
	verify(t, again)
	one := open(t, t.TempDir(), start)
	var all []audit.Record
	for n := range 9 {
		all = append(all, event(0, n), event(1, n))
	}
	add(t, one, all...)
	if d := cmp.Diff(want, one.Heads()); d != "" {
		t.Errorf("heads depend on how records are batched: (-want +got)\n%s", d)
	}
}

// Covers: B-027
func TestEveryChangeIsFound(t *testing.T) {
	for _, tc := range []struct {
		name   string
		spoil  func(lines []string) []string
		offset int64
		reason string
	}{
		{"a changed word", func(l []string) []string { l[3] = strings.Replace(l[3], "delivered", "declined", 1); return l }, 3, "was changed"},
		{"a changed hash", func(l []string) []string {
			l[3] = strings.Replace(l[3], `"hash":"sha256:`, `"hash":"sha256:0`, 1)
			return l
		}, 3, "was changed"},
		{"a missing entry", func(l []string) []string { return append(l[:3], l[4:]...) }, 4, "before it is missing"},
		{"a missing beginning", func(l []string) []string { return l[1:] }, 1, "before it is missing"},
		{"two swapped entries", func(l []string) []string { l[3], l[4] = l[4], l[3]; return l }, 4, "before it is missing"},
		{"an entry twice", func(l []string) []string { return append(l[:4], l[3:]...) }, 3, "before it is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir).Close()
			path := filepath.Join(dir, "audit-00000.jsonl")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := tc.spoil(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
			if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			err = open(t, dir, start).Verify(t.Context())
			b, ok := errors.AsType[*audit.Break](err)
			if !ok || b.Partition != 0 || b.Offset != tc.offset || !strings.Contains(b.Reason, tc.reason) {
				t.Errorf("got %v, want a break at 0/%d: %s", err, tc.offset, tc.reason)
			}
		})
	}
}

func TestAnEndThatIsMissingIsFoundWhileTheTrailIsOpen(t *testing.T) {
	dir := t.TempDir()
	trail := filled(t, dir)
	path := filepath.Join(dir, "audit-00001.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if err := os.WriteFile(path, []byte(strings.Join(lines[:5], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*audit.Break](trail.Verify(t.Context())); !ok {
		t.Error("a trail cut at its end verifies")
	}
}

func TestATornLineIsCutOffAndComesAgain(t *testing.T) {
	dir := t.TempDir()
	trail := filled(t, dir)
	want := trail.Heads()
	trail.Close()
	path := filepath.Join(dir, "audit-00000.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, start)
	verify(t, again)
	add(t, again, event(0, 8))
	verify(t, again)
	if d := cmp.Diff(want, again.Heads()); d != "" {
		t.Errorf("heads: (-want +got)\n%s", d)
	}
}

func TestOfTellsOneConversationByTime(t *testing.T) {
	trail := filled(t, t.TempDir())
	twice := event(1, 4)
	twice.Offset = 100 // the same message stands on the log again
	add(t, trail, twice)
	got, err := trail.Of(t.Context(), "c-1")
	if err != nil {
		t.Fatal(err)
	}
	var ids []canon.MessageID
	for _, e := range got {
		ids = append(ids, e.Message)
	}
	if d := cmp.Diff([]canon.MessageID{"m-0-1", "m-1-1", "m-0-4", "m-1-4", "m-0-7", "m-1-7"}, ids); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestForgetAtTheEndOfTheTerm(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir).Close()
	trail := open(t, dir, start.AddDate(0, 0, 4).Add(audit.DefaultTerm)) // days 0 to 3 have ended
	heads := trail.Heads()
	for _, want := range []int{8, 0} {
		n, err := trail.Forget(t.Context())
		if err != nil || n != want {
			t.Fatalf("Forget: got %d, %v; want %d", n, err, want)
		}
	}
	verify(t, trail)
	if d := cmp.Diff(heads, trail.Heads()); d != "" {
		t.Errorf("heads: (-before +after)\n%s", d)
	}
	add(t, trail, event(0, 3), event(0, 9)) // the first is forgotten and stays so
	verify(t, trail)
	trail.Close()
	again := open(t, dir, start)
	verify(t, again)
	got, err := again.Of(t.Context(), "c-0")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got {
		if e.Offset < 4 {
			t.Errorf("offset %d is still there", e.Offset)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %d entries of c-0, want those of offsets 6, 6 and 9", len(got))
	}
}

func TestEverythingForgottenKeepsTheHead(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir).Close()
	trail := open(t, dir, start.AddDate(10, 0, 0))
	want := trail.Heads()
	if n, err := trail.Forget(t.Context()); err != nil || n != 18 {
		t.Fatalf("Forget: got %d, %v; want 18", n, err)
	}
	if d := cmp.Diff(want, trail.Heads()); d != "" {
		t.Errorf("heads: (-before +after)\n%s", d)
	}
	add(t, trail, event(0, 9))
	verify(t, trail)
}

func TestOnlyEventsAreTaken(t *testing.T) {
	trail := open(t, t.TempDir(), start)
	r := event(0, 0)
	r.Offset, r.Message.Body = 1, &canon.Deadline{}
	err := trail.Append(t.Context(), event(0, 0), r)
	if f := canon.AsFault(err); f.Kind != canon.Invalid {
		t.Errorf("got %v, want an invalid fault", err)
	}
	if len(trail.Heads()) != 0 {
		t.Error("half a batch was written")
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := audit.Open(audit.Config{Term: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "Dir") || !strings.Contains(err.Error(), "twelve months") {
		t.Errorf("got %v, want both faults", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("{\"anchor\":{\"partition\":0,\"offset\":1,\"hash\":\"x\"}}\n"))
	f.Add([]byte("{\"entry\":{}}\n{\"entry\""))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "audit-00000.jsonl"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		trail, err := audit.Open(audit.Config{Dir: dir})
		if err != nil {
			return
		}
		defer trail.Close()
		_ = trail.Verify(t.Context())
		if _, err := trail.Of(t.Context(), "c"); err != nil {
			t.Skip()
		}
	})
}

func TestReadOnlyLeavesTheKeeperAlone(t *testing.T) {
	dir := t.TempDir()
	keeper := filled(t, dir)
	// The keeper is in the middle of a line.
	name := filepath.Join(dir, "audit-00000.jsonl")
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"entry":{"partition":0`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := audit.Open(audit.Config{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	add(t, keeper, event(1, 9)) // goes on while somebody reads
	verify(t, reader)
	if err := reader.Append(t.Context(), event(1, 10)); err == nil {
		t.Error("Append on a trail that was opened to read only = nil, want an error")
	}
	if _, err := reader.Forget(t.Context()); err == nil {
		t.Error("Forget on a trail that was opened to read only = nil, want an error")
	}
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the file changed under a reader:\n%s", diff)
	}
}
