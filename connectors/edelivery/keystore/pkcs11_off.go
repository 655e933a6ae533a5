//go:build !pkcs11

package keystore

import (
	"context"
	"errors"
)

func openPKCS11(context.Context, PKCS11, Files) (Entry, error) {
	return Entry{}, errors.New("this binary was built without PKCS#11: build it with -tags pkcs11 (cgo), or use pkcs12 or PEM files")
}
