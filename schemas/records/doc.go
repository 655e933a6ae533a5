// Package records publishes the canonical records: what a register's answer is
// turned into, whatever the register's own format. It owns one JSON Schema
// (2020-12) per type of record, NAME.v1.json, and the vocabulary that they share
// (vocabulary.v1.json: person, address, organisation, identifier, amount, period,
// partial date). The nouns are those of the SDG data models and of the ISA core
// vocabularies; births, marriages and residence hold the facts of the
// multilingual forms (Reg. (EU) 2016/1191).
//
// A schema judges form and vocabulary, not truth. A type grows by new fields
// that may be missing; a changed meaning is a new version of the file.
//
// Before it: the rules of a register.yaml (connectors/register). After it:
// connectors/evidence, which makes documents of a record.
package records
