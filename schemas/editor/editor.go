// Package editor publishes the JSON Schemas (2020-12) with which editors complete
// and check what register owners write: mapping.v1.json for files of kind Mapping,
// register.v1.json for register.yaml. A file names its schema in its first line:
//
//	# yaml-language-server: $schema=.../schemas/editor/register.v1.json
//
// The schemas help while typing. They are laxer than the program, which checks
// expressions, names and places; what the program takes they take as well.
//
// It owns these two schemas and nothing else. Before it: nobody. After it: the
// editors of register owners, and the tools that write the schemas out.
package editor

import (
	_ "embed"
	"strings"
)

//go:embed mapping.v1.json
var mapping []byte

//go:embed register.v1.json
var register []byte

// Names are the schemas there are.
func Names() []string { return []string{"mapping", "register"} }

// Schema returns a schema as it is published, by its name or by that of its file; nil
// for an unknown name.
func Schema(name string) []byte {
	switch strings.TrimSuffix(name, ".v1.json") {
	case "mapping":
		return append([]byte(nil), mapping...)
	case "register":
		return append([]byte(nil), register...)
	}
	return nil
}
