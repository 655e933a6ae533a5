package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"oncegate/gateway/consent"
	"oncegate/gateway/routing"
)

// A Routes file says who may serve what for whom, and which provisions exempt
// from the explicit request or the preview.
type Routes struct {
	routing.Config `yaml:",inline"`
	Exemptions     []consent.Exemption `yaml:"exemptions"`
}

// LoadRoutes reads a routes file and reports all faults at once.
func LoadRoutes(path string) (*routing.Table, *consent.Policy, error) {
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
	table, err := routing.NewTable(r.Config)
	policy, err2 := consent.NewPolicy(r.Exemptions)
	if err := errors.Join(err, err2); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return table, policy, nil
}
