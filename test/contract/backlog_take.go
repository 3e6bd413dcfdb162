package contract

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var takeClauses = clauses{
	"MostUrgentThenOldestFirst":       takeOrder,
	"MoreSaysThereWasMoreThanLimit":   takeMore,
	"FullServersHoldTheirJobs":        takeHolds,
	"ReoffersDetachedJobsThatAreDue":  takeDetached,
	"RacingTakesNeverExceedARoom":     takeRace,
	"RacingTakesKeepUpWithEndingJobs": takeUnderLoad,
}

func takeOrder(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(100))
	at := fixture.Now()
	add := func(p domain.Priority, age time.Duration) *domain.Job {
		return addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Urgency(p), fixture.Since(at.Add(-age)))
	}
	low, middle, top, older, oldest := add(1, time.Hour), add(5, 0), add(10, 0), add(5, time.Minute), add(5, time.Minute+time.Microsecond)
	want := tickets(top, oldest, older, middle, low)
	got, more := take(t, s, 3, at)
	require.Equal(t, want[:3], got)
	require.True(t, more)
	for _, j := range []*domain.Job{top, oldest, older} {
		require.NoError(t, j.Offer(at))
		requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
	}
	requireSameJob(t, middle, getJob(t, s, middle.ID))
	got, more = take(t, s, 3, at)
	require.Equal(t, want[3:], got)
	require.False(t, more)
	got, _ = take(t, s, 3, at)
	require.Empty(t, got)
}

func takeMore(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(2))
	at := fixture.Now()
	addMany(t, s, 5, fixture.On(server.ID))
	for _, want := range []struct {
		tickets int
		more    bool
	}{{2, true}, {0, true}, {0, false}, {0, false}} {
		got, more := take(t, s, 2, at)
		require.Len(t, got, want.tickets)
		require.Equal(t, want.more, more)
	}
	addMany(t, s, 3, fixture.On(addServer(t, s).ID))
	got, more := take(t, s, 3, at)
	require.Len(t, got, 3)
	require.False(t, more, "exactly the limit is not more")
}

func takeHolds(t *testing.T, s Storage) {
	full, free := addServer(t, s, fixture.Sessions(3)), addServer(t, s, fixture.Sessions(1))
	at := fixture.Now().Add(time.Minute)
	addJob(t, s, fixture.Running, fixture.On(full.ID))
	addJob(t, s, fixture.Detached, fixture.On(full.ID), fixture.Since(at)) // takes its place too, and is not due
	for _, state := range []fixture.State{fixture.Completed, fixture.Failed, fixture.Backoff, fixture.Held} {
		addJob(t, s, state, fixture.On(full.ID)) // these take none
	}
	urgent := addJob(t, s, fixture.Pending, fixture.On(full.ID), fixture.Urgency(9))
	waits := addJob(t, s, fixture.Pending, fixture.On(full.ID), fixture.Urgency(8))
	last := addJob(t, s, fixture.Pending, fixture.On(full.ID), fixture.Urgency(7))
	elsewhere := addJob(t, s, fixture.Pending, fixture.On(free.ID), fixture.Urgency(1))
	got, more := take(t, s, 10, at)
	require.Equal(t, tickets(urgent, elsewhere), got)
	require.False(t, more)
	for _, j := range []*domain.Job{waits, last} {
		require.NoError(t, j.Hold(at))
		requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
	}
}

func takeDetached(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(1))
	first := addJob(t, s, fixture.Detached, fixture.On(server.ID))
	at := first.NextActionAt
	later := addJob(t, s, fixture.Detached, fixture.On(server.ID), fixture.Since(at.Add(time.Hour)))
	got, more := take(t, s, 1, at.Add(-time.Microsecond))
	require.Empty(t, got, "not due yet")
	require.False(t, more)

	got, more = take(t, s, 1, at)
	require.Equal(t, tickets(first), got, "due, however full its server is: it has its place")
	require.False(t, more)
	require.NoError(t, first.Reoffer(at))
	requireSameJob(t, first, getJob(t, s, first.ID), "Revision")
	got, _ = take(t, s, 1, at)
	require.Empty(t, got, "it was offered just now")

	got, more = take(t, s, 1, later.NextActionAt)
	require.Len(t, got, 1)
	require.True(t, more)
	second, more := take(t, s, 1, later.NextActionAt)
	require.False(t, more)
	require.ElementsMatch(t, tickets(first, later), append(got, second...), "nobody took the first one: it is offered again")

	pending := addJob(t, s, fixture.Pending, fixture.On(addServer(t, s).ID))
	got, more = take(t, s, 2, later.NextActionAt.Add(domain.ReofferAfter))
	require.ElementsMatch(t, tickets(first, later, pending), got, "the limit is of each kind")
	require.False(t, more)
}

