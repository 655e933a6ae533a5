package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/naptr"
	"oncegate/connectors/remember"
	"oncegate/schemas/canon"
)

// A place is where the instance of a country is, and what it speaks.
type place struct {
	base   string
	speaks []answers.Edition // newest first
}

// locate finds the instance of a service of a country: where it is configured, or where
// the DNS says, for the newest major version that has a record (TDD 3.7).
func (c *Client) locate(ctx context.Context, s part, country string) (place, error) {
	i := c.instance(country)
	address := i.EB
	if s == registry {
		address = i.DSD
	}
	if address != "" {
		return place{address, c.Versions}, nil
	}
	p, err := c.places.Get(ctx, string(s)+" "+country, func(ctx context.Context) remember.Outcome[place] {
		p, ttl, err := c.lookup(ctx, s, country)
		o := remember.Outcome[place]{Value: p, Err: err, TTL: min(ttl, c.TTL)}
		if err != nil {
			o.TTL, o.Down = min(ttl, c.Negative), down(err)
		}
		return o
	})
	return p.Value, err
}

func (c *Client) lookup(ctx context.Context, s part, country string) (place, time.Duration, error) {
	const unsaid = time.Duration(1 << 62)
	resolver, err := c.resolver()
	if err != nil {
		return place{}, 0, canon.NewFault(canon.CodeDirectoryDown, err, "the instance of %s is not known now", country)
	}
	ttl := unsaid
	for speaks := range majors(c.Versions) {
		name := c.name(s, country, major(speaks[0]))
		a, err := resolver.Lookup(ctx, name)
		ttl = min(ttl, a.TTL)
		switch {
		case errors.Is(err, naptr.ErrNoName), errors.Is(err, naptr.ErrNoRecord):
			continue
		case errors.Is(err, naptr.ErrInsecure), errors.Is(err, naptr.ErrLoop):
			return place{}, ttl, canon.NewFault(canon.CodeDirectorySigner, err, "%s: the answer of the DNS cannot be used", name)
		case err != nil:
			return place{}, ttl, canon.NewFault(canon.CodeDirectoryDown, err, "%s: no answer of the DNS", name)
		}
		// Which service the records name is not published: any will do.
		u, _, err := naptr.Choose(a.Records, name, nil, false)
		if err != nil {
			return place{}, ttl, canon.NewFault(canon.CodeDirectoryAnswer, err, "%s: no record leads to an instance", name)
		}
		return place{strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/rest/search"), speaks}, ttl, nil
	}
	return place{}, ttl, canon.NewFault(canon.CodeDirectoryEmpty, errNoInstance, "%s has no %s in environment %s", country, s, c.Environment)
}

// errNoInstance is the word of the DNS alone, which anybody between may have said. It
// is told to who asks, but does not undo what a signed answer said.
var errNoInstance = errors.New("the DNS has no name of the instance")

// hearsay reports a "no" that nobody signed.
func (c *Client) hearsay(err error) bool { return !c.DNSSEC && errors.Is(err, errNoInstance) }

// name returns the domain name of an instance.
func (c *Client) name(s part, country, major string) string {
	return strings.ToLower(country) + "." + string(s) + "." + major + ".cs." + c.Environment + "." + c.Zone
}

// majors yields the editions of each major version, in the order of the list.
func majors(list []answers.Edition) func(func([]answers.Edition) bool) {
	return func(yield func([]answers.Edition) bool) {
		var done []string
		for _, e := range list {
			if slices.Contains(done, major(e)) {
				continue
			}
			done = append(done, major(e))
			if !yield(slices.DeleteFunc(slices.Clone(list), func(o answers.Edition) bool { return major(o) != major(e) })) {
				return
			}
		}
	}
}

// resolver returns the client of the DNS. The system's resolvers are read when the
// first name is asked: a deployment with configured addresses needs none.
func (c *Client) resolver() (*naptr.Client, error) {
	c.dnsMu.Lock()
	defer c.dnsMu.Unlock()
	if c.dns != nil {
		return c.dns, nil
	}
	servers := c.Resolvers
	if len(servers) == 0 {
		var err error
		if servers, err = naptr.SystemServers(); err != nil {
			return nil, fmt.Errorf("finding instances: %w", err)
		}
	}
	c.dns = &naptr.Client{Servers: servers, Try: c.DNSTry, Random: c.Random, Secure: c.DNSSEC}
	return c.dns, nil
}
