package register

import (
	"context"
	"fmt"

	"oncegate/connectors/register/pgfake"
	"oncegate/connectors/xmldoc"
)

// Database is the fake of a register in SQL: a database that answers its one
// statement with the rows of the samples. The columns are those of all samples
// together. With a user it wants the password.
func (f *Fake) Database(user, password string) (pgfake.Config, error) {
	rows := make(map[*fakeCase]xmldoc.Element, len(f.cases))
	var all []xmldoc.Element
	for _, c := range f.cases {
		doc, err := xmldoc.ParseBytes(c.reply.body, xmldoc.Limits{})
		if err != nil {
			return pgfake.Config{}, fmt.Errorf("register %s, sample %s: %w", f.def.Name, c.name, err)
		}
		rows[c] = doc.Root()
		all = append(all, doc.Root())
	}
	columns, err := pgfake.Columns(all...)
	if err != nil {
		return pgfake.Config{}, fmt.Errorf("register %s: %w", f.def.Name, err)
	}
	return pgfake.Config{
		User: user, Password: password,
		Columns: func(string) ([]pgfake.Column, error) { return columns, nil },
		Rows: func(ctx context.Context, _ string, args []*string) ([][]*string, error) {
			says := map[string][]string{}
			for i, a := range args {
				if a != nil {
					says[fmt.Sprintf("arg %d", i+1)] = []string{*a}
				}
			}
			c, err := f.choose(ctx, says)
			switch {
			case err != nil:
				return nil, err
			case c == nil:
				return nil, &pgfake.Error{Code: "57P03", Message: "the database is starting up"}
			}
			return pgfake.Rows(columns, rows[c])
		},
	}, nil
}
