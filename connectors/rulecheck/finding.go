package rulecheck

import (
	"strconv"
	"strings"

	"oncegate/schemas/rules"
)

// A Layer says which check speaks.
type Layer string

// The layers, in the order of checking.
const (
	LayerXML       Layer = "xml"       // the document is no XML, or more than is read
	LayerStructure Layer = "structure" // elements and values out of their schema
	LayerRule      Layer = "rule"      // a business rule
	LayerCross     Layer = "cross"     // an answer against its request
)

// A Finding is one thing that is wrong with a document. It holds no value of the
// document.
type Finding struct {
	Layer    Layer          `json:"layer"`
	Rule     string         `json:"rule,omitempty"`
	Edition  string         `json:"edition,omitempty"` // of the rule
	Severity rules.Severity `json:"severity"`
	Path     string         `json:"path,omitempty"` // with the prefixes of the document
	Line     int            `json:"line,omitempty"`
	Column   int            `json:"column,omitempty"`
	Meaning  string         `json:"meaning"`
	Remedy   string         `json:"remedy,omitempty"`
}

// LimitRule is the rule of a finding that says that a document costs too much to judge,
// or that more is wrong with it than is listed.
const LimitRule = "limit"

// A Report is what was found in one document.
type Report struct {
	Document rules.Document `json:"document,omitempty"` // empty where it is none that has rules
	Edition  string         `json:"edition,omitempty"`
	Findings []Finding      `json:"findings"`
}

// Fatal returns the first fatal finding.
func (r *Report) Fatal() (Finding, bool) { return FirstFatal(r.Findings) }

// FirstFatal returns the first fatal finding of a list.
func FirstFatal(list []Finding) (Finding, bool) {
	for _, f := range list {
		if f.Severity == rules.Fatal {
			return f, true
		}
	}
	return Finding{}, false
}

// Bounds of what it may cost to say where something is.
const (
	maxPath   = 600     // bytes of a path
	placeCost = 8 << 20 // bytes of documents that are read to count lines
)

// path writes the place of a node, with the place among its like where there are
// several. Names of the document are shortened, not trusted.
func (r *run) path(n ref) string {
	var steps []string
	if n.isAttr() {
		a := r.attrs[n.attr()].node
		steps = append(steps, "@"+qname(a.Prefix(), a.Name().Local))
	}
	for i := r.owner(n); i > 0; i = r.elems[i].parent {
		e := &r.elems[i]
		local := e.node.Name().Local
		step := qname(e.node.Prefix(), local)
		nth, count := 0, 0
		up := r.elems[e.parent]
		for k := e.parent + 1; k < up.end; k = r.elems[k].end {
			if s := &r.elems[k]; s.name == e.name && s.space == e.space && (s.name != nameOther || s.node.Name().Local == local) {
				count++
				if k == i {
					nth = count
				}
			}
		}
		if count > 1 {
			step += "[" + strconv.Itoa(nth) + "]"
		}
		steps = append(steps, step)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(steps[i])
	}
	if b.Len() > maxPath {
		return strings.ToValidUTF8(b.String()[:maxPath], "") + "…"
	}
	return b.String()
}

func qname(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}
