package register

import (
	"context"
	"fmt"
	"strings"

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

// record keeps the case as a sample that names nobody.
func (c *Connector) record(ctx context.Context, in any, reply *raw) {
	if c.with.Recorder == nil {
		return
	}
	kase := capture.Case{Query: in, Media: reply.media, Status: reply.status}
	if strings.Contains(reply.media, "json") {
		kase.Body = reply.body
	} else {
		doc, err := reply.document()
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
