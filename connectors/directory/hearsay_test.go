package directory

import (
	"testing"
	"time"

	"oncegate/schemas/canon"
)

// What a signed answer said is not undone by a DNS that says there is no such name:
// old answers serve for their time, and routes stay.
func TestTheDNSAloneTakesNothingAway(t *testing.T) {
	z, r, log := newZone(t), newRig(t), newTopic()
	const name = "es.dsd.v2.cs.testing.example.test."
	z.set(name, "!.*!"+r.server.URL+"/dsd!")
	c := r.client(t, func(c *Config) {
		c.Instances, c.Zone, c.Resolvers, c.DNSTry = nil, "example.test", []string{z.address}, time.Second
	})
	p, err := NewPoller(PollerConfig{
		Client: c, Country: "SI", Poll: PollSettings{Countries: []string{"ES"}, EvidenceTypes: []string{birthES}},
		Publish: log.publish, Known: log.known, Now: r.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := round(t, p); got.Published != 1 {
		t.Fatalf("first round %+v", got)
	}
	z.mu.Lock()
	delete(z.records, name)
	z.mu.Unlock()
	ask := func() (canon.Origin, error) {
		a, err := c.DataServices(bg, canon.DataServicesQuery{Country: "ES", Classification: birthES})
		return a.Origin, err
	}
	r.pass(time.Hour + time.Minute)
	if got, err := ask(); err != nil || !got.Stale {
		t.Errorf("the old answer does not serve: %+v, %v", got, err)
	}
	r.pass(25 * time.Hour)
	_, err = ask()
	fault(t, err, canon.CodeDirectoryEmpty, "")
	if got := round(t, p); got.Withdrawn != 0 || got.Failed != 1 {
		t.Errorf("routes are withdrawn on the word of the DNS: %+v", got)
	}
}
