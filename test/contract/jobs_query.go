package contract

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// listAnyQuery asks for many combinations of filters and orders, in pages by number and by cursor, and works each out the
// slow way beside it.
func listAnyQuery(t *testing.T, s Storage) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newCrowd(t, s, r, 70)
	for range 120 {
		q := w.query(t)
		want := w.look(q)
		require.Equal(t, jobIDs(want...), ids(t, s, q), "%+v", q)
		page := 1 + r.IntN(len(want)/q.Limit+2)
		from, to := min((page-1)*q.Limit, len(want)), min(page*q.Limit, len(want))
		q.Page = page
		got, total, _, err := list(t, s, q)
		require.NoError(t, err)
		require.EqualValues(t, len(want), total, "%+v", q)
		require.Equal(t, jobIDs(want[from:to]...), jobIDs(got...), "%+v", q)
	}
}

// crowd is a store full of jobs of every state, over some days.
type crowd struct {
	r       *rand.Rand
	jobs    []*domain.Job
	servers []*domain.Server
	batches []domain.BatchID
	base    time.Time
}

func newCrowd(t *testing.T, s Storage, r *rand.Rand, n int) *crowd {
	t.Helper()
	w := &crowd{
		r: r, base: fixture.Now().Truncate(24 * time.Hour).Add(-100 * time.Hour),
		batches: []domain.BatchID{"", "", fixture.ID[domain.BatchID](t), fixture.ID[domain.BatchID](t)},
		servers: []*domain.Server{addServer(t, s, fixture.Named("alpha")), addServer(t, s, fixture.Named("beta-uptime")), addServer(t, s)},
	}
	for range n {
		w.jobs = append(w.jobs, w.add(t, s))
	}
	return w
}

func (w *crowd) add(t *testing.T, s Storage) *domain.Job {
	t.Helper()
	// Some on the hour and at midnight, many in one of few hours, several at one time.
	at := w.base.Add(time.Duration(w.r.IntN(5)) * 24 * time.Hour).Add(time.Duration(w.r.IntN(4)) * 30 * time.Minute)
	return addJob(t, s, pickOne(w.r, fixture.States()), fixture.On(pickOne(w.r, w.servers).ID), fixture.Since(at),
		fixture.From(pickOne(w.r, w.batches), ""), fixture.Urgency(domain.Priority(1+w.r.IntN(3))),
		fixture.Line(t, pickOne(w.r, []string{"uptime", "Uptime -p", "df 100%", "x"}), pickOne(w.r, []string{"", "now"})))
}

