// Package xmldoc is the only door for XML: every document that enters the house
// is read here and every document that leaves it is built here.
//
// It owns a strict tokenizer of its own that reads the bytes once into a compact,
// read-only tree, the canonical forms that signatures are computed over (exclusive
// and inclusive C14N 1.0, inclusive C14N 1.1), and a builder for the documents we send. It is narrower
// than XML 1.0 with Namespaces on purpose: no DOCTYPE, hence no entities beyond the
// five predefined ones, no defaulted attributes and no XML 1.1.
//
// It does not own meaning: schemas, business rules, signatures and fetching are for
// others. Before it stand the rooms that read bytes from a peer or a register; after
// it xmlsec, edelivery, regrep, directory and register, which see Elements only.
//
// A Document and its handles are immutable and safe for concurrent use. Strings that
// they return are slices of the document: keep one and you keep the document's bytes.
package xmldoc
