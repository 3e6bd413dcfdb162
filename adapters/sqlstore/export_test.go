package sqlstore

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

// GroupAtMost lets at most n writes share a transaction of SQLite.
func (s *Store) GroupAtMost(n int) {
	if s.group != nil {
		s.group.max = n
	}
}
