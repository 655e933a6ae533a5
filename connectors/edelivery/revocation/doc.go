// Package revocation says whether a certificate was taken back by its issuer: from
// CRLs in files, CRLs at configured addresses and OCSP responders (RFC 5280, RFC 6960).
//
// It owns what counts as an answer (signature, freshness, scope), how long answers are
// kept and what is fetched from where. It does not own the path: it takes one that
// wssec has validated. Each agreement has a policy: off, soft or hard.
//
// Before it: wssec, which asks once per certificate and keeps the verdict for as long
// as it holds. After it: files, and servers of certificate authorities, to which it
// speaks under limits of size and time and never in private networks unless allowed
// (i.19).
package revocation
