package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Config says where cases are kept and for how long they are taken.
type Config struct {
	Dir    string           // Required: testdata of a folder of samples; made where it is missing
	Until  time.Time        // Required: no case is taken from then on
	Most   int              // Default: 200 cases
	Rules  *Rules           // Default: mask everything
	Random io.Reader        // Required: for the key of the pseudonyms
	Now    func() time.Time // Required
}

const defaultMost = 200

// A Recorder keeps cases. It is safe for concurrent use.
type Recorder struct {
	cfg   Config
	names *Pseudonyms

	mu   sync.Mutex
	kept int
}

// New makes the folder and draws the key.
func New(cfg Config) (*Recorder, error) {
	if cfg.Dir == "" || cfg.Until.IsZero() || cfg.Random == nil || cfg.Now == nil {
		return nil, errors.New("recording: dir, until, a source of randomness and a clock are required")
	}
	if cfg.Most == 0 {
		cfg.Most = defaultMost
	}
	names, err := NewPseudonyms(cfg.Random)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return &Recorder{cfg: cfg, names: names}, nil
}

// A Case is one query and its answer, as they were.
type Case struct {
	Query  any             // as its rules see it
	Media  string          // of the answer
	Status int             // 0: not of HTTP
	Body   []byte          // of the answer, where it is JSON
	Root   *xmldoc.Element // of the answer, where it is XML
}

// Keep replaces what could name somebody and writes the case. kept is false where
// the time is over or enough cases are there.
func (r *Recorder) Keep(c Case) (kept bool, err error) {
	if !r.cfg.Now().Before(r.cfg.Until) {
		return false, nil
	}
	r.mu.Lock()
	enough := r.kept >= r.cfg.Most
	r.mu.Unlock()
	if enough {
		return false, nil
	}
	query, swap := r.query(c.Query)
	text, err := json.MarshalIndent(query, "", "  ")
	if err != nil {
		return false, fmt.Errorf("recording: %w", err)
	}
	files := map[string][]byte{"query.json": append(text, '\n')}
	if c.Root != nil {
		files["reply.xml"] = r.names.XML(*c.Root, r.cfg.Rules, swap)
	} else {
		if files["reply.json"], err = r.names.JSON(c.Body, r.cfg.Rules, swap); err != nil {
			return false, err
		}
	}
	if c.Status != 0 && c.Status != 200 {
		files["reply.status"] = []byte(strconv.Itoa(c.Status) + "\n")
	}
	whom := &person{}
	if fields, ok := c.Query.(map[string]any); ok {
		for k, v := range fields {
			if !open(k) {
				whom.learn([]Step{{Local: k}}, v)
			}
		}
	}
	for kind, text := range files {
		if kind != "query.json" && whom.in(string(text)) {
			return false, errNamed
		}
	}
	return r.write(files)
}

// mostTries bounds the search for a name that no other process has taken.
const mostTries = 1000

// write keeps the files of one case. kept is false where enough cases are there.
func (r *Recorder) write(files map[string][]byte) (kept bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept >= r.cfg.Most {
		return false, nil
	}
	stem := filepath.Join(r.cfg.Dir, "captured-"+r.cfg.Now().UTC().Format("20060102-150405")+"-")
	for n := r.kept + 1; n <= r.kept+mostTries; n++ {
		name := fmt.Sprintf("%s%04d.", stem, n)
		err = create(name+"query.json", files["query.json"])
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		r.kept++
		written := []string{name + "query.json"}
		for kind, text := range files {
			if err == nil && kind != "query.json" {
				written = append(written, name+kind)
				err = create(name+kind, text)
			}
		}
		if err != nil { // half a case is none
			for _, f := range written {
				_ = os.Remove(f)
			}
			return false, fmt.Errorf("recording: %w", err)
		}
		return true, nil
	}
	return false, fmt.Errorf("recording: %w", err)
}

// create writes a file that was not there.
func create(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// queryRules say what becomes of the fields of a subject. Fields that are not named
// are masked.
func queryRules() *Rules {
	field := func(name string, as Kind) rule {
		return rule{path: pattern{steps: []test{{local: name}}}, as: as, pattern: "YYYY-MM-DD"}
	}
	return &Rules{[]rule{
		field("familyName", FamilyName), field("givenName", GivenName), field("birthDate", Date), field("identifier", Identifier),
		field("name", Organisation), field("gender", Keep), field("nationality", Keep), field("nationalities", Keep), field("assurance", Keep),
	}}
}

// query replaces the subject of a query and its ids; what is left are authorities
// and kinds. swap tells what ids became, for the answer that repeats them.
func (r *Recorder) query(q any) (any, map[string]string) {
	swap := map[string]string{}
	fields, ok := q.(map[string]any)
	if !ok {
		return nil, swap
	}
	out := make(map[string]any, len(fields))
	for k, v := range fields {
		switch k {
		case "message", "exchange":
			id, _ := v.(string)
			s := r.names.sum(k, id)
			swap[id] = canon.DeriveUUID("captured", string(s[:]))
			out[k] = swap[id]
		default:
			if open(k) {
				out[k] = v
				continue
			}
			w := &jsonWalker{rules: queryRules(), names: r.names, path: []Step{{Local: k}}}
			out[k] = w.value(v)
		}
	}
	return out, swap
}

// open says which fields of a query hold authorities and kinds alone.
func open(field string) bool {
	return slices.Contains([]string{"register", "procedure", "evidenceType", "requester", "message", "exchange"}, field)
}
