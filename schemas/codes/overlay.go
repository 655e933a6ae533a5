package codes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"
)

// Load returns base with what an overlay says: files <Name>.json at its root, each
// the name of a list of base. Other files there are refused, so that a misspelt name
// is not passed over; directories are not looked into. All faults are reported at
// once; none quotes more than the beginning of a code.
func Load(base *Lists, overlay fs.FS) (*Lists, error) {
	dir, err := fs.ReadDir(overlay, ".")
	if err != nil {
		return nil, fmt.Errorf("reading code lists: %w", err)
	}
	out := &Lists{maps.Clone(base.lists), base.edition}
	var faults []error
	for _, f := range dir {
		// Hidden entries are how a volume of Kubernetes is mounted.
		if f.IsDir() || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		t, name, err := overlaid(base, overlay, f.Name())
		if err != nil {
			faults = append(faults, fmt.Errorf("code list %s: %w", f.Name(), err))
			continue
		}
		out.lists[name] = func() *table { return t }
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return out, nil
}

func overlaid(base *Lists, overlay fs.FS, file string) (*table, string, error) {
	name, isJSON := strings.CutSuffix(file, ".json")
	below, ok := base.lists[name]
	if !isJSON || !ok {
		return nil, "", errors.New("no list has this name")
	}
	f, err := overlay.Open(file)
	if err != nil {
		return nil, "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, "", err
	}
	rows, err := decode(name, data)
	if err != nil {
		return nil, "", err
	}
	return below().with(rows), name, nil
}

// with returns the table after rows: each takes the place of all rows of its code.
func (t *table) with(rows []row) *table {
	said := make(map[string]bool, len(rows))
	for _, r := range rows {
		said[r.Code] = true
	}
	var all []row
	for _, code := range t.codes {
		switch kept := t.details[code]; {
		case said[code]:
		case len(kept) > 0:
			all = append(all, kept...)
		default:
			all = append(all, row{Code: code, plain: true})
		}
	}
	for _, r := range rows {
		if !r.Withdrawn {
			all = append(all, r)
		}
	}
	return tabulate(all)
}
