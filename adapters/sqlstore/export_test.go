package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/wait"
)

// Exec runs a statement behind the store's back.
func (s *Store) Exec(t testing.TB, query string, args ...any) {
	t.Helper()
	_, err := s.writes.Exec(s.d.statement(query), args...)
	require.NoError(t, err)
}

// Number reads one number behind the store's back.
func (s *Store) Number(t testing.TB, query string, args ...any) (n int64) {
	t.Helper()
	require.NoError(t, s.reads.Get(&n, s.d.statement(query), args...))
	return n
}

// Instant returns a time as the database holds it.
func (s *Store) Instant(t time.Time) any { return s.d.instant(t) }

// Plan returns how the database means to run a statement.
func (s *Store) Plan(t testing.TB, query string, args ...any) string {
	t.Helper()
	explain := "EXPLAIN "
	if s.d == &sqlite {
		explain = "EXPLAIN QUERY PLAN "
	}
	rows, err := s.reads.Queryx(s.d.statement(explain+query), args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var plan []string
	for rows.Next() {
		cells, err := rows.SliceScan()
		require.NoError(t, err)
		step := cells[len(cells)-1]
		if raw, ok := step.([]byte); ok {
			step = string(raw)
		}
		plan = append(plan, step.(string))
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "\n")
}

// AddUp adds the kept counts up as a write does in passing.
func (s *Store) AddUp(t testing.TB) {
	t.Helper()
	s.addUp(t.Context())
}

// GroupAtMost lets at most n writes share a transaction of SQLite.
func (s *Store) GroupAtMost(n int) {
	if s.group != nil {
		s.group.max = n
	}
}

// DropConnections closes the idle connections.
func (s *Store) DropConnections() {
	s.reads.SetMaxIdleConns(0)
	s.reads.SetMaxIdleConns(postgresConns)
}

// HoldMigrationLock does as another process that is migrating PostgreSQL.
func (s *Store) HoldMigrationLock(t testing.TB) (release func()) {
	t.Helper()
	tx, err := s.writes.Beginx()
	require.NoError(t, err)
	_, err = tx.Exec("SELECT pg_advisory_xact_lock($1)", migrationLock)
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback()) }
}

// HoldWriter makes SQLite's writes wait, until release is called. commits counts transactions from then on.
func (s *Store) HoldWriter(t testing.TB) (release func(), commits *atomic.Int64) {
	t.Helper()
	conn, err := s.writes.Connx(t.Context())
	require.NoError(t, err)
	commits = &atomic.Int64{}
	require.NoError(t, conn.Raw(func(c any) error {
		c.(*sqlite3.SQLiteConn).RegisterCommitHook(func() int { commits.Add(1); return 0 })
		return nil
	}))
	return func() { require.NoError(t, conn.Close()) }, commits
}

// Commits returns the count of HoldWriter.
func (s *Store) Commits(n *atomic.Int64) int64 { return n.Load() }

// AwaitWaiting waits until n writes wait behind the one that is under way.
func (s *Store) AwaitWaiting(t testing.TB, n int) {
	t.Helper()
	wait.Until(t, func() error { return expect(n, s.inHand()) })
}

// AwaitGone waits until n of the writes that wait were given up by their callers.
func (s *Store) AwaitGone(t testing.TB, n int) {
	t.Helper()
	wait.Until(t, func() error {
		s.group.mu.Lock()
		defer s.group.mu.Unlock()
		gone := 0
		for _, w := range s.group.waiting {
			if w.taken.Load() {
				gone++
			}
		}
		return expect(n, gone)
	})
}

func (s *Store) inHand() int {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	return len(s.group.waiting)
}

func expect(want, got int) error {
	if want != got {
		return fmt.Errorf("%d writes, not yet %d", got, want)
	}
	return nil
}

// PanicInWrite writes something and panics.
func (s *Store) PanicInWrite(t testing.TB, value any) {
	t.Helper()
	_ = s.write(t.Context(), func(c *conn) error {
		if _, err := c.exec("INSERT INTO queues (name, store) VALUES (?, ?)", "q", "s"); err != nil {
			return err
		}
		panic(value)
	})
}

// TryExec is Exec for what may be refused.
func (s *Store) TryExec(query string, args ...any) error {
	_, err := s.writes.Exec(s.d.statement(query), args...)
	return err
}

// SweepNow makes the next keyed Add sweep old keys.
func (s *Store) SweepNow() { s.swept.Store(0) }

// LockServers locks servers one after the other in one transaction, calling between after the first. It returns how often
// the transaction was begun.
func (s *Store) LockServers(ctx context.Context, between func(), names ...string) (began int, err error) {
	err = s.write(ctx, func(c *conn) error {
		began++
		for i, name := range names {
			if _, err := c.exec("UPDATE servers SET mode_cause = ? WHERE name = ?", "locked", name); err != nil {
				return err
			}
			if i == 0 && began == 1 {
				between()
			}
		}
		return nil
	})
	return began, err
}

// ReferToServer keeps a server from being deleted, as those who submit jobs to it do, while something else is done.
func (s *Store) ReferToServer(ctx context.Context, id string, meanwhile func()) error {
	return s.write(ctx, func(c *conn) error {
		var locked string
		if err := c.get(&locked, "SELECT id FROM servers WHERE id = ? {share}", id); err != nil {
			return err
		}
		meanwhile()
		return nil
	})
}
