// Package schematest checks documents of the common services in tests, with
// xmllint and the XML schemas of their edition (assets/oots: 1.0 official, 1.2
// and 2.0 reconstructed).
//
// It owns which schemas are those of an edition, and how what they import is found
// without a network. Before it: tests of answers, service and lcm; after it: nobody.
package schematest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"oncegate/schemas/assets"
)

// Check validates documents against the schemas of an edition: 1.0, 1.2 or 2.0.
func Check(t testing.TB, edition string, docs ...[]byte) {
	t.Helper()
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint (package libxml2-utils) is not installed")
	}
	root, driver := assets.Path(t, "oots"), ""
	switch edition {
	case "1.0":
		root = filepath.Join(root, "tdd-1.0-artefacts", "xsd")
		driver = "oots_driver_v1.0.0.xsd"
	default:
		root = filepath.Join(root, "xsd-reconstructed")
		driver = "oots_driver_" + edition + "-UNOFFICIAL.xsd"
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The schemas name some of each other by addresses of the network, and some not at all.
	catalog := write("catalog.xml", fmt.Appendf(nil, `<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">
<rewriteURI uriStartString="http://docs.oasis-open.org/regrep/regrep-core/v4.0/os/xsd/" rewritePrefix="file://%[1]s/regrep4/"/>
<rewriteURI uriStartString="http://www.w3.org/2001/xml.xsd" rewritePrefix="file://%[1]s/xml/xml.xsd"/>
<rewriteURI uriStartString="http://www.w3.org/2009/01/xml.xsd" rewritePrefix="file://%[1]s/xml/xml.xsd"/>
</catalog>`, root))
	schema := write("driver.xsd", fmt.Appendf(nil, `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="file://%[1]s/xml/xml.xsd"/>
<xs:import namespace="http://www.w3.org/1999/xlink" schemaLocation="file://%[1]s/xml/xlink.xsd"/>
<xs:import namespace="http://www.w3.org/2005/08/addressing" schemaLocation="file://%[1]s/xml/ws-addr.xsd"/>
<xs:import namespace="http://data.europa.eu/p4s" schemaLocation="file://%[1]s/sdg/%[2]s"/>
</xs:schema>`, root, driver))
	args := []string{"--noout", "--nonet", "--schema", schema}
	for i, d := range docs {
		args = append(args, write(fmt.Sprintf("document-%d.xml", i), d))
	}
	cmd := exec.CommandContext(t.Context(), "xmllint", args...)
	cmd.Env = append(os.Environ(), "XML_CATALOG_FILES="+catalog)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("schema of %s: %v\n%s", edition, err, bytes.TrimSpace(out))
	}
}
