package filedrop

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A clock was ahead when a query was written or a reply claimed, and was set right: the
// query is written again, and the reply is not lost.
func TestTimesOfTheFuture(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, dir, func(c *Config) { c.Directory = dir })
	d, err := New(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, folder := range []string{"asked", "claimed", "quarantine"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ahead := time.Now().AddDate(1, 0, 0)
	if err := os.WriteFile(filepath.Join(dir, "asked", "q1"), []byte(ahead.UTC().Format(time.RFC3339)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), shortly)
	defer cancel()
	_, err = d.Ask(ctx, "q1", []byte("<q/>"))
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.Asked.IsZero() || f.Asked.After(time.Now()) {
		t.Errorf("got %v, want a query that lies there since now", err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, s.conf.Out, "*")); len(files) != 1 {
		t.Errorf("queries %v, want one", files)
	}
	claim := filepath.Join(dir, "claimed", "q2."+strconv.FormatInt(ahead.Unix(), 10)+".abc")
	if err := os.WriteFile(claim, []byte("<r/>"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if r, err := d.Ask(again, "q2", []byte("<q/>")); err != nil || string(r.Body) != "<r/>" {
		t.Errorf("got %v, %v, want the reply that was claimed", r, err)
	}
}
