// Package schemas publishes the canonical contracts and says whether a JSON
// document keeps its contract. It owns one JSON Schema (2020-12) per kind of
// canon, one per private part in its clear shape (.private.json), and the parts
// that they share (parts.v1.json). Code lists are in schemas/codes.
//
// A schema judges form: names, types, lengths, counts, formats. Whether a
// procedure exists or two parties may speak is a rule of business and judged
// elsewhere. What a schema allows has bounds, so that a valid document is also a
// small one.
//
// Before it: canon, whose Go types have the same fields (a test compares them).
// After it: gateway/kafkalog, which checks every body it writes and reads, and
// people who write other readers of the topics.
package schemas
