package pgfake

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"oncegate/connectors/register/pgread"
)

// A Column is what a statement answers with.
type Column struct {
	Name string
	OID  uint32 // Default text
}

// An Error is what the database says instead of rows.
type Error struct {
	Code    string // SQLSTATE
	Message string
}

func (e *Error) Error() string { return e.Code + " " + e.Message }

// Config says what statements answer.
type Config struct {
	// Columns are those of a statement. Required.
	Columns func(statement string) ([]Column, error)
	// Rows answers a statement: a row for each hit, a value for each column, nil for
	// NULL. ctx ends with the connection. Required.
	Rows func(ctx context.Context, statement string, args []*string) ([][]*string, error)

	User, Password string // Default: anybody may ask
}

const (
	maxMessage = 1 << 20
	maxConns   = 64
	idle       = 10 * time.Minute
)

// Serve answers until ctx ends and every connection has.
func Serve(ctx context.Context, l net.Listener, conf Config) error {
	if conf.Columns == nil || conf.Rows == nil {
		return errors.New("a fake database: Columns and Rows are required")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	places := make(chan struct{}, maxConns)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("a fake database: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			s := &session{conf: conf, conn: conn, b: pgproto3.NewBackend(conn, conn), tx: 'I', prepared: map[string]string{}}
			s.b.SetMaxBodyLen(maxMessage)
			_ = s.run(ctx) // the client sees it: the connection is gone
		})
	}
}

type session struct {
	conf     Config
	conn     net.Conn
	b        *pgproto3.Backend
	tx       byte
	prepared map[string]string // statement by name
	bound    string            // statement of the portal
	args     []*string
	failed   bool // what follows up to Sync is passed over
}

func (s *session) run(ctx context.Context) error {
	if err := s.start(); err != nil {
		return err
	}
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		m, err := s.b.Receive()
		if err != nil {
			return err
		}
		if _, ends := m.(*pgproto3.Terminate); ends {
			return nil
		}
		if _, sync := m.(*pgproto3.Sync); s.failed && !sync {
			continue
		}
		if err := s.handle(ctx, m); err != nil {
			var refused *Error
			if !errors.As(err, &refused) {
				refused = &Error{"XX000", "the fake database cannot answer"}
			}
			s.b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: refused.Code, Message: refused.Message})
			s.failed = true
			if s.tx == 'T' {
				s.tx = 'E'
			}
			if _, simple := m.(*pgproto3.Query); simple {
				s.ready()
			}
		}
		if err := s.b.Flush(); err != nil {
			return err
		}
	}
}

func (s *session) ready() {
	s.failed = false
	s.b.Send(&pgproto3.ReadyForQuery{TxStatus: s.tx})
}

func (s *session) start() error {
	for {
		m, err := s.b.ReceiveStartupMessage()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			if _, err := s.conn.Write([]byte{'N'}); err != nil {
				return err
			}
		case *pgproto3.StartupMessage:
			if err := s.login(m.Parameters["user"]); err != nil {
				return err
			}
			s.b.Send(&pgproto3.AuthenticationOk{})
			for name, value := range map[string]string{"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on", "is_superuser": "off"} {
				s.b.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
			}
			s.b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
			s.ready()
			return s.b.Flush()
		default: // a request to cancel: nothing here takes long
			return errors.New("no start of a session")
		}
	}
}

func (s *session) login(user string) error {
	if s.conf.Password == "" {
		return nil
	}
	s.b.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := s.b.Flush(); err != nil {
		return err
	}
	if err := s.b.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return err
	}
	m, err := s.b.Receive()
	if err != nil {
		return err
	}
	p, ok := m.(*pgproto3.PasswordMessage)
	if ok && user == s.conf.User && subtle.ConstantTimeCompare([]byte(p.Password), []byte(s.conf.Password)) == 1 {
		return nil
	}
	s.b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28P01", Message: "password authentication failed"})
	_ = s.b.Flush()
	return errors.New("a wrong password")
}

