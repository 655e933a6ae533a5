// Package rulecheck judges XML documents by the rules of schemas/rules. It owns the
// expression language (grammar, compiler, functions), the engine and the shape of a
// report: Finding, Report. It does not own the rules, which are data, nor the decoding
// of messages, nor what follows from a finding.
//
// The rules of a document and an edition are compiled once. Their contexts are merged
// into one automaton over the steps of the document, so that one walk finds every
// place where a rule applies and a rule costs nothing elsewhere; tests are closures
// over an index of the document that is built in the same breath and kept for the next
// document. A document that keeps all rules is judged without allocation.
//
// A document comes from a stranger: what judging it may cost is bounded by its size,
// and one that would cost more ends in a finding called limit. A finding names the
// place and the rule, never a value of the document.
//
// Before it: xmldoc, which has read the document; schemas/rules and schemas/codes.
// After it: regrep, directory, edelivery and cmd/oncegate, which put it into refusals
// and reports.
package rulecheck
