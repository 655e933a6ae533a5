package codes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

const (
	maxFile = 1 << 20
	maxRows = 50_000
	maxText = 500 // bytes of one value
)

// mask is a set of editions, the newest in the highest bit.
type mask uint8

const every mask = 1<<3 - 1

var editions = []string{"1.0", "1.2", "2.0"}

// maskOf returns the editions from one to another, both included; empty ends are
// open. An edition that does not exist makes no set. 1.1 is corrected by 1.2.
func maskOf(from, until string) mask {
	place := func(edition string, open int) int {
		switch edition {
		case "":
			return open
		case "1.1":
			edition = "1.2"
		}
		return slices.Index(editions, edition)
	}
	first, last := place(from, 0), place(until, len(editions)-1)
	if first < 0 || last < first {
		return 0
	}
	return (1<<(last+1) - 1) &^ (1<<first - 1)
}

// row is one row of a file.
type row struct {
	Code      string `json:"code"`
	Name      string `json:"name"`
	From      string `json:"from"`
	Until     string `json:"until"`
	Withdrawn bool   `json:"withdrawn"`
	Type      string `json:"type"`
	Severity  string `json:"severity"`
	Rank      int    `json:"rank"`
	LifeEvent string `json:"lifeEvent"`
	Basis     *Basis `json:"basis"`

	plain bool
}

func (r *row) mask() mask { return maskOf(r.From, r.Until) }

func (r *row) entry() Entry { return Entry{r.Code, r.Name, r.Type, r.Severity} }

// UnmarshalJSON reads a code alone or an object.
func (r *row) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		*r = row{plain: true}
		return json.Unmarshal(data, &r.Code)
	}
	type object row
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode((*object)(r))
}

// table is a list in memory: most rows are nothing but a code.
type table struct {
	codes   []string        // once each, in order
	index   map[string]mask // every code
	details map[string][]row
}

func tabulate(rows []row) *table {
	t := &table{index: make(map[string]mask, len(rows)), details: make(map[string][]row)}
	for _, r := range rows {
		if _, again := t.index[r.Code]; !again {
			t.codes = append(t.codes, r.Code)
		}
		t.index[r.Code] |= r.mask()
		if !r.plain {
			t.details[r.Code] = append(t.details[r.Code], r)
		}
	}
	return t
}

// decode reads a file of a list and reports all faults of it at once.
func decode(list string, data []byte) ([]row, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	var rows []row
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&rows); err != nil {
		return nil, fmt.Errorf("reading rows: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	if len(rows) > maxRows {
		return nil, fmt.Errorf("more than %d rows", maxRows)
	}
	var faults []error
	seen := make(map[string]mask, len(rows))
	for i := range rows {
		r := &rows[i]
		if err := r.check(list); err != nil && len(faults) < 20 {
			faults = append(faults, fmt.Errorf("row %d: %w", i+1, err))
		}
		m := r.mask()
		if seen[r.Code]&m != 0 && len(faults) < 20 {
			faults = append(faults, fmt.Errorf("row %d: code %.20q stands twice in an edition", i+1, r.Code))
		}
		seen[r.Code] |= m
	}
	return rows, errors.Join(faults...)
}

func (r *row) check(list string) error {
	for _, s := range []string{r.Code, r.Name, r.Type, r.Severity, r.LifeEvent} {
		if len(s) > maxText || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("a value is too long, has space around it or a control character")
		}
	}
	switch {
	case r.Code == "":
		return errors.New("code is missing")
	case r.mask() == 0:
		return errors.New("from and until are editions 1.0, 1.1, 1.2 or 2.0, in that order")
	case r.Withdrawn:
		return nil
	case list == "Procedures":
		return r.Basis.check()
	case list == "LevelsOfAssurance" && r.Rank <= 0:
		return errors.New("rank is missing")
	case r.Basis != nil:
		return errors.New("only a procedure has a basis")
	}
	return nil
}