// manyServers stores 200 jobs of mixed urgency on three servers with little room.
func manyServers(t *testing.T, s Storage) (servers []*domain.Server, jobs map[domain.JobID]*domain.Job) {
	t.Helper()
	jobs = map[domain.JobID]*domain.Job{}
	for _, sessions := range []int{1, 3, 8} {
		servers = append(servers, addServer(t, s, fixture.Sessions(sessions)))
	}
	for i := range 200 {
		p := domain.Priority(i*7%10 + 1)
		j := addMany(t, s, 1, fixture.On(servers[i%3].ID), fixture.Urgency(p))[0]
		jobs[j.ID] = j
	}
	return servers, jobs
}

func takeRace(t *testing.T, s Storage) {
	servers, jobs := manyServers(t, s)
	const takers = 8
	at := fixture.Now()
	taken := make([][]domain.Ticket, takers)
	for _, err := range race(takers, func(i int) error {
		for {
			got, more, err := s.Backlog.Take(t.Context(), 9, at)
			taken[i] = append(taken[i], got...)
			if err != nil || len(got) == 0 && !more {
				return err
			}
		}
	}) {
		require.NoError(t, err)
	}
	rest, _ := take(t, s, 1000, at) // what racers left to each other
	all := slices.Concat(append(taken, rest)...)
	perServer, seen := map[domain.ServerID]int{}, map[string]bool{}
	for _, ticket := range all {
		require.False(t, seen[ticket.ID], "ticket %s was handed out twice", ticket.ID)
		seen[ticket.ID] = true
		perServer[jobs[ticket.Job].ServerID]++
	}
	for _, server := range servers {
		require.Equal(t, server.MaxSessions, perServer[server.ID], "the server's room, all of it and no more")
	}
	for id := range jobs {
		j := getJob(t, s, id)
		want := domain.PhaseHeld
		if seen[j.Ticket().ID] {
			want = domain.PhaseEnqueued
		}
		require.Equal(t, want, j.Phase)
	}
}

// takeUnderLoad runs 200 jobs to their end with eight dispatchers that are workers as well. Each job is counted from the
// moment its ticket is known until right before its end is saved, so the count is never above what is in flight.
func takeUnderLoad(t *testing.T, s Storage) {
	servers, jobs := manyServers(t, s)
	const takers = 8
	at, worker := fixture.Now(), register(t, s, longLease)
	var (
		mu     sync.Mutex
		flying = map[domain.ServerID]int{}
		runs   = map[domain.JobID]int{}
	)
	room := map[domain.ServerID]int{}
	for _, server := range servers {
		room[server.ID] = server.MaxSessions
	}
	count := func(id domain.JobID, n int) error {
		mu.Lock()
		defer mu.Unlock()
		server := jobs[id].ServerID
		if flying[server] += n; flying[server] > room[server] {
			return fmt.Errorf("%d jobs in flight on a server with room for %d", flying[server], room[server])
		}
		if n > 0 {
			runs[id]++
		}
		return nil
	}
	finished := func() bool { mu.Lock(); defer mu.Unlock(); return len(runs) == len(jobs) }
	for _, err := range race(takers, func(int) error {
		for !finished() {
			got, _, err := s.Backlog.Take(t.Context(), 9, at)
			if err != nil {
				return err
			}
			for _, ticket := range got {
				if err := count(ticket.Job, 1); err != nil {
					return err
				}
			}
			for _, ticket := range got {
				if err := carry(t, s, ticket.Job, worker.ID, at, func() error { return count(ticket.Job, -1) }); err != nil {
					return err
				}
			}
			if t.Context().Err() != nil {
				return t.Context().Err()
			}
		}
		return nil
	}) {
		require.NoError(t, err)
	}
	for id, n := range runs {
		require.Equal(t, 1, n, "job %s was handed out more than once", id)
		require.Equal(t, domain.StatusCompleted, getJob(t, s, id).Status)
	}
	_, total, _, err := list(t, s, ports.JobQuery{Limit: 1, Statuses: []domain.Status{domain.StatusCompleted}})
	require.NoError(t, err)
	require.Equal(t, int64(len(jobs)), total)
}

// carry claims a job and ends it; landing is called right before the end is saved.
func carry(t *testing.T, s Storage, id domain.JobID, worker domain.WorkerID, at time.Time, landing func() error) error {
	j, err := s.Jobs.Get(t.Context(), id)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return j.Claim(worker, at) },
		func() error { return s.Jobs.Save(t.Context(), j) },
		func() error { return j.Starting(j.Epoch, at) },
		func() error { return j.Exited(j.Epoch, domain.Exit{}, 0, at) },
		landing,
		func() error { return s.Jobs.Save(t.Context(), j) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
