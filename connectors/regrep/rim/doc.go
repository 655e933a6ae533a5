// Package rim reads and writes the skeleton that all documents of the Once-Only
// Technical System share: OASIS RegRep 4 (slots, values, collections, exceptions)
// with the parts of the generic metadata profile that stand in every one of them
// (agents, addresses, texts in languages).
//
// It owns structure: which element stands where, how often, and of which type. A
// Reader walks one document and keeps the first fault, which names the place and
// never a value. It does not own business rules, which are data (schemas/rules,
// run by connectors/rulecheck), nor what a document means.
//
// Before it: xmldoc. After it: regrep, which reads and writes evidence messages,
// and directory, which does so with the answers of the common services.
package rim
