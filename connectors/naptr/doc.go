// Package naptr asks the DNS for NAPTR records and applies them: domain name in,
// address of a service out (U-NAPTR: RFC 3403, RFC 4848).
//
// It owns the stub resolver and the records. It does not own which name is asked,
// what stands at the address, nor how long an answer is remembered. Before it:
// edelivery/discovery, which looks for publishers of metadata, and directory, which
// looks for instances of the common services. After it: recursive resolvers, whose
// answers may be hostile.
package naptr
