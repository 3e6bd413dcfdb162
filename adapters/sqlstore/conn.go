package sqlstore

import (
	"context"
	"database/sql"

	"github.com/jmoiron/sqlx"
)

// conn runs statements, in a transaction or each by itself. Its errors are the driver's; Store.read and Store.write
// translate them.
type conn struct {
	d   *dialect
	ctx context.Context
	on  sqlx.ExtContext
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(query string, args ...any) (int64, error) {
	result, err := c.on.ExecContext(c.ctx, c.d.statement(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// insertAfter runs an insert after another that it needs: in one statement where the database can, which saves the way there and back.
func (c *conn) insertAfter(first string, firstArgs []any, then string, args ...any) error {
	if c.d == &postgres {
		_, err := c.exec("WITH needed AS ("+first+") "+then, append(firstArgs, args...)...)
		return err
	}
	if _, err := c.exec(first, firstArgs...); err != nil {
		return err
	}
	_, err := c.exec(then, args...)
	return err
}

// get reads one row; it fails with sql.ErrNoRows where there is none.
func (c *conn) get(row any, query string, args ...any) error {
	return sqlx.GetContext(c.ctx, c.on, row, c.d.statement(query), args...)
}

// all reads all rows.
func (c *conn) all(rows any, query string, args ...any) error {
	return sqlx.SelectContext(c.ctx, c.on, rows, c.d.statement(query), args...)
}

// each reads rows one by one, so that only one is in memory. It stops when see returns false.
func (c *conn) each(see func(scan func(row any) error) (more bool, err error), query string, args ...any) (err error) {
	rows, err := c.on.QueryxContext(c.ctx, c.d.statement(query), args...)
	if err != nil {
		return err
	}
	defer func() {
		if closing := rows.Close(); err == nil {
			err = closing
		}
	}()
	for rows.Next() {
		if more, err := see(rows.StructScan); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

// found turns sql.ErrNoRows into false.
func found(err error) (bool, error) {
	if err == sql.ErrNoRows { //nolint:errorlint // database/sql returns it bare, and nothing here wraps it
		return false, nil
	}
	return err == nil, err
}
