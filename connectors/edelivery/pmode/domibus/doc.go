// Package domibus reads and writes the P-Mode XML of Domibus, the access point
// that most of the Once-Only Technical System runs, and turns it into our own
// agreements and back.
//
// It owns the structure of that file, its checks, and the mapping: one process,
// leg, initiator and responder of Domibus is one P-Mode. It does not own our
// agreements (pmode) or any certificate: Domibus keeps those in a trust store.
// Before it: cmd, which reads files. After it: pmode, whose YAML it fills.
package domibus
