//go:build !openssl

package keystore

import (
	"crypto"
	"errors"
)

func throughOpenSSL(crypto.PrivateKey) (crypto.PrivateKey, error) {
	return nil, errors.New("this binary was built without OpenSSL: build it with -tags openssl (cgo, libssl-dev), or leave provider at go")
}
