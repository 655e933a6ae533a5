// Package discovery finds the access point of a participant that no static agreement
// names: it asks the DNS for the participant's service metadata publisher (BDXL,
// U-NAPTR), the publisher for the signed metadata of a document and a process (SMP
// 1.0, SMP 2.0, Peppol), and makes of the endpoint it finds an agreement as pmode has
// them. For senders that no agreement names it makes the agreement of a dynamic
// receiver. It is off unless configured; the Once-Only Technical System uses static
// agreements only.
//
// It owns identifiers and their DNS names, SMP documents, the check of
// their signatures, and what is remembered of the answers. It does not own messages,
// keys or agreements in general. Before it: edelivery, which asks when its table has no
// agreement. After it: naptr, which asks the DNS, and the publishers; both may be hostile.
package discovery
