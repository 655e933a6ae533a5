// Package regrep translates OOTS evidence messages (EDM on RegRep 4) to and from
// the canonical nouns: request, preview required, response, error.
//
// It owns the wire form of every EDM version it speaks, one edition each, the
// business rules that a document must keep (R-EDM-REQ, -RESP, -ERR) and those of
// the message properties (R-EDM-ebMS), the table of EDM error codes, and the
// tying of attachments to the payload store. A request that cannot be read
// becomes the refusal that names the broken rule; an answer that cannot be read
// is a fault, because an answer has no answer (TDD 4.7).
//
// It does not own transport, signatures or parties of the access points
// (edelivery), nor what follows from a message (gateway/exchange). Before it:
// edelivery, which hands over verified parts, and the log. After it: the log,
// and edelivery, which sends what Encode makes.
//
// To add an EDM version, write its edition beside edm20 and name it in New.
package regrep
