package rulecheck

import (
	"bufio"
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
	"oncegate/schemas/assets"
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

// TestPublishedSchematronAgrees judges every 1.0 sample of the Commission, our own
// 1.0 samples, good and failing, and mutants of them twice: by the published
// Schematron, which Saxon runs, and by our rules. Each rule has to give the same
// answer, but for the departures that its row names, and those go one way only. No
// published assertion is without a row.
//
// Covers: B-057
func TestPublishedSchematronAgrees(t *testing.T) {
	dir := assets.Path(t, "oots/tdd-1.0-artefacts")
	j := newJudge(t)
	pub := publishedIn(t, filepath.Join(dir, "sch"))
	tally := map[string]int{}
	rng := rand.New(rand.NewPCG(1, 2022_1463)) // the same mutants in every run
	differs := map[rules.Document]*differ{}
	for _, doc := range rules.Documents() {
		if published[doc] != nil {
			differs[doc] = newDiffer(t, j, pub, doc, tally)
		}
	}
	var paths []string
	for _, root := range []string{dir, filepath.Join(samplesDir, "base")} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".xml") && (root == dir || strings.HasPrefix(e.Name(), "1.0-")) {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := xmldoc.ParseBytes(data, xmldoc.Limits{})
		if err != nil {
			continue // snippets that are not well-formed
		}
		found, ok := Detect(doc.Root())
		d := differs[found.Document]
		if !ok || d == nil || found.Edition != rules.Edition10 {
			continue
		}
		name := strings.TrimPrefix(path, dir+"/")
		tally["samples"]++
		d.compare(t, name, "as it is", data)
		for range perDocument {
			what, mutant := mutate(t, rng, data)
			tally["mutants"]++
			d.compare(t, name, what, mutant)
		}
	}
	for _, doc := range rules.Documents() {
		d := differs[doc]
		if d == nil {
			continue
		}
		c := readCorpus(t, doc)
		for _, f := range c.fails {
			base := c.bases[rules.Edition10][f.Base]
			of10 := slices.ContainsFunc(d.rows, func(r rules.Rule) bool { return r.ID == f.Rule && r.In(rules.Edition10) })
			if base == nil || !of10 || len(f.Editions) > 0 && !slices.Contains(f.Editions, rules.Edition10) {
				continue
			}
			for _, e := range f.Edit {
				var err error
				if base, err = e.apply(base); err != nil {
					t.Fatal(err)
				}
			}
			tally["failing samples"]++
			d.compare(t, f.Base, fmt.Sprintf("failing sample of line %d", f.line), base)
		}
	}
	t.Logf("%v", tally)
	if tally["samples"] < 110 || tally["mutants"] < 5000 || tally["failing samples"] < 600 {
		t.Error("fewer documents were judged than there were")
	}
}

// perDocument is the number of mutants of a sample.
const perDocument = 48

// A differ compares the verdicts on documents of one kind.
type differ struct {
	judge *judge
	pub   *publishedFiles
	doc   rules.Document
	set   *Set
	rows  []rules.Rule
	tally map[string]int
}

func newDiffer(t *testing.T, j *judge, pub *publishedFiles, doc rules.Document, tally map[string]int) *differ {
	t.Helper()
	d := &differ{judge: j, pub: pub, doc: doc, tally: tally}
	var err error
	if d.set, err = Rules(doc, rules.Edition10, nil); err != nil {
		t.Fatal(err)
	}
	if d.rows, err = rules.Of(doc); err != nil {
		t.Fatal(err)
	}
	for _, file := range published[doc] {
		for _, id := range pub.ids[file] {
			if !slices.ContainsFunc(d.rows, func(r rules.Rule) bool { return r.ID == id && r.In(rules.Edition10) }) {
				t.Errorf("%s of %s.sch has no row in %s.yaml", id, file, doc)
			}
		}
	}
	return d
}

func (d *differ) compare(t *testing.T, name, what string, text []byte) {
	t.Helper()
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Fatalf("%s, %s: %v", name, what, err)
	}
	var ours []string
	for _, f := range d.set.Check(doc.Root()) {
		ours = append(ours, f.Rule)
	}
	for _, file := range d.pub.of(d.doc, doc.Root()) {
		theirs, ok := d.judge.verdict(t, []string{d.pub.path(file)}, text)
		if !ok {
			t.Errorf("%s, %s: %s.sch ends in an error", name, what, file)
			continue
		}
		for i := range d.rows {
			r := &d.rows[i]
			if !r.In(rules.Edition10) || r.ID == stops || r.Severity == rules.Info || !slices.Contains(d.pub.ids[file], r.ID) {
				continue // what may be; what another file says or none
			}
			our, their := slices.Contains(ours, r.ID), slices.Contains(theirs, r.ID)
			switch {
			case our == their:
				d.tally["verdicts that agree"]++
			case departs(r, our):
				d.tally["departures: "+string(r.Official10)]++
			default:
				t.Errorf("%s, %s: %s: broken by ours: %t, by the published test: %t", name, what, r.ID, our, their)
			}
		}
	}
}

// departs reports that the departure of a rule explains that ours alone (or, with
// false, that the published test alone) finds it broken.
func departs(r *rules.Rule, ours bool) bool {
	switch r.Official10 {
	case rules.NeverMatches, rules.Substring: // it finds less than is meant
		return ours
	case rules.Informational: // it reports what may be
		return !ours
	case rules.Inverted:
		return true
	case rules.OtherwiseOff:
		switch {
		case strings.HasPrefix(r.OfficialNote, "Weaker:"):
			return ours
		case strings.HasPrefix(r.OfficialNote, "Stricter:"):
			return !ours
		}
		return true
	}
	return false
}
