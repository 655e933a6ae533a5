package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// A fetcher gets documents of publishers, whose addresses strangers name.
type fetcher struct {
	client *http.Client
	most   int
}

var (
	errNotFound = errors.New("the publisher knows no such resource (404)")
	errTooLarge = errors.New("the answer is larger than allowed")
	errPrivate  = errors.New("the address is not a public one")
)

// newFetcher returns a fetcher. servers, where given, also resolve the publishers' names.
func newFetcher(c *Config) *fetcher {
	d := &net.Dialer{Timeout: 5 * time.Second}
	if !c.PrivateAddresses {
		d.ControlContext = publicOnly
	}
	if len(c.Resolvers) > 0 {
		servers := c.Resolvers
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var last error
			for _, s := range servers {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, s)
				if err == nil {
					return conn, nil
				}
				last = err
			}
			return nil, last
		}}
	}
	return &fetcher{most: c.MaxBytes, client: &http.Client{
		// A publisher leads elsewhere by a signed redirect only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  c.Timeout,
			MaxResponseHeaderBytes: 32 << 10,
			MaxIdleConnsPerHost:    2,
			MaxIdleConns:           64,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true, // what is counted is what came
			ForceAttemptHTTP2:      true,
		},
	}}
}

// publicOnly refuses a connection by the address it really goes to, after all names
// are resolved (i.19).
func publicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !public(ap.Addr()) {
		return errPrivate
	}
	return nil
}

// special are blocks that netip has no word for: shared, IETF, benchmark,
// documentation and reserved ones, and those of IPv6 that carry an IPv4 address.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
}

func public(a netip.Addr) bool {
	a = a.Unmap()
	if a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// internal reports a host that cannot be a public one by its spelling; what a name
// resolves to shows when it is dialled.
func internal(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return !public(a)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	dot := strings.LastIndexByte(host, '.')
	switch top := host[dot+1:]; {
	case dot < 0, top == "localhost", top == "local", top == "internal", top[0] >= '0' && top[0] <= '9': // the last are addresses in disguise
		return true
	}
	return false
}

// get returns the document at an address.
func (f *fetcher) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	req.Header.Set("Accept", "application/xml, text/xml")
	req.Header.Set("User-Agent", "oncegate")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it matters
	switch {
	case resp.StatusCode == http.StatusOK:
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return nil, errNotFound
	default:
		return nil, fmt.Errorf("the publisher answers with status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, int64(f.most)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(b) > f.most {
		return nil, errTooLarge
	}
	return b, nil
}

// verdict says whether asking again may help.
func fetchVerdict(err error) Verdict {
	switch {
	case errors.Is(err, errNotFound):
		return Unregistered
	case errors.Is(err, errTooLarge), errors.Is(err, errPrivate):
		return Refused
	}
	return Unreachable
}
