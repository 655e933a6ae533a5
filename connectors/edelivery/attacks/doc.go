// Package attacks is the corpus of attacks that the access point must withstand: each
// with what the attacker does and the refusal that is expected. It holds tests only.
// They drive the public API as a peer would, over HTTP, with messages of our own
// Sender and Seal that are changed afterwards, signed again where the attacker is a
// partner. Every case leaves nothing published, gives no receipt, and leaves the
// receiver able to take the unchanged message.
//
// The limits and refusals themselves belong to edelivery, swa, wssec, xmlsec and
// xmldoc, whose own tests look at them from within.
package attacks
