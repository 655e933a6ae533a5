package filedrop

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

const password = "right-password"

// serveSFTP runs an SSH server until the test ends; act is what stands behind its
// sftp subsystem, by default an SFTP server.
func serveSFTP(t *testing.T, act func(ch io.ReadWriteCloser)) *SFTP {
	t.Helper()
	if act == nil {
		act = func(ch io.ReadWriteCloser) {
			if s, err := sftp.NewServer(ch); err == nil {
				_ = s.Serve()
			}
		}
	}
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewSignerFromKey(host)
	if err != nil {
		t.Fatal(err)
	}
	_, user, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	userKey, err := ssh.NewSignerFromKey(user)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(user, "")
	if err != nil {
		t.Fatal(err)
	}
	conf := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if bytes.Equal(k.Marshal(), userKey.PublicKey().Marshal()) {
				return nil, nil
			}
			return nil, errors.New("another key")
		},
		PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			if string(p) == password {
				return nil, nil
			}
			return nil, errors.New("another password")
		},
	}
	conf.AddHostKey(hostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer context.AfterFunc(over, func() { _ = conn.Close() })()
				serveConn(conn, conf, act)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	line := append([]byte("[127.0.0.1]:"+port+" "), ssh.MarshalAuthorizedKey(hostKey.PublicKey())...)
	return &SFTP{Address: l.Addr().String(), Directory: "/", KnownHosts: line, User: "gateway", Key: pem.EncodeToMemory(block)}
}

func serveConn(conn net.Conn, conf *ssh.ServerConfig, act func(io.ReadWriteCloser)) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, conf)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		ch, rs, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range rs {
				_ = r.Reply(r.Type == "subsystem", nil)
				if r.Type == "subsystem" {
					go act(ch)
				}
			}
		}()
	}
}

func dropOf(t *testing.T, s *SFTP) *Drop {
	t.Helper()
	return newSite(t, t.TempDir(), func(c *Config) { c.SFTP = s }).drop(t)
}

func TestWhoIsThere(t *testing.T) {
	good := serveSFTP(t, nil)
	other := serveSFTP(t, nil)
	for name, tc := range map[string]struct {
		change func(*SFTP)
		want   string
	}{
		"another host key": {func(s *SFTP) {
			// The key of the other server under this one's name.
			_, key, _ := strings.Cut(string(other.KnownHosts), " ")
			name, _, _ := strings.Cut(string(good.KnownHosts), " ")
			s.KnownHosts = []byte(name + " " + key)
		}, "known_hosts"},
		"revoked key":    {func(s *SFTP) { s.KnownHosts = append([]byte("@revoked "+string(s.KnownHosts)), s.KnownHosts...) }, "known_hosts"},
		"wrong password": {func(s *SFTP) { s.Key, s.Password = nil, "wrong-password" }, "let us in"},
		"key of another": {func(s *SFTP) { s.Key = other.Key }, "let us in"},
	} {
		s := *good
		tc.change(&s)
		f := failure(t, second(dropOf(t, &s).Ask(within(t, patience), "m-1", nil)))
		if !f.Down || !f.Untouched || !strings.Contains(f.Detail, tc.want) || strings.Contains(f.Error(), "wrong-password") {
			t.Errorf("%s: got %v", name, f)
		}
	}
	s := *good
	s.Key, s.Password, s.Directory = nil, password, t.TempDir()
	if f := failure(t, second(dropOf(t, &s).Ask(within(t, patience), "m-1", nil))); !strings.Contains(f.Detail, "directory of the register") {
		t.Errorf("with the password: got %v", f)
	}
	for name, change := range map[string]func(*SFTP){
		"no known hosts": func(s *SFTP) { s.KnownHosts = nil }, "known hosts of others": func(s *SFTP) { s.KnownHosts = other.KnownHosts },
		"no user": func(s *SFTP) { s.User = "" }, "no key": func(s *SFTP) { s.Key = nil }, "a key that is none": func(s *SFTP) { s.Key = []byte("x") },
		"relative directory": func(s *SFTP) { s.Directory = "files" }, "an authority": func(s *SFTP) { s.KnownHosts = append([]byte("@cert-authority "), s.KnownHosts...) },
	} {
		s := *good
		change(&s)
		if _, err := newSessions(s, 1, time.Now); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}

// packet frames one message of SFTP.
func packet(content ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...)
}

