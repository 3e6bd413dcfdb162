package contract

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var jobListClauses = clauses{
	"EmptyStoreListsNothing":        listEmpty,
	"FiltersCombine":                listFilters,
	"SearchLooksInEveryText":        listSearch,
	"SearchIsTakenLiterally":        listSearchLiteral,
	"EachSortFieldOrdersBothWays":   listSorts,
	"NewestFirstUnlessAsked":        listDefault,
	"NeverStartedCountsAsEarliest":  listZeroTimes,
	"AnyQueryIsWhatALookAtAllFinds": listAnyQuery,
}

// list asks for a page whose total must be exact.
func list(t *testing.T, s Storage, q ports.JobQuery) (jobs []*domain.Job, total int64, next string, err error) {
	t.Helper()
	rows, err := s.Jobs.List(t.Context(), q)
	require.False(t, rows.Capped, "%+v", q)
	return rows.Jobs, rows.Total, rows.Next, err
}

// ids lists all jobs that match, in order, page by page; it checks that the total is right on every page.
func ids(t *testing.T, s Storage, q ports.JobQuery) []domain.JobID {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	all := []domain.JobID{}
	var first int64
	for pages := 0; ; pages++ {
		require.Less(t, pages, 1000, "the cursor goes round in circles")
		jobs, total, next, err := list(t, s, q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(jobs), q.Limit)
		for _, j := range jobs {
			all = append(all, j.ID)
		}
		if pages == 0 {
			first = total
		}
		require.Equal(t, first, total, "the total counts all that match, on every page")
		if next == "" {
			require.Equal(t, total, int64(len(all)))
			return all
		}
		require.Len(t, jobs, q.Limit, "only the last page may be short")
		q.Page, q.Cursor = 0, next
	}
}

func jobIDs(jobs ...*domain.Job) []domain.JobID {
	all := []domain.JobID{}
	for _, j := range jobs {
		all = append(all, j.ID)
	}
	return all
}

func listEmpty(t *testing.T, s Storage) {
	jobs, total, next, err := list(t, s, ports.JobQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, jobs)
	require.Zero(t, total)
	require.Empty(t, next)
	addServer(t, s)
	require.Empty(t, ids(t, s, ports.JobQuery{Statuses: domain.Statuses(), Search: "x", Sort: ports.SortCommand, Page: 7}))
}

func listFilters(t *testing.T, s Storage) {
	a, b := addServer(t, s, fixture.Named("alpha")), addServer(t, s, fixture.Named("beta"))
	make1 := func(state fixture.State, server *domain.Server, line string) *domain.Job {
		return addJob(t, s, state, fixture.On(server.ID), fixture.Line(t, line, ""))
	}
	uptimeA, uptimeB := make1(fixture.Completed, a, "uptime"), make1(fixture.Completed, b, "uptime")
	dfA, dfB := make1(fixture.Running, a, "df"), make1(fixture.Detached, b, "df")
	heldA, failedA, canceledB := make1(fixture.Held, a, "uptime"), make1(fixture.Failed, a, "df"), make1(fixture.Withdrawn, b, "uptime")

	completed := []domain.Status{domain.StatusCompleted}
	active := []domain.Status{domain.StatusQueued, domain.StatusRunning}
	for _, c := range []struct {
		q    ports.JobQuery
		want []domain.JobID
	}{
		{ports.JobQuery{}, jobIDs(uptimeA, uptimeB, dfA, dfB, heldA, failedA, canceledB)},
		{ports.JobQuery{Statuses: completed}, jobIDs(uptimeA, uptimeB)},
		{ports.JobQuery{Statuses: active}, jobIDs(dfA, dfB, heldA)},
		{ports.JobQuery{Statuses: []domain.Status{domain.StatusFailed, domain.StatusCanceled}}, jobIDs(failedA, canceledB)},
		{ports.JobQuery{ServerID: a.ID}, jobIDs(uptimeA, dfA, heldA, failedA)},
		{ports.JobQuery{Search: "uptime"}, jobIDs(uptimeA, uptimeB, heldA, canceledB)},
		{ports.JobQuery{Search: "beta"}, jobIDs(uptimeB, dfB, canceledB)},
		{ports.JobQuery{Statuses: active, ServerID: a.ID}, jobIDs(dfA, heldA)},
		{ports.JobQuery{Statuses: active, Search: "uptime"}, jobIDs(heldA)},
		{ports.JobQuery{ServerID: a.ID, Search: "uptime"}, jobIDs(uptimeA, heldA)},
		{ports.JobQuery{Statuses: completed, ServerID: b.ID, Search: "UP"}, jobIDs(uptimeB)},
		{ports.JobQuery{ServerID: a.ID, Search: "beta"}, jobIDs()},
		{ports.JobQuery{ServerID: fixture.ID[domain.ServerID](t)}, jobIDs()},
	} {
		require.ElementsMatch(t, c.want, ids(t, s, c.q), "%+v", c.q)
		c.q.Limit = 2
		require.ElementsMatch(t, c.want, ids(t, s, c.q), "%+v", c.q)
	}
}

