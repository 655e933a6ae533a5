// Package answers is the wire form of what the Evidence Broker and the Data
// Service Directory answer (TDD 3.1, 3.2): its nouns, and the codec that writes
// and reads them in the shapes of Common Services 1.0, 1.2 and 2.0.
//
// It owns the order of elements, the differences between the editions and the
// RegRep frame around them. It does not own HTTP, signatures, caching or what
// is answered to whom. Before it: directory/service and directory/lcm, which
// write; after it: directory.Client, which reads.
package answers
