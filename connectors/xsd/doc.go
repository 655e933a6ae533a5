// Package xsd says whether a document keeps an XML Schema 1.0, as a register's
// answer must keep the schema that its owner published.
//
// It owns the reading of schema documents (include, chameleon include, import, an
// offline catalog), the components made of them, the built-in types with their facets,
// content models as automata with counters, wildcards, substitution groups, xsi:type,
// xsi:nil and identity constraints, and the findings with the place and the rule of the
// specification (cvc-...). Nothing is ever fetched: what a schema imports stands in the
// file system given, is named by the catalog, or is built in (the attributes of
// xml:, and XML Signature); xsi:schemaLocation of a document is never followed.
//
// It does not own xs:redefine (refused), XSD 1.1, and the constraints on schemas that
// say nothing about documents: above all that a restriction's content model is a
// subset of its base's. A finding never quotes the document.
//
// Before it: connectors/register with the files of a register's folder and a parsed
// answer (xmldoc). After it: nobody.
//
// A Schema is immutable and safe for concurrent use. The cost of Validate is bounded
// by the size of the document times the depth; the cost of Compile by Limits.
package xsd
