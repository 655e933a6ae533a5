package rulecheck

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

// A judge runs the published Schematron (testdata/peers/schematron).
type judge struct {
	in  io.Writer
	out *bufio.Reader
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	dir := os.Getenv("ONCEGATE_TEST_SCHEMATRON")
	if dir == "" {
		t.Skip("ONCEGATE_TEST_SCHEMATRON is not set: `make test-interop` builds the peer and sets it")
	}
	cmd := exec.CommandContext(t.Context(), "java", "-Xss8m", "-cp", filepath.Join(dir, "peer.jar")+":"+filepath.Join(dir, "lib", "*"), "oncegate.Judge", "serve")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends then
		_ = cmd.Wait() // killed with the test's context otherwise
	})
	return &judge{in, bufio.NewReader(out)}
}

// verdict returns the assertions that a document breaks. ok is false where the
// published test itself ends in an error.
func (j *judge) verdict(t *testing.T, schemas []string, document []byte) (broken []string, ok bool) {
	t.Helper()
	var frame []byte
	for _, part := range [][]byte{[]byte(strings.Join(schemas, "\n")), document} {
		frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(part))), part...)
	}
	if _, err := j.in.Write(frame); err != nil {
		t.Fatal(err)
	}
	var n [4]byte
	if _, err := io.ReadFull(j.out, n[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(n[:]))
	if _, err := io.ReadFull(j.out, answer); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(answer)) {
		if strings.HasPrefix(line, "!") {
			return nil, false
		}
		id, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if id != "" && !slices.Contains(broken, id) {
			broken = append(broken, id)
		}
	}
	return broken, true
}

// published names the Schematron files of a kind of document.
var published = map[rules.Document][]string{
	rules.EDMRequest:  {"EDM-REQ-S", "EDM-REQ-C"},
	rules.EDMResponse: {"EDM-RESP-S", "EDM-RESP-C"},
	rules.EDMError:    {"EDM-ERR-S", "EDM-ERR-C"},
}

// TestPublishedSchematronAgrees judges every 1.0 sample of the Commission, our own
// 1.0 samples and mutants of all of them twice: by the published Schematron, which
// Saxon runs, and by our rules. Each rule has to give the same answer, but for the
// departures that its row names, and those go one way only.
func TestPublishedSchematronAgrees(t *testing.T) {
	dir := assets(t, "oots/tdd-1.0-artefacts")
	j := newJudge(t)
	var docs []string
	for _, root := range []string{dir, filepath.Join(samplesDir, "base")} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".xml") && (root == dir || strings.HasPrefix(e.Name(), "1.0-")) {
				docs = append(docs, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const perDocument = 24
	tally := map[string]int{}
	rng := rand.New(rand.NewPCG(1, 2022_1463)) // the same mutants in every run
	for _, path := range docs {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(data, xmldoc.Limits{})
		if err != nil {
			continue // snippets that are not well-formed
		}
		found, ok := Detect(doc.Root())
		if !ok || published[found.Document] == nil || found.Edition != rules.Edition10 {
			continue
		}
		d := differ{
			judge: j, document: found.Document, tally: tally,
			name: strings.TrimPrefix(path, dir+"/"),
		}
		for _, s := range published[found.Document] {
			d.schemas = append(d.schemas, filepath.Join(dir, "sch", s+".sch"))
		}
		if d.set, err = Rules(found.Document, rules.Edition10, nil); err != nil {
			t.Fatal(err)
		}
		if d.rows, err = rules.Of(found.Document); err != nil {
			t.Fatal(err)
		}
		tally["samples"]++
		d.compare(t, "as it is", data)
		for range perDocument {
			what, mutant := mutate(t, rng, data)
			tally["mutants"]++
			d.compare(t, what, mutant)
		}
	}
	t.Logf("%v", tally)
	if tally["samples"] < 40 || tally["mutants"] < 500 {
		t.Errorf("%d samples and %d mutants were judged, want 40 and 500 at least", tally["samples"], tally["mutants"])
	}
}

// A differ compares the verdicts on one document and its mutants.
type differ struct {
	judge    *judge
	document rules.Document
	schemas  []string
	set      *Set
	rows     []rules.Rule
	name     string
	tally    map[string]int
}

func (d *differ) compare(t *testing.T, what string, text []byte) {
	t.Helper()
	theirs, ok := d.judge.verdict(t, d.schemas, text)
	if !ok {
		d.tally["the published test ends in an error"]++
		return
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Fatalf("%s, %s: %v", d.name, what, err)
	}
	var ours []string
	for _, f := range d.set.Check(doc.Root()) {
		ours = append(ours, f.Rule)
	}
	for i := range d.rows {
		r := &d.rows[i]
		if !r.In(rules.Edition10) || r.Severity == rules.Info || !strings.HasPrefix(r.ID, "R-") {
			continue // what may be; what the published files have no id for
		}
		our, their := slices.Contains(ours, r.ID), slices.Contains(theirs, r.ID)
		switch {
		case our == their:
			d.tally["verdicts that agree"]++
		case departs(r.Official10, our):
			d.tally["departures: "+string(r.Official10)]++
		default:
			t.Errorf("%s, %s: %s: broken by ours: %t, by the published test: %t", d.name, what, r.ID, our, their)
		}
	}
}

// departs reports that a departure of this kind explains that ours alone (or, with
// false, that the published test alone) finds a rule broken.
func departs(kind rules.Departure, ours bool) bool {
	switch kind {
	case rules.NeverMatches, rules.Substring: // it finds less than is meant
		return ours
	case rules.Informational: // it reports what may be
		return !ours
	case rules.Inverted, rules.OtherwiseOff:
		return true
	}
	return false
}

// mutate changes one thing of a document.
func mutate(t *testing.T, rng *rand.Rand, text []byte) (what string, mutant []byte) {
	t.Helper()
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		var all []*mutable
		root := thaw(doc.Root().Node(), nil, &all)
		m := all[rng.IntN(len(all))]
		if what = mutations[rng.IntN(len(mutations))](rng, m, all); what == "" {
			continue
		}
		var b bytes.Buffer
		root.write(&b)
		return fmt.Sprintf("%s in %s", what, m.name), b.Bytes()
	}
}

