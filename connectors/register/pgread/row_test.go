package pgread

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"oncegate/connectors/xmldoc"
)

func rowOf(fields []pgconn.FieldDescription, values ...string) ([]byte, error) {
	r := &Reader{conf: Config{MaxRows: 2, MaxBytes: 1 << 20}, types: pgtype.NewMap()}
	w, err := r.writer(fields)
	if err != nil {
		return nil, err
	}
	raw := make([][]byte, len(values))
	for i, v := range values {
		if v != "NULL" {
			raw[i] = []byte(v)
		}
	}
	if err := w.row(raw); err != nil {
		return nil, err
	}
	return w.end(), nil
}

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		name, value, want string
		oid               uint32
	}{
		{"text", "A & <b>", "<c>A &amp; &lt;b&gt;</c>", pgtype.TextOID},
		{"null", "NULL", "", pgtype.TextOID},
		{"empty", "", "<c></c>", pgtype.TextOID},
		{"numeric", "12345678901234567890.1200", "<c>12345678901234567890.1200</c>", pgtype.NumericOID},
		{"true", "t", "<c>true</c>", pgtype.BoolOID},
		{"date", "1994-03-17", "<c>1994-03-17</c>", pgtype.DateOID},
		{"timestamp", "1994-03-17 10:00:00.5", "<c>1994-03-17T10:00:00.5</c>", pgtype.TimestampOID},
		{"with zone", "1994-03-17 10:00:00+00", "<c>1994-03-17T10:00:00Z</c>", pgtype.TimestamptzOID},
		{"infinity", "infinity", "<c>infinity</c>", pgtype.TimestamptzOID},
		{"bytea", `\x68656c6c6f`, "<c>aGVsbG8=</c>", pgtype.ByteaOID},
		{"json", `{"a":[1,2],"b":null}`, "<c><a>1</a><a>2</a></c>", pgtype.JSONBOID},
		{"json array", `[{"a":1},{"a":2}]`, "<c><a>1</a></c><c><a>2</a></c>", pgtype.JSONOID},
		{"xml", `<x:a xmlns:x="urn:x"><x:b/></x:a>`, `<c><x:a xmlns:x="urn:x"><x:b></x:b></x:a></c>`, pgtype.XMLOID},
		{"array", `{a,"b \"c\"",NULL,"NULL","","x,y"}`, `<c>a</c><c>b "c"</c><c>NULL</c><c></c><c>x,y</c>`, pgtype.TextArrayOID},
		{"dates", `{1994-03-17,2001-01-01}`, `<c>1994-03-17</c><c>2001-01-01</c>`, pgtype.DateArrayOID},
		{"two dimensions", `[0:1][1:2]={{1,2},{3,4}}`, `<c><item>1</item><item>2</item></c><c><item>3</item><item>4</item></c>`, pgtype.Int4ArrayOID},
		{"empty array", `{}`, ``, pgtype.Int4ArrayOID},
		{"enum, domain and what nobody knows", `permanent`, `<c>permanent</c>`, 99999},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := rowOf([]pgconn.FieldDescription{{Name: "c", DataTypeOID: tc.oid}}, tc.value)
			if err != nil {
				t.Fatal(err)
			}
			if want := "<rows><row>" + tc.want + "</row></rows>"; string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRefusedValues(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		oid         uint32
	}{
		{"control character", "secret\x01", pgtype.TextOID},
		{"no UTF-8", "secret\xff", pgtype.TextOID},
		{"no hex", `\xsecret`, pgtype.ByteaOID},
		{"no json", `{"secret"`, pgtype.JSONOID},
		{"no xml", `<secret>`, pgtype.XMLOID},
		{"array not closed", `{secret`, pgtype.TextArrayOID},
		{"array with a rest", `{secret}x`, pgtype.TextArrayOID},
		{"array of nothing", `{secret,}`, pgtype.TextArrayOID},
		{"array too deep", strings.Repeat("{", 7) + "secret" + strings.Repeat("}", 7), pgtype.TextArrayOID},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := rowOf([]pgconn.FieldDescription{{Name: "c", DataTypeOID: tc.oid}}, tc.value)
			if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "column 1 of row 1") {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
	if _, err := rowOf([]pgconn.FieldDescription{{Name: "c"}, {Name: "c"}}, "a", "b"); err == nil {
		t.Error("two columns of one name are taken")
	}
	if _, err := rowOf([]pgconn.FieldDescription{{Name: "c"}}, "a", "b"); err == nil {
		t.Error("a row of more columns than were announced is taken")
	}
}

// Whatever a server sends as rows is refused or becomes a document.
func FuzzRow(f *testing.F) {
	oids := []uint32{pgtype.TextOID, pgtype.BoolOID, pgtype.ByteaOID, pgtype.JSONOID, pgtype.XMLOID, pgtype.TimestamptzOID, pgtype.TextArrayOID, pgtype.JSONBArrayOID, pgtype.ByteaArrayOID}
	for i, v := range []string{"a", "t", `\x00`, `{"a":[[]]}`, "<a/>", "1994-03-17 10:00:00+00", `{"a\\",b}`, `{"{\"a\": 1}"}`, `{"\\x00"}`} {
		f.Add("col", v, uint(i))
	}
	f.Fuzz(func(t *testing.T, name, value string, which uint) {
		got, err := rowOf([]pgconn.FieldDescription{{Name: name, DataTypeOID: oids[which%uint(len(oids))]}}, value)
		if err != nil {
			return
		}
		if len(name) > 100 {
			return // xmldoc bounds names, the document is refused there
		}
		if _, err := xmldoc.ParseBytes(got, xmldoc.Limits{MaxNodes: 1 << 24, MaxName: 60000, MaxDepth: 200, MaxAttributes: 1 << 20, MaxNamespaces: 1 << 20}); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
	})
}
