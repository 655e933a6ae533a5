package filedrop

import "context"

// Look opens the directory and lists both folders; it changes nothing. Errors are
// *Failure.
func (d *Drop) Look(ctx context.Context) error {
	f, release, err := d.open(ctx)
	if err != nil {
		return err
	}
	for _, dir := range []string{d.conf.Out, d.conf.In} {
		if _, err := f.names(dir); err != nil {
			release(false)
			return &Failure{Down: true, Untouched: true, Detail: "the folder " + dir + " cannot be listed", Err: plain(err)}
		}
	}
	release(true)
	return nil
}
