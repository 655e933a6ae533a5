package discovery

import "net/url"

// Internal reports an address that is refused unless private ones are allowed. The
// publisher of the tests is at a private address itself.
func Internal(address string) bool {
	u, err := url.Parse(address)
	return err != nil || internal(u.Hostname())
}
