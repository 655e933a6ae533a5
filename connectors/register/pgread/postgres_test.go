package pgread_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oncegate/connectors/register/pgread"
)

// A real PostgreSQL, where ONCEGATE_TEST_POSTGRES names one
// (testdata/services/services.sh start postgres).
type server struct {
	host string
	port uint16
	dir  string
	conn *pgx.Conn // the superuser's
}

func realServer(t *testing.T) *server {
	t.Helper()
	at := os.Getenv("ONCEGATE_TEST_POSTGRES")
	if at == "" {
		if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
			t.Fatal("ONCEGATE_TEST_POSTGRES is not set: the services are required here")
		}
		t.Skip("ONCEGATE_TEST_POSTGRES is not set: run testdata/services/services.sh start postgres")
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{host: u.Hostname(), port: uint16(port), dir: os.Getenv("ONCEGATE_TEST_POSTGRES_DIR")}
	conf, err := pgx.ParseConfig(at)
	if err != nil {
		t.Fatal(err)
	}
	conf.User, conf.Password = "postgres", s.password(t)
	if s.conn, err = pgx.ConnectConfig(t.Context(), conf); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close(context.Background()) })
	return s
}

func (s *server) password(t *testing.T) string {
	b, err := os.ReadFile(filepath.Join(s.dir, "password"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (s *server) do(t *testing.T, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := s.conn.Exec(context.Background(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

const readerPassword = "gateway-password"

// register makes a database with a user that may read (and, what no deployment
// should grant, write): the guard is the transaction.
func (s *server) register(t *testing.T) (conf pgread.Config, admin *pgx.Conn) {
	t.Helper()
	name := fmt.Sprintf("og_%d_%d", os.Getpid(), time.Now().UnixNano())
	s.do(t, "CREATE DATABASE "+name, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, readerPassword))
	c := s.conn.Config().Copy()
	c.Database = name
	admin, err := pgx.ConnectConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = admin.Close(context.Background())
		s.do(t, "DROP DATABASE "+name+" WITH (FORCE)", "DROP ROLE "+name)
	})
	for _, sql := range []string{
		`CREATE TYPE standing AS ENUM ('open', 'closed')`,
		`CREATE DOMAIN code AS text CHECK (value <> '')`,
		`CREATE TABLE person (id bigint PRIMARY KEY, code code NOT NULL, family text, born date, income numeric(14,2), seen timestamptz,
			photo bytea, extra jsonb, note xml, given text[], standing standing, alive boolean)`,
		`INSERT INTO person VALUES (1, 'EE-1', 'O''Muestra; DROP TABLE person --', '1994-03-17', 1234567890.10, '2024-05-06 07:08:09.25+02',
			'\x00ff', '{"address": [{"town": "Tartu"}, {"town": "Narva"}], "none": null}', '<n xmlns="urn:n">x</n>', '{Ana,"Eva Maria"}', 'open', true),
			(2, 'EE-2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		`CREATE TABLE written (what text)`,
		`CREATE FUNCTION sneak(x text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO written VALUES (x); RETURN x; END $$`,
		`CREATE FUNCTION export(x text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE 'COPY person TO PROGRAM ''cat > /dev/null'''; RETURN x; END $$`,
		`CREATE SEQUENCE counter`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO ` + name,
		`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ` + name,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return pgread.Config{Host: s.host, Port: s.port, Database: name, User: name, Password: readerPassword}, admin
}

func (s *server) tls(t *testing.T) *tls.Config {
	pem, err := os.ReadFile(filepath.Join(s.dir, "server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

const everything = `SELECT id, code, family, born, income, seen, photo, extra, note, given, standing, alive, 1.50::numeric AS "a b" FROM person WHERE code = $1`

func TestRows(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		conf, _ := s.register(t)
		conf.Statement, conf.TLS = everything, s.tls(t)
		got, err := reader(t, conf).Rows(within(t, patience), []*string{text("EE-1")})
		if err != nil {
			t.Fatal(err)
		}
		want := `<rows><row><id>1</id><code>EE-1</code><family>O'Muestra; DROP TABLE person --</family><born>1994-03-17</born><income>1234567890.10</income>` +
			`<seen>2024-05-06T05:08:09.25Z</seen><photo>AP8=</photo><extra><address><town>Tartu</town></address><address><town>Narva</town></address></extra>` +
			`<note><n xmlns="urn:n">x</n></note><given>Ana</given><given>Eva Maria</given><standing>open</standing><alive>true</alive><a_x0020_b>1.50</a_x0020_b></row></rows>`
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, err = reader(t, conf).Rows(within(t, patience), []*string{text("EE-2")}); err != nil || string(got) != `<rows><row><id>2</id><code>EE-2</code><a_x0020_b>1.50</a_x0020_b></row></rows>` {
			t.Errorf("NULLs: got %s, %v", got, err)
		}
		for _, nobody := range []*string{nil, text("' OR '1'='1"), text("EE-1' --"), text("'; DROP TABLE person; --")} {
			if got, err := reader(t, conf).Rows(within(t, patience), []*string{nobody}); err != nil || string(got) != "<rows></rows>" {
				t.Errorf("got %s, %v, want no rows", got, err)
			}
		}
	})
}

// What writes is refused by the transaction, whoever owns it, and nothing stays.
func TestWrites(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		conf, admin := s.register(t)
		for name, tc := range map[string]struct {
			statement, want string
		}{
			"function with a side effect": {"SELECT sneak($1)", "tries to write"},
			"insert by another name":      {`SELECT query_to_xml('INSERT INTO written VALUES (''x'') RETURNING 1', true, true, '') WHERE $1::text IS NOT NULL`, "refuses the statement"},
			"sequence":                    {"SELECT nextval('counter') WHERE $1::text IS NOT NULL", "tries to write"},
			"out of read only":            {`SELECT set_config('transaction_read_only', 'off', false) || sneak($1)`, "refuses the statement"},
			"files of the server":         {`SELECT pg_read_file('/etc/passwd') WHERE $1::text IS NOT NULL`, "refuses the statement for now"},
			"import of a file":            {`SELECT lo_import('/etc/passwd') WHERE $1::text IS NOT NULL`, "refuses the statement for now"},
			"no such table":               {"SELECT 1 FROM nothing WHERE 'x' = $1", "refuses the statement"},
			"value of another type":       {"SELECT 1 FROM person WHERE id = $1", "refuses a value"},
			"two rows for one":            {"SELECT (SELECT id FROM person) WHERE $1::text IS NOT NULL", "refuses the statement"},
		} {
			conf.Statement = tc.statement
			f := failure(t, second(reader(t, conf).Rows(within(t, patience), []*string{text("Ana Muestra")})))
			if !strings.Contains(f.Detail, tc.want) {
				t.Errorf("%s: got %v", name, f)
			}
			if strings.Contains(f.Error(), "Ana") || strings.Contains(f.Error(), "person") {
				t.Errorf("%s: the error quotes: %v", name, f)
			}
		}
		// A function of a superuser gets out of every transaction: it leaves our
		// database, and is what a deployment must not grant. Nothing of it is ours.
		var written, people int
		if err := admin.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM person)").Scan(&written, &people); err != nil {
			t.Fatal(err)
		}
		if written != 0 || people != 2 {
			t.Errorf("%d rows were written, %d people are left", written, people)
		}
	})
}

// A large object that a function makes is gone with the transaction.
func TestRollback(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		conf, admin := s.register(t)
		conf.Statement = "SELECT lo_create(0) WHERE $1::text IS NOT NULL"
		_, _ = reader(t, conf).Rows(within(t, patience), []*string{text("x")}) // newer servers refuse it
		var n int
		if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_largeobject_metadata").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d large objects are left, %v", n, err)
		}
	})
}

