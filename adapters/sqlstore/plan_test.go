package sqlstore_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// A whole table read: PostgreSQL says "Seq Scan on jobs", SQLite "SCAN jobs" without an index.
var wholeTable = regexp.MustCompile(`(?m)Seq Scan on (jobs|job_output)\b|SCAN (jobs|job_output|j|o)$`)

// sorts is an order that no index gives: all that match are read before the first is known.
var sorts = regexp.MustCompile(`Sort Key|TEMP B-TREE FOR (LAST TERM OF )?ORDER BY`)

// pageAgain is a join that goes through a page of sizes for every chunk it reads: the cost of following grows with its square.
var pageAgain = regexp.MustCompile(`(?m)SCAN page$|Nested Loop`)

// sorted is a sort of rows that an index could have brought in order: of all that wait, for the next few.
var sorted = regexp.MustCompile(`(?m)USE TEMP B-TREE FOR ORDER BY|Sort  ?\(`)

// allEver are the indexes that hold finished jobs too.
var allEver = regexp.MustCompile(`jobs_of_server|jobs_created`)

func TestPlans_NoStatementReadsAWholeTable(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server, j := seedPlans(t, s)
		for _, analyzed := range []bool{false, true} { // SQLite is never analyzed in the product; PostgreSQL does it by itself
			if analyzed {
				s.Exec(t, "ANALYZE")
			} else if s.Kind() == "postgres" {
				continue
			}
			require.Regexp(t, wholeTable, s.Plan(t, "SELECT id FROM jobs j WHERE message = ?", "x"), "this test would not see a table read whole")
			for name, q := range sqlstore.Statements(s, server.ID, j) {
				plan := s.Plan(t, q.SQL, q.Args...)
				require.NotRegexp(t, wholeTable, plan, "%s (analyzed: %t) reads a whole table: %s", name, analyzed, q.SQL)
				if name == "Chunks" {
					require.NotRegexp(t, pageAgain, plan, "%s (analyzed: %t)", name, analyzed)
				}
				if !strings.HasPrefix(name, "List") {
					require.NotRegexp(t, allEver, plan, "%s (analyzed: %t) goes through finished jobs: %s", name, analyzed, q.SQL)
				}
				if strings.HasPrefix(name, "Take, head") || strings.HasPrefix(name, "Take, next") || strings.HasPrefix(name, "Take, lines") {
					require.NotRegexp(t, sorted, plan, "%s (analyzed: %t) sorts all that waits: %s", name, analyzed, q.SQL)
				}
				if testing.Verbose() {
					t.Logf("%s (analyzed: %t)\n%s", name, analyzed, plan)
				}
			}
		}
	})
}

// seedPlans stores 20,000 finished jobs and some of each other state, with output.
func seedPlans(t *testing.T, s *sqlstore.Store) (*domain.Server, *domain.Job) {
	t.Helper()
	servers := []*domain.Server{fixture.Server(t), fixture.Server(t)}
	for _, server := range servers {
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
	}
	var jobs []*domain.Job
	for i, state := range fixture.States() {
		for range 5 {
			jobs = append(jobs, fixture.Job(t, state, fixture.On(servers[i%2].ID)))
		}
	}
	_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, jobs...)
	require.NoError(t, err)
	done := fixture.Job(t, fixture.Completed, fixture.On(servers[0].ID), fixture.From(fixture.ID[domain.BatchID](t), ""))
	_, err = s.Jobs().Add(t.Context(), ports.Idempotency{}, done)
	require.NoError(t, err)
	s.MultiplyJob(t, done.ID, 20_000)
	batch := fixture.ID[domain.BatchID](t)
	running := fixture.Job(t, fixture.Running, fixture.On(servers[0].ID), fixture.From(batch, ""))
	waiting := []*domain.Job{running}
	for range 300 {
		waiting = append(waiting, fixture.Job(t, fixture.Pending, fixture.On(servers[0].ID), fixture.From(batch, "")))
	}
	_, err = s.Jobs().Add(t.Context(), ports.Idempotency{}, waiting...)
	require.NoError(t, err)
	from := domain.Offsets{}
	for range 20 {
		a := ports.Append{Job: running.ID, Attempt: 1, Epoch: running.Epoch, From: from, At: time.Now()}
		for i := range 200 {
			a.Pieces = append(a.Pieces, ports.Piece{Stream: domain.Stdout, Data: fmt.Appendf(nil, "line %d\n", i)})
			from = from.Plus(domain.Stdout, len(a.Pieces[i].Data))
		}
		_, err := s.Output().Append(t.Context(), a)
		require.NoError(t, err)
	}
	return servers[0], running
}

