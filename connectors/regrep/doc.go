// Package regrep translates OOTS evidence messages (EDM on RegRep 4) to and from
// the canonical nouns: request, preview required, response, error, in every version
// of the data model from 1.0 to 2.0.
//
// It owns the wire form of these messages: one reader and one writer, which an edition
// tells what its version has and has not; how header and document are tied together,
// how documents are tied to attachments and the payload store, and in which order a
// message is checked: XML, rules, structure, header, parts. A request that cannot be
// used becomes the refusal that names rule and place, in the version of the request;
// an answer that cannot be used is a fault, because an answer has no answer (TDD 4.7).
// What we write goes through the same checks before it leaves. Inspect gives the same
// report to the command line, and Cross compares an answer with its request.
//
// It does not own the business rules (schemas/rules, run by rulecheck) and the code
// lists (schemas/codes), which are data, nor the skeleton of the documents (rim), nor
// transport, signatures and parties of the access points (edelivery), nor what follows
// from a message (gateway/exchange). Before it: edelivery, which hands over verified
// parts, and the log. After it: the log, and edelivery, which sends what Encode makes.
//
// To add a version of the data model, add its row to editions and its rules to
// schemas/rules.
package regrep
