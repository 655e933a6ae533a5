package filedrop

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

// folder is the directory of a drop. Names are relative, with slashes, and ours.
// Errors are fs.ErrNotExist and fs.ErrExist where that is what happened.
type folder interface {
	lstat(name string) (info, error)
	create(name string, content []byte) error // synced; fs.ErrExist where there is one
	rename(old, new string) error
	remove(name string) error
	mkdir(name string) error
	read(name string, limit int64) ([]byte, error) // of a regular file; errTooLarge
	names(dir string) ([]string, error)            // of maxNames at most
}

type info struct {
	regular  bool
	size     int64
	modified time.Time
}

// maxNames bounds what is read of a directory.
const maxNames = 10_000

var (
	errTooLarge   = errors.New("the file is too large")
	errNotRegular = errors.New("this is no regular file")
	errTooMany    = errors.New("the folder holds too many files")
)

// local is a directory of this machine. os.Root keeps names and links within it.
type local struct{ root *os.Root }

var _ folder = local{}

func (l local) lstat(name string) (info, error) {
	i, err := l.root.Lstat(name)
	if err != nil {
		return info{}, err
	}
	return info{i.Mode().IsRegular(), i.Size(), i.ModTime()}, nil
}

func (l local) create(name string, content []byte) error {
	// Who may read it is for the owner of the directory to say: umask, or an ACL.
	f, err := l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = l.root.Remove(name)
	}
	return err
}

// rename makes the new name durable too.
func (l local) rename(old, new string) error {
	if err := l.root.Rename(old, new); err != nil {
		return err
	}
	d, err := l.root.Open(path.Dir(new))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (l local) remove(name string) error { return l.root.Remove(name) }

func (l local) mkdir(name string) error { return l.root.Mkdir(name, 0o770) }

func (l local) read(name string, limit int64) ([]byte, error) {
	before, err := l.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := l.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would hold us
	if err != nil {
		return nil, err
	}
	defer f.Close()
	after, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !os.SameFile(before, after): // a link in its place, meanwhile
		return nil, errNotRegular
	}
	return readAll(f, limit)
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, errTooLarge
	}
	return b, err
}

func (l local) names(dir string) ([]string, error) {
	d, err := l.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxNames + 1)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case len(names) > maxNames:
		return nil, errTooMany
	}
	return names, nil
}

// ensure makes a folder that is not there.
func ensure(f folder, name string) error {
	if _, err := f.lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.mkdir(name); err != nil {
		_, there := f.lstat(name) // another instance was faster
		if there != nil {
			return err
		}
	}
	return nil
}
