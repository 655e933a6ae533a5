package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/beevik/etree"

	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// ours are the engines of this process, and a check that a record made elsewhere is
// the one that the mapping makes.
func ours(dir string, docs []document) ([]engine, func(doc int, made []byte) error, error) {
	rules, err := os.ReadFile(filepath.Join(dir, "rules.yaml"))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the mapping: %w", err)
	}
	program, err := mapping.Compile("rules.yaml", rules)
	if err != nil {
		return nil, nil, err
	}
	record := func(n mapping.Node) ([]byte, error) {
		reading, err := program.Read(n)
		if err != nil {
			return nil, err
		}
		defer reading.Close()
		rec, _, err := reading.Record(nil)
		if err != nil {
			return nil, err
		}
		return rec.AppendJSON(nil), nil
	}
	direct := func(text []byte) ([]byte, error) {
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			return nil, err
		}
		return record(register.Node(doc.Root()))
	}
	throughEtree := func(text []byte) ([]byte, error) {
		doc := etree.NewDocument()
		if err := doc.ReadFromBytes(text); err != nil {
			return nil, err
		}
		return record(etreeNode{doc.Root()})
	}
	var want []map[string]string
	for _, d := range docs {
		made, err := direct(d.text)
		if err != nil {
			return nil, nil, err
		}
		flat, err := flatJSON(made)
		if err != nil {
			return nil, nil, err
		}
		want = append(want, flat)
		other, err := throughEtree(d.text)
		if err != nil {
			return nil, nil, err
		}
		if !bytes.Equal(made, other) {
			return nil, nil, errors.New("the record read from etree is another one")
		}
	}
	check := func(doc int, made []byte) error {
		got, err := flatXML(made)
		if err != nil {
			return err
		}
		return sameFlat(got, want[doc])
	}
	engines := []engine{
		{"oncegate", "oncegate, bytes to record", true, here(docs, func(text []byte) error { _, err := direct(text); return err })},
		{"encoding-xml", "encoding/xml, tokens only", false, here(docs, tokens)},
		{"etree", "etree, parse only", false, here(docs, func(text []byte) error { return etree.NewDocument().ReadFromBytes(text) })},
		{"etree-mapped", "etree and our rules", true, here(docs, func(text []byte) error { _, err := throughEtree(text); return err })},
	}
	return engines, check, nil
}

// here measures work of this process.
func here(docs []document, work func(text []byte) error) func(context.Context, int, time.Duration) (int, time.Duration, error) {
	return func(ctx context.Context, doc int, slice time.Duration) (int, time.Duration, error) {
		count, begin := 0, cpuOf(syscall.RUSAGE_SELF)
		for end := time.Now().Add(slice); time.Now().Before(end); count++ {
			if err := work(docs[doc].text); err != nil {
				return 0, 0, err
			}
		}
		return count, cpuOf(syscall.RUSAGE_SELF) - begin, ctx.Err()
	}
}

func cpuOf(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // Linux knows both
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func tokens(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// etreeNode shows an etree to mapping.
type etreeNode struct{ e *etree.Element }

func (n etreeNode) Load(l *mapping.Loader) {
	l.Open(n.e.NamespaceURI(), n.e.Tag)
	for i := range n.e.Attr {
		if a := &n.e.Attr[i]; a.Space != "xmlns" && a.FullKey() != "xmlns" {
			l.Attr(a.NamespaceURI(), a.Key, a.Value)
		}
	}
	for _, c := range n.e.Child {
		switch c := c.(type) {
		case *etree.Element:
			etreeNode{c}.Load(l)
		case *etree.CharData:
			l.Text(c.Data)
		}
	}
	l.Close()
}

// flatJSON writes a record as values by path: people[0].familyName.
func flatJSON(text []byte) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the record is no JSON: %w", err)
	}
	out := map[string]string{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, field := range v {
				walk(at+"."+k, field)
			}
		case []any:
			for i, item := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), item)
			}
		default:
			out[at] = fmt.Sprint(v)
		}
	}
	walk("", v)
	return out, nil
}

// flatXML does the same with what a stylesheet made: lists hold elements called item.
func flatXML(text []byte) (map[string]string, error) {
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("the outcome is no XML: %w", err)
	}
	out := map[string]string{}
	var walk func(at string, e xmldoc.Element)
	walk = func(at string, e xmldoc.Element) {
		leaf, items := true, 0
		for c := range e.Children() {
			leaf = false
			if name := c.Name().Local; name == "item" {
				walk(fmt.Sprintf("%s[%d]", at, items), c)
				items++
			} else {
				walk(at+"."+name, c)
			}
		}
		if leaf {
			out[at] = e.Text()
		}
	}
	walk("", doc.Root())
	return out, nil
}

func sameFlat(got, want map[string]string) error {
	for path, w := range want {
		if g, ok := got[path]; !ok || g != w {
			return fmt.Errorf("another record: %s is %q, want %q", path, g, w)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			return fmt.Errorf("another record: %s is too much", path)
		}
	}
	return nil
}
