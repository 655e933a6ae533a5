package register

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oncegate/connectors/register/capture"
	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// after shows one answer to those who only look: the shadow and the recorder.
// Whatever they meet, the answer stays as it is.
func (c *Connector) after(ctx context.Context, id canon.MessageID, in any, reply *raw, res result) {
	defer func() {
		if p := recover(); p != nil { // the value may quote the reply
			c.with.Log.ErrorContext(ctx, "shadow or recorder panics", "register", c.def.Name, "message", string(id), "type", fmt.Sprintf("%T", p))
		}
	}()
	c.shadow(ctx, id, in, reply, res)
	c.record(ctx, in, reply)
}

// A ShadowReport says what the shadow of a register would have changed for one
// query. Paths name fields, never values.
type ShadowReport struct {
	Register string
	InForce  string // version of the mapping
	Shadow   string
	Changes  []mapping.Change
}

// shadow runs the other version beside the one in force, on what went out and what
// came.
func (c *Connector) shadow(ctx context.Context, id canon.MessageID, in any, reply *raw, res result) {
	next := c.with.Shadow
	if next == nil {
		return
	}
	compare := Comparison{Before: c.def, After: next}
	copied := *reply
	copied.doc = nil
	r := ShadowReport{Register: c.def.Name, InForce: c.def.Version, Shadow: next.Version}
	r.Changes = append(compare.Query(in), compare.results(res, next.read(&copied, in))...)
	if len(r.Changes) > 0 {
		var paths []string
		for _, ch := range r.Changes[:min(len(r.Changes), 20)] {
			paths = append(paths, string(ch.Kind)+" "+ch.Path)
		}
		c.with.Log.WarnContext(ctx, "the shadow differs", "register", c.def.Name, "message", string(id), "shadow", next.Version, "changes", len(r.Changes), "fields", paths)
	}
	if c.with.Shadowed != nil {
		c.with.Shadowed(r)
	}
}

// NewRecorder makes a recorder of a register's answers. Below the directory it makes
// the register's folder again, with the definition and the cases as its samples, so
// that it can be tested and played (Fake) from there.
func NewRecorder(d *Definition, s RecordSettings, dir string, random io.Reader, now func() time.Time) (*capture.Recorder, error) {
	folder := filepath.Join(dir, d.Name)
	err := fs.WalkDir(d.folder, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == samplesFolder {
			return cmp.Or(err, fs.SkipDir)
		}
		to := filepath.Join(folder, filepath.FromSlash(name))
		if e.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		text, err := fs.ReadFile(d.folder, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return capture.New(capture.Config{
		Dir: filepath.Join(folder, samplesFolder), Until: s.Until, Most: s.Most, Rules: d.pseudonyms, Random: random, Now: now,
	})
}

// record keeps the case as a sample that names nobody.
func (c *Connector) record(ctx context.Context, in any, reply *raw) {
	if c.with.Recorder == nil {
		return
	}
	kase := capture.Case{Query: in, Media: reply.media, Status: reply.status}
	if strings.Contains(reply.media, "json") {
		kase.Body = reply.body
	} else {
		doc, err := reply.soap() // with the parts of a multipart in their places
		if err != nil {
			return // what cannot be read cannot be rid of persons
		}
		root := doc.Root()
		kase.Root = &root
	}
	kept, err := c.with.Recorder.Keep(kase)
	switch {
	case err != nil:
		c.with.Log.WarnContext(ctx, "the case is not recorded", "register", c.def.Name, "error", err)
	case kept:
		c.with.Log.InfoContext(ctx, "case recorded", "register", c.def.Name)
	}
}
