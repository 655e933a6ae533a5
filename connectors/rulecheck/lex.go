package rulecheck

import (
	"strings"
)

// Bounds of one expression. The longest rule that is published has a tenth of them.
const (
	maxDepth = 32
	maxNodes = 600
)

type kind uint8

const (
	kEnd    kind = iota
	kName        // QName, prefix:* or *
	kString      // literal without its quotes
	kNumber
	kVar // $x, text without the dollar
	kOp  // punctuation
)

type token struct {
	kind kind
	text string
	at   int
}

// A fault is what is wrong with an expression and where.
type fault struct {
	at  int
	msg string
}

func (f *fault) Error() string { return f.msg }

func isNameStart(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isNameByte(c byte) bool  { return isNameStart(c) || isDigit(c) || c == '-' || c == '.' }
func isSpace(c byte) bool     { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// ops are the punctuation marks, longer ones first.
var ops = []string{"::", "//", "..", "!=", "<=", ">=", "(", ")", "[", "]", "/", "@", "|", "=", "<", ">", "+", "-", ",", ".", "*"}

func lex(s string) ([]token, *fault) {
	var out []token
next:
	for i := 0; i < len(s); {
		c := s[i]
		from := i
		switch {
		case isSpace(c):
			i++
			continue
		case c == '\'' || c == '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return nil, &fault{i, "the literal has no end"}
			}
			i += end + 2
			out = append(out, token{kString, s[from+1 : i-1], from})
			continue
		case isDigit(c):
			for i < len(s) && (isDigit(s[i]) || s[i] == '.') {
				i++
			}
			out = append(out, token{kNumber, s[from:i], from})
			continue
		case c == '$':
			for i++; i < len(s) && isNameByte(s[i]); i++ {
			}
			if i == from+1 || !isNameStart(s[from+1]) {
				return nil, &fault{from, "a variable needs a name"}
			}
			out = append(out, token{kVar, s[from+1 : i], from})
			continue
		case isNameStart(c):
			i = nameEnd(s, i)
			if i+1 < len(s) && s[i] == ':' && isNameStart(s[i+1]) {
				i = nameEnd(s, i+1)
			} else if i+1 < len(s) && s[i] == ':' && s[i+1] == '*' {
				i += 2
			}
			out = append(out, token{kName, s[from:i], from})
			continue
		}
		for _, op := range ops {
			if strings.HasPrefix(s[i:], op) {
				k := kOp
				if op == "*" {
					k = kName
				}
				out = append(out, token{k, op, i})
				i += len(op)
				continue next
			}
		}
		return nil, &fault{i, "this character has no meaning here"}
	}
	return append(out, token{kEnd, "", len(s)}), nil
}

func nameEnd(s string, i int) int {
	for i < len(s) && isNameByte(s[i]) {
		i++
	}
	return i
}
