package filedrop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Readiness says how a reply is known to be whole.
type Readiness string

// The ways to know.
const (
	Stable  Readiness = "stable"  // its size and time do not change from one look to the next
	Marker  Readiness = "marker"  // a file of its name with .done after it lies beside it
	Renamed Readiness = "renamed" // the register renames it into place: it is whole when it is there
)

const markerSuffix = ".done"

// Config says where a drop is and how its files are called.
type Config struct {
	Directory string // of this machine; or SFTP
	SFTP      *SFTP

	Out, In string   // Required: names of folders
	Query   string   // Required: name of the file of a query, with {name}
	Replies []string // Required: names of files of replies, with {name}
	Ready   Readiness
	Keep    bool          // Default: a reply that was read is deleted
	Poll    time.Duration // Required: between two looks
	Again   time.Duration // Required: a query without reply is written once more after it
	Lease   time.Duration // Required: a reply that was claimed longer ago is taken over; above the time of reading
	MaxSize int64         // Required; of a reply

	Now   func() time.Time // Required
	Token func() string    // Required: letters and digits, different each time
}

var (
	// FilePattern is what a name of a file in register.yaml must be.
	FilePattern = regexp.MustCompile(`^[A-Za-z0-9_-]*\{name\}[A-Za-z0-9._-]*$`)
	// FolderPattern is what a name of a folder must be.
	FolderPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$`)
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,120}$`)
)

// Validate reports all faults at once.
func (c Config) Validate() error {
	var errs []error
	if (c.Directory == "") == (c.SFTP == nil) {
		errs = append(errs, errors.New("either a directory or a server is required"))
	}
	for _, f := range []string{c.Out, c.In} {
		if !FolderPattern.MatchString(f) || ours(f) {
			errs = append(errs, fmt.Errorf("%q is no name of a folder of the register", f))
		}
	}
	if len(c.Replies) == 0 {
		errs = append(errs, errors.New("a name of replies is required"))
	}
	for _, f := range append([]string{c.Query}, c.Replies...) {
		if !FilePattern.MatchString(f) || strings.HasSuffix(f, markerSuffix) || strings.HasSuffix(f, ".part") || strings.HasSuffix(f, ".tmp") {
			errs = append(errs, fmt.Errorf("%q is no name of a file with {name} in it", f))
		}
	}
	if c.Ready != Stable && c.Ready != Marker && c.Ready != Renamed {
		errs = append(errs, fmt.Errorf("%q is no way to know that a reply is whole", c.Ready))
	}
	if c.Poll <= 0 || c.Again <= 0 || c.Lease <= 0 || c.MaxSize <= 0 {
		errs = append(errs, errors.New("times and size must be positive"))
	}
	if c.Now == nil || c.Token == nil {
		errs = append(errs, errors.New("clock and tokens are required"))
	}
	return errors.Join(errs...)
}

const (
	asked      = "asked"
	claimed    = "claimed"
	done       = "done"
	quarantine = "quarantine"
)

func ours(folder string) bool {
	return folder == asked || folder == claimed || folder == done || folder == quarantine
}

// A Failure is why there is no reply. It holds no content of a file.
type Failure struct {
	Down      bool      // may pass, or is mended by an operator
	Untouched bool      // the register has seen nothing of the query
	Asked     time.Time // the query lies there since, and no reply yet; zero otherwise
	Detail    string
	Err       error // for the operator's log
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Detail
	}
	return f.Detail + ": " + f.Err.Error()
}

func (f *Failure) Unwrap() error { return f.Err }

// A Drop asks one register. It is safe for concurrent use, and several instances
// may share one directory.
type Drop struct {
	conf  Config
	dials *sessions // SFTP
}

// New makes a drop. It opens nothing.
func New(conf Config) (*Drop, error) {
	if err := conf.Validate(); err != nil {
		return nil, fmt.Errorf("exchanging files: %w", err)
	}
	d := &Drop{conf: conf}
	if conf.SFTP != nil {
		var err error
		if d.dials, err = newSessions(*conf.SFTP, conf.MaxSize, conf.Now); err != nil {
			return nil, fmt.Errorf("exchanging files: %w", err)
		}
	}
	return d, nil
}

// Close ends idle connections.
func (d *Drop) Close() {
	if d.dials != nil {
		d.dials.close()
	}
}

// open gets the directory; release gives it back.
func (d *Drop) open(ctx context.Context) (f folder, release func(healthy bool), err error) {
	if d.dials != nil {
		return d.dials.get(ctx)
	}
	root, err := os.OpenRoot(d.conf.Directory)
	if err != nil {
		return nil, nil, &Failure{Down: true, Untouched: true, Detail: "the directory cannot be opened", Err: plain(err)}
	}
	return local{root}, func(bool) { _ = root.Close() }, nil
}

// plain is what of an error may be logged: what happened, without the name that it
// happened to.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	for _, known := range []error{errTooMany, errTooLarge, errNotRegular, fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// Ask writes a query and waits for its reply until ctx ends. The same name asked
// again, here or by another instance, finds the reply that came meanwhile and
// writes no second query. Errors are *Failure.
func (d *Drop) Ask(ctx context.Context, name string, query []byte) (*Reply, error) {
	if !namePattern.MatchString(name) {
		return nil, &Failure{Detail: "the query has no name that a file can have"}
	}
	f, release, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	a := &asking{d: d, f: f, name: name, seen: map[string]info{}}
	r, err := a.run(ctx, query)
	failure, isFailure := errors.AsType[*Failure](err)
	release(err == nil || isFailure && failure.Err == nil)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil && !a.since.IsZero():
		return nil, &Failure{Down: true, Asked: a.since, Detail: "the register has put no reply there yet"}
	case isFailure:
		return nil, failure
	}
	return nil, &Failure{Down: true, Untouched: a.since.IsZero(), Detail: "the directory of the register cannot be used", Err: plain(err)}
}

