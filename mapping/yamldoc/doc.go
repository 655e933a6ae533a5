// Package yamldoc reads YAML files that people write by hand: registers and
// mappings. It owns strictness (known keys only, no anchors, one document, a
// size limit) and places: every fault carries file, line, column and the
// source line, so that it can be shown with a caret under the culprit.
//
// It does not know what the keys mean. Before it: the file system of the
// caller. After it: mapping and connectors/register, which ask for values and
// report their own faults through the same Doc, so that one reading lists all
// of them (style 9).
package yamldoc