func pickOne[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// some picks none, one or several.
func some[T comparable](r *rand.Rand, list []T) []T {
	var picked []T
	for range []int{0, 0, 0, 1, 2, 3}[r.IntN(6)] {
		picked = append(picked, pickOne(r, list))
	}
	return picked
}

// query makes a query that has some of everything.
func (w *crowd) query(t *testing.T) ports.JobQuery {
	t.Helper()
	moment := func() time.Time {
		if w.r.IntN(3) > 0 {
			return time.Time{}
		}
		return w.base.Add(time.Duration(w.r.IntN(130)) * time.Hour).Add(time.Duration(w.r.IntN(3)) * 30 * time.Minute)
	}
	q := ports.JobQuery{
		Statuses: some(w.r, domain.Statuses()), Reasons: some(w.r, append(domain.FailureReasons(), domain.CancelReasons()...)),
		CreatedAfter: moment(), CreatedBefore: moment(), Limit: 1 + w.r.IntN(30), Asc: w.r.IntN(2) == 0,
		Search: pickOne(w.r, []string{"", "", "", "uptime", "100%", "alpha", "x", "now", "nowhere"}),
		Sort: pickOne(w.r, []ports.SortField{
			"", ports.SortCreated, ports.SortUpdated, ports.SortStarted, ports.SortFinished, ports.SortStatus, ports.SortCommand, ports.SortPriority,
		}),
	}
	if w.r.IntN(3) == 0 {
		q.ServerID = pickOne(w.r, append(w.servers, fixture.Server(t))).ID
	}
	if w.r.IntN(4) == 0 {
		q.BatchID = pickOne(w.r, append(w.batches, fixture.ID[domain.BatchID](t)))
	}
	return q
}

// look works a list out the slow way.
func (w *crowd) look(q ports.JobQuery) []*domain.Job {
	var found []*domain.Job
	for _, j := range w.jobs {
		name := w.servers[slices.IndexFunc(w.servers, func(s *domain.Server) bool { return s.ID == j.ServerID })].Name
		if (len(q.Statuses) == 0 || slices.Contains(q.Statuses, j.Status)) && (len(q.Reasons) == 0 || slices.Contains(q.Reasons, j.Reason)) &&
			(q.ServerID == "" || q.ServerID == j.ServerID) && (q.BatchID == "" || q.BatchID == j.BatchID) &&
			!j.CreatedAt.Before(q.CreatedAfter) && (q.CreatedBefore.IsZero() || j.CreatedAt.Before(q.CreatedBefore)) &&
			(contains(j.Command.Text(), q.Search) || contains(name, q.Search)) {
			found = append(found, j)
		}
	}
	return sorted(found, cmp.Or(q.Sort, ports.SortCreated), q.Asc)
}

// TotalsRepository proves ports.TotalsRepository.
func TotalsRepository(t *testing.T, open Open) {
	clauses{
		"EmptyStoreCountsNothing":          totalsEmpty,
		"ServersAreToldByTheirLastCheck":   totalsServers,
		"CountsAreThoseOfARecount":         totalsRecount,
		"CountsStayTrueOverDeletedServers": totalsDeleted,
	}.run(t, open)
}

func totalsEmpty(t *testing.T, s Storage) {
	got, err := s.Totals.Totals(t.Context(), fixture.Now())
	require.NoError(t, err)
	require.Empty(t, got.Jobs)
	require.Empty(t, got.Carried)
	require.Zero(t, got.Servers+got.Connected+got.Disconnected+got.Recent)
	require.True(t, got.OldestQueued.IsZero())
}

func totalsServers(t *testing.T, s Storage) {
	for _, check := range []*domain.Check{nil, {Connected: true}, {Connected: true, Message: "fine"}, {Message: "no route"}, nil, nil} {
		addServer(t, s, func(s *domain.Server) { s.LastCheck = check })
	}
	got, err := s.Totals.Totals(t.Context(), fixture.Now())
	require.NoError(t, err)
	require.Equal(t, [3]int64{6, 2, 1}, [3]int64{got.Servers, got.Connected, got.Disconnected})
}

// totalsRecount lets anything happen to jobs, and compares the kept counts, and the totals of lists, with a count of all.
func totalsRecount(t *testing.T, s Storage) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newCrowd(t, s, rand.New(rand.NewPCG(seed, 0)), 30)
	w.requireTrue(t, s)
	for step := range 60 {
		w.happen(t, s)
		if step%6 == 5 {
			w.requireTrue(t, s)
		}
	}
}

// happen does one of the things that change jobs.
func (w *crowd) happen(t *testing.T, s Storage) {
	t.Helper()
	at := fixture.Now().Add(time.Duration(w.r.IntN(120)) * time.Minute)
	var err error
	switch w.r.IntN(8) {
	case 0:
		w.jobs = append(w.jobs, w.add(t, s))
	case 1:
		_, _, err = s.Backlog.Take(t.Context(), 1+w.r.IntN(10), at)
	case 2:
		_, err = s.Backlog.Wake(t.Context(), 1+w.r.IntN(10), at)
	case 3:
		_, err = s.Backlog.Expire(t.Context(), 1+w.r.IntN(5), at)
	case 4:
		_, err = s.Backlog.DetachSilent(t.Context(), 1+w.r.IntN(5), at)
	default:
		j := getJob(t, s, pickOne(w.r, w.jobs).ID)
		for _, verb := range []func() error{
			func() error { return j.RequestCancel(domain.ReasonUser, at) },
			func() error { return j.Claim("w", at) },
			func() error { return j.Failed(j.Epoch, domain.Failure{Reason: domain.ReasonAuth}, time.Second, at) },
			func() error { return j.Exited(j.Epoch, domain.Exit{Code: w.r.IntN(2)}, time.Second, at) },
		}[w.r.IntN(3):] {
			if verb() == nil {
				err = s.Jobs.Save(t.Context(), j)
				break
			}
		}
	}
	require.NoError(t, err)
}

