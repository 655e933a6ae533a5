// Package pgread asks a register that is a PostgreSQL database: one prepared
// statement, run in a read-only transaction that is always rolled back, its rows
// written as XML for the rules of the register.
//
// It owns the connection and its settings, the guards around a statement, the form
// of the rows and the table of what PostgreSQL's errors mean. It does not make
// statements: a query gives values, never text of SQL, so there is nothing to
// inject into. Before it: connectors/register, which reads the statement from
// register.yaml. After it: a database of another house.
//
// What guards the database: a user with reading rights (a superuser is refused),
// default_transaction_read_only, BEGIN READ ONLY, statement_timeout, ROLLBACK. What
// guards us: the time of the context, bounds for messages, rows and bytes; too much
// is refused and never cut. Errors carry SQLSTATE and no text of the server, which
// quotes values.
package pgread
