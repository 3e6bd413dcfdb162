package sqlstore

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Statement is one that must be quick however many jobs there are.
type Statement struct {
	SQL  string
	Args []any
}

// Statements returns them, made of the parts that the store makes them of.
func Statements(s *Store, server domain.ServerID, j *domain.Job) map[string]Statement {
	now := s.d.instant(time.Now())
	all := map[string]Statement{
		"Get":                  {"SELECT " + jobColumns + " FROM jobs WHERE id = ?", []any{string(j.ID)}},
		"Take, any":            {anySQL, []any{now}},
		"Take, next priority":  {nextPrioritySQL, []any{11}},
		"Take, lines":          {linesSQL, []any{5, 5, 256}},
		"Take, head of a line": {candidatesSQL + headOfLineWhere, []any{5, string(j.BatchID), 100}},
		"Take, queued":         {queuedSQL, nil},
		"Batch, in flight":     {flyingSQL, []any{s.d.list([]string{string(j.BatchID)})}},
		"Batch, failures":      {failuresSQL, []any{string(j.BatchID), 3}},
		"Batch, in queue":      {candidatesSQL + inQueueWhere, []any{s.d.list([]string{string(j.BatchID)})}},
		"Batch, unsent":        {candidatesSQL + unsentWhere, []any{string(j.BatchID)}},
		"Batch, to be ended":   {candidatesSQL + stopWhere, []any{string(j.BatchID)}},
		"Batch, fill":          {"SELECT " + stateColumns + fillBatchSQL, []any{string(j.BatchID), 5}},
		"Batch, tallies":       {talliesSQL, []any{s.d.list([]string{string(j.BatchID)})}},
		"Batch, results":       {resultsSQL, []any{string(j.BatchID)}},
		"Take, detached":       {candidatesSQL + "phase = 'detached' AND next_action_at <= ? ORDER BY next_action_at LIMIT ?", []any{now, 100}},
		"Take, load":           {"SELECT " + stateColumns + " FROM jobs WHERE id {in} AND phase = 'pending' ORDER BY id", []any{s.d.list([]string{string(j.ID)})}},
		"Take, rooms":          {roomsSQL, []any{s.d.list([]string{string(server)})}},
		"fill":                 {"SELECT " + stateColumns + fillSQL, []any{string(server), string(server), string(server)}},
		"Wake":                 {candidatesSQL + wakeWhere + " ORDER BY next_action_at LIMIT ?", []any{now, 100}},
		"DetachSilent":         {candidatesSQL + silentWhere + " ORDER BY next_action_at LIMIT ?", []any{100}},
		"Expire":               {candidatesSQL + expireWhere + " ORDER BY deadline_at LIMIT ?", []any{now, now, 100}},
		"Adopt":                {candidatesSQL + adoptWhere, []any{now}},
		"OldestPending":        {oldestPendingSQL, nil},
		"Renew":                {cancelsSQL, []any{string(j.Worker)}},
		"Chunks":               {chunksSQL, chunksArgs(j.ID, 3000, 100)},
		"ReadAt":               {readAtSQL, []any{string(j.ID), 1, 1, 20_100, string(j.ID), 1, 1, 20_000}},
	}
	return all
}

// ListStatements returns what a list asks the database, in order, and how many jobs it gave.
func ListStatements(t testing.TB, s *Store, q ports.JobQuery) ([]Statement, ports.JobRows) {
	t.Helper()
	r := recorder{ExtContext: s.reads}
	l, err := newListing(q, s.bounds)
	require.NoError(t, err)
	l.conn = &conn{d: s.d, ctx: t.Context(), on: &r}
	rows, err := l.page()
	require.NoError(t, err)
	return r.all, rows
}

// Bound sets how many jobs lists count one by one, gather, and pass over without looking for a shorter way.
func (s *Store) Bound(count, gather, skip int) { s.bounds = bounds{count, gather, skip} }

// recorder keeps the statements that are run through it.
type recorder struct {
	sqlx.ExtContext
	all []Statement
}

func (r *recorder) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	r.all = append(r.all, Statement{query, args})
	return r.ExtContext.QueryxContext(ctx, query, args...)
}

func (r *recorder) QueryRowxContext(ctx context.Context, query string, args ...any) *sqlx.Row {
	r.all = append(r.all, Statement{query, args})
	return r.ExtContext.QueryRowxContext(ctx, query, args...)
}

// MultiplyJob copies a stored job n times, under ids of its own making, over a month.
func (s *Store) MultiplyJob(t testing.TB, id domain.JobID, n int) {
	t.Helper()
	columns := strings.Split(regexp.MustCompile(`\s+`).ReplaceAllString(jobColumns, "")+",title,text_id", ",")
	values := slices.Clone(columns)
	later := map[string]string{"postgres": "+ n.n * interval '2 minutes'", "sqlite": "+ n.n * 120000000"}[s.d.kind]
	for i, c := range columns {
		switch c {
		case "id":
			values[i] = "j.id || '-' || n.n"
		case "created_at", "updated_at":
			values[i] = "j." + c + " " + later
		default:
			values[i] = "j." + c
		}
	}
	_, err := s.writes.Exec(s.d.statement("INSERT INTO jobs ("+strings.Join(columns, ", ")+`)
		WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)
		SELECT `+strings.Join(values, ", ")+" FROM jobs j, n WHERE j.id = ?"), n, string(id))
	require.NoError(t, err)
	require.Equal(t, int64(n)+1, s.Number(t, "SELECT COUNT(*) FROM jobs WHERE id = ? OR id LIKE ?", string(id), string(id)+"-%"))
}
