package xmldoc

import "fmt"

// A Reason says why a document was refused. The zero value is not a reason.
type Reason uint8

// The reasons for refusing a document.
const (
	ReasonUnset         Reason = iota
	ReasonTooLarge             // more bytes than Limits.MaxBytes
	ReasonTooDeep              // deeper than Limits.MaxDepth
	ReasonTooManyNodes         // more than Limits.MaxNodes
	ReasonTooManyAttrs         // more than Limits.MaxAttributes
	ReasonTooManySpaces        // more than Limits.MaxNamespaces
	ReasonNameTooLong          // a name or namespace name longer than Limits.MaxName
	ReasonEncoding             // not in the declared or a supported encoding
	ReasonDeclaration          // malformed XML declaration or a version other than 1.0
	ReasonDoctype              // a DOCTYPE, whatever it holds
	ReasonIllegalChar          // a character XML 1.0 does not allow
	ReasonEntity               // malformed reference or an entity that is not predefined
	ReasonBadName              // not a QName
	ReasonUndeclared           // a prefix without a declaration in scope
	ReasonReserved             // misuse of the prefixes or namespaces of xml and xmlns
	ReasonDuplicateAttr        // two attributes with one expanded name
	ReasonSyntax               // any other malformed markup
	ReasonCDataEnd             // "]]>" in character data
	ReasonComment              // "--" inside a comment
	ReasonInstruction          // malformed processing instruction, or one called xml
	ReasonMismatch             // end tag that does not match the start tag
	ReasonUnexpectedEnd        // the document stops inside markup or an element
	ReasonNoRoot               // no root element
	ReasonSecondRoot           // a second root element
	ReasonOutsideRoot          // text outside the root element
	ReasonRead                 // the reader failed
)

var reasonNames = [...]string{
	ReasonUnset: "unset", ReasonTooLarge: "too-large", ReasonTooDeep: "too-deep",
	ReasonTooManyNodes: "too-many-nodes", ReasonTooManyAttrs: "too-many-attributes",
	ReasonTooManySpaces: "too-many-namespaces", ReasonNameTooLong: "name-too-long",
	ReasonEncoding: "encoding", ReasonDeclaration: "declaration", ReasonDoctype: "doctype",
	ReasonIllegalChar: "illegal-character", ReasonEntity: "entity", ReasonBadName: "bad-name",
	ReasonUndeclared: "undeclared-prefix", ReasonReserved: "reserved-namespace",
	ReasonDuplicateAttr: "duplicate-attribute", ReasonSyntax: "syntax", ReasonCDataEnd: "cdata-end",
	ReasonComment: "comment", ReasonInstruction: "processing-instruction", ReasonMismatch: "mismatched-tag",
	ReasonUnexpectedEnd: "unexpected-end", ReasonNoRoot: "no-root", ReasonSecondRoot: "second-root",
	ReasonOutsideRoot: "outside-root", ReasonRead: "read",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// A ParseError says where and why a document was refused. Its text never holds
// character data or attribute values of the document.
type ParseError struct {
	Line, Col int // both from 1, the column in characters; 0 when there is no place
	Reason    Reason
	Msg       string
	Err       error // the reader's error for ReasonRead

	// For ReasonEncoding: what the declaration says, and what the bytes show, as far
	// as either is known.
	Declared, Found string
}

func (e *ParseError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("xml: %s: %s", e.Reason, e.Msg)
	}
	return fmt.Sprintf("xml:%d:%d: %s: %s", e.Line, e.Col, e.Reason, e.Msg)
}

func (e *ParseError) Unwrap() error { return e.Err }

// A ShapeError says that an element does not have the content a caller asked for.
type ShapeError struct {
	Line, Col int
	Path      string // of the element that was asked
	Want      Name   // the child or attribute asked for, if any
	Problem   Problem
}

// A Problem is what is wrong with the shape of an element.
type Problem uint8

// The problems of a ShapeError.
const (
	ProblemUnset      Problem = iota
	ProblemMissing            // no such child or attribute
	ProblemRepeated           // more than one such child
	ProblemNotText            // child elements where only text may stand
	ProblemUnexpected         // not the element or child that was asked for
)

var problemText = [...]string{
	ProblemUnset: "unset", ProblemMissing: "missing", ProblemRepeated: "more than one",
	ProblemNotText: "has child elements", ProblemUnexpected: "unexpected",
}

func (p Problem) String() string {
	if int(p) < len(problemText) {
		return problemText[p]
	}
	return fmt.Sprintf("problem(%d)", uint8(p))
}

func (e *ShapeError) Error() string {
	if e.Want.Local == "" {
		return fmt.Sprintf("xml:%d:%d: %s: %s", e.Line, e.Col, e.Path, e.Problem)
	}
	return fmt.Sprintf("xml:%d:%d: %s: %s %s", e.Line, e.Col, e.Path, e.Problem, e.Want.Local)
}
