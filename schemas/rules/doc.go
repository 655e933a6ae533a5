// Package rules publishes the business rules of the Once-Only Technical System as
// data: one file of YAML per kind of document, one row per rule. It owns the rows,
// their reading and their strictness; it does not know XML and evaluates nothing.
//
// A file is called <document>.yaml and looks like this:
//
//	document: edm-request
//	rules:
//	  - id: R-EDM-REQ-S005
//	    editions: ["1.0", "1.2", "2.0"]   # 1.1 documents are judged by 1.2
//	    severity: fatal                   # fatal, warning, caution or info
//	    context: /query:QueryRequest      # where the rule applies
//	    test: count(rim:Slot[@name='SpecificationIdentifier']) = 1
//	    meaning: A request names the version of the data model exactly once.
//	    remedy: Add one slot SpecificationIdentifier, for example oots-edm:v2.0.
//	    source: TDD 4.6                   # optional
//	    official_1_0: never-matches       # optional, see below
//	    official_note: The published context lacks a letter.
//
// All keys but the last three are required; an info row needs no remedy. A rule that
// the specification states in prose only has a label such as "TDD 4.7.1 Service" for an
// id, a published assertion without an id its file and place there: "EDM-RESP-S#35". An
// edition has one row of an id: where a rule reads otherwise in another edition it
// has a row of its own. meaning and remedy are our own words and name no value of a
// document. official_1_0 says how the published 1.0 test departs from its intent:
// never-matches, inverted, substring, informational or other; the comparison with
// the published Schematron reads it. A note of other begins with "Weaker:" where the
// published test finds less than ours and never more, with "Stricter:" the other way.
//
// # Context
//
// A context is one absolute location path, or several joined by |. Steps are names
// (query:Query, sdg:*, *), / and //, the last may be an attribute, and every step may
// have predicates. The rule is evaluated once for each node that the path selects;
// no node, no finding.
//
// # Test
//
// A test is an expression over the context node; the rule is broken where it is
// false. The language is a subset of XPath 2.0, total, without input and output:
//
//	paths         rim:Slot[@name='X']/rim:SlotValue  .  ..  ../@id  //sdg:Person
//	              ancestor::rim:Slot  following-sibling::*  preceding-sibling::*
//	              self::sdg:Name  /query:QueryRequest/@id  rim:Slot[1]  rim:Slot[last()]
//	              (sdg:Name | sdg:Title)/@lang
//	              current(): the node that the rule is evaluated for, within predicates
//	logic         or, and, not(x), if (x) then y else z
//	comparison    = != < <= > >=   existential over node sets, numbers as numbers
//	numbers       + -  1  0.5  count(p)  number(s)  string-length(s)  position()  last()
//	literals      'text'  "text"  true()  false()  ('a', 'b') on the right of = or !=
//	strings       string(s) normalize-space(s) starts-with(s, t) ends-with(s, t)
//	              contains(s, t) substring-before(s, t) substring-after(s, t)
//	              upper-case(s) lower-case(s) concat(s, t, ...)
//	              matches(s, 'RE2')  matches(s, 'RE2', 'i')   the pattern is a literal
//	sets          exists(p) empty(p) boolean(x) distinct(p): no value stands twice
//	              distinct-values(p): the values, each once
//	names         local-name(p) namespace-uri(p)
//	quantifiers   some $x in p satisfies t      every $x in p satisfies t
//	              p may be tokens(s, ','): the pieces of s, without outer space
//	ours          in-list(s, 'Procedures')  a code of that list, exactly as written
//	              uuid(s)        8-4-4-4-12 hexadecimal digits, nothing else
//	              date(s)        a day of the calendar, xsd:date
//	              date-time(s)   a time of the calendar, xsd:dateTime
//	              type(@xsi:type) = 'AnyValueType'   the local part of a QName
//	              expanded(@xsi:type) = '{urn:...}AnyValueType'
//	              having('id', s)  the elements of the document whose attribute id is s
//
// Where a function takes a string and gets a path, it reads the first node of it; the
// empty string where there is none. Values are compared as they stand: write
// normalize-space() where the specification ignores space; uuid, date, date-time,
// type, expanded and number do it themselves.
//
// Prefixes are fixed and independent of the document: query, rim, rs, lcm, sdg,
// xlink, xsi, xml and eb.
//
// # Samples
//
// testdata/base/<edition>-<document>[-variant].xml are valid documents with
// fictitious people. testdata/fails/<document>.yaml lists for every rule how to break
// it:
//
//   - rule: R-EDM-REQ-S005
//     editions: ["1.2", "2.0"]
//     base: edm-request            # 1.2-edm-request.xml and 2.0-edm-request.xml
//     edit:
//   - remove: rim:Slot[@name='SpecificationIdentifier']
//     also: [R-EDM-REQ-S099]       # optional: rules that cannot but break with it
//
// Edits are set (path, to), remove (path), add (parent path, xml, before or after: a
// child's name or path), rename (path, to) and attr (path, name, to; without to the
// attribute goes). Paths are those of tests, from the root element or absolute, and
// select at least one node. An attribute can be set and removed as well.
//
// Before it: nobody; it imports the YAML reader only. After it: connectors/rulecheck,
// which compiles the rows, and the writers of documentation.
package rules
