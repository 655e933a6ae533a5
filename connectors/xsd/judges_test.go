package xsd_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xsd"
)

// A verdict is what one engine says. Fault: it refuses the schema itself.
type verdict struct {
	fault string
	valid []bool
	said  []string
}

// suit is a schema with documents, as files below the root of the file system.
type suit struct {
	root    string // file of the schema
	catalog map[string]string
	docs    []string
}

func ours(t testing.TB, s suit) verdict {
	t.Helper()
	catalog := map[string]string{}
	for key, file := range s.catalog {
		catalog[key] = strings.TrimPrefix(file, "/")
	}
	schema, err := xsd.Compile(xsd.Config{FS: os.DirFS("/"), Root: strings.TrimPrefix(s.root, "/"), Catalog: catalog})
	if err != nil {
		return verdict{fault: err.Error()}
	}
	var v verdict
	for _, name := range s.docs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		valid, said := validate(schema, text)
		v.valid, v.said = append(v.valid, valid), append(v.said, said)
	}
	return v
}

func validate(schema *xsd.Schema, text []byte) (bool, string) {
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return false, err.Error()
	}
	found := schema.Validate(doc.Root())
	if len(found) == 0 {
		return true, ""
	}
	return false, found[0].String()
}

// xmllint is libxml2.
func xmllint(t testing.TB, s suit) verdict {
	t.Helper()
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint (package libxml2-utils) is not installed")
	}
	dir := t.TempDir()
	var entries strings.Builder
	for key, file := range s.catalog {
		fmt.Fprintf(&entries, "<uri name=%q uri=\"file://%s\"/><system systemId=%q uri=\"file://%s\"/>\n", key, file, key, file)
	}
	catalog := filepath.Join(dir, "catalog.xml")
	if err := os.WriteFile(catalog, []byte(`<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">`+entries.String()+`</catalog>`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "xmllint", append([]string{"--noout", "--nonet", "--schema", s.root}, s.docs...)...)
	cmd.Env = append(os.Environ(), "XML_CATALOG_FILES="+catalog)
	out, _ := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("WXS schema "+s.root+" failed to compile")) {
		return verdict{fault: string(out)}
	}
	said := map[string]string{}
	valid := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutSuffix(line, " validates"); ok {
			valid[name] = true
		} else if name, rest, ok := strings.Cut(line, ":"); ok && said[name] == "" {
			said[name] = rest
		}
	}
	var v verdict
	for _, d := range s.docs {
		v.valid, v.said = append(v.valid, valid[d]), append(v.said, said[d])
	}
	return v
}

// xerces is the engine of the JDK. One run judges many suits: a virtual machine takes
// its time to start.
func xerces(t testing.TB, suits ...suit) []verdict {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("javac (package default-jdk-headless) is not installed")
	}
	var in strings.Builder
	for _, s := range suits {
		in.WriteString("forget\n")
		for key, file := range s.catalog {
			fmt.Fprintf(&in, "catalog %s %s\n", key, file)
		}
		fmt.Fprintf(&in, "schema %s\n", s.root)
		for _, d := range s.docs {
			fmt.Fprintf(&in, "doc %s\n", d)
		}
	}
	cmd := exec.CommandContext(t.Context(), "java", "-XX:TieredStopAtLevel=1", "-Djdk.xml.maxOccurLimit=0", "-Djdk.xml.entityExpansionLimit=0", "-Djdk.xml.elementAttributeLimit=0", filepath.Join("testdata", "Judge.java"))
	cmd.Stdin = strings.NewReader(in.String())
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("java: %v\n%s", err, said.String())
	}
	lines := strings.Split(out.String(), "\n")
	next := func() (bool, string) {
		line := lines[0]
		lines = lines[1:]
		return line == "ok", strings.TrimPrefix(line, "no ")
	}
	var all []verdict
	for _, s := range suits {
		var v verdict
		if ok, why := next(); !ok {
			v.fault = why
		}
		for range s.docs {
			ok, why := next()
			v.valid, v.said = append(v.valid, ok), append(v.said, why)
		}
		all = append(all, v)
	}
	return all
}
