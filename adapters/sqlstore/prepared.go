package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// maxPrepared is how many statements a connection keeps prepared. There are fewer, but for the many shapes of a list.
const maxPrepared = 200

// preparing is a connector whose connections prepare every statement that has arguments once and keep it. PostgreSQL
// would plan each anew. database/sql's own prepared statements are of no use here: preparing one takes a connection of
// the pool, and the callers who wait in transactions may hold them all.
//
// Its connections also end a call soon after its context, whether the database answers or not; lib/pq alone waits for the
// answer to its request to cancel.
type preparing struct {
	cfg     pq.Config
	silence time.Duration // 0 = wait for ever
}

// Driver implements driver.Connector.
func (p preparing) Driver() driver.Driver { return pq.Driver{} }

// Connect implements driver.Connector.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	connector, err := pq.NewConnectorConfig(p.cfg)
	if err != nil {
		return nil, err
	}
	d := &dialer{silence: p.silence}
	connector.Dialer(d)
	stop := context.AfterFunc(ctx, d.giveUp)
	c, err := connector.Connect(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	pg, ok := c.(postgresConn)
	if !ok {
		return nil, errors.Join(errors.New("sqlstore: lib/pq's connection lacks a method"), c.Close())
	}
	return &preparedConn{postgresConn: pg, ready: map[string]postgresStmt{}, giveUp: d.giveUp}, nil
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
	ready  map[string]postgresStmt
	giveUp func()
	spent  bool // giveUp was called
}

// until lets a call wait for the database no longer than its context, and a little. What it returns is called at the end.
func (c *preparedConn) until(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, c.giveUp)
	return func() { c.spent = !stop() || c.spent }
}

// IsValid implements driver.Validator.
func (c *preparedConn) IsValid() bool { return !c.spent && c.postgresConn.IsValid() }

// ResetSession implements driver.SessionResetter.
func (c *preparedConn) ResetSession(ctx context.Context) error {
	if c.spent {
		return driver.ErrBadConn
	}
	return c.postgresConn.ResetSession(ctx)
}

// BeginTx implements driver.ConnBeginTx.
func (c *preparedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	defer c.until(ctx)()
	return c.postgresConn.BeginTx(ctx, opts)
}

// Ping implements driver.Pinger.
func (c *preparedConn) Ping(ctx context.Context) error {
	defer c.until(ctx)()
	return c.postgresConn.Ping(ctx)
}

// ExecContext implements driver.ExecerContext.
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.until(ctx)()
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
	defer c.until(ctx)()
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
