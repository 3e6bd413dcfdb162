package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var gateClauses = clauses{
	"NoMoreInFlightThanMaxParallel":        gateHolds,
	"AnEndReleasesTheNext":                 gateReleases,
	"WhoeverGivesUpAPlaceReleasesTheNext":  gateReleasesOnAnyWay,
	"AFullServerDoesNotHoldUpTheOthers":    gatePassesFullServers,
	"AFullBatchLeavesItsServersToOthers":   gatePassesFullBatches,
	"PendingJobsTakeTheRoomThatTheyWereIn": gateCountsPending,
	"RandomBatchesKeepTheirLimits":         gateProperty,
}

// exit claims an enqueued job, starts it and ends it with a code.
func exit(t *testing.T, s Storage, id domain.JobID, code int) *domain.Job {
	t.Helper()
	j := getJob(t, s, id)
	require.Equal(t, domain.PhaseEnqueued, j.Phase)
	at := fixture.Now()
	require.NoError(t, j.Claim(fixture.ID[domain.WorkerID](t), at))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	require.NoError(t, j.Starting(j.Epoch, at))
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: code}, 0, at))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	return j
}

func requirePhases(t *testing.T, s Storage, jobs []*domain.Job, want ...domain.Phase) {
	t.Helper()
	got := make([]domain.Phase, len(jobs))
	for i, j := range jobs {
		got[i] = getJob(t, s, j.ID).Phase
	}
	require.Equal(t, want, got)
}

func gateHolds(t *testing.T, s Storage) {
	servers := addServers(t, s, 5)
	_, jobs := addBatch(t, s, servers, limits(2, 0))
	_, free := addBatch(t, s, servers)
	got, more := take(t, s, 100, fixture.Now())
	require.False(t, more)
	require.ElementsMatch(t, tickets(append(jobs[:2:2], free...)...), got)
	requirePhases(t, s, jobs, "enqueued", "enqueued", "held", "held", "held")
	for _, j := range jobs[2:] { // looked at again, they are held again
		again := getJob(t, s, j.ID)
		require.NoError(t, again.Release(fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), again))
	}
	got, _ = take(t, s, 100, fixture.Now())
	require.Empty(t, got)
	requirePhases(t, s, jobs, "enqueued", "enqueued", "held", "held", "held")
}

func gateReleases(t *testing.T, s Storage) {
	_, jobs := addBatch(t, s, addServers(t, s, 4), limits(1, 0))
	for i, j := range jobs {
		got, _ := take(t, s, 100, fixture.Now())
		require.Equal(t, tickets(j), got)
		exit(t, s, j.ID, i%2)
		if i+1 < len(jobs) {
			next := getJob(t, s, jobs[i+1].ID)
			require.Equal(t, domain.PhasePending, next.Phase, "in the transaction that ended the one before")
		}
	}
}

