package pgread_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"oncegate/connectors/register/pgfake"
	"oncegate/connectors/register/pgread"
	"oncegate/connectors/xmldoc"
)

const patience = 20 * time.Second // far beyond what any wait should take

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func listen(t *testing.T) (net.Listener, uint16) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, uint16(l.Addr().(*net.TCPAddr).Port)
}

func reader(t *testing.T, conf pgread.Config) *pgread.Reader {
	t.Helper()
	if conf.Host == "" {
		conf.Host, conf.Database, conf.User = "127.0.0.1", "register", "gateway"
	}
	if conf.Statement == "" {
		conf.Statement = "SELECT a FROM t WHERE b = $1"
	}
	if conf.MaxRows == 0 {
		conf.MaxRows, conf.MaxBytes = 10, 1<<20
	}
	if conf.Conns == 0 {
		conf.Conns = 2
	}
	r, err := pgread.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func text(s string) *string { return &s }

func failure(t *testing.T, err error) *pgread.Failure {
	t.Helper()
	var f *pgread.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure", err)
	}
	return f
}

// fake serves a fake database until the test ends.
func fake(t *testing.T, conf pgfake.Config) uint16 {
	t.Helper()
	l, port := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- pgfake.Serve(ctx, l, conf) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return port
}

func TestRowsOfAFakeDatabase(t *testing.T) {
	doc, err := xmldoc.ParseBytes([]byte(`<rows><row><name>Ana &amp; Eva</name><address><town>Tallinn</town></address><tag>a</tag><tag>b</tag></row><row><name>x</name><first_x0020_name>y</first_x0020_name></row></rows>`), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgfake.Columns(doc.Root())
	if err != nil {
		t.Fatal(err)
	}
	port := fake(t, pgfake.Config{
		User: "gateway", Password: "right",
		Columns: func(string) ([]pgfake.Column, error) { return columns, nil },
		Rows: func(_ context.Context, statement string, args []*string) ([][]*string, error) {
			switch {
			case args[0] == nil:
				return nil, nil
			case *args[0] == "fault":
				return nil, &pgfake.Error{Code: "22P02", Message: `invalid input syntax: "fault"`}
			case *args[0] != "17":
				return nil, fmt.Errorf("unexpected value")
			}
			return pgfake.Rows(columns, doc.Root())
		},
	})
	r := reader(t, pgread.Config{Port: port, Password: "right"})
	for range 3 { // the connection and its prepared statement serve again
		got, err := r.Rows(within(t, patience), []*string{text("17")})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != doc.Root().Raw() {
			t.Errorf("got  %s\nwant %s", got, doc.Root().Raw())
		}
	}
	if got, err := r.Rows(within(t, patience), []*string{nil}); err != nil || string(got) != "<rows></rows>" {
		t.Errorf("got %s, %v, want no rows", got, err)
	}
	_, err = r.Rows(within(t, patience), []*string{text("fault")})
	if f := failure(t, err); f.Down || strings.Contains(f.Error(), "syntax") {
		t.Errorf("got %v", f)
	}
	if _, err := r.Rows(within(t, patience), []*string{text("17")}); err != nil {
		t.Errorf("after an error: %v", err)
	}
	if f := failure(t, second(r.Rows(within(t, patience), nil))); f.Down {
		t.Errorf("got %v", f)
	}
	wrong := reader(t, pgread.Config{Port: port, Password: "wrong-password"})
	f := failure(t, second(wrong.Rows(within(t, patience), []*string{text("17")})))
	if !f.Down || !f.Untouched || strings.Contains(f.Error(), "wrong-password") || strings.Contains(f.Error(), "gateway") {
		t.Errorf("got %v", f)
	}
}

func second(_ []byte, err error) error { return err }

func TestLimits(t *testing.T) {
	port := fake(t, pgfake.Config{
		Columns: func(string) ([]pgfake.Column, error) { return []pgfake.Column{{Name: "a", OID: pgtype.TextOID}}, nil },
		Rows: func(_ context.Context, _ string, args []*string) ([][]*string, error) {
			if *args[0] == "many" {
				return make([][]*string, 1000), nil // each of no columns: malformed too
			}
			if *args[0] == "rows" {
				rows := make([][]*string, 1000)
				for i := range rows {
					rows[i] = []*string{text("x")}
				}
				return rows, nil
			}
			return [][]*string{{text(strings.Repeat("x", 600))}, {text(strings.Repeat("x", 600))}}, nil
		},
	})
	r := reader(t, pgread.Config{Port: port, MaxRows: 3, MaxBytes: 1000})
	for arg, want := range map[string]string{"rows": "more than 3 rows", "bytes": "larger than 1000 bytes", "many": "row of 0 columns"} {
		f := failure(t, second(r.Rows(within(t, patience), []*string{text(arg)})))
		if f.Down || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: got %v", arg, f)
		}
	}
}

