// Package netguard says which hosts may be called at an address that somebody else
// named: only public ones, unless a deployment allows more (i.19).
//
// It owns what a public address is, and calling under that rule: without proxies,
// redirects and answers without end. It does not own what is asked there. Before it:
// edelivery/discovery, revocation and directory, which follow addresses out of the DNS
// and out of documents. After it: net.
package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrPrivate is returned for an address that is not a public one.
var ErrPrivate = errors.New("the address is not a public one")

// Dialer returns a dialer that goes to public addresses only, or also to private
// ones. Resolvers, where given as host:port, resolve names in place of the system's.
func Dialer(private bool, resolvers []string) *net.Dialer {
	d := &net.Dialer{Timeout: 5 * time.Second}
	if !private {
		d.ControlContext = publicOnly
	}
	if len(resolvers) > 0 {
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var last error
			for _, s := range resolvers {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, s)
				if err == nil {
					return conn, nil
				}
				last = err
			}
			return nil, last
		}}
	}
	return d
}

// publicOnly refuses a connection by the address it really goes to, after all names
// are resolved.
func publicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !public(ap.Addr()) {
		return ErrPrivate
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

// Internal reports a host that cannot be a public one by its spelling; what a name
// resolves to shows when it is dialled.
func Internal(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return !public(a)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	dot := strings.LastIndexByte(host, '.')
	switch top := host[dot+1:]; {
	case dot < 0, top == "", top == "localhost", top == "local", top == "internal", top[0] >= '0' && top[0] <= '9': // the last are addresses in disguise
		return true
	}
	return false
}
