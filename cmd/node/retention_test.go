package node

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

func TestRetentionIsBounded(t *testing.T) {
	for _, tc := range []struct {
		delivered, log time.Duration
		bad            bool
	}{
		{0, 0, false},
		{time.Hour, 0, false},
		{720 * time.Hour, 0, false},
		{721 * time.Hour, 0, true},
		{-time.Hour, 0, true},
		{72 * time.Hour, 96 * time.Hour, false},
		{72 * time.Hour, 95 * time.Hour, true},
		{0, 48 * time.Hour, true},
	} {
		c := &Config{Retention: RetentionConfig{Delivered: Duration(tc.delivered)}, Kafka: KafkaConfig{Retention: Duration(tc.log)}}
		err := c.Validate(true)
		if got := err != nil && strings.Contains(err.Error(), "retention.delivered"); got != tc.bad {
			t.Errorf("%v on a log of %v: refused %t, want %t", tc.delivered, tc.log, got, tc.bad)
		}
	}
	if got := (RetentionConfig{}).delivered(); got != 72*time.Hour {
		t.Errorf("default %v, want 72h", got)
	}
}

// Evidence that came for an exchange that is not ours has a key and no
// conversation: no timer would ever end it.
func TestKeysWithoutAnExchangeAreForgotten(t *testing.T) {
	dir := t.TempDir()
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	if err := os.WriteFile(filepath.Join(dir, "wrap.key"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cfg := &Config{Name: "sweep", dir: dir, Keys: KeysConfig{Wrap: []KEKConfig{{ID: "w", File: "wrap.key", From: now.Add(-time.Hour), Until: now.Add(time.Hour)}}}}
	n := newNode(cfg, Options{Embedded: true})
	t.Cleanup(n.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, step := range []func(context.Context) error{n.openEngines, n.openLog, n.makeTopics, n.openVault} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	id := canon.ConversationID(canon.DeriveUUID("an exchange of somebody else"))
	ref, err := n.vault.Put(ctx, id, "application/xml", strings.NewReader("<evidence/>"))
	if err != nil {
		t.Fatal(err)
	}
	if swept, err := n.forgetOlder(ctx, now.Add(-time.Minute)); err != nil || swept != 0 {
		t.Fatalf("forgot %d young ones, %v", swept, err)
	}
	for _, want := range []int{1, 0} {
		if swept, err := n.forgetOlder(ctx, time.Now().Add(time.Minute)); err != nil || swept != want {
			t.Fatalf("forgot %d, %v; want %d", swept, err, want)
		}
	}
	if _, err := n.vault.Open(ctx, id, ref); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("the evidence opens: %v", err)
	}
	hops, err := n.Timeline(ctx, id)
	if err != nil || len(hops) != 1 || hops[0].Step != "exchange.forgotten" {
		t.Errorf("recorded %v, %v; want exchange.forgotten", hops, err)
	}
}
