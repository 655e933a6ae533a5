package discovery

import (
	"net/url"

	"oncegate/connectors/netguard"
)

// Internal reports an address that is refused unless private ones are allowed. The
// publisher of the tests is at a private address itself.
func Internal(address string) bool {
	u, err := url.Parse(address)
	return err != nil || netguard.Internal(u.Hostname())
}
