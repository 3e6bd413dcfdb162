package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var roomClauses = clauses{
	"EveryWayToLeaveAPlaceGivesItToTheMostUrgent": roomReleased,
	"OnlyTheRoomIsGiven":                          roomBounded,
	"OtherServersKeepTheirs":                      roomOfOthers,
	"JobsThatKeepTheirPlaceReleaseNobody":         roomKept,
	"RacingEndsLeaveNoPlaceEmpty":                 roomRace,
}

// held stores held jobs of priorities 1, 9 and 5 on a server; the second is the most urgent.
func held(t *testing.T, s Storage, server *domain.Server) []*domain.Job {
	t.Helper()
	var jobs []*domain.Job
	for _, p := range []domain.Priority{1, 9, 5} {
		jobs = append(jobs, addJob(t, s, fixture.Held, fixture.On(server.ID), fixture.Urgency(p)))
	}
	return jobs
}

func roomReleased(t *testing.T, s Storage) {
	save := func(verb func(j *domain.Job, at time.Time) error) func(j *domain.Job) error {
		return func(j *domain.Job) error {
			if err := verb(j, fixture.Now()); err != nil {
				return err
			}
			return s.Jobs.Save(t.Context(), j)
		}
	}
	for name, c := range map[string]struct {
		from  fixture.State
		leave func(j *domain.Job) error
	}{
		"it completed": {fixture.Running, save(func(j *domain.Job, at time.Time) error {
			return j.Exited(j.Epoch, domain.Exit{}, 0, at)
		})},
		"it failed": {fixture.Running, save(func(j *domain.Job, at time.Time) error {
			return j.Exited(j.Epoch, domain.Exit{Code: 1}, 0, at)
		})},
		"it is to be tried again": {fixture.Claimed, save(func(j *domain.Job, at time.Time) error {
			return j.Failed(j.Epoch, domain.Failure{Reason: domain.ReasonConnect, NotStarted: true}, time.Hour, at)
		})},
		"it was put back": {fixture.Claimed, save(func(j *domain.Job, at time.Time) error {
			return j.Unclaim(j.Epoch, at)
		})},
		"it was withdrawn": {fixture.Enqueued, save(func(j *domain.Job, at time.Time) error {
			return j.RequestCancel(domain.ReasonUser, at)
		})},
		"its ticket was returned": {fixture.Enqueued, func(j *domain.Job) error {
			return s.Backlog.Return(t.Context(), tickets(j), fixture.Now())
		}},
		"its worker fell silent": {fixture.Claimed, func(*domain.Job) error {
			_, err := s.Backlog.DetachSilent(t.Context(), 100, fixture.Now())
			return err
		}},
	} {
		server := addServer(t, s, fixture.Sessions(1))
		j := addJob(t, s, c.from, fixture.On(server.ID), fixture.By(register(t, s, longLease).ID))
		waiting := held(t, s, server)
		if name == "its worker fell silent" {
			require.NoError(t, s.Workers.Retire(t.Context(), j.Worker))
		}
		require.NoError(t, c.leave(j), name)
		require.False(t, getJob(t, s, j.ID).InFlight(), name)
		got := getJob(t, s, waiting[1].ID)
		require.Equal(t, domain.PhasePending, got.Phase, "the most urgent is released when %s", name)
		require.Equal(t, got.UpdatedAt, got.NextActionAt, "and is due at once")
		require.ErrorIs(t, s.Jobs.Save(t.Context(), waiting[1]), domain.ErrStaleJob, "releasing is a write")
		for _, i := range []int{0, 2} {
			requireSameJob(t, waiting[i], getJob(t, s, waiting[i].ID))
		}
	}
}

func roomBounded(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(3))
	ending := addJob(t, s, fixture.Running, fixture.On(server.ID))
	addJob(t, s, fixture.Enqueued, fixture.On(server.ID))
	waiting := held(t, s, server)
	end := func(j *domain.Job) {
		require.NoError(t, j.Exited(j.Epoch, domain.Exit{}, 0, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
	}
	end(ending) // one of three is still in flight: there is room for two
	requirePhase(t, s, waiting[1].ID, domain.PhasePending)
	requirePhase(t, s, waiting[2].ID, domain.PhasePending)
	requirePhase(t, s, waiting[0].ID, domain.PhaseHeld)
	got, _ := take(t, s, 10, fixture.Now())
	require.Equal(t, tickets(waiting[1], waiting[2]), got)

	// A server whose bound was lowered below what is in flight has no room when one of them ends.
	crowded := addServer(t, s, fixture.Sessions(3))
	a := addJob(t, s, fixture.Running, fixture.On(crowded.ID))
	addJob(t, s, fixture.Running, fixture.On(crowded.ID))
	waiting = held(t, s, crowded)
	crowded.MaxSessions = 1
	require.NoError(t, s.Servers.Save(t.Context(), crowded, nil))
	end(a)
	for _, j := range waiting {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
	addMany(t, s, 1, fixture.On(crowded.ID))
	got, _ = take(t, s, 10, fixture.Now())
	require.Empty(t, got)
}

func roomOfOthers(t *testing.T, s Storage) {
	server, other := addServer(t, s, fixture.Sessions(1)), addServer(t, s, fixture.Sessions(1))
	j := addJob(t, s, fixture.Running, fixture.On(server.ID))
	addJob(t, s, fixture.Running, fixture.On(other.ID))
	theirs := held(t, s, other)
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{}, 0, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	for _, k := range theirs {
		requireSameJob(t, k, getJob(t, s, k.ID))
	}
}

func roomKept(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(1))
	j := addJob(t, s, fixture.Enqueued, fixture.On(server.ID))
	waiting := held(t, s, server)
	for _, verb := range []func(at time.Time) error{
		func(at time.Time) error { return j.Claim(fixture.ID[domain.WorkerID](t), at) },
		func(at time.Time) error { return j.Starting(j.Epoch, at) },
		func(at time.Time) error { return j.Started(j.Epoch, domain.Process{PID: 1, StartedAt: at}, at) },
		j.Detach,
		j.Reoffer,
		func(at time.Time) error { return j.Attach(fixture.ID[domain.WorkerID](t), at) },
		func(at time.Time) error { return j.RequestCancel(domain.ReasonUser, at) },
	} {
		require.NoError(t, verb(fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		for _, k := range waiting {
			requirePhase(t, s, k.ID, domain.PhaseHeld)
		}
	}
}

// roomRace ends all jobs of a full server at once. As many of those that waited as there are places are offered then:
// the most urgent ones, whoever saw which place become free.
func roomRace(t *testing.T, s Storage) {
	const places = 8
	server := addServer(t, s, fixture.Sessions(places))
	var running, waiting []*domain.Job
	for range places {
		running = append(running, addJob(t, s, fixture.Running, fixture.On(server.ID)))
	}
	for i := range places + 2 {
		waiting = append(waiting, addJob(t, s, fixture.Held, fixture.On(server.ID), fixture.Urgency(domain.Priority(10-i))))
	}
	at := fixture.Now().Add(time.Hour)
	for _, err := range race(places, func(i int) error {
		if err := running[i].Exited(running[i].Epoch, domain.Exit{}, 0, at); err != nil {
			return err
		}
		return s.Jobs.Save(t.Context(), running[i])
	}) {
		require.NoError(t, err)
	}
	got, _ := take(t, s, 100, at)
	require.Equal(t, tickets(waiting[:places]...), got)
	for _, j := range waiting[places:] {
		requirePhase(t, s, j.ID, domain.PhaseHeld)
	}
}
