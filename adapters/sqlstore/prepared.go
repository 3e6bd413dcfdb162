package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// maxPrepared is how many statements a connection keeps prepared. There are fewer, but for the many shapes of a list.
const maxPrepared = 200

// preparing is a connector whose connections prepare every statement that has arguments once and keep it. PostgreSQL
// would plan each anew. database/sql's own prepared statements are of no use here: preparing one takes a connection of
// the pool, and the callers who wait in transactions may hold them all.
type preparing struct{ *pq.Connector }

// Connect implements driver.Connector.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	pg, ok := c.(postgresConn)
	if !ok {
		return nil, errors.Join(errors.New("sqlstore: lib/pq's connection lacks a method"), c.Close())
	}
	return &preparedConn{postgresConn: pg, ready: map[string]postgresStmt{}}, nil
}

type postgresConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type postgresStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedConn is used by one goroutine at a time, as database/sql promises.
type preparedConn struct {
	postgresConn
	ready map[string]postgresStmt
}

// ExecContext implements driver.ExecerContext.
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := c.prepared(ctx, query, len(args))
	switch {
	case err != nil:
		return nil, err
	case stmt == nil:
		return c.postgresConn.ExecContext(ctx, query, args)
	}
	result, err := stmt.ExecContext(ctx, args)
	c.forget(query, err)
	return result, err
}

// QueryContext implements driver.QueryerContext.
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, err := c.prepared(ctx, query, len(args))
	switch {
	case err != nil:
		return nil, err
	case stmt == nil:
		return c.postgresConn.QueryContext(ctx, query, args)
	}
	rows, err := stmt.QueryContext(ctx, args)
	c.forget(query, err)
	return rows, err
}

// prepared returns nil for a statement that is not worth keeping.
func (c *preparedConn) prepared(ctx context.Context, query string, args int) (postgresStmt, error) {
	if stmt := c.ready[query]; stmt != nil {
		return stmt, nil
	}
	if args == 0 || len(c.ready) >= maxPrepared {
		return nil, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	stmt, ok := prepared.(postgresStmt)
	if !ok {
		return nil, prepared.Close()
	}
	c.ready[query] = stmt
	return stmt, nil
}

// forget drops a statement that the database no longer wants to run, because a migration changed what it returns or
// because someone between us and the database lost it. The next call prepares it anew.
func (c *preparedConn) forget(query string, err error) {
	if pq.As(err, pqerror.FeatureNotSupported, pqerror.InvalidSQLStatementName) != nil {
		delete(c.ready, query)
	}
}
