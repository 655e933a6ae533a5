package pgread

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says which database, which statement, and how much to bear.
type Config struct {
	Host      string      // Required
	Port      uint16      // Default 5432
	Database  string      // Required
	User      string      // Required
	Password  string      // Default none
	TLS       *tls.Config // Default none: for loopback
	Statement string      // Required: as Check wants it
	MaxRows   int         // Required; more are refused
	MaxBytes  int64       // Required; of all rows as XML, and of one message of the server
	Conns     int         // Required; connections at one time
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var errs []error
	if c.Host == "" || c.Database == "" || c.User == "" {
		errs = append(errs, errors.New("host, database and user are required"))
	}
	if _, err := Check(c.Statement); err != nil {
		errs = append(errs, fmt.Errorf("statement: %s", err.Reason))
	}
	if c.MaxRows < 1 || c.MaxBytes < 1 || c.Conns < 1 {
		errs = append(errs, errors.New("the limits must be positive"))
	}
	return errors.Join(errs...)
}

// A Reader runs one statement on one database. It is safe for concurrent use.
type Reader struct {
	conf       Config
	parameters int
	pool       *pgxpool.Pool
	types      *pgtype.Map
}

// New makes a reader. It connects when it is asked.
func New(conf Config) (*Reader, error) {
	if err := conf.Validate(); err != nil {
		return nil, fmt.Errorf("reading from a database: %w", err)
	}
	if conf.Port == 0 {
		conf.Port = 5432
	}
	parameters, _ := Check(conf.Statement)
	// pgx makes its settings of the environment and of files of the home directory;
	// nothing of them may stay (style 9).
	pc, err := pgxpool.ParseConfig("host=localhost port=5432 user=none password=none dbname=none sslmode=disable " +
		"passfile=/dev/null sslcert='' sslkey='' sslrootcert='' target_session_attrs=any")
	if err != nil {
		return nil, errors.New("reading from a database: the environment of this process has PG variables that cannot be read")
	}
	c := &pc.ConnConfig.Config
	c.Host, c.Port, c.Database, c.User, c.Password = conf.Host, conf.Port, conf.Database, conf.User, conf.Password
	c.TLSConfig, c.Fallbacks, c.ValidateConnect = tlsFor(conf), nil, nil
	c.KerberosSrvName, c.KerberosSpn, c.SSLNegotiation = "", "", ""
	c.RuntimeParams = map[string]string{"application_name": "oncegate"}
	c.ConnectTimeout = 0 // the context's
	c.DialFunc = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	c.OnNotice, c.OnNotification = nil, nil
	c.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(int(conf.MaxBytes) + 64<<10) // a length that is believed is memory that is taken
		return f
	}
	pc.MaxConns, pc.MinConns, pc.MinIdleConns = int32(conf.Conns), 0, 0
	pc.MaxConnIdleTime, pc.MaxConnLifetime, pc.MaxConnLifetimeJitter = time.Minute, 30*time.Minute, 5*time.Minute
	pc.AfterConnect = settle
	r := &Reader{conf: conf, parameters: parameters, types: pgtype.NewMap()}
	// The pool's own context is not that of the first caller; Close ends what it runs.
	if r.pool, err = pgxpool.NewWithConfig(context.Background(), pc); err != nil {
		return nil, errors.New("reading from a database: the settings make no pool of connections")
	}
	return r, nil
}

func tlsFor(conf Config) *tls.Config {
	if conf.TLS == nil {
		return nil
	}
	t := conf.TLS.Clone()
	t.ServerName = conf.Host // verify-full: who vouches, and for whom
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	return t
}

// Close ends the connections. It waits for calls under way.
func (r *Reader) Close() { r.pool.Close() }

// session makes values read alike, whatever the database's own settings are, and
// every transaction one that only reads.
const session = `SET default_transaction_read_only = on; SET client_encoding = 'UTF8'; ` +
	`SET standard_conforming_strings = on; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; ` +
	`SET timezone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 1; ` +
	`SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s'`

// settle prepares a new connection.
func settle(ctx context.Context, conn *pgx.Conn) error {
	if conn.PgConn().ParameterStatus("is_superuser") == "on" {
		return errSuperuser // no transaction keeps it from files and programs of the server
	}
	_, err := conn.PgConn().Exec(ctx, session).ReadAll()
	return err
}

// Rows runs the statement with one value for each parameter, nil for NULL, and
// writes the rows as XML: rows/row/COLUMN. Errors are *Failure.
func (r *Reader) Rows(ctx context.Context, args []*string) ([]byte, error) {
	if len(args) != r.parameters {
		return nil, wrongf("the statement has %d parameters, the query gives %d values", r.parameters, len(args))
	}
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, failed(ctx, err, false)
	}
	defer conn.Release()
	rows, err := r.read(ctx, conn.Conn(), args)
	if err != nil {
		// Whatever state it is in: the next query gets a new connection. Close would
		// wait for rows that nobody reads.
		err = failed(ctx, err, true)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_ = conn.Conn().Close(ended)
		return nil, err
	}
	return rows, nil
}

// statementName is the name of the one prepared statement of a connection.
const statementName = "oncegate"

func (r *Reader) read(ctx context.Context, conn *pgx.Conn, args []*string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx) // ends what is not read to the end
	defer cancel()
	stmt, err := conn.Prepare(ctx, statementName, r.conf.Statement)
	if err != nil {
		return nil, err
	}
	w, err := r.writer(stmt.Fields)
	if err != nil {
		return nil, err
	}
	pg := conn.PgConn()
	if _, err := pg.Exec(ctx, begin(ctx)).ReadAll(); err != nil {
		return nil, err
	}
	values := make([][]byte, len(args))
	for i, a := range args {
		if a != nil {
			values[i] = []byte(*a)
		}
	}
	result := pg.ExecPrepared(ctx, statementName, values, nil, nil)
	for result.NextRow() {
		if err := w.row(result.Values()); err != nil {
			return nil, err
		}
	}
	if _, err := result.Close(); err != nil {
		return nil, err
	}
	if _, err := pg.Exec(ctx, "ROLLBACK").ReadAll(); err != nil {
		return nil, err
	}
	return w.end(), nil
}

// begin opens the transaction. The statement may take what time is left, less what
// it takes to tell us.
func begin(ctx context.Context) string {
	text := "BEGIN TRANSACTION READ ONLY"
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end) * 9 / 10
		text += "; SET LOCAL statement_timeout = " + strconv.FormatInt(max(left.Milliseconds(), 1), 10)
	}
	return text
}

// writer checks what the statement answers with.
func (r *Reader) writer(fields []pgconn.FieldDescription) (*writer, error) {
	if len(fields) == 0 {
		return nil, wrongf("the statement answers with no columns")
	}
	w := &writer{maxRows: r.conf.MaxRows, maxBytes: r.conf.MaxBytes}
	seen := map[string]bool{}
	for i, f := range fields {
		if seen[f.Name] {
			return nil, wrongf("column %d of the statement has the name of another one", i+1)
		}
		seen[f.Name] = true
		w.columns = append(w.columns, r.column(f.Name, f.DataTypeOID))
	}
	w.out = append(w.out, "<rows>"...)
	return w, nil
}