// mutations return what they did, nothing where they cannot do it there.
var mutations = []func(*rand.Rand, *mutable, []*mutable) string{
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // an element is missing
		if m.up == nil {
			return ""
		}
		m.up.kids = slices.DeleteFunc(m.up.kids, func(k *mutable) bool { return k == m })
		return "removed"
	},
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // stands twice
		if m.up == nil {
			return ""
		}
		m.up.kids = append(m.up.kids, m)
		return "twice"
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // an attribute is missing
		if len(m.attrs) == 0 {
			return ""
		}
		i := rng.IntN(len(m.attrs))
		name := m.attrs[i].Name.Local
		m.attrs = slices.Delete(m.attrs, i, i+1)
		return "without @" + name
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // an attribute says something else
		if len(m.attrs) == 0 {
			return ""
		}
		a := &m.attrs[rng.IntN(len(m.attrs))]
		a.Value = worse(rng, a.Value)
		return fmt.Sprintf("@%s=%q", a.Name.Local, a.Value)
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // a text says something else
		if len(m.kids) != 1 || m.kids[0].name != "" {
			return ""
		}
		m.kids[0].text = worse(rng, m.kids[0].text)
		return fmt.Sprintf("text %q", m.kids[0].text)
	},
	func(rng *rand.Rand, m *mutable, all []*mutable) string { // a text of another element
		o := all[rng.IntN(len(all))]
		if len(m.kids) != 1 || m.kids[0].name != "" || len(o.kids) != 1 || o.kids[0].name != "" || o == m {
			return ""
		}
		m.kids[0].text = o.kids[0].text
		return fmt.Sprintf("text %q", m.kids[0].text)
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // another type
		for i := range m.attrs {
			if a := &m.attrs[i]; a.Name == name("xsi", "type") {
				prefix, _, _ := strings.Cut(a.Value, ":")
				types := []string{"StringValueType", "DateTimeValueType", "AnyValueType", "CollectionValueType", "BooleanValueType", "InternationalStringValueType"}
				a.Value = prefix + ":" + types[rng.IntN(len(types))]
				return "type " + a.Value
			}
		}
		return ""
	},
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // a slot of another name
		for i := range m.attrs {
			if a := &m.attrs[i]; a.Name == (xmldoc.Name{Local: "name"}) {
				a.Value = "Unheard"
				return "slot renamed"
			}
		}
		return ""
	},
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // an element of another name
		if m.up == nil {
			return ""
		}
		m.name += "X"
		return "renamed"
	},
}

// worse is nearly the value, or nothing like it. It is never padded: we ignore space
// around values everywhere (oots-tdd.md g.5), the published tests here and there.
func worse(rng *rand.Rand, s string) string {
	switch rng.IntN(5) {
	case 0:
		return ""
	case 1:
		return s + "x"
	case 2:
		return strings.ToUpper(s)
	case 3:
		return strings.ToLower(s)
	}
	return "XX"
}
