package registers

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/register"
)

var update = flag.Bool("update", false, "write record.json and evidence.xml of the found cases anew")

func TestSamplesHold(t *testing.T) {
	defs, err := register.Load(FS)
	if err != nil {
		t.Fatalf("loading:\n%v", err)
	}
	if *update {
		for name, d := range defs {
			writeGoldens(t, name, d)
		}
		t.Skip("goldens written: review them as a diff and run again")
	}
	for name, d := range defs {
		for _, s := range d.Samples() {
			if s.Err != nil {
				t.Errorf("%s %s %s: %v", name, s.Case, s.Check, s.Err)
			}
		}
	}
	if len(defs) != 3 {
		t.Errorf("have %d registers, want 3", len(defs))
	}
}

func TestCheckReportsEveryCheckOnce(t *testing.T) {
	var out strings.Builder
	failed, err := register.Check(&out, FS)
	if failed != 0 || err != nil {
		t.Fatalf("failed %d, err %v\n%s", failed, err, out.String())
	}
	for _, want := range []string{"ok   births found query", "ok   births found evidence", "ok   companies notfound reply", "ok   residence several reply"} {
		if strings.Count(out.String(), want+"\n") != 1 {
			t.Errorf("want one line %q in\n%s", want, out.String())
		}
	}
}

func writeGoldens(t *testing.T, name string, d *register.Definition) {
	t.Helper()
	found := filepath.Join(name, "testdata", "found.")
	reply, err := os.ReadFile(found + "reply.xml")
	if err != nil {
		t.Fatal(err)
	}
	record, evidence, err := d.Try(200, reply)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, record, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	lines := append(bytes.ReplaceAll(evidence, []byte("><"), []byte(">\n<")), '\n')
	for file, text := range map[string][]byte{"record.json": pretty.Bytes(), "evidence.xml": lines} {
		if err := os.WriteFile(found+file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
