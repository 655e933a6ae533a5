package keystore

import (
	"bytes"
	"crypto"
	"errors"
	"io/fs"
	"os/exec"
	"sync"
	"testing"

	"oncegate/connectors/pkitest"
)

// files are in memory; what was read as public or as a secret is noted.
type files struct {
	data   map[string][]byte
	public []string
	secret []string
}

func (f *files) Public(name string) ([]byte, error) {
	f.public = append(f.public, name)
	return f.read(name)
}

func (f *files) Secret(name string) ([]byte, error) {
	f.secret = append(f.secret, name)
	return f.read(name)
}

func (f *files) read(name string) ([]byte, error) {
	b, ok := f.data[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(b), nil
}

// The test's own authorities.
var (
	root   = sync.OnceValue(func() pkitest.Pair { return pkitest.Root("Root") })
	middle = sync.OnceValue(func() pkitest.Pair { return root().Issue("Middle", pkitest.P256(), pkitest.Authority) })
)

// kinds are one key of each kind.
func kinds() map[Kind]crypto.PrivateKey {
	return map[Kind]crypto.PrivateKey{RSA: pkitest.RSA(), EC: pkitest.P256(), Ed25519: pkitest.Ed25519(), X25519: pkitest.X25519()}
}

// tool runs a program of the system; without it the test is skipped.
func tool(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("%s is not there", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
