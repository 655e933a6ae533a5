package node

import (
	"context"
	"errors"
	"fmt"

	"oncegate/connectors/directory"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// listedRoutes bounds how many routes of the directory are named one by one.
const listedRoutes = 20

// remedies say what to do about a route of the directory that cannot be used.
var remedies = map[routing.Reason]string{
	routing.NoAgreement:     "agree with the partner on a P-Mode for its access point, or leave it",
	routing.NoSpecification: "compare `specifications` of the routes with what the partner announces",
	routing.NotValid:        "look at the dates in the directory: the partner may have withdrawn it",
	routing.SameState:       "leave it: evidence of our own Member State is not asked for across borders",
}

// directoryRoutes looks at what the log holds of the directory's routes: which can be
// used, which cannot and why, and which a configured route hides.
func (d *doctor) directoryRoutes(ctx context.Context, n *Node) {
	if !d.c.Has(RoleCore) && !d.c.Has(RoleWeb) {
		return
	}
	var agreement func(canon.Participant) bool
	switch {
	case d.c.EDelivery.Discovery != "":
		agreement = func(canon.Participant) bool { return true }
	case d.pmodes != nil:
		agreement = func(p canon.Participant) bool { return reaches(d.pmodes, p) }
	}
	table, _, err := d.c.loadRoutes(agreement)
	if err != nil {
		return // the configuration says so
	}
	codec, err := kafkalog.NewCodec(kafkalog.CodecConfig{Source: "/" + d.c.Name})
	if err != nil {
		return
	}
	f, err := kafkalog.NewFollower(n.cluster, kafkalog.FollowerConfig{
		Kind: canon.KindRoute, Codec: codec, Apply: func(ms []canon.Message) { table.Learn(ms...) },
	})
	if err == nil {
		err = f.Read(ctx)
	}
	if errors.Is(err, kafkalog.ErrUnknownTopic) {
		return // nothing served yet
	}
	if err != nil {
		d.fail("routes", kafkalog.TopicOf(canon.KindRoute), "the core does not start without it", "%v", err)
		return
	}
	all, usable, named := table.Learned(d.now), 0, 0
	for _, r := range all {
		if r.Usable() {
			usable++
			continue
		}
		if named++; named > listedRoutes {
			continue
		}
		place := r.Route.Provider.ID.String() + " at " + r.Route.AccessPoint.String()
		if r.HiddenBy != "" {
			d.ok("routes", place, "the configured route %s is used, not that of the directory", r.HiddenBy)
			continue
		}
		d.warn("routes", place, remedies[r.Why], "cannot be used: %s", r.Why)
	}
	if len(all) > 0 {
		d.ok("routes", "directory", "%d of %d routes can be used", usable, len(all))
	}
}

// directoryTrust warns where whoever has a certificate of an authority may sign what
// the common services say: a policy or a subject makes it theirs.
func (d *doctor) directoryTrust() {
	if d.c.Services == nil {
		return
	}
	look := func(place string, t *directory.TrustSettings) {
		if t != nil && len(t.Anchors) > 0 && t.Subject == "" && len(t.Policies) == 0 {
			d.warn("common services", place, "set `subject` or `policies` to those of the service's signer",
				"every certificate under these anchors may sign their answers")
		}
	}
	look("directory.trust", d.c.Services.Trust)
	for i, x := range d.c.Services.Instances {
		look(fmt.Sprintf("directory.instances[%d].trust", i), x.Trust)
	}
}
