// Package audit owns the legal record: it chains audit events in the order of
// the log, proves that none was changed or left out, answers for one
// conversation and forgets at the end of the term (IR 2022/1463 Art. 17: twelve
// months at least).
//
// It does not decide what is recorded, and holds no person: events name
// conversation, step, peers and digests. Before it: every room that emits a
// canon.AuditEvent, by way of the topic audit.v1. After it: auditors.
package audit
