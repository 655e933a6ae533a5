package filedrop

import (
	"context"
	"errors"
	"io/fs"
	"path"
)

// A Reply is one reply that was taken. It stays claimed until it is accepted or
// rejected; where neither happens, it is taken over after the lease.
type Reply struct {
	Body []byte

	d     *Drop
	name  string
	claim string
}

// Accept ends a reply that was read and whose outcome is kept: it is deleted, or
// moved to done.
func (r *Reply) Accept(ctx context.Context) error {
	return r.end(ctx, func(f folder) error {
		if r.d.conf.Keep {
			return r.move(f, done)
		}
		return r.forget(f, f.remove(r.claim))
	})
}

// Reject puts a reply that could not be used into quarantine, with the reason beside
// it, which names nobody.
func (r *Reply) Reject(ctx context.Context, reason string) error {
	return r.end(ctx, func(f folder) error { return r.reject(f, reason) })
}

func (r *Reply) end(ctx context.Context, how func(folder) error) error {
	f, release, err := r.d.open(ctx)
	if err != nil {
		return err
	}
	err = how(f)
	release(err == nil)
	if err != nil {
		return &Failure{Down: true, Detail: "the reply cannot be put away", Err: plain(err)}
	}
	return nil
}

func (r *Reply) reject(f folder, reason string) error {
	err := f.create(quarantine+"/"+path.Base(r.claim)+".reason", []byte(reason+"\n"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return r.move(f, quarantine)
}

func (r *Reply) move(f folder, to string) error {
	return r.forget(f, f.rename(r.claim, to+"/"+path.Base(r.claim)))
}

// forget ends the wait for a reply once it is put away.
func (r *Reply) forget(f folder, err error) error {
	if err != nil {
		return err
	}
	if err := f.remove(asked + "/" + r.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
