// Package ebms reads and writes the ebMS 3.0 header of an AS4 message.
//
// It owns the typed UserMessage and SignalMessage, the structural rules of the
// header, and the one table of error codes EBMS:nnnn. It does not own security:
// it reads an element that somebody verified. Before it: xmldoc and wssec.
// After it: pmode (which agreement is this?), edelivery and the codecs.
package ebms
