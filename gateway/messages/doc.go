// Package messages is the message log of the access point as operators know it:
// where every AS4 message stands, how it came there, and sending one again.
//
// It owns the memory of notes (Store), the queue in front of it (Journal), how
// notes are read back from the log (Recover), and the rules of a resend (Desk).
// It does not own the note (canon), the sending (connectors/edelivery) or what an
// exchange makes of a receipt (gateway/exchange). Nothing is decided by a note but
// whether an operator may resend: losing all of them costs a look at the log.
//
// Before it: connectors/edelivery notes, gateway/replay writes to the log again.
// After it: gateway/api, gateway/web and cmd show and resend; gateway/redisstore
// keeps.
package messages