func (s *session) handle(ctx context.Context, m pgproto3.FrontendMessage) error {
	switch m := m.(type) {
	case *pgproto3.Query:
		s.simple(m.String)
	case *pgproto3.Parse:
		if _, err := pgread.Check(m.Query); err != nil {
			return &Error{"42601", "no statement that reads"}
		}
		if len(s.prepared) > 16 {
			return &Error{"53000", "too many prepared statements"}
		}
		s.prepared[m.Name] = m.Query
		s.b.Send(&pgproto3.ParseComplete{})
	case *pgproto3.Describe:
		return s.describe(m)
	case *pgproto3.Bind:
		statement, ok := s.prepared[m.PreparedStatement]
		if !ok {
			return &Error{"26000", "no such prepared statement"}
		}
		s.bound, s.args = statement, nil
		for i, v := range m.Parameters {
			if formatOf(m.ParameterFormatCodes, i) != pgproto3.TextFormat {
				return &Error{"0A000", "values are taken as text only"}
			}
			if v == nil {
				s.args = append(s.args, nil)
				continue
			}
			text := string(v)
			s.args = append(s.args, &text)
		}
		for i := range m.ResultFormatCodes {
			if m.ResultFormatCodes[i] != pgproto3.TextFormat {
				return &Error{"0A000", "values are given as text only"}
			}
		}
		s.b.Send(&pgproto3.BindComplete{})
	case *pgproto3.Execute:
		return s.execute(ctx)
	case *pgproto3.Close:
		delete(s.prepared, m.Name)
		s.b.Send(&pgproto3.CloseComplete{})
	case *pgproto3.Sync:
		s.ready()
	case *pgproto3.Flush:
	default:
		return &Error{"0A000", "this is not part of the fake database"}
	}
	return nil
}

func formatOf(codes []int16, i int) int16 {
	switch len(codes) {
	case 0:
		return pgproto3.TextFormat
	case 1:
		return codes[0]
	}
	return codes[min(i, len(codes)-1)]
}

// simple takes what sets a session and what begins and ends a transaction.
func (s *session) simple(text string) {
	for _, part := range strings.Split(text, ";") {
		word, _, _ := strings.Cut(strings.TrimSpace(part), " ")
		switch word = strings.ToUpper(word); word {
		case "":
			continue
		case "BEGIN":
			s.tx = 'T'
		case "ROLLBACK", "COMMIT":
			s.tx = 'I'
		case "SET", "--":
		default:
			s.b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000", Message: "the fake database answers prepared statements only"})
			s.ready()
			return
		}
		s.b.Send(&pgproto3.CommandComplete{CommandTag: []byte(word)})
	}
	if strings.Trim(text, "; ") == "" {
		s.b.Send(&pgproto3.EmptyQueryResponse{})
	}
	s.ready()
}

func (s *session) describe(m *pgproto3.Describe) error {
	statement := s.bound
	if m.ObjectType == 'S' {
		var ok bool
		if statement, ok = s.prepared[m.Name]; !ok {
			return &Error{"26000", "no such prepared statement"}
		}
		n, _ := pgread.Check(statement)
		oids := make([]uint32, n)
		for i := range oids {
			oids[i] = pgtype.TextOID
		}
		s.b.Send(&pgproto3.ParameterDescription{ParameterOIDs: oids})
	}
	columns, err := s.conf.Columns(statement)
	if err != nil {
		return err
	}
	d := &pgproto3.RowDescription{}
	for _, c := range columns {
		oid := c.OID
		if oid == 0 {
			oid = pgtype.TextOID
		}
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(c.Name), DataTypeOID: oid, DataTypeSize: -1, TypeModifier: -1})
	}
	s.b.Send(d)
	return nil
}

func (s *session) execute(ctx context.Context) error {
	rows, err := s.conf.Rows(ctx, s.bound, s.args)
	if err != nil {
		return err
	}
	for _, row := range rows {
		m := &pgproto3.DataRow{Values: make([][]byte, len(row))}
		for i, v := range row {
			if v != nil {
				m.Values[i] = []byte(*v)
			}
		}
		s.b.Send(m)
	}
	s.b.Send(&pgproto3.CommandComplete{CommandTag: fmt.Appendf(nil, "SELECT %d", len(rows))})
	return nil
}