// answers reads requests, greets, and gives the id of each later one to act.
func answers(ch io.ReadWriter, act func(kind byte, id []byte) []byte) {
	for {
		var head [4]byte
		if _, err := io.ReadFull(ch, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(ch, body); err != nil {
			return
		}
		out := packet(2, 0, 0, 0, 3) // SSH_FXP_VERSION
		if body[0] != 1 {
			out = act(body[0], body[1:5])
		}
		if _, err := ch.Write(out); err != nil {
			return
		}
	}
}

func TestHostileServers(t *testing.T) {
	status := func(id []byte, code byte) []byte { // SSH_FXP_STATUS
		return packet(append(append([]byte{101}, id...), 0, 0, 0, code, 0, 0, 0, 3, 'A', 'n', 'a', 0, 0, 0, 0)...)
	}
	for name, act := range map[string]func(ch io.ReadWriteCloser){
		"hangs before its greeting": func(ch io.ReadWriteCloser) { _, _ = io.Copy(io.Discard, ch) },
		"hangs after its greeting": func(ch io.ReadWriteCloser) {
			answers(ch, func(byte, []byte) []byte { return nil })
		},
		"closes": func(ch io.ReadWriteCloser) { _ = ch.Close() },
		"lies about the length": func(ch io.ReadWriteCloser) {
			answers(ch, func(byte, []byte) []byte { return []byte{0x7f, 0xff, 0xff, 0xff, 105} })
		},
		"answers somebody else": func(ch io.ReadWriteCloser) {
			answers(ch, func(byte, []byte) []byte { return status([]byte{9, 9, 9, 9}, 0) })
		},
		"fails at everything": func(ch io.ReadWriteCloser) {
			answers(ch, func(_ byte, id []byte) []byte { return status(id, 4) })
		},
		"lists without end": func(ch io.ReadWriteCloser) {
			entry := append(packet([]byte("abc")...), append(packet([]byte("abc")...), 0, 0, 0, 0)...)
			answers(ch, func(kind byte, id []byte) []byte {
				switch kind {
				case 11: // OPENDIR: SSH_FXP_HANDLE
					return packet(append(append([]byte{102}, id...), 0, 0, 0, 1, 'h')...)
				case 12: // READDIR: SSH_FXP_NAME
					list := append(append([]byte{104}, id...), 0, 0, 4, 0)
					return packet(append(list, bytes.Repeat(entry, 1024)...)...)
				case 7, 17: // LSTAT, STAT: there, a directory
					return packet(append(append([]byte{105}, id...), 0, 0, 0, 4, 0, 0, 0x41, 0xed)...)
				}
				return status(id, 2)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dropOf(t, serveSFTP(t, act))
			f := failure(t, second(d.Ask(within(t, 2*time.Second), "m-1", []byte("<q/>"))))
			if !f.Down || !f.Asked.IsZero() || strings.Contains(f.Error(), "Ana") {
				t.Errorf("got %+v", f)
			}
		})
	}
	t.Run("takes no handshake", func(t *testing.T) {
		t.Parallel()
		s := serveSFTP(t, nil)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		_, key, _ := strings.Cut(string(s.KnownHosts), " ")
		_, port, _ := net.SplitHostPort(l.Addr().String())
		s.Address, s.KnownHosts = l.Addr().String(), []byte("[127.0.0.1]:"+port+" "+key)
		if f := failure(t, second(dropOf(t, s).Ask(within(t, 500*time.Millisecond), "m-1", nil))); !f.Down || !f.Untouched || !strings.Contains(f.Detail, "in time") {
			t.Errorf("got %v", f)
		}
	})
}

func TestHashedKnownHosts(t *testing.T) {
	line := knownhosts.HashHostname(knownhosts.Normalize("127.0.0.1:2222"))
	if !hashed(line, "[127.0.0.1]:2222") || hashed(line, "[127.0.0.1]:2223") {
		t.Error("a hashed name is not read")
	}
	if hashed("|1|AAAA|AAAA", "x") || hashed("|2|a|b", "x") {
		t.Error("what is no hash of the name is taken")
	}
}

func FuzzKnownHosts(f *testing.F) {
	f.Add([]byte("[127.0.0.1]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3VrCQ7yQ8hO5J0nUq1yo9v4Ss3UjJ0BnJ6a9bJ4Q9N\n"))
	f.Add([]byte("|1|a|b ssh-rsa AAAA\n@revoked * x y"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := parseKnownHosts(text, "127.0.0.1:22")
		if err == nil && len(h.keys) == 0 {
			t.Fatal("no key is taken for one")
		}
	})
}
