package contract

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var returnClauses = clauses{
	"PutsBackWhatTheQueueDidNotTake":     returnPutsBack,
	"LeavesAloneWhatMovedOn":             returnMovedOn,
	"DetachedJobsAreDueAgain":            returnDetached,
	"SameStoreIsNoNews":                  adoptSame,
	"AnotherStoreMakesAllBeOfferedAgain": adoptAnother,
	"StoresAreKnownByTheirQueue":         adoptByQueue,
	"RacingAdoptsHandleEachJobOnce":      adoptRace,
}

func returnPutsBack(t *testing.T, s Storage) {
	server := addServer(t, s)
	jobs := addMany(t, s, 3, fixture.On(server.ID))
	at := fixture.Now()
	got, _ := take(t, s, 10, at)
	require.Len(t, got, 3)
	back := at.Add(time.Second)
	require.NoError(t, s.Backlog.Return(t.Context(), got[:2], back))
	for _, j := range jobs[:2] {
		require.NoError(t, j.Offer(at))
		require.NoError(t, j.Release(back))
		requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
	}
	requirePhase(t, s, jobs[2].ID, domain.PhaseEnqueued)
	again, _ := take(t, s, 10, back)
	require.Equal(t, got[:2], again, "the same attempt has the same ticket")
}

func returnMovedOn(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(domain.MaxSessions))
	worker := register(t, s, longLease)
	at := fixture.Now()
	var old []domain.Ticket
	var jobs []*domain.Job
	for _, state := range fixture.States() {
		if state == fixture.Detached {
			continue
		}
		j := addJob(t, s, fixture.Pending, fixture.On(server.ID))
		old = append(old, j.Ticket())
		if state == fixture.Pending || state == fixture.Enqueued { // offered under an older ticket, claimed and put back since
			require.NoError(t, j.Claim(worker.ID, at))
			require.NoError(t, j.Unclaim(j.Epoch, at))
			require.NoError(t, s.Jobs.Save(t.Context(), j))
		}
		if state != fixture.Pending {
			fixture.Walk(t, j, state, fixture.By(worker.ID))
			require.NoError(t, s.Jobs.Save(t.Context(), j))
		}
		jobs = append(jobs, j)
	}
	unknown := fixture.Job(t, fixture.Enqueued, fixture.On(server.ID))
	require.NoError(t, s.Backlog.Return(t.Context(), append(old, unknown.Ticket()), at.Add(time.Hour)))
	for _, j := range jobs {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}

func returnDetached(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Detached, fixture.On(addServer(t, s).ID))
	at := j.NextActionAt
	got, _ := take(t, s, 10, at)
	require.Equal(t, tickets(j), got)
	back := at.Add(time.Second)
	require.NoError(t, s.Backlog.Return(t.Context(), got, back))
	after := getJob(t, s, j.ID)
	require.Equal(t, domain.PhaseDetached, after.Phase)
	require.Equal(t, j.Epoch, after.Epoch)
	again, _ := take(t, s, 10, back)
	require.Equal(t, got, again, "it need not wait for its next turn")

	require.NoError(t, s.Backlog.Return(t.Context(), got, at.Add(-time.Hour)))
	require.Equal(t, back, getJob(t, s, j.ID).UpdatedAt, "times never run backward")
	again, _ = take(t, s, 10, back)
	require.Equal(t, got, again)
}

func adopt(t *testing.T, s Storage, queue, store string, at time.Time) int {
	t.Helper()
	n, err := s.Backlog.Adopt(t.Context(), queue, store, at)
	require.NoError(t, err)
	return n
}

func adoptSame(t *testing.T, s Storage) {
	at := fixture.Now()
	require.Zero(t, adopt(t, s, "jobs", "store-1", at))
	j := addJob(t, s, fixture.Enqueued, fixture.On(addServer(t, s).ID))
	for range 3 {
		require.Zero(t, adopt(t, s, "jobs", "store-1", at))
	}
	requireSameJob(t, j, getJob(t, s, j.ID))
}

func adoptAnother(t *testing.T, s Storage) {
	server, quiet := addServer(t, s, fixture.Sessions(domain.MaxSessions)), addServer(t, s)
	adopt(t, s, "jobs", "store-1", fixture.Now())
	var untouched []*domain.Job
	for _, state := range fixture.States() {
		if state != fixture.Enqueued && state != fixture.Detached {
			untouched = append(untouched, addJob(t, s, state, fixture.On(quiet.ID)))
		}
	}
	waiting := addJob(t, s, fixture.Detached, fixture.On(server.ID))
	at := waiting.NextActionAt
	require.NoError(t, waiting.Reoffer(at))
	require.NoError(t, s.Jobs.Save(t.Context(), waiting))
	var lost []*domain.Job
	for _, j := range addMany(t, s, 150, fixture.On(server.ID), fixture.Since(at)) { // more than fits one small batch
		require.NoError(t, j.Offer(at))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		lost = append(lost, j)
	}
	at = at.Add(time.Second)
	require.Equal(t, len(lost)+1, adopt(t, s, "jobs", "store-2", at))
	require.Zero(t, adopt(t, s, "jobs", "store-2", at))
	for _, j := range lost {
		require.NoError(t, j.Release(at))
		requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
	}
	got := getJob(t, s, waiting.ID)
	require.Equal(t, domain.PhaseDetached, got.Phase)
	require.False(t, got.NextActionAt.After(at), "a detached job is due")
	for _, j := range untouched {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}

func adoptByQueue(t *testing.T, s Storage) {
	at := fixture.Now()
	adopt(t, s, "a", "store-1", at)
	adopt(t, s, "b", "store-2", at)
	j := addJob(t, s, fixture.Enqueued, fixture.On(addServer(t, s).ID))
	require.Zero(t, adopt(t, s, "a", "store-1", at))
	require.Zero(t, adopt(t, s, "b", "store-2", at))
	requireSameJob(t, j, getJob(t, s, j.ID))
	require.Equal(t, 1, adopt(t, s, "c", "store-1", at), "a queue that was never seen has none of the tickets")
	require.NoError(t, s.Jobs.Save(t.Context(), offered(t, s, j.ID, at)))
	require.Equal(t, 1, adopt(t, s, "a", "store-3", at))
	require.NoError(t, s.Jobs.Save(t.Context(), offered(t, s, j.ID, at)))
	require.Equal(t, 1, adopt(t, s, "a", "store-1", at), "a store seen before the last one is another")
}

// offered reads a pending job and offers it.
func offered(t *testing.T, s Storage, id domain.JobID, at time.Time) *domain.Job {
	t.Helper()
	j := getJob(t, s, id)
	require.NoError(t, j.Offer(at))
	return j
}

func adoptRace(t *testing.T, s Storage) {
	const n = 60
	server := addServer(t, s)
	var jobs []*domain.Job
	for range n {
		jobs = append(jobs, addJob(t, s, fixture.Enqueued, fixture.On(server.ID)))
	}
	at := fixture.Now()
	counts := make([]int, racers)
	for _, err := range race(racers, func(i int) (err error) {
		counts[i], err = s.Backlog.Adopt(t.Context(), "jobs", "store-2", at)
		return err
	}) {
		require.NoError(t, err)
	}
	total := 0
	for _, k := range counts {
		total += k
	}
	require.Equal(t, n, total, fmt.Sprint(counts))
	for _, j := range jobs {
		got := getJob(t, s, j.ID)
		require.Equal(t, domain.PhasePending, got.Phase)
		require.Equal(t, j.Revision+1, got.Revision, "written once")
	}
}
