package filedrop

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The battery: every test that calls onEach runs on a directory, on the SFTP server
// of pkg/sftp in this process, and on OpenSSH where ONCEGATE_TEST_SFTP names one
// (testdata/services/services.sh start sshd).

const patience = 20 * time.Second // far beyond what any wait should take

// shortly is how long is waited for what does not come: more than it takes to connect
// on a busy machine.
const shortly = 800 * time.Millisecond

// site is one drop under test; its directory is seen directly too.
type site struct {
	conf Config
	dir  string
}

func onEach(t *testing.T, f func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		f(t, newSite(t, dir, func(c *Config) { c.Directory = dir }))
	})
	t.Run("sftp", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := serveSFTP(t, nil)
		s.Directory = dir
		f(t, newSite(t, dir, func(c *Config) { c.SFTP = s }))
	})
	t.Run("openssh", func(t *testing.T) {
		t.Parallel()
		s, dir := openSSH(t)
		f(t, newSite(t, dir, func(c *Config) { c.SFTP = s }))
	})
}

var siteNumber atomic.Int64

func openSSH(t *testing.T) (*SFTP, string) {
	t.Helper()
	at := os.Getenv("ONCEGATE_TEST_SFTP")
	if at == "" {
		if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
			t.Fatal("ONCEGATE_TEST_SFTP is not set: the services are required here")
		}
		t.Skip("ONCEGATE_TEST_SFTP is not set: run testdata/services/services.sh start sshd")
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(os.Getenv("ONCEGATE_TEST_SFTP_DIR"), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	dir := filepath.Join(u.Path, fmt.Sprintf("t%d-%d", os.Getpid(), siteNumber.Add(1)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &SFTP{Address: u.Host, Directory: dir, KnownHosts: read("known_hosts"), User: userName(), Key: read("id_ed25519")}, dir
}

// userName is who runs the services, and so these tests.
func userName() string {
	if name := os.Getenv("USER"); name != "" && os.Getuid() != 0 {
		return name
	}
	return "root"
}

func newSite(t *testing.T, dir string, where func(*Config)) *site {
	t.Helper()
	s := &site{dir: dir, conf: Config{
		Out: "out", In: "in", Query: "{name}.xml", Replies: []string{"{name}.xml", "{name}_fault.xml"}, Ready: Renamed,
		Poll: 10 * time.Millisecond, Again: time.Hour, Lease: time.Minute, MaxSize: 1000, Now: time.Now, Token: Token,
	}}
	where(&s.conf)
	for _, d := range []string{"out", "in"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) drop(t *testing.T) *Drop {
	t.Helper()
	d, err := New(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func (s *site) write(t *testing.T, name, content string) {
	t.Helper()
	hidden := filepath.Join(s.dir, ".hidden-"+Token())
	if err := os.WriteFile(hidden, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, filepath.Join(s.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// files lists what lies in the folders of the drop, without claims' tokens.
func (s *site) files(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(s.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(s.dir, path)
			folder, file := filepath.Split(rel)
			if folder != "in/" && folder != "out/" && folder != "asked/" {
				first, _, _ := strings.Cut(file, ".")
				if strings.HasSuffix(file, ".reason") {
					first += ".reason"
				}
				file = first
			}
			out = append(out, folder+file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *site) want(t *testing.T, files ...string) {
	t.Helper()
	if got := fmt.Sprint(s.files(t)); got != fmt.Sprint(files) {
		t.Errorf("the directory holds %s, want %s", got, files)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func failure(t *testing.T, err error) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure", err)
	}
	return f
}

// asks runs Ask until the query lies in out, then what the register does.
func (s *site) asks(t *testing.T, d *Drop, name string, register func(query string)) (*Reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			if b, err := os.ReadFile(filepath.Join(s.dir, "out", name+".xml")); err == nil {
				register(string(b))
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return d.Ask(ctx, name, []byte("<q/>"))
}

func TestRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := s.drop(t)
		for i, keep := range []bool{false, true} {
			d.conf.Keep = keep
			name := fmt.Sprintf("m-%d", i)
			r, err := s.asks(t, d, name, func(query string) {
				if query != "<q/>" {
					t.Errorf("the query is %q", query)
				}
				_ = os.Remove(filepath.Join(s.dir, "out", name+".xml"))
				s.write(t, "in/"+name+".xml", "<a/>")
			})
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Body) != "<a/>" {
				t.Errorf("got %s", r.Body)
			}
			s.want(t, "asked/"+name, "claimed/"+name)
			if err := r.Accept(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.want(t, "done/m-1")
	})
}

func TestLateReply(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := s.drop(t)
		_, err := d.Ask(within(t, shortly), "m-1", []byte("<q/>"))
		f := failure(t, err)
		if !f.Down || f.Asked.IsZero() || f.Untouched {
			t.Errorf("got %+v", f)
		}
		s.want(t, "asked/m-1", "out/m-1.xml")
		if err := os.Remove(filepath.Join(s.dir, "out/m-1.xml")); err != nil { // the register has fetched it
			t.Fatal(err)
		}
		s.write(t, "in/m-1_fault.xml", "<f/>")
		s.write(t, "in/m-2.xml", "<other/>")
		r, err := s.drop(t).Ask(within(t, patience), "m-1", []byte("<q/>")) // another instance
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Body) != "<f/>" {
			t.Errorf("got %s", r.Body)
		}
		if err := r.Reject(t.Context(), "reply: rule 3"); err != nil {
			t.Fatal(err)
		}
		s.want(t, "in/m-2.xml", "quarantine/m-1", "quarantine/m-1.reason")
	})
}

// A query that waits is not written twice until it is old.
func TestAskedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		now := time.Now()
		s.conf.Now = func() time.Time { return now }
		d := s.drop(t)
		_, _ = d.Ask(within(t, shortly), "m-1", []byte("<q/>"))
		if err := os.Remove(filepath.Join(s.dir, "out/m-1.xml")); err != nil {
			t.Fatal(err)
		}
		d.conf.Now = func() time.Time { return now.Add(30 * time.Minute) }
		f := failure(t, second(d.Ask(within(t, shortly), "m-1", []byte("<q/>"))))
		if !f.Asked.Equal(now.UTC().Truncate(time.Second)) {
			t.Errorf("asked at %v, want %v", f.Asked, now)
		}
		s.want(t, "asked/m-1")
		d.conf.Now = func() time.Time { return now.Add(2 * time.Hour) }
		_, _ = d.Ask(within(t, shortly), "m-1", []byte("<q/>"))
		s.want(t, "asked/m-1", "out/m-1.xml")
	})
}

func second(_ *Reply, err error) error { return err }

// Of many instances one takes the reply.
func TestTakenOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const rounds, instances = 2, 4
		for i := range rounds {
			name := fmt.Sprintf("m-%d", i)
			s.write(t, "in/"+name+".xml", "<a/>")
			var taken atomic.Int64
			var wg sync.WaitGroup
			for range instances {
				d := s.drop(t)
				wg.Go(func() {
					r, err := d.Ask(within(t, shortly), name, []byte("<q/>"))
					if err == nil && string(r.Body) == "<a/>" {
						taken.Add(1)
					} else if f, ok := errors.AsType[*Failure](err); !ok || !f.Down {
						t.Errorf("got %v", err)
					}
				})
			}
			wg.Wait()
			if n := taken.Load(); n != 1 {
				t.Errorf("%d instances took the reply", n)
			}
		}
	})
}

// A reply whose claimant died is taken over after the lease, not before.
func TestAbandoned(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		now := time.Now()
		s.conf.Now = func() time.Time { return now }
		s.write(t, "in/m-1.xml", "<a/>")
		if _, err := s.drop(t).Ask(within(t, patience), "m-1", []byte("<q/>")); err != nil {
			t.Fatal(err)
		}
		if f := failure(t, second(s.drop(t).Ask(within(t, shortly), "m-1", []byte("<q/>")))); !f.Down {
			t.Errorf("got %v", f)
		}
		s.conf.Now = func() time.Time { return now.Add(2 * time.Minute) }
		r, err := s.drop(t).Ask(within(t, patience), "m-1", []byte("<q/>"))
		if err != nil || string(r.Body) != "<a/>" {
			t.Fatalf("got %v, %v", r, err)
		}
	})
}

