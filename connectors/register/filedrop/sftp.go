package filedrop

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// SFTP says which server, and how to prove who both sides are.
type SFTP struct {
	Address    string // Required: host:port
	Directory  string // Required: absolute
	KnownHosts []byte // Required: the server's key, in the form of known_hosts
	User       string // Required
	Key        []byte // of the user, PEM or OpenSSH, without passphrase; or
	Password   string
}

// Modern algorithms only: no SHA-1, no CBC, no Diffie-Hellman over a prime of
// somebody's choice, MACs over what was encrypted.
func algorithms() ssh.Config {
	return ssh.Config{
		KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521},
		Ciphers:      []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherChaCha20Poly1305},
		MACs:         []string{ssh.HMACSHA512ETM, ssh.HMACSHA256ETM},
	}
}

// idleFor is how long a connection that nobody uses is kept.
const idleFor = time.Minute

// sessions are the connections to one server.
type sessions struct {
	address, directory string
	conf               *ssh.ClientConfig
	maxSize            int64
	now                func() time.Time

	mu     sync.Mutex
	idle   []*session
	closed bool
}

func newSessions(s SFTP, maxSize int64, now func() time.Time) (*sessions, error) {
	var errs []error
	if _, _, err := net.SplitHostPort(s.Address); err != nil || !path.IsAbs(s.Directory) {
		errs = append(errs, errors.New("address and an absolute directory are required"))
	}
	pinned, err := parseKnownHosts(s.KnownHosts, s.Address)
	if err != nil {
		errs = append(errs, err)
	}
	conf := &ssh.ClientConfig{Config: algorithms(), User: s.User, ClientVersion: "SSH-2.0-oncegate"}
	if s.User == "" || (len(s.Key) == 0) == (s.Password == "") {
		errs = append(errs, errors.New("a user with either a key or a password is required"))
	}
	if len(s.Key) > 0 {
		signer, err := ssh.ParsePrivateKey(s.Key)
		if err != nil {
			errs = append(errs, errors.New("the key of the user cannot be read: want a private key without passphrase"))
		} else {
			conf.Auth = append(conf.Auth, ssh.PublicKeys(signer))
		}
	} else {
		conf.Auth = append(conf.Auth, ssh.Password(s.Password))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	conf.HostKeyCallback, conf.HostKeyAlgorithms = pinned.check, pinned.algorithms()
	return &sessions{address: s.Address, directory: path.Clean(s.Directory), conf: conf, maxSize: maxSize, now: now}, nil
}

// session is one connection, for one user at a time.
type session struct {
	conn   net.Conn
	ssh    *ssh.Client
	client *sftp.Client
	budget *budget
	root   string
	limit  int64
	posix  bool // renames atomically, over what is there
	sync   bool
	idle   time.Time
}

// close ends the connection; nothing is waited for.
func (s *session) close() {
	_ = s.conn.Close()
	_ = s.ssh.Close()
	_ = s.client.Close()
}

// get returns a session that ends with ctx, whatever the server does.
func (p *sessions) get(ctx context.Context) (folder, func(healthy bool), error) {
	for {
		s := p.pop()
		if s == nil {
			break
		}
		stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
		if _, err := s.lstat("."); err == nil {
			return s, p.release(s, stop), nil
		}
		stop()
		s.close()
	}
	s, err := p.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	return s, p.release(s, stop), nil
}

func (p *sessions) release(s *session, stop func() bool) func(bool) {
	return func(healthy bool) {
		if !stop() || !healthy || !p.push(s) {
			s.close()
		}
	}
}

func (p *sessions) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		s := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if p.now().Sub(s.idle) < idleFor {
			return s
		}
		s.close()
	}
	return nil
}

func (p *sessions) push(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= 4 {
		return false
	}
	s.idle = p.now()
	p.idle = append(p.idle, s)
	return true
}

func (p *sessions) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.idle {
		s.close()
	}
	p.idle = nil
}

