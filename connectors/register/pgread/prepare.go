package pgread

import "context"

// Prepare logs in and lets the database judge the statement; nothing is read. It
// returns the names of the columns. Errors are *Failure.
func (r *Reader) Prepare(ctx context.Context) ([]string, error) {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, failed(ctx, err, false)
	}
	defer conn.Release()
	stmt, err := conn.Conn().Prepare(ctx, statementName, r.conf.Statement)
	if err != nil {
		return nil, failed(ctx, err, false)
	}
	if _, err := r.writer(stmt.Fields); err != nil {
		return nil, failed(ctx, err, false)
	}
	var out []string
	for _, f := range stmt.Fields {
		out = append(out, f.Name)
	}
	return out, nil
}
