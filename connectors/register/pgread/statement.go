package pgread

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxStatement  = 64 << 10
	maxParameters = 64
)

// A StatementError is what is wrong with a statement, and where.
type StatementError struct {
	Offset int // in bytes
	Reason string
}

func (e *StatementError) Error() string { return e.Reason }

// Check looks whether a text is one SELECT, with or without WITH, whose parameters
// are $1 to $n, and returns n. It helps authors: what keeps a statement from
// writing is the read-only transaction.
func Check(sql string) (parameters int, err *StatementError) {
	if len(sql) > maxStatement {
		return 0, &StatementError{0, fmt.Sprintf("a statement has at most %d bytes", maxStatement)}
	}
	l := lexer{sql: sql}
	var used []int
	first, ended, before := true, false, ""
	for {
		t, fault := l.next()
		switch {
		case fault != nil:
			return 0, fault
		case t.kind == tokenEnd:
			return count(used, first)
		case ended:
			return 0, &StatementError{t.at, "one statement only"}
		}
		word := ""
		switch t.kind {
		case tokenSemicolon:
			ended = true
		case tokenParameter:
			if !slices.Contains(used, t.number) {
				used = append(used, t.number)
			}
		case tokenWord:
			word = strings.ToUpper(t.text)
			if why := wrong(word, before); why != "" {
				return 0, &StatementError{t.at, why}
			}
		}
		if first && word != "SELECT" && word != "WITH" {
			return 0, &StatementError{t.at, "a statement begins with SELECT or WITH"}
		}
		first, before = false, word
		if t.kind == tokenOther {
			before = t.text
		}
	}
}

func count(used []int, empty bool) (int, *StatementError) {
	if empty {
		return 0, &StatementError{0, "a statement begins with SELECT or WITH"}
	}
	for i := range used {
		if !slices.Contains(used, i+1) {
			return 0, &StatementError{0, fmt.Sprintf("the parameters are $1 to $%d; $%d is missing", slices.Max(used), i+1)}
		}
	}
	return len(used), nil
}

// wrong says why a word may not stand in a statement. A column of such a name is
// written in double quotes, or after the name of its table.
func wrong(word, before string) string {
	switch word {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE":
		if before != "." {
			return "a statement only reads: " + word + ` is refused (a column of this name is written "` + strings.ToLower(word) + `")`
		}
	case "INTO":
		return "a statement only reads: SELECT INTO makes a table"
	case "SHARE":
		if before == "FOR" || before == "KEY" {
			return "a statement only reads: it locks no rows"
		}
	}
	return ""
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenParameter
	tokenSemicolon
	tokenOther
)

type token struct {
	kind   tokenKind
	at     int
	text   string
	number int
}

// A lexer finds words, parameters and semicolons outside of what is quoted, as
// PostgreSQL does (4.1 Lexical Structure).
type lexer struct {
	sql string
	at  int
}

func (l *lexer) next() (token, *StatementError) {
	for l.at < len(l.sql) {
		start, c, rest := l.at, l.sql[l.at], l.sql[l.at:]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			l.at++
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			l.at += end
		case strings.HasPrefix(rest, "/*"):
			if !l.comment() {
				return token{}, &StatementError{start, "the comment is not closed"}
			}
		case c == '\'':
			if !l.quoted('\'', false) {
				return token{}, &StatementError{start, "the quotation mark is not closed"}
			}
			return token{kind: tokenOther, at: start}, nil
		case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
			l.at++
			if !l.quoted('\'', true) {
				return token{}, &StatementError{start, "the quotation mark is not closed"}
			}
			return token{kind: tokenOther, at: start}, nil
		case c == '"':
			if !l.quoted('"', false) {
				return token{}, &StatementError{start, "the quotation mark is not closed"}
			}
			return token{kind: tokenOther, at: start}, nil
		case c == '$':
			return l.dollar()
		case c == ';':
			l.at++
			return token{kind: tokenSemicolon, at: start}, nil
		case c == 0:
			return token{}, &StatementError{start, "a statement holds no NUL"}
		case wordStart(c):
			for l.at < len(l.sql) && (wordStart(l.sql[l.at]) || digit(l.sql[l.at]) || l.sql[l.at] == '$') {
				l.at++
			}
			return token{kind: tokenWord, at: start, text: l.sql[start:l.at]}, nil
		case digit(c):
			for l.at < len(l.sql) && (digit(l.sql[l.at]) || wordStart(l.sql[l.at]) || l.sql[l.at] == '.') {
				l.at++
			}
			return token{kind: tokenOther, at: start}, nil
		default:
			l.at++
			return token{kind: tokenOther, at: start, text: l.sql[start:l.at]}, nil
		}
	}
	return token{kind: tokenEnd, at: l.at}, nil
}

func wordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// comment passes over /* */, which nest.
func (l *lexer) comment() bool {
	depth := 0
	for l.at < len(l.sql) {
		switch {
		case strings.HasPrefix(l.sql[l.at:], "/*"):
			depth++
			l.at += 2
		case strings.HasPrefix(l.sql[l.at:], "*/"):
			l.at += 2
			if depth--; depth == 0 {
				return true
			}
		default:
			l.at++
		}
	}
	return false
}

// quoted passes over a quoted text; a doubled mark stands for itself.
func (l *lexer) quoted(mark byte, backslash bool) bool {
	for l.at++; l.at < len(l.sql); l.at++ {
		switch {
		case backslash && l.sql[l.at] == '\\':
			l.at++
		case l.sql[l.at] != mark:
		case l.at+1 < len(l.sql) && l.sql[l.at+1] == mark:
			l.at++
		default:
			l.at++
			return true
		}
	}
	return false
}

// dollar reads $1, or passes over $tag$ ... $tag$.
func (l *lexer) dollar() (token, *StatementError) {
	start := l.at
	end := start + 1
	for end < len(l.sql) && (wordStart(l.sql[end]) || digit(l.sql[end])) {
		end++
	}
	inner := l.sql[start+1 : end]
	if inner != "" && digit(inner[0]) {
		n, err := strconv.Atoi(inner)
		if err != nil || n < 1 || n > maxParameters {
			return token{}, &StatementError{start, fmt.Sprintf("parameters are $1 to $%d", maxParameters)}
		}
		l.at = end
		return token{kind: tokenParameter, at: start, number: n}, nil
	}
	if end == len(l.sql) || l.sql[end] != '$' {
		return token{}, &StatementError{start, "want $1 or a text between $$ and $$"}
	}
	tag := l.sql[start : end+1]
	body, _, found := strings.Cut(l.sql[end+1:], tag)
	if !found {
		return token{}, &StatementError{start, "the text after " + tag + " is not closed"}
	}
	l.at = end + 1 + len(body) + len(tag)
	return token{kind: tokenOther, at: start}, nil
}