// hostile is a server that logs anybody in, and then does as act says with the
// messages of the one who asks. hangUp ends it: pgx gives a server 15 s to end its
// side of a connection that is given up.
func hostile(t *testing.T, act func(conn net.Conn, b *pgproto3.Backend)) (port uint16, hangUp func()) {
	t.Helper()
	l, port := listen(t)
	over, hangUp := context.WithCancel(context.Background())
	t.Cleanup(hangUp)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				defer context.AfterFunc(over, func() { _ = conn.Close() })()
				b := pgproto3.NewBackend(conn, conn)
				if m, err := b.ReceiveStartupMessage(); err != nil {
					return
				} else if _, cancel := m.(*pgproto3.CancelRequest); cancel {
					return
				}
				b.Send(&pgproto3.AuthenticationOk{})
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				if b.Flush() == nil {
					act(conn, b)
				}
			}()
		}
	}()
	return port, hangUp
}

// answerUntil answers all that comes before the execution of the statement.
func answerUntil(b *pgproto3.Backend) bool {
	for {
		m, err := b.Receive()
		if err != nil {
			return false
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Parse:
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Describe:
			if m.ObjectType == 'S' {
				b.Send(&pgproto3.ParameterDescription{ParameterOIDs: []uint32{25}})
			}
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: 25}}})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			return b.Flush() == nil
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
		if b.Flush() != nil {
			return false
		}
	}
}

func TestHostileServers(t *testing.T) {
	for name, tc := range map[string]struct {
		act  func(conn net.Conn, b *pgproto3.Backend)
		down bool
		want string
	}{
		"hangs after login": {func(conn net.Conn, _ *pgproto3.Backend) { _, _ = io.Copy(io.Discard, conn) }, true, "in time"},
		"hangs before the rows": {func(conn net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			_, _ = io.Copy(io.Discard, conn)
		}, true, "in time"},
		"closes within a row": {func(conn net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			_, _ = conn.Write([]byte{'D', 0, 0, 0, 40, 0, 1, 0, 0, 0, 30, 'x'})
		}, true, "broke off"},
		"lies about the length of a message": {func(conn net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			_, _ = conn.Write([]byte{'D', 0x7f, 0xff, 0xff, 0xff, 0, 1})
			_, _ = io.Copy(io.Discard, conn)
		}, true, "broke off"},
		"lies about the length of a value": {func(conn net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			_, _ = conn.Write([]byte{'D', 0, 0, 0, 11, 0, 1, 0x7f, 0xff, 0xff, 0xff, 'x'})
			_, _ = io.Copy(io.Discard, conn)
		}, true, "broke off"},
		"sends rows without end": {func(_ net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			for {
				b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("x")}})
				if b.Flush() != nil {
					return
				}
			}
		}, false, "more than 10 rows"},
		"sends notices without end": {func(_ net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			for {
				b.Send(&pgproto3.NoticeResponse{Severity: "NOTICE", Message: "x"})
				if b.Flush() != nil {
					return
				}
			}
		}, true, "in time"},
		"speaks another language": {func(conn net.Conn, b *pgproto3.Backend) {
			_, _ = b.Receive()
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_, _ = io.Copy(io.Discard, conn)
		}, true, "database"},
		"quotes a person in an error": {func(_ net.Conn, b *pgproto3.Backend) {
			answerUntil(b)
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "Ana M", Message: "Ana Muestra", Detail: "Ana Muestra"})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'E'})
			_ = b.Flush()
		}, true, "error without a code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, hangUp := hostile(t, tc.act)
			r := reader(t, pgread.Config{Port: port})
			started := time.Now()
			_, err := r.Rows(within(t, 700*time.Millisecond), []*string{text("Ana Muestra")})
			if took := time.Since(started); took > patience/2 {
				t.Errorf("took %v", took)
			}
			hangUp()
			f := failure(t, err)
			if f.Down != tc.down || !strings.Contains(f.Detail, tc.want) {
				t.Errorf("got %v (down %v)", f, f.Down)
			}
			if strings.Contains(f.Error(), "Ana") {
				t.Errorf("the error names a person: %v", f)
			}
		})
	}
}

func TestNoDatabase(t *testing.T) {
	l, port := listen(t)
	_ = l.Close()
	f := failure(t, second(reader(t, pgread.Config{Port: port}).Rows(within(t, patience), []*string{nil})))
	if !f.Down || !f.Untouched {
		t.Errorf("got %v", f)
	}
}
