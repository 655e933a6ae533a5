// Package evidence makes documents of canonical records: the structured XML that
// travels and the pages that people read. It owns, as data under types/, one
// folder per type of record: evidence.yaml (record -> XML), evidence.xsd (what
// that XML is, in a namespace of ours) and page.yaml (what stands where on the
// pages), and beside them the words of the pages in several languages.
//
// It does not judge records (schemas/records) and asks nobody.
//
// Before it: connectors/register, with a record that keeps its schema. After it:
// the evidence response and, through connectors/pdf, the eyes of people.
package evidence
