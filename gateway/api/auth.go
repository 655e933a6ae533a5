package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"oncegate/schemas/canon"
)

// A Portal is one authority's client of this API.
type Portal struct {
	Name          string      // Required: its name in conversations, notices and logs.
	TokenHashes   []string    // Required: "sha256:" and 64 hex digits each; two while a token is changed.
	Authority     canon.Agent // Required: the evidence requester it speaks for.
	ReturnOrigins []string    // Default: any https origin. Otherwise return_url must have one of these.
}

// An Operator may look at every exchange, without personal data.
type Operator struct {
	Name        string   // Required.
	TokenHashes []string // Required, as in Portal.
}

// TokenHash returns the form in which a token stands in the configuration. A
// plain SHA-256 is enough for a random token of 32 bytes, which it must be.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

type role int

const (
	anyone role = iota + 1
	portalRole
	operatorRole
)

type credential struct {
	role   role
	name   string
	hash   [sha256.Size]byte
	portal Portal
}

func credentials(portals []Portal, operators []Operator) ([]credential, error) {
	var out []credential
	var errs []error
	add := func(c credential, hashes []string) {
		if !credentialName.MatchString(c.name) {
			errs = append(errs, fmt.Errorf("name %q: want one word of letters, digits and . _ : -", c.name))
		}
		if len(hashes) == 0 {
			errs = append(errs, fmt.Errorf("%s: TokenHashes is required", c.name))
		}
		for _, h := range hashes {
			raw, err := hex.DecodeString(strings.TrimPrefix(h, "sha256:"))
			if err != nil || len(raw) != sha256.Size || !strings.HasPrefix(h, "sha256:") {
				errs = append(errs, fmt.Errorf("%s: a token hash is not sha256: and 64 hex digits", c.name))
				continue
			}
			c.hash = [sha256.Size]byte(raw)
			if slices.ContainsFunc(out, func(o credential) bool { return o.hash == c.hash }) {
				errs = append(errs, fmt.Errorf("%s: a token is used twice", c.name))
			}
			out = append(out, c)
		}
	}
	var names []string
	for _, p := range portals {
		if slices.Contains(names, p.Name) {
			errs = append(errs, fmt.Errorf("portal %s is configured twice", p.Name))
		}
		names = append(names, p.Name)
		if p.Authority.ID.IsZero() || len(p.Authority.Names) == 0 {
			errs = append(errs, fmt.Errorf("portal %s: Authority needs an id and a name", p.Name))
		}
		for _, o := range p.ReturnOrigins {
			if u, err := url.Parse(o); err != nil || u.Scheme != "https" || u.Host == "" || "https://"+u.Host != o {
				errs = append(errs, fmt.Errorf("portal %s: return origin %q: want https://host[:port]", p.Name, o))
			}
		}
		add(credential{role: portalRole, name: p.Name, portal: p}, p.TokenHashes)
	}
	for _, o := range operators {
		add(credential{role: operatorRole, name: o.Name}, o.TokenHashes)
	}
	return out, errors.Join(errs...)
}

// credentialName is also the form that canonical messages ask of a portal's name.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// authenticate finds the holder of the bearer token. Hashes are compared in
// constant time and all of them, so time tells nothing about a token.
func (a *API) authenticate(r *http.Request, want role) (credential, error) {
	if want == anyone {
		return credential{role: anyone}, nil
	}
	var who credential
	if v := r.Header.Values("Authorization"); len(v) == 1 {
		if scheme, token, ok := strings.Cut(v[0], " "); ok && strings.EqualFold(scheme, "bearer") && len(token) <= 512 {
			sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
			for _, c := range a.tokens {
				if subtle.ConstantTimeCompare(sum[:], c.hash[:]) == 1 {
					who = c
				}
			}
		}
	}
	switch who.role {
	case 0:
		return who, canon.NewFault(canon.CodeUnauthenticated, nil, "a valid bearer token is required")
	case want:
		return who, nil
	}
	return who, canon.NewFault(canon.CodeForbidden, nil, "this token may not do that")
}
