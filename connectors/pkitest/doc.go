// Package pkitest makes the certificates of tests: authorities, the certificates that
// they issue, and keys of every kind that eDelivery AS4 names, also X25519.
//
// It owns how such a certificate is built and how it is written as PEM. It does not own
// who trusts it: each test says that. Keys are made for the run and never kept. What it
// cannot make is a broken program, hence it panics.
//
// Before it: nothing but the standard library. After it: the tests of connectors and of
// cmd, and the measurements in testdata/bench. Those of gateway, which knows no
// connectors, make their one certificate themselves.
package pkitest
