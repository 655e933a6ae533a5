package pmode

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

type field func(*yaml.Node)

// fields calls the reader of every key of a mapping and remembers where it stands.
func (l *loader) fields(n *yaml.Node, readers map[string]field, required ...string) {
	if n.Kind != yaml.MappingNode {
		l.fault(n, "want a mapping")
		return
	}
	outer := l.path
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		read, ok := readers[k.Value]
		if ok {
			l.enter(outer, k.Value, v)
		}
		switch {
		case k.Kind != yaml.ScalarNode || !ok:
			l.remedied(k, didYouMean(k.Value, readers), "unknown key %q", k.Value)
		case seen[k.Value]:
			l.fault(k, "key %q twice", k.Value)
		case v.Kind == yaml.AliasNode:
			l.fault(v, "aliases are not read")
		default:
			read(v)
		}
		l.path = outer
		seen[k.Value] = true
	}
	for _, r := range required {
		if !seen[r] {
			l.fault(n, "key %q is missing", r)
			l.breaks(join2(outer, r))
		}
	}
}

func join2(outer, key string) string {
	if outer == "" {
		return key
	}
	return outer + "." + key
}

func (l *loader) enter(outer, key string, n *yaml.Node) {
	l.path = join2(outer, key)
	if l.places != nil {
		l.places[l.path] = n
	}
}

// didYouMean names the key that was probably meant, or all of them.
func didYouMean(got string, readers map[string]field) string {
	keys := slices.Sorted(maps.Keys(readers))
	for _, k := range keys {
		if distance(got, k) <= 2 {
			return "did you mean " + k + "?"
		}
	}
	return "want one of " + strings.Join(keys, ", ")
}

// distance is that of Levenshtein, of short words.
func distance(a, b string) int {
	if len(a) > 32 || len(b) > 32 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (l *loader) items(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		l.remedied(n, "[…], also for one", "want a list")
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.Content), func(e *yaml.Node) bool {
		if e.Kind == yaml.AliasNode {
			l.fault(e, "aliases are not read")
			return true
		}
		return false
	})
}

// each reads every item of a list, and remembers where it stands.
func (l *loader) each(n *yaml.Node, read func(e *yaml.Node)) {
	outer := l.path
	for i, e := range l.items(n) {
		l.path = outer + "[" + strconv.Itoa(i) + "]"
		if l.places != nil {
			l.places[l.path] = e
		}
		read(e)
	}
	l.path = outer
}

func (l *loader) text(to *string) field {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			l.fault(n, "want text")
			return
		}
		*to = n.Value
	}
}

func (l *loader) texts(to *[]string) field {
	return func(n *yaml.Node) {
		for _, e := range l.items(n) {
			var s string
			l.text(&s)(e)
			*to = append(*to, s)
		}
	}
}

func (l *loader) truth(to *bool) field {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(to) != nil {
			l.fault(n, "want true or false")
		}
	}
}

// pause reads a duration, also in days.
func (l *loader) pause(to *time.Duration) field {
	return func(n *yaml.Node) {
		d, err := time.ParseDuration(n.Value)
		if days, ok := strings.CutSuffix(n.Value, "d"); ok && err != nil {
			var v int
			if v, err = strconv.Atoi(days); err == nil && v <= 36500 {
				d = time.Duration(v) * 24 * time.Hour
			}
		}
		if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
			l.fault(n, "want a duration such as 2s, 10m, 12h or 14d")
			return
		}
		*to = d
	}
}

// size reads a number of bytes, with or without KiB, MiB, GiB.
func (l *loader) size(to *int64) field {
	return func(n *yaml.Node) {
		text, unit := n.Value, int64(1)
		for _, u := range []struct {
			name  string
			bytes int64
		}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
			if rest, ok := strings.CutSuffix(text, u.name); ok {
				text, unit = strings.TrimSpace(rest), u.bytes
				break
			}
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if n.Kind != yaml.ScalarNode || err != nil || v <= 0 || v > math.MaxInt64/unit {
			l.fault(n, "want a size such as 64MiB")
			return
		}
		*to = v * unit
	}
}

func (l *loader) number(to *int, what string) field {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < 1 {
			l.fault(n, "want a number of %s", what)
			return
		}
		*to = v
	}
}

func (l *loader) float(to *float64, low, high float64, want string) field {
	return func(n *yaml.Node) {
		v, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil || !(v >= low && v <= high) {
			l.fault(n, "want %s", want)
			return
		}
		*to = v
	}
}

// choice reads one of a few words.
func choice[T any](l *loader, words map[string]T, to *T) field {
	return func(n *yaml.Node) {
		v, ok := words[n.Value]
		if n.Kind != yaml.ScalarNode || !ok {
			l.fault(n, "want one of %s", strings.Join(slices.Sorted(maps.Keys(words)), ", "))
			return
		}
		*to = v
	}
}

// choices reads some of a few words.
func choices[T any](l *loader, words map[string]T, to *[]T) field {
	return func(n *yaml.Node) {
		for _, e := range l.items(n) {
			var v T
			before := len(l.faults)
			if choice(l, words, &v)(e); len(l.faults) == before {
				*to = append(*to, v)
			}
		}
	}
}
