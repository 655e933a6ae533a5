// Package edelivery is one eDelivery AS4 access point (profiles 1.15 and 2.0).
//
// It owns the exchange of user messages, signed receipts and errors with other
// access points: the Receiver (an http.Handler), the Sender (a canon.Handler), the
// Puller, test messages, duplicate detection, and series of attempts that outlive
// their worker. It knows no business document: a Codec turns user messages into
// canonical messages and back. It decides nothing by the Journal, which is for
// operators. Before it: the wire and connectors/regrep. After it: the log. Its rooms
// are swa (MIME), ebms (header), wssec (signature and encryption), pmode (agreements
// with partners), discovery (agreements that are looked up), keystore and revocation.
//
// A large message is never whole in the heap: its parts wait in unlinked temporary
// files, mapped into memory, where they are sealed and opened in place. What lies
// there in clear is compressed still; decompressed bytes never wait on a disk.
package edelivery
