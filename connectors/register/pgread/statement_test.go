package pgread

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name, sql, want string
		n, at           int
	}{
		{name: "plain", sql: "SELECT a FROM t WHERE b = $1 AND c = $2 AND d = $1", n: 2},
		{name: "with", sql: "with x as (select 1) select * from x;", n: 0},
		{name: "quoted words", sql: `SELECT 'insert into', "delete", t.update, E'\'; drop', $$ ; copy $$, $a$ ' $a$ FROM t -- insert` + "\n/* delete /* nested */ */ WHERE x = $1", n: 1},
		{name: "empty", sql: " -- nothing", want: "begins with SELECT"},
		{name: "insert", sql: "INSERT INTO t VALUES (1)", want: "INSERT is refused"},
		{name: "insert in a cte", sql: "WITH x AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM x", want: "INSERT is refused", at: 11},
		{name: "into", sql: "SELECT 1 INTO t", want: "makes a table", at: 9},
		{name: "for update", sql: "SELECT 1 FROM t FOR UPDATE", want: "UPDATE is refused", at: 20},
		{name: "for share", sql: "SELECT 1 FROM t FOR KEY SHARE", want: "locks no rows", at: 24},
		{name: "copy", sql: "COPY t TO PROGRAM 'x'", want: "begins with SELECT"},
		{name: "two", sql: "SELECT 1; SELECT 2", want: "one statement", at: 10},
		{name: "hidden behind a string", sql: `SELECT '\'; DELETE FROM t; --'`, want: "one statement"},
		{name: "gap", sql: "SELECT $1, $3", want: "$2 is missing"},
		{name: "zero", sql: "SELECT $0", want: "parameters are", at: 7},
		{name: "many", sql: "SELECT $65", want: "parameters are", at: 7},
		{name: "open string", sql: "SELECT 'a", want: "not closed", at: 7},
		{name: "open comment", sql: "SELECT 1 /* /* */", want: "not closed", at: 9},
		{name: "open dollar", sql: "SELECT $x$ a", want: "not closed", at: 7},
		{name: "nul", sql: "SELECT \x00", want: "NUL", at: 7},
		{name: "long", sql: "SELECT '" + strings.Repeat("a", maxStatement) + "'", want: "at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := Check(tc.sql)
			switch {
			case tc.want == "" && err != nil:
				t.Fatal(err)
			case tc.want == "":
				if n != tc.n {
					t.Errorf("got %d parameters, want %d", n, tc.n)
				}
			case err == nil || !strings.Contains(err.Reason, tc.want):
				t.Errorf("got %v, want %q", err, tc.want)
			case tc.at != 0 && err.Offset != tc.at:
				t.Errorf("got offset %d, want %d", err.Offset, tc.at)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("SELECT $1 /* */ -- \n $$x$$ E'\\''")
	f.Fuzz(func(t *testing.T, sql string) {
		if n, err := Check(sql); err == nil && (n < 0 || n > maxParameters) || err != nil && (err.Offset < 0 || err.Offset > len(sql)) {
			t.Fatal(n, err)
		}
	})
}

// Every class of SQLSTATE that says "try again" is told from those that stay wrong.
func TestMeaning(t *testing.T) {
	for state, down := range map[string]bool{
		"08006": true, "53300": true, "57014": true, "57P01": true, "28P01": true, "3D000": true, "40001": true, "55P03": true, "XX000": true,
		"42P01": false, "42601": false, "22P02": false, "25006": false, "21000": false, "": true, "Ana M": true,
	} {
		detail, got := meaning(state)
		if got != down || detail == "" || state != "" && strings.Contains(detail, state) {
			t.Errorf("%q: got %q, %v", state, detail, got)
		}
	}
}
