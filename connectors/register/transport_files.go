package register

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/url"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/connectors/register/filedrop"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// filesTransport is a register that exchanges files: a query is put into one folder,
// the reply is waited for in another.
type filesTransport struct {
	out, in  string
	query    string
	replies  []string
	ready    filedrop.Readiness
	keep     bool
	poll     time.Duration
	again    time.Duration
	deferred time.Duration // 0: a query without reply is tried again
}

func readFiles(v yamldoc.Value, _ *mapping.Scope) transport {
	f := v.Fields("kind", "out", "in", "query", "reply", "ready", "after", "poll", "again", "deferred")
	text := func(key, otherwise string) string {
		if s := f[key].Text(); s != "" {
			return s
		}
		return otherwise
	}
	long := func(key string, otherwise, least time.Duration) time.Duration {
		if !f[key].Exists() {
			return otherwise
		}
		d := f[key].Duration()
		if d < least {
			f[key].Fault("want %v or more", least)
		}
		return d
	}
	t := &filesTransport{
		out: text("out", "out"), in: text("in", "in"), query: text("query", "{name}.xml"),
		ready: filedrop.Readiness(f["ready"].Word(string(filedrop.Stable), string(filedrop.Marker), string(filedrop.Renamed))),
		keep:  f["after"].Word("delete", "keep") == "keep",
		poll:  long("poll", time.Second, 10*time.Millisecond), again: long("again", time.Hour, time.Minute), deferred: long("deferred", 0, time.Minute),
	}
	for _, key := range []string{"out", "in"} {
		if f[key].Exists() && !filedrop.FolderPattern.MatchString(f[key].Text()) {
			f[key].Fault("want the name of a folder: letters, digits, - and _")
		}
	}
	if f["query"].Exists() && !filedrop.FilePattern.MatchString(t.query) {
		f["query"].Fault("want the name of a file with {name} in it")
	}
	t.replies = []string{t.query}
	if f["reply"].Exists() {
		t.replies = nil
		for _, item := range f["reply"].Items() {
			if !filedrop.FilePattern.MatchString(item.Text()) {
				item.Fault("want the name of a file with {name} in it")
			}
			t.replies = append(t.replies, item.Text())
		}
	}
	return t
}

func (t *filesTransport) needsDocument() bool { return true }

// request names the file of a query that may be answered long after. A later query
// for the same must find the reply of the first, so it is named by what is asked,
// not by its message; the wire makes a name of it that nobody can guess back.
func (t *filesTransport) request(in any, query *mapping.Element) (*request, error) {
	body, err := document(query)
	if err != nil {
		return nil, err
	}
	r := &request{body: body}
	if t.deferred > 0 {
		fields, ok := in.(map[string]any)
		if !ok {
			return nil, errors.New("the query is no record")
		}
		fields = maps.Clone(fields)
		delete(fields, "message")
		delete(fields, "exchange")
		text, err := json.Marshal(fields)
		if err != nil {
			return nil, errors.New("the query cannot be written as JSON")
		}
		digest := sha256.Sum256(text)
		r.args = []any{digest[:]}
	}
	return r, nil
}

func (t *filesTransport) read(r *raw) answer {
	doc, err := r.document()
	if err != nil {
		return unreadable(err)
	}
	return answer{root: doc.Root()}
}

const leastNameKey = 16

func (t *filesTransport) dial(e Endpoint, with Config) (wire, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Path == "" || u.Scheme != "sftp" && (u.Scheme != "file" || u.Host != "") {
		return nil, errors.New("url must be file:///DIRECTORY or sftp://HOST:PORT/DIRECTORY")
	}
	if t.deferred > 0 && len(e.NameKey) < leastNameKey {
		return nil, errors.New("name_key_file is required where replies are deferred: 16 bytes or more that nobody knows, of which names of files are made")
	}
	conf := filedrop.Config{
		Out: t.out, In: t.in, Query: t.query, Replies: t.replies, Ready: t.ready, Keep: t.keep, Poll: t.poll, Again: max(t.again, t.deferred),
		Lease: 10*time.Minute + 2*e.Timeout, MaxSize: e.MaxReply, Now: with.Now, Token: filedrop.Token,
	}
	if u.Scheme == "file" {
		conf.Directory = u.Path
	} else {
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "22")
		}
		conf.SFTP = &filedrop.SFTP{
			Address: u.Host, Directory: u.Path, KnownHosts: e.KnownHosts, User: e.Auth.User, Key: []byte(e.SSHKey), Password: string(e.Auth.Password),
		}
	}
	d, err := filedrop.New(conf)
	if err != nil {
		return nil, err
	}
	return &filesWire{drop: d, deferred: t.deferred, key: []byte(e.NameKey), now: with.Now}, nil
}

// filesWire is the way to one directory.
type filesWire struct {
	drop     *filedrop.Drop
	deferred time.Duration
	key      []byte
	now      func() time.Time
}

func (w *filesWire) Close() { w.drop.Close() }

func (w *filesWire) exchange(ctx context.Context, r *request) (*raw, error) {
	name := string(r.id)
	if w.deferred > 0 && len(r.args) == 1 {
		digest, _ := r.args[0].([]byte)
		mac := hmac.New(sha256.New, w.key)
		mac.Write(digest)
		name = hex.EncodeToString(mac.Sum(nil)[:16])
	}
	reply, err := w.drop.Ask(ctx, name, r.body)
	if err != nil {
		return nil, w.failed(err)
	}
	return &raw{body: reply.Body, settle: func(ctx context.Context, res result) error {
		if res.outcome == outcomeInvalid {
			return reply.Reject(ctx, res.detail)
		}
		return reply.Accept(ctx)
	}}, nil
}

func (w *filesWire) failed(err error) *callError {
	f, ok := errors.AsType[*filedrop.Failure](err)
	switch {
	case !ok:
		return &callError{outcome: outcomeUnavailable, detail: "the directory of the register cannot be used", err: err}
	case !f.Down:
		return &callError{outcome: outcomeInvalid, detail: f.Detail, err: f.Err}
	case !f.Asked.IsZero() && w.deferred > 0:
		at := f.Asked.Add(w.deferred)
		if now := w.now(); at.Before(now) { // later than it ever is
			at = now.Add(w.deferred / 4)
		}
		return &callError{outcome: outcomeDeferred, available: at.UTC().Truncate(time.Second)}
	}
	e := &callError{outcome: outcomeUnavailable, detail: f.Detail, err: f.Err}
	if f.Untouched {
		e.fate = care.Untouched
	}
	return e
}