// What is not whole is not taken: by size and time, or by a marker.
func TestNotWhole(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, name := range []string{"in/.m-1.xml", "in/m-1.xml.part", "in/m-1.xml.tmp", "in/m-1"} {
			s.write(t, name, "<half")
		}
		d := s.drop(t)
		d.conf.Ready = Marker
		s.write(t, "in/m-1.xml", "<a/>")
		if f := failure(t, second(d.Ask(within(t, shortly), "m-1", []byte("<q/>")))); f.Asked.IsZero() {
			t.Errorf("got %v", f)
		}
		s.write(t, "in/m-1.xml.done", "")
		r, err := d.Ask(within(t, patience), "m-1", []byte("<q/>"))
		if err != nil || string(r.Body) != "<a/>" {
			t.Fatalf("got %v, %v", r, err)
		}
		if err := r.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}

		d.conf.Ready = Stable
		grown := filepath.Join(s.dir, "in/m-2.xml")
		if err := os.WriteFile(grown, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		over, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // grows from look to look, and is empty first
			for n := 1; over.Err() == nil && n < 900; n++ {
				f, err := os.OpenFile(grown, os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					return
				}
				_, _ = f.WriteString("x")
				_ = f.Close()
			}
		})
		d.conf.Poll = 100 * time.Millisecond
		r, err = d.Ask(within(t, patience), "m-2", []byte("<q/>"))
		stop()
		wg.Wait()
		if err != nil || len(r.Body) == 0 {
			t.Fatalf("got %v, %v", r, err)
		}
		if now, err := os.ReadDir(filepath.Join(s.dir, "in")); err != nil || len(now) != 4 {
			t.Errorf("in holds %v", now)
		}
	})
}