func TestSlowStatement(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		conf, admin := s.register(t)
		conf.Statement, conf.Conns = "SELECT pg_sleep($1::float8)", 1
		r := reader(t, conf)
		f := failure(t, second(r.Rows(within(t, time.Second), []*string{text("600")})))
		if !f.Down || !strings.Contains(f.Detail, "too long") {
			t.Errorf("got %v", f)
		}
		var n int
		if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'", conf.User).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d statements still run, %v", n, err)
		}
		if _, err := r.Rows(within(t, patience), []*string{text("0")}); err != nil {
			t.Errorf("after a slow one: %v", err)
		}
	})
}

func TestRefusedDatabases(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		good, admin := s.register(t)
		good.Statement = everything
		for name, tc := range map[string]struct {
			change func(*pgread.Config)
			want   string
		}{
			"superuser":        {func(c *pgread.Config) { c.User, c.Password = "postgres", s.password(t) }, "superuser"},
			"wrong password":   {func(c *pgread.Config) { c.Password = "wrong" }, "refuses our user"},
			"no such database": {func(c *pgread.Config) { c.Database = "nothing" }, "refuses our user"},
			"another name in the certificate": {func(c *pgread.Config) {
				c.TLS, c.Host = s.tls(t), "127.0.0.2"
			}, "does not answer"},
			"another authority": {func(c *pgread.Config) { c.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }, "does not answer"},
		} {
			conf := good
			tc.change(&conf)
			f := failure(t, second(reader(t, conf).Rows(within(t, patience), []*string{text("EE-1")})))
			if !f.Down || !f.Untouched || !strings.Contains(f.Detail, tc.want) || strings.Contains(f.Error(), conf.Password) {
				t.Errorf("%s: got %v", name, f)
			}
		}
		// Too many connections, and a connection that was cut meanwhile.
		if _, err := admin.Exec(t.Context(), "ALTER ROLE "+good.User+" CONNECTION LIMIT 1"); err != nil {
			t.Fatal(err)
		}
		one, two := reader(t, good), reader(t, good)
		if _, err := one.Rows(within(t, patience), []*string{text("EE-1")}); err != nil {
			t.Fatal(err)
		}
		if f := failure(t, second(two.Rows(within(t, patience), []*string{text("EE-1")}))); !f.Down || !strings.Contains(f.Detail, "too many connections") {
			t.Errorf("got %v", f)
		}
		if _, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", good.User); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first may meet the cut connection
			_, _ = one.Rows(within(t, patience), []*string{text("EE-1")})
		}
		if _, err := one.Rows(within(t, patience), []*string{text("EE-1")}); err != nil {
			t.Errorf("after a cut connection: %v", err)
		}
	})
}

// A table that changes under a prepared statement costs one try.
func TestChangedTable(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		conf, admin := s.register(t)
		conf.Statement, conf.Conns = "SELECT * FROM person WHERE code = $1", 1
		r := reader(t, conf)
		if _, err := r.Rows(within(t, patience), []*string{text("EE-2")}); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Exec(t.Context(), "ALTER TABLE person ADD COLUMN more text DEFAULT 'new'"); err != nil {
			t.Fatal(err)
		}
		if f := failure(t, second(r.Rows(within(t, patience), []*string{text("EE-2")}))); !f.Down {
			t.Errorf("got %v", f)
		}
		if got, err := r.Rows(within(t, patience), []*string{text("EE-2")}); err != nil || !strings.Contains(string(got), "<more>new</more>") {
			t.Errorf("got %s, %v", got, err)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := realServer(t)
		conf, _ := s.register(t)
		conf.Statement, conf.Conns = everything, 3
		r := reader(t, conf)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := r.Rows(within(t, patience), []*string{text("EE-1")}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}
