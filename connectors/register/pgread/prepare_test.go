package pgread_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/register/pgfake"
	"oncegate/connectors/register/pgread"
)

// A database judges the statement without running it.
func TestPrepareRunsNothing(t *testing.T) {
	ran := 0
	port := fake(t, pgfake.Config{
		User: "gateway", Password: "right",
		Columns: func(string) ([]pgfake.Column, error) { return []pgfake.Column{{Name: "name"}, {Name: "born"}}, nil },
		Rows:    func(context.Context, string, []*string) ([][]*string, error) { ran++; return nil, nil },
	})
	got, err := reader(t, pgread.Config{Port: port, Password: "right"}).Prepare(within(t, patience))
	if err != nil || !slices.Equal(got, []string{"name", "born"}) || ran > 0 {
		t.Errorf("got %q, %v; the statement ran %d times", got, err, ran)
	}
	if _, err := reader(t, pgread.Config{Port: port, Password: "wrong"}).Prepare(within(t, patience)); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
}
