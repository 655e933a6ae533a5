// Package mapping is the rule language: it compiles rules written in YAML and
// runs them, turning one tree into one value (a register's XML into a canonical
// record) or the reverse (a query or a record into XML).
//
// It owns the language: expressions (a closed subset of XPath 1.0), rules, code
// lists (own and published), the set of functions, the .maptest format, and faults
// with file, line, column and caret; and what tools ask about rules: lineage of a
// run (Trace), what many runs never used (Coverage), what other rules would change
// (Compare, Diff), what is doubtful (Lint). A program is total and does no I/O: it has no loops but the
// walk over its input, a budget bounds its work, and it knows no time, no
// randomness, no file. It owns neither XML text (connectors/xmldoc reads and
// writes it; mapping sees Node and makes Element) nor what a record means.
//
// Before it: connectors/register, which holds the rules of each register. After
// it: the canonical record on its way to the log, or XML on its way to a wire.
package mapping
