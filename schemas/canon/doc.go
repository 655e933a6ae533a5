// Package canon holds the nouns of the gateway: the canonical messages that
// travel on the log, their parts, and the contracts between rooms.
//
// It owns the Go shape of every canonical kind, the identifiers, the derivation
// of message ids, the sealed part of a body, and the fault catalogue. It does
// not own their JSON Schemas (package schemas), keys (gateway/payload) or any
// transport. Before it: nobody; it imports the standard library only. After it:
// every other room.
package canon