// asking is one call of Ask.
type asking struct {
	d     *Drop
	f     folder
	name  string
	since time.Time // the query lies there
	seen  map[string]info
	looks int
}

func (a *asking) run(ctx context.Context, query []byte) (*Reply, error) {
	for _, folder := range []string{asked, claimed, quarantine, done} {
		if folder == done && !a.d.conf.Keep {
			continue
		}
		if err := ensure(a.f, folder); err != nil {
			return nil, err
		}
	}
	if err := a.waits(); err != nil {
		return nil, err
	}
	tick := time.NewTicker(a.d.conf.Poll)
	defer tick.Stop()
	for {
		r, err := a.take()
		if r != nil || err != nil {
			return r, err
		}
		if a.since.IsZero() {
			if err := a.send(query); err != nil {
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// waits finds since when the query lies there.
func (a *asking) waits() error {
	text, err := a.f.read(asked+"/"+a.name, 64)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	since, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err == nil && a.younger(since, a.d.conf.Again) {
		a.since = since
		return nil
	}
	return a.gone(asked + "/" + a.name)
}

// skew is how far the clocks of instances may be apart.
const skew = time.Minute

// younger says whether a time is less than d ago. One of the future is of a clock that
// was wrong, and counts as old: else nothing would end for as long as it was ahead.
func (a *asking) younger(at time.Time, d time.Duration) bool {
	age := a.d.conf.Now().Sub(at)
	return age < d && age > -skew
}

// gone removes what may be gone already.
func (a *asking) gone(name string) error {
	if err := a.f.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// send writes the query. One that the register has not fetched yet is left alone.
func (a *asking) send(query []byte) error {
	c := a.d.conf
	final := c.Out + "/" + strings.ReplaceAll(c.Query, "{name}", a.name)
	if _, err := a.f.lstat(final); errors.Is(err, fs.ErrNotExist) {
		if err := a.place(final, query); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	since := c.Now().UTC().Truncate(time.Second)
	a.since = since // from here on the register may know
	err := a.place(asked+"/"+a.name, []byte(since.Format(time.RFC3339)))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// place makes a file that is whole when it has its name.
func (a *asking) place(final string, content []byte) error {
	folder, file, _ := strings.Cut(final, "/")
	hidden := folder + "/." + file + "." + a.d.conf.Token() + ".tmp"
	if err := a.f.create(hidden, content); err != nil {
		return err
	}
	if err := a.f.rename(hidden, final); err != nil {
		_ = a.f.remove(hidden)
		return err
	}
	return nil
}

// take takes a reply that is whole; nil where there is none.
func (a *asking) take() (*Reply, error) {
	for _, pattern := range a.d.conf.Replies {
		file := strings.ReplaceAll(pattern, "{name}", a.name)
		ready, err := a.ready(a.d.conf.In + "/" + file)
		if err != nil {
			return nil, err
		}
		if !ready {
			continue
		}
		claim := a.claim()
		err = a.f.rename(a.d.conf.In+"/"+file, claim)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another instance has it
			continue
		case err != nil:
			return nil, err
		}
		if err := a.gone(a.d.conf.In + "/" + file + markerSuffix); err != nil {
			return nil, err
		}
		return a.open(claim)
	}
	if a.looks++; a.looks > 1 {
		return nil, nil
	}
	return a.abandoned()
}

func (a *asking) claim() string {
	return fmt.Sprintf("%s/%s.%d.%s", claimed, a.name, a.d.conf.Now().Unix(), a.d.conf.Token())
}

// ready says whether a reply is there and whole.
func (a *asking) ready(name string) (bool, error) {
	now, err := a.f.lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !now.regular:
		return true, nil // it goes into quarantine
	}
	switch a.d.conf.Ready {
	case Renamed:
		return true, nil
	case Marker:
		_, err := a.f.lstat(name + markerSuffix)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	before, known := a.seen[name]
	a.seen[name] = now
	return known && now.size > 0 && before.size == now.size && before.modified.Equal(now.modified), nil
}

// abandoned takes over a reply whose claimant has died.
func (a *asking) abandoned() (*Reply, error) {
	names, err := a.f.names(claimed)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, a.name+".")
		if !ok {
			continue
		}
		at, _, _ := strings.Cut(rest, ".")
		unix, err := strconv.ParseInt(at, 10, 64)
		if err != nil || a.younger(time.Unix(unix, 0), a.d.conf.Lease) {
			continue
		}
		claim := a.claim()
		err = a.f.rename(claimed+"/"+n, claim)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return a.open(claim)
	}
	return nil, nil
}

// open reads a claimed reply. What cannot be read goes into quarantine.
func (a *asking) open(claim string) (*Reply, error) {
	r := &Reply{d: a.d, name: a.name, claim: claim}
	body, err := a.f.read(claim, a.d.conf.MaxSize)
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, errNotRegular):
		reason := fmt.Sprintf("the reply is larger than %d bytes", a.d.conf.MaxSize)
		if errors.Is(err, errNotRegular) {
			reason = "the reply is no regular file"
		}
		if err := r.reject(a.f, reason); err != nil {
			return nil, err
		}
		return nil, &Failure{Detail: reason}
	case err != nil:
		return nil, err
	}
	r.Body = body
	return r, nil
}
