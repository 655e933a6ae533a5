package filedrop

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

var errHostKey = errors.New("another host key")

// hostKeys are the keys that one server may have.
type hostKeys struct {
	keys, revoked []ssh.PublicKey
}

// parseKnownHosts reads the lines of a known_hosts file that are for an address
// (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), hashed names included. Wildcards and
// authorities are not taken: the file pins keys.
func parseKnownHosts(text []byte, address string) (*hostKeys, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.New("the address of the server cannot be read")
	}
	name := host
	if port != "22" {
		name = "[" + host + "]:" + port
	}
	h := &hostKeys{}
	for rest := text; ; {
		marker, hosts, key, _, next, err := ssh.ParseKnownHosts(rest)
		switch {
		case errors.Is(err, io.EOF):
			if len(h.keys) == 0 {
				return nil, errors.New("known_hosts has no key for " + name)
			}
			return h, nil
		case err != nil:
			return nil, errors.New("known_hosts cannot be read")
		}
		rest = next
		if !slices.ContainsFunc(hosts, func(p string) bool { return p == name || hashed(p, name) }) {
			continue
		}
		switch marker {
		case "":
			h.keys = append(h.keys, key)
		case "revoked":
			h.revoked = append(h.revoked, key)
		default:
			return nil, errors.New("known_hosts: @" + marker + " is not taken, want the key itself")
		}
	}
}

// hashed compares with |1|salt|HMAC-SHA1(salt, name), as `ssh-keygen -H` writes it.
func hashed(pattern, name string) bool {
	parts := strings.Split(pattern, "|")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "1" {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	want, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), want)
}

func (h *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	same := func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }
	if slices.ContainsFunc(h.revoked, same) || !slices.ContainsFunc(h.keys, same) {
		return errHostKey
	}
	return nil
}

// algorithms asks the server for a key that is pinned, signed as is safe today.
func (h *hostKeys) algorithms() []string {
	var out []string
	for _, k := range h.keys {
		switch k.Type() {
		case ssh.KeyAlgoRSA:
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			out = append(out, k.Type())
		}
	}
	return out
}