// dial connects. Texts of the server go nowhere: nobody knows what is in them.
func (p *sessions) dial(ctx context.Context) (*session, error) {
	down := func(detail string, err error) error {
		if ctx.Err() != nil {
			detail, err = "the server did not answer in time", context.Cause(ctx)
		}
		return &Failure{Down: true, Untouched: true, Detail: detail, Err: err}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, down("the server does not answer", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, p.address, p.conf)
	if err != nil {
		_ = conn.Close()
		if errors.Is(err, errHostKey) {
			return nil, down("the server does not have the key of known_hosts", nil)
		}
		return nil, down("the server does not let us in: its algorithms, or our user", nil)
	}
	s := &session{conn: conn, ssh: ssh.NewClient(c, channels, requests), root: p.directory, limit: p.maxSize}
	if err := s.start(); err != nil {
		_ = s.ssh.Close()
		_ = conn.Close()
		return nil, down("the server offers no SFTP", nil)
	}
	return s, nil
}

func (s *session) start() error {
	channel, err := s.ssh.NewSession()
	if err != nil {
		return err
	}
	w, err := channel.StdinPipe()
	if err != nil {
		return err
	}
	r, err := channel.StdoutPipe()
	if err != nil {
		return err
	}
	if err := channel.RequestSubsystem("sftp"); err != nil {
		return err
	}
	s.budget = &budget{r: r}
	s.refill()
	// One request at a time: what comes is read in order and counted.
	if s.client, err = sftp.NewClientPipe(s.budget, w, sftp.UseConcurrentReads(false), sftp.UseConcurrentWrites(false)); err != nil {
		return err
	}
	_, s.posix = s.client.HasExtension("posix-rename@openssh.com")
	_, s.sync = s.client.HasExtension("fsync@openssh.com")
	return nil
}

// budget bounds what one operation may read: a folder without end, a packet that
// claims to be large.
type budget struct {
	r    io.Reader
	left atomic.Int64
}

var errBudget = errors.New("the server sends more than was asked for")

func (b *budget) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, errBudget
	}
	n, err := b.r.Read(p)
	b.left.Add(-int64(n))
	return n, err
}

// refill allows for one more operation.
func (s *session) refill() { s.budget.left.Store(s.limit + 4<<20) }

var _ folder = (*session)(nil)

func (s *session) at(name string) string {
	s.refill()
	return path.Join(s.root, name)
}

func (s *session) lstat(name string) (info, error) {
	i, err := s.client.Lstat(s.at(name))
	if err != nil {
		return info{}, err
	}
	return info{i.Mode().IsRegular(), i.Size(), i.ModTime()}, nil
}

func (s *session) create(name string, content []byte) error {
	f, err := s.client.OpenFile(s.at(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		if _, there := s.client.Lstat(s.at(name)); there == nil {
			return os.ErrExist // version 3 of the protocol only says that it failed
		}
		return err
	}
	_, err = f.Write(content)
	if err == nil && s.sync {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = s.client.Remove(s.at(name))
	}
	return err
}

func (s *session) rename(old, new string) error {
	if s.posix {
		return s.client.PosixRename(s.at(old), s.at(new))
	}
	return s.client.Rename(s.at(old), s.at(new))
}

func (s *session) remove(name string) error { return s.client.Remove(s.at(name)) }

func (s *session) mkdir(name string) error { return s.client.Mkdir(s.at(name)) }

func (s *session) read(name string, limit int64) ([]byte, error) {
	i, err := s.lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !i.regular:
		return nil, errNotRegular
	case i.size > limit:
		return nil, errTooLarge
	}
	f, err := s.client.Open(s.at(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

func (s *session) names(dir string) ([]string, error) {
	entries, err := s.client.ReadDir(s.at(dir))
	if err != nil {
		return nil, err
	}
	if len(entries) > maxNames {
		return nil, errTooMany
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// Token is a token of random letters and digits.
func Token() string { return rand.Text()[:12] }
