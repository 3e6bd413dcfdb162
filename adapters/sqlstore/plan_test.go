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
