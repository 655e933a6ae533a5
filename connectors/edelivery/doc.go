// Package edelivery is one eDelivery AS4 access point (profile 1.15).
//
// It owns the exchange of user messages, signed receipts and errors with other
// access points: the Receiver (an http.Handler), the Sender (a canon.Handler),
// duplicate detection and retries. It knows no business document: a Codec turns
// user messages into canonical messages and back. Before it: the wire and
// connectors/regrep. After it: the log. Its rooms are swa (MIME), ebms (header),
// wssec (signature and encryption) and pmode (agreements with partners).
package edelivery
