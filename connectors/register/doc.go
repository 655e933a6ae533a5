// Package register is the one engine that runs every register: it reads the
// register's definition (register.yaml: transport, rules, code lists), asks the
// register about one person, and turns the answer into a canonical record and
// the evidence document.
//
// It owns the form of register.yaml, the transports (one file each), the table
// of outcomes and the samples that prove a definition. It knows no national
// format: those are data under connectors/registers. It does not decide what
// follows from an answer, and it never retries: "no hit" is a message, "register
// down" an error, and the log tries again in place.
//
// Before it: register.query.v1 on the log. After it: register.record.v1, with the
// record and the evidence behind PayloadRefs.
package register
