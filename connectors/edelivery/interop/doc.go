// Package interop proves the access point against stacks that others wrote: phase4
// and WSS4J, in a Java program of testdata/peers, and xmlsec1.
//
// It owns no code of the product, only tests; connectors/edelivery is tested here
// from outside, over HTTP. The live tests need ONCEGATE_TEST_PHASE4, the directory
// that testdata/peers/peers.sh builds (`make test-interop`), and are skipped
// without it. What phase4 once sent is replayed from testdata by every test run.
package interop
