// Package httpsig signs and verifies the answers of the common services: a
// detached JWS in a header, over the digest of the body in another (TDD 3.6.2;
// JAdES, ETSI TS 119 182-1, mechanism HttpHeaders; RFC 7515, RFC 7797).
//
// It owns the two headers, the closed list of algorithms and what a certificate
// must be to speak for the common services. It does not own fetching, nor whether
// an answer fits the question: a signature says nothing of the question.
//
// Before it: directory.Client, which verifies what it fetched, and
// directory/service, which signs what it answers. After it: crypto of the
// standard library.
package httpsig
