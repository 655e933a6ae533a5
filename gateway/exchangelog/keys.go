package exchangelog

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Term is the least time for which records are kept: twelve months and the day on
// which they end (IR 2022/1463 Art. 17(4)).
const Term = 367 * 24 * time.Hour

// A Recipient is a public key to which records of a time are sealed.
type Recipient struct {
	ID    string          // never used for two keys; it stands in the records
	Key   *ecdh.PublicKey // X25519
	From  time.Time       // first record
	Until time.Time       // exclusive. The private key is destroyed Term later
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func validate(rs []Recipient) error {
	var faults []error
	if len(rs) == 0 {
		faults = append(faults, errors.New("no key to seal records to"))
	}
	for i, r := range rs {
		if !keyID.MatchString(r.ID) {
			faults = append(faults, fmt.Errorf("key %d: id %q: want letters, digits, '.', '_', '-', at most 64", i+1, r.ID))
		}
		if r.Key == nil {
			faults = append(faults, fmt.Errorf("key %d (%s): no public key", i+1, r.ID))
		}
		if !r.Until.After(r.From) {
			faults = append(faults, fmt.Errorf("key %d (%s): until is not after from", i+1, r.ID))
		}
		if slices.ContainsFunc(rs[:i], func(o Recipient) bool { return o.ID == r.ID }) {
			faults = append(faults, fmt.Errorf("key %d: id %s is used twice", i+1, r.ID))
		}
	}
	return errors.Join(faults...)
}

// at returns the key of a time: of several the one that began last.
func at(rs []Recipient, now time.Time) (Recipient, error) {
	var best Recipient
	for _, r := range rs {
		if !now.Before(r.From) && now.Before(r.Until) && (best.Key == nil || r.From.After(best.From)) {
			best = r
		}
	}
	if best.Key == nil {
		return best, fmt.Errorf("no key of the exchange log is valid at %s; add one to exchange_log.keys", now.UTC().Format(time.RFC3339))
	}
	return best, nil
}

// ParsePublicKey reads an X25519 public key in PEM (openssl pkey -pubout).
func ParsePublicKey(data []byte) (*ecdh.PublicKey, error) {
	der, err := block(data, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading public key: %w", err)
	}
	if k, ok := key.(*ecdh.PublicKey); ok && k.Curve() == ecdh.X25519() {
		return k, nil
	}
	return nil, errors.New("not an X25519 public key (openssl genpkey -algorithm X25519)")
}

// ParsePrivateKey reads an X25519 private key in PEM (openssl genpkey -algorithm X25519).
func ParsePrivateKey(data []byte) (*ecdh.PrivateKey, error) {
	der, err := block(data, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("reading private key: not PKCS #8") // the cause may quote key bytes
	}
	if k, ok := key.(*ecdh.PrivateKey); ok && k.Curve() == ecdh.X25519() {
		return k, nil
	}
	return nil, errors.New("not an X25519 private key (openssl genpkey -algorithm X25519)")
}

func block(data []byte, want string) ([]byte, error) {
	b, _ := pem.Decode(data)
	if b == nil || b.Type != want {
		return nil, fmt.Errorf("no PEM block %q", want)
	}
	return b.Bytes, nil
}

// Until returns the end of the time in which records can be sealed without a gap;
// an error where they cannot be now.
func (r *Recorder) Until(now time.Time) (time.Time, error) {
	t := now
	for {
		k, err := at(r.recipients, t)
		switch {
		case err == nil:
			t = k.Until
		case t.Equal(now):
			return t, err
		default:
			return t, nil
		}
	}
}
