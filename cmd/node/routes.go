package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/regrep"
	"oncegate/gateway/consent"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// A Routes file says who may serve what for whom, and which provisions exempt
// from the explicit request or the preview.
type Routes struct {
	routing.Config `yaml:",inline"`
	Exemptions     []consent.Exemption `yaml:"exemptions"`
}

// LoadRoutes reads a routes file and reports all faults at once. lists says which
// procedures there are, agreement with which access points messages can be
// exchanged (routing.Config).
func LoadRoutes(path string, lists *codes.Lists, agreement func(canon.Participant) bool) (*routing.Table, *consent.Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading routes: %w", err)
	}
	var r Routes
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&r); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Lists, r.Agreement = lists, agreement
	table, err := routing.NewTable(r.Config)
	policy, err2 := consent.NewPolicy(r.Exemptions)
	if err := errors.Join(err, err2); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return table, policy, nil
}

// loadRoutes reads the routes of the configuration.
func (c *Config) loadRoutes(agreement func(canon.Participant) bool) (*routing.Table, *consent.Policy, error) {
	lists, err := c.Lists()
	if err != nil {
		return nil, nil, err
	}
	return LoadRoutes(c.path(c.Routes), lists, agreement)
}

// Lists returns the code lists of the deployment: the published ones and what its
// own directory adds.
func (c *Config) Lists() (*codes.Lists, error) {
	if c.CodeLists == "" {
		return codes.Default(), nil
	}
	lists, err := codes.Load(codes.Default(), os.DirFS(c.path(c.CodeLists)))
	if err != nil {
		return nil, fmt.Errorf("code_lists: %w", err)
	}
	return lists, nil
}

// agreed reports whether a request can go to an access point: there is a P-Mode, or
// discovery finds what it needs. A process without the access point's P-Modes goes by
// the partners of the routes.
func (n *Node) agreed(p canon.Participant) bool {
	switch {
	case n.cfg.EDelivery.Discovery != "":
		return true
	case n.pmodes == nil:
		_, ok := n.routes.Partner(p)
		return ok
	}
	return reaches(n.pmodes.Table(), p)
}

func reaches(t *pmode.Table, p canon.Participant) bool {
	_, _, err := t.Outbound(p, regrep.ActionRequest)
	return err == nil
}

// followRoutes reads what the log holds of the directory's routes, all of it before
// it returns, and keeps the table up with it.
func (n *Node) followRoutes(ctx context.Context) error {
	f, err := kafkalog.NewFollower(n.cluster, kafkalog.FollowerConfig{
		Kind: canon.KindRoute, Codec: n.codec,
		Apply: func(ms []canon.Message) { n.routes.Learn(ms...) },
		Refused: func(at kafkalog.Position, err error) {
			n.log.Error("record on the topic of routes is no route", "record", at.String(), "error", err)
		},
	})
	if err != nil {
		return err
	}
	err = f.Read(ctx)
	if errors.Is(err, kafkalog.ErrUnknownTopic) {
		return nil // the tools of a deployment that never served
	}
	if err != nil {
		return fmt.Errorf("reading routes: %w", err)
	}
	n.work = append(n.work, f.Run)
	if err := n.reg.Register(learnedRoutes{n.routes, time.Now}); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// learnedRoutes exports how many routes of the directory can be used, and why
// others cannot.
type learnedRoutes struct {
	table *routing.Table
	now   func() time.Time
}

var learnedRoutesDesc = prometheus.NewDesc("gateway_directory_routes", "Routes of the directory, by what they are worth here.", []string{"use"}, nil)

// Describe implements prometheus.Collector.
func (l learnedRoutes) Describe(ch chan<- *prometheus.Desc) { ch <- learnedRoutesDesc }

// Collect implements prometheus.Collector.
func (l learnedRoutes) Collect(ch chan<- prometheus.Metric) {
	n := map[string]int{"usable": 0, "hidden": 0, "no-agreement": 0, "no-specification": 0, "not-valid": 0, "own-country": 0}
	for _, r := range l.table.Learned(l.now()) {
		n[useOf(r)]++
	}
	for use, count := range n {
		ch <- prometheus.MustNewConstMetric(learnedRoutesDesc, prometheus.GaugeValue, float64(count), use)
	}
}

// useOf is one word for what a route of the directory is worth.
func useOf(r routing.Learned) string {
	switch {
	case r.HiddenBy != "":
		return "hidden"
	case r.Why == routing.NoAgreement:
		return "no-agreement"
	case r.Why == routing.NoSpecification:
		return "no-specification"
	case r.Why == routing.NotValid:
		return "not-valid"
	case r.Why == routing.SameState:
		return "own-country"
	}
	return "usable"
}