func gateReleasesOnAnyWay(t *testing.T, s Storage) {
	save := func(verb func(j *domain.Job, at time.Time) error) func(j *domain.Job) {
		return func(j *domain.Job) {
			require.NoError(t, verb(j, fixture.Now()))
			require.NoError(t, s.Jobs.Save(t.Context(), j))
		}
	}
	for name, c := range map[string]struct {
		from  fixture.State
		leave func(j *domain.Job)
	}{
		"it is to be tried again": {fixture.Claimed, save(func(j *domain.Job, at time.Time) error {
			return j.Failed(j.Epoch, domain.Failure{Reason: domain.ReasonConnect, NotStarted: true}, time.Hour, at)
		})},
		"it was withdrawn": {fixture.Enqueued, save(func(j *domain.Job, at time.Time) error {
			return j.RequestCancel(domain.ReasonUser, at)
		})},
		"nobody took its ticket": {fixture.Enqueued, func(j *domain.Job) {
			_, err := s.Backlog.Wake(t.Context(), 100, j.NextActionAt)
			require.NoError(t, err)
		}},
		"it was lost": {fixture.Detached, func(j *domain.Job) {
			_, err := s.Backlog.Expire(t.Context(), 100, j.DeadlineAt.Add(domain.LostAfter))
			require.NoError(t, err)
		}},
	} {
		_, jobs := addBatch(t, s, addServers(t, s, 2), limits(1, 0))
		fixture.Walk(t, jobs[0], c.from)
		require.NoError(t, s.Jobs.Save(t.Context(), jobs[0]))
		require.NoError(t, jobs[1].Hold(fixture.Now().Add(time.Hour)))
		require.NoError(t, s.Jobs.Save(t.Context(), jobs[1]))
		c.leave(getJob(t, s, jobs[0].ID))
		require.False(t, getJob(t, s, jobs[0].ID).InFlight(), name)
		if name != "nobody took its ticket" { // that one is the older of two that wait
			require.Equal(t, domain.PhasePending, getJob(t, s, jobs[1].ID).Phase, "the next is released when %s", name)
		}
		for _, j := range jobs {
			if j = getJob(t, s, j.ID); !j.Status.Final() {
				require.NoError(t, j.RequestCancel(domain.ReasonUser, fixture.Now()))
				require.NoError(t, s.Jobs.Save(t.Context(), j))
			}
		}
	}
}

func gatePassesFullServers(t *testing.T, s Storage) {
	servers := addServers(t, s, 3, fixture.Sessions(1))
	addJob(t, s, fixture.Running, fixture.On(servers[0].ID))
	_, jobs := addBatch(t, s, servers, limits(1, 0))
	got, _ := take(t, s, 100, fixture.Now())
	require.Equal(t, tickets(jobs[1]), got)
	exit(t, s, jobs[1].ID, 0)
	requirePhases(t, s, jobs, "held", "", "pending")
}

func gatePassesFullBatches(t *testing.T, s Storage) {
	servers := addServers(t, s, 2, fixture.Sessions(1))
	_, jobs := addBatch(t, s, servers, limits(1, 0))
	got, _ := take(t, s, 100, fixture.Now())
	require.Equal(t, tickets(jobs[0]), got)
	holder := addJob(t, s, fixture.Running, fixture.On(servers[1].ID))
	younger := addJob(t, s, fixture.Held, fixture.On(servers[1].ID), fixture.Urgency(1))
	require.NoError(t, holder.Exited(holder.Epoch, domain.Exit{}, 0, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), holder))
	requirePhase(t, s, jobs[1].ID, domain.PhaseHeld)
	requirePhase(t, s, younger.ID, domain.PhasePending)
}

// gateCountsPending ends several jobs before anybody is offered their places: no more are released than there are places.
func gateCountsPending(t *testing.T, s Storage) {
	const places = 4
	server := addServer(t, s, fixture.Sessions(places))
	var running []*domain.Job
	for range places {
		running = append(running, addJob(t, s, fixture.Running, fixture.On(server.ID)))
	}
	var waiting []*domain.Job
	for range 20 {
		waiting = append(waiting, addJob(t, s, fixture.Held, fixture.On(server.ID)))
	}
	_, batch := addBatch(t, s, addServers(t, s, 12), limits(3, 0))
	first, _ := take(t, s, 100, fixture.Now())
	require.Len(t, first, 3)
	for _, j := range running {
		require.NoError(t, j.Exited(j.Epoch, domain.Exit{}, 0, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
	}
	for _, ticket := range first {
		exit(t, s, ticket.Job, 0)
	}
	released := func(jobs []*domain.Job) (n int) {
		for _, j := range jobs {
			if getJob(t, s, j.ID).Phase == domain.PhasePending {
				n++
			}
		}
		return n
	}
	require.Equal(t, places, released(waiting))
	require.Equal(t, 3, released(batch))
	got, _ := take(t, s, 100, fixture.Now())
	require.Len(t, got, places+3)
}