// lists are the kinds of lists there are: each is read through an index, and none but those that are to be gathered or put
// together of several ranges is sorted.
func lists(server domain.ServerID, batch domain.BatchID, cursor string) map[string]ports.JobQuery {
	failed, live := []domain.Status{domain.StatusFailed}, []domain.Status{domain.StatusQueued, domain.StatusRunning}
	recent := time.Now().Add(-time.Hour)
	return map[string]ports.JobQuery{
		"all": {}, "all, ascending": {Asc: true}, "all, by cursor": {Cursor: cursor}, "all, a far page": {Page: 300},
		"status": {Statuses: failed}, "status, a far page": {Statuses: []domain.Status{domain.StatusCompleted}, Page: 300},
		"what is live": {Statuses: live}, "reason": {Reasons: []domain.Reason{domain.ReasonTimeout}},
		"reasons": {Reasons: []domain.Reason{domain.ReasonTimeout, domain.ReasonExitNonzero, domain.ReasonUser}},
		"server":  {ServerID: server}, "server, a far page": {ServerID: server, Page: 300}, "server and status": {ServerID: server, Statuses: failed},
		"server and reason": {ServerID: server, Reasons: []domain.Reason{domain.ReasonSignal}},
		"batch":             {BatchID: batch}, "batch and status": {BatchID: batch, Statuses: failed}, "batch and server": {BatchID: batch, ServerID: server},
		"time": {CreatedAfter: recent}, "time and status": {CreatedAfter: recent, Statuses: failed}, "time and server": {CreatedAfter: recent, ServerID: server},
		"search for what is in few": {Search: "needle"}, "search for what is in none": {Search: "nowhere"},
		"search for what is in all": {Search: "a"}, "search of a status": {Search: "needle", Statuses: failed},
		"search of a server": {Search: "needle", ServerID: server}, "search by command": {Search: "needle", Sort: ports.SortCommand},
		"by updated_at": {Sort: ports.SortUpdated}, "by started_at": {Sort: ports.SortStarted}, "by finished_at": {Sort: ports.SortFinished},
		"by status": {Sort: ports.SortStatus}, "by command": {Sort: ports.SortCommand}, "by priority": {Sort: ports.SortPriority},
		"by finished_at, ascending": {Sort: ports.SortFinished, Asc: true}, "by command, of a status": {Sort: ports.SortCommand, Statuses: failed},
		"by priority, of a batch": {Sort: ports.SortPriority, BatchID: batch}, "by updated_at, of a time": {Sort: ports.SortUpdated, CreatedAfter: recent},
		"by command, of a status of many": {Sort: ports.SortCommand, Statuses: []domain.Status{domain.StatusCompleted}},
	}
}

func TestPlans_NoListReadsAWholeTable(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server, _ := seedPlans(t, s)
		batch := fixture.ID[domain.BatchID](t)
		for _, state := range fixture.States() {
			addAny(t, s, state, fixture.On(server.ID), fixture.From(batch, ""), fixture.Line(t, "a needle "+string(state), ""))
		}
		if s.Kind() == "postgres" {
			s.Exec(t, "ANALYZE")
		}
		first, err := s.Jobs().List(t.Context(), ports.JobQuery{Limit: 20, Page: 400})
		require.NoError(t, err)
		for name, q := range lists(server.ID, batch, first.Next) {
			q.Limit = 20
			statements, rows := sqlstore.ListStatements(t, s, q)
			require.Equal(t, name == "search for what is in none", len(rows.Jobs) == 0, name)
			for _, statement := range statements {
				plan := s.Plan(t, statement.SQL, statement.Args...)
				require.NotRegexp(t, wholeTable, plan, "%s reads a whole table: %s", name, statement.SQL)
				// A batch has few jobs, and PostgreSQL may find it better to sort them.
				if strings.HasPrefix(statement.SQL, "SELECT j.id FROM jobs j ") && q.BatchID == "" {
					require.NotRegexp(t, sorts, plan, "%s sorts what it reads: %s", name, statement.SQL)
				}
				if strings.Contains(statement.SQL, "j.text_id IN") { // SQLite would rather go through all jobs of a status
					require.NotContains(t, plan, "jobs_of_status", "%s: %s", name, statement.SQL)
				}
				if testing.Verbose() {
					t.Logf("%s: %s\n%s", name, statement.SQL, plan)
				}
			}
		}
	})
}

func addAny(t *testing.T, s *sqlstore.Store, to fixture.State, opts ...fixture.Option) {
	t.Helper()
	_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, fixture.Job(t, to, opts...))
	require.NoError(t, err)
}
