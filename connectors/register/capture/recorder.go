package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	if r.kept >= r.cfg.Most {
		r.mu.Unlock()
		return false, nil
	}
	r.kept++
	name := fmt.Sprintf("captured-%s-%04d", r.cfg.Now().UTC().Format("20060102-150405"), r.kept)
	r.mu.Unlock()

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
	for kind, text := range files {
		if err := os.WriteFile(filepath.Join(r.cfg.Dir, name+"."+kind), text, 0o600); err != nil {
			return false, fmt.Errorf("recording: %w", err)
		}
	}
	return true, nil
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
		case "register", "procedure", "evidenceType", "requester":
			out[k] = v
		default:
			w := &jsonWalker{rules: queryRules(), names: r.names, path: []Step{{Local: k}}}
			out[k] = w.value(v)
		}
	}
	return out, swap
}