func listSearch(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Named("Münster-DB"))
	other := addServer(t, s, fixture.Named("elsewhere"))
	all := commands(t)
	script, err := domain.Script("#!/bin/sh\nsystemctl Restart nginx\n", "--Dry-Run", "/bin/sh")
	require.NoError(t, err)
	line := addJob(t, s, fixture.Pending, fixture.On(other.ID), fixture.Line(t, "journalctl -u sshd", "--since Yesterday"))
	argv := addJob(t, s, fixture.Pending, fixture.On(other.ID), fixture.Runs(all["argv"]))
	scripted := addJob(t, s, fixture.Pending, fixture.On(other.ID), fixture.Runs(script))
	named := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Line(t, "true", ""))
	for part, want := range map[string]*domain.Job{
		"journalctl": line, "JOURNALCTL": line, "-u ssh": line, "yesterday": line, "since Y": line,
		"/bin/echo": argv, "a b": argv, "漢": argv,
		"restart NGINX": scripted, "--dry": scripted, "ctl Restart nginx\n": scripted,
		"Münster": named, "nster-db": named,
	} {
		require.Equal(t, jobIDs(want), ids(t, s, ports.JobQuery{Search: part}), "search for %q", part)
	}
	require.Empty(t, ids(t, s, ports.JobQuery{Search: "nowhere to be found"}))

	server.Name = "renamed"
	require.NoError(t, s.Servers.Save(t.Context(), server, nil))
	require.Equal(t, jobIDs(named), ids(t, s, ports.JobQuery{Search: "renamed"}), "by the server's name of today")
	require.Empty(t, ids(t, s, ports.JobQuery{Search: "Münster"}))
}

func listSearchLiteral(t *testing.T, s Storage) {
	server := addServer(t, s)
	lines := []string{"df 100%", "df 1000", "cat a_b", "cat axb", `printf \n`, "printf n", "echo 'it''s'", "ls *", "ls [a]", "echo ?"}
	for _, line := range lines {
		addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Line(t, line, ""))
	}
	for _, part := range []string{"100%", "a_b", `\n`, "'it''s'", "*", "[a]", "?", "% _", "--", ";"} {
		want := 0
		for _, line := range lines {
			if contains(line, part) {
				want++
			}
		}
		require.Len(t, ids(t, s, ports.JobQuery{Search: part}), want, "search for %q", part)
	}
}

func listSorts(t *testing.T, s Storage) {
	server := addServer(t, s)
	base := fixture.Now().Add(-time.Hour)
	states := []fixture.State{fixture.Completed, fixture.Failed, fixture.Canceled, fixture.Running, fixture.Pending}
	const n = 15
	jobs := make([]*domain.Job, n)
	for i := range jobs {
		// Times, priorities and commands run in other directions than the ids, and many are equal.
		since := base.Add(time.Duration(i*7%5) * time.Minute)
		jobs[i] = addJob(t, s, states[i%len(states)], fixture.On(server.ID), fixture.Since(since),
			fixture.Urgency(domain.Priority(1+i*3%4)), fixture.Line(t, fmt.Sprintf("run%d", (n-i)%6), ""))
	}
	for _, field := range []ports.SortField{
		ports.SortCreated, ports.SortUpdated, ports.SortStarted, ports.SortFinished, ports.SortStatus, ports.SortCommand, ports.SortPriority,
	} {
		for _, asc := range []bool{true, false} {
			want := sorted(jobs, field, asc)
			require.Equal(t, jobIDs(want...), ids(t, s, ports.JobQuery{Sort: field, Asc: asc}), "by %s, ascending: %t", field, asc)
			inPages := ids(t, s, ports.JobQuery{Sort: field, Asc: asc, Limit: 2})
			require.Equal(t, jobIDs(want...), inPages, "by %s in pages, ascending: %t", field, asc)
		}
	}
}

func listDefault(t *testing.T, s Storage) {
	server := addServer(t, s)
	at := fixture.Now()
	old := addJob(t, s, fixture.Running, fixture.On(server.ID), fixture.Since(at.Add(-time.Minute)))
	young := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Since(at))
	twin := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Since(at))
	oldest := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Since(at.Add(-time.Hour)))
	require.Equal(t, jobIDs(twin, young, old, oldest), ids(t, s, ports.JobQuery{}))
}

func listZeroTimes(t *testing.T, s Storage) {
	server := addServer(t, s)
	waiting := addJob(t, s, fixture.Pending, fixture.On(server.ID))
	running := addJob(t, s, fixture.Running, fixture.On(server.ID))
	ended := addJob(t, s, fixture.Completed, fixture.On(server.ID))
	require.Equal(t, jobIDs(waiting, running, ended), ids(t, s, ports.JobQuery{Sort: ports.SortStarted, Asc: true, Limit: 1}))
	require.Equal(t, jobIDs(ended, running, waiting), ids(t, s, ports.JobQuery{Sort: ports.SortStarted, Limit: 1}))
	require.Equal(t, jobIDs(waiting, running, ended), ids(t, s, ports.JobQuery{Sort: ports.SortFinished, Asc: true, Limit: 1}))
	require.Equal(t, jobIDs(ended, running, waiting), ids(t, s, ports.JobQuery{Sort: ports.SortFinished, Limit: 1}))
}