// Wrong files end in quarantine, and the query does not wait for ever.
func TestQuarantine(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := s.drop(t)
		for i, tc := range []struct {
			make func(path string) error
			want string
		}{
			{func(p string) error { return os.WriteFile(p, make([]byte, 2000), 0o644) }, "larger than 1000 bytes"},
			{func(p string) error { return os.Symlink("/etc/passwd", p) }, "no regular file"},
			{func(p string) error { return os.Mkdir(p, 0o755) }, "no regular file"},
			{func(p string) error { return syscall.Mkfifo(p, 0o644) }, "no regular file"},
		} {
			name := fmt.Sprintf("m-%d", i)
			if err := tc.make(filepath.Join(s.dir, "in", name+".xml")); err != nil {
				t.Fatal(err)
			}
			f := failure(t, second(d.Ask(within(t, patience), name, []byte("<q/>"))))
			if f.Down || !strings.Contains(f.Detail, tc.want) {
				t.Errorf("%d: got %v", i, f)
			}
			reasons, _ := filepath.Glob(filepath.Join(s.dir, "quarantine", name+".*.reason"))
			if len(reasons) != 1 {
				t.Fatalf("%d: reasons %v", i, reasons)
			}
			if text, _ := os.ReadFile(reasons[0]); !strings.Contains(string(text), tc.want) {
				t.Errorf("%d: the reason is %q", i, text)
			}
			if _, err := os.Lstat(strings.TrimSuffix(reasons[0], ".reason")); err != nil {
				t.Errorf("%d: the file itself is lost: %v", i, err)
			}
		}
	})
}

func TestNoFolders(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, d := range []string{"in", "out"} {
			if err := os.Remove(filepath.Join(s.dir, d)); err != nil {
				t.Fatal(err)
			}
		}
		f := failure(t, second(s.drop(t).Ask(within(t, patience), "m-1", []byte("<q/>"))))
		if !f.Down || !f.Untouched || strings.Contains(f.Error(), s.dir) {
			t.Errorf("got %v", f)
		}
		if f := failure(t, second(s.drop(t).Ask(within(t, patience), "../m-1", nil))); f.Down {
			t.Errorf("got %v", f)
		}
	})
}

func TestConfig(t *testing.T) {
	good := newSite(t, t.TempDir(), func(c *Config) { c.Directory = "/somewhere" }).conf
	for name, change := range map[string]func(*Config){
		"nowhere": func(c *Config) { c.Directory = "" }, "path as folder": func(c *Config) { c.Out = "../out" },
		"our folder": func(c *Config) { c.In = "claimed" }, "path in a name": func(c *Config) { c.Query = "a/{name}.xml" },
		"no name": func(c *Config) { c.Replies = []string{"reply.xml"} }, "no replies": func(c *Config) { c.Replies = nil },
		"hidden": func(c *Config) { c.Query = ".{name}.xml" }, "marker as reply": func(c *Config) { c.Replies = []string{"{name}.done"} },
		"readiness": func(c *Config) { c.Ready = "perhaps" }, "no poll": func(c *Config) { c.Poll = 0 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

// Whatever the names in a definition are, a file stands in its folder and is seen.
func FuzzNames(f *testing.F) {
	f.Add("{name}.xml", "m-1")
	f.Add("../{name}", "..")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if !FilePattern.MatchString(pattern) || !namePattern.MatchString(name) {
			return
		}
		file := strings.ReplaceAll(pattern, "{name}", name)
		if filepath.Base(file) != file || file[0] == '.' || !filepath.IsLocal(file) {
			t.Fatalf("%q and %q give %q", pattern, name, file)
		}
	})
}
