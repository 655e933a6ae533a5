package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"syscall"
)

// ports are those that one landscape has chosen for its servers. A port is chosen
// long before its server listens, and goes back to it when a node starts again, so
// another landscape, also of another process, must not choose it meanwhile: the
// same port of another loopback address is held as a mark.
type ports struct {
	marks []net.Listener
}

// markAddress is where marks are held. Nothing is served there.
const markAddress = "127.86.0.1"

// free returns an address on 127.0.0.1 that nobody listens on or has chosen. It
// lies below the range from which the kernel gives ports to outgoing connections.
func (p *ports) free() (string, error) {
	var last error
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(12_000))
		if err != nil {
			return "", fmt.Errorf("finding a free port: %w", err)
		}
		port := strconv.FormatInt(20_000+n.Int64(), 10)
		mark, err := net.Listen("tcp", net.JoinHostPort(markAddress, port))
		if errors.Is(err, syscall.EADDRINUSE) {
			last = err
			continue
		}
		if err == nil { // elsewhere than on Linux the address may not exist: no mark, and a little luck
			p.marks = append(p.marks, mark)
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			last = err
			continue
		}
		return ln.Addr().String(), ln.Close()
	}
	return "", fmt.Errorf("finding a free port: %w", last)
}

// close gives all of them back.
func (p *ports) close() error {
	var errs []error
	for _, m := range p.marks {
		errs = append(errs, m.Close())
	}
	p.marks = nil
	return errors.Join(errs...)
}
