// Package pgfake is a database that holds no data: it speaks enough of
// PostgreSQL's protocol to take one prepared statement after another and to answer
// with rows that it is given. The sandbox runs SQL registers on it, and tests run
// connectors/register/pgread on it where there is no PostgreSQL.
//
// It owns its end of the protocol (pgproto3) and the way from recorded rows as XML
// back to columns. It does not read SQL: who runs it says what a statement answers.
// It is no judge of pgread: a real PostgreSQL is (testdata/services).
package pgfake
