// Package soapsec secures SOAP messages to national registers with WS-Security 1.1.1:
// a UsernameToken, a signature with an X.509 certificate over Body, Timestamp,
// UsernameToken and WS-Addressing headers, and the check of a signed reply.
//
// It owns the layout of wsse:Security and the rule of what must be signed and fresh.
// It does not own cryptography (xmlsec), paths of certificates (certpath) or the
// envelope, and it encrypts nothing: TLS does. AS4 has a profile of its own, in
// edelivery/wssec. Before it: register, which writes the envelope; after it:
// register, which reads a reply that was opened here.
package soapsec