// requireTrue recounts.
func (w *crowd) requireTrue(t *testing.T, s Storage) {
	t.Helper()
	type kind struct {
		status domain.Status
		reason domain.Reason
	}
	recent := w.base.Add(50*time.Hour + 20*time.Minute)
	counts, carried := map[kind]ports.JobCount{}, map[domain.WorkerID]int{}
	var sinceThen int64
	var oldest time.Time
	for i := range w.jobs {
		w.jobs[i] = getJob(t, s, w.jobs[i].ID)
		j := w.jobs[i]
		c := counts[kind{j.Status, j.Reason}]
		c.Status, c.Reason = j.Status, j.Reason
		c.Jobs++
		if !j.StartedAt.IsZero() && !j.FinishedAt.IsZero() {
			c.Runs++
			c.RunTime += j.FinishedAt.Sub(j.StartedAt)
		}
		counts[kind{j.Status, j.Reason}] = c
		if !j.CreatedAt.Before(recent.Truncate(time.Hour)) {
			sinceThen++
		}
		if j.Status == domain.StatusQueued && (oldest.IsZero() || j.CreatedAt.Before(oldest)) {
			oldest = j.CreatedAt
		}
		if j.Status == domain.StatusRunning && j.Worker != "" {
			carried[j.Worker]++
		}
	}
	got, err := s.Totals.Totals(t.Context(), recent)
	require.NoError(t, err)
	kept := map[kind]ports.JobCount{}
	for _, c := range got.Jobs {
		kept[kind{c.Status, c.Reason}] = c
	}
	require.Equal(t, counts, kept)
	require.Equal(t, sinceThen, got.Recent)
	require.Equal(t, oldest, got.OldestQueued)
	require.Equal(t, carried, got.Carried)
	require.EqualValues(t, len(w.servers), got.Servers)
	for range 4 {
		q := w.query(t)
		_, total, _, err := list(t, s, q)
		require.NoError(t, err)
		require.EqualValues(t, len(w.look(q)), total, "%+v", q)
	}
}

func totalsDeleted(t *testing.T, s Storage) {
	stays, goes := addServer(t, s), addServer(t, s)
	for i, state := range []fixture.State{fixture.Completed, fixture.Failed, fixture.Withdrawn, fixture.Completed} {
		for _, server := range []*domain.Server{stays, goes} {
			addJob(t, s, state, fixture.On(server.ID), fixture.Line(t, fmt.Sprintf("shared %d", i%2), ""))
		}
	}
	addJob(t, s, fixture.Completed, fixture.On(goes.ID), fixture.Line(t, "secret of the deleted", ""))
	deleted, err := s.Servers.Delete(t.Context(), goes.ID, true)
	require.NoError(t, err)
	require.EqualValues(t, 5, deleted)
	got, err := s.Totals.Totals(t.Context(), fixture.Now())
	require.NoError(t, err)
	var tally domain.Tally
	var runs int64
	for _, c := range got.Jobs {
		tally.Add(c.Status, c.Jobs)
		runs += c.Runs
	}
	require.Equal(t, domain.Tally{Completed: 2, Failed: 1, Canceled: 1}, tally)
	require.EqualValues(t, 3, runs)
	require.Empty(t, ids(t, s, ports.JobQuery{ServerID: goes.ID}))
	require.Len(t, ids(t, s, ports.JobQuery{Search: "shared"}), 4)
	require.Empty(t, ids(t, s, ports.JobQuery{Search: "secret"}))
	again := addJob(t, s, fixture.Pending, fixture.On(stays.ID), fixture.Line(t, "secret of the deleted", ""))
	require.Equal(t, jobIDs(again), ids(t, s, ports.JobQuery{Search: "secret"}), "what was deleted can be said again")
}
