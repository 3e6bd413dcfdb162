package contract

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// The leases of tests: one that runs out while a test waits for that, and one that does not run out during a test.
const (
	shortLease = 100 * time.Millisecond
	longLease  = 10 * time.Minute
	// clockGrain is how far a database's idea of now may be cut off.
	clockGrain = 5 * time.Millisecond
)

// WorkerRepository proves ports.WorkerRepository.
func WorkerRepository(t *testing.T, open Open) {
	clauses{
		"RegisteredWorkersAreListedOldestFirst": workersListed,
		"RegisteringTwiceIsRefused":             workerTwice,
		"RenewOfAnUnknownWorkerIsRefused":       workerUnknown,
		"RenewReturnsTheCancelsOfItsOwnJobs":    workerCancels,
		"RenewKeepsTheLeaseAndIsSeen":           workerRenewed,
		"LeaseRunsOutAndStaysOut":               workerRunsOut,
		"RetireEndsTheLease":                    workerRetires,
		"DoneContextEndsEveryMethod":            workersDoneContext,
	}.run(t, open)
}

func register(t *testing.T, s Storage, lease time.Duration) domain.Worker {
	t.Helper()
	w := fixture.Worker(t)
	require.NoError(t, s.Workers.Register(t.Context(), w, lease))
	return w
}

func listWorkers(t *testing.T, s Storage) []domain.Worker {
	t.Helper()
	all, err := s.Workers.List(t.Context())
	require.NoError(t, err)
	return all
}

func workersListed(t *testing.T, s Storage) {
	require.Empty(t, listWorkers(t, s))
	at := fixture.Now()
	var want []domain.Worker
	for i, age := range []time.Duration{0, time.Hour, time.Minute} {
		w := domain.Worker{
			ID: fixture.ID[domain.WorkerID](t), Hostname: fmt.Sprintf("wörker-%d", i), PID: 1<<22 - i, Capacity: 50 + i, StartedAt: at.Add(-age),
		}
		require.NoError(t, s.Workers.Register(t.Context(), w, longLease))
		want = append(want, w)
	}
	want[0], want[1], want[2] = want[1], want[2], want[0]
	got := listWorkers(t, s)
	require.Len(t, got, 3)
	for i := range got {
		require.WithinDuration(t, at, got[i].SeenAt, longLease, "by the database's clock")
		got[i].SeenAt = time.Time{}
	}
	require.Equal(t, want, got)
}

func workerTwice(t *testing.T, s Storage) {
	w := register(t, s, longLease)
	again := w
	again.Hostname = "impostor"
	err := s.Workers.Register(t.Context(), again, longLease)
	require.ErrorIs(t, err, &domain.Error{Code: "worker_exists"})
	require.Equal(t, domain.KindConflict, domain.KindOf(err))
	require.Equal(t, w.Hostname, listWorkers(t, s)[0].Hostname)
}

func workerUnknown(t *testing.T, s Storage) {
	id := fixture.ID[domain.WorkerID](t)
	_, err := s.Workers.Renew(t.Context(), id, longLease)
	require.ErrorIs(t, err, domain.ErrWorkerNotFound)
	require.Empty(t, listWorkers(t, s), "a refused renewal registers nobody")
	require.NoError(t, s.Workers.Retire(t.Context(), id))
}

func workerCancels(t *testing.T, s Storage) {
	mine, other := register(t, s, longLease), register(t, s, longLease)
	server := addServer(t, s)
	cancel := func(j *domain.Job) domain.JobID {
		require.NoError(t, j.RequestCancel(domain.ReasonUser, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		return j.ID
	}
	job := func(state fixture.State, w domain.Worker) *domain.Job {
		return addJob(t, s, state, fixture.On(server.ID), fixture.By(w.ID))
	}
	renew := func(w domain.Worker) []domain.JobID {
		cancels, err := s.Workers.Renew(t.Context(), w.ID, longLease)
		require.NoError(t, err)
		return cancels
	}
	job(fixture.Running, mine)  // nobody asked
	job(fixture.Canceled, mine) // over
	job(fixture.Completed, mine)
	require.Empty(t, renew(mine))

	want := []domain.JobID{cancel(job(fixture.Claimed, mine)), cancel(job(fixture.Running, mine)), job(fixture.Canceling, mine).ID}
	theirs := cancel(job(fixture.Running, other))
	cancel(job(fixture.Detached, mine)) // carried by nobody
	require.ElementsMatch(t, want, renew(mine))
	require.ElementsMatch(t, want, renew(mine), "they are named until the jobs have ended")
	require.Equal(t, []domain.JobID{theirs}, renew(other))
}

func workerRenewed(t *testing.T, s Storage) {
	w := fixture.Worker(t)
	lease := 20 * shortLease
	require.NoError(t, s.Workers.Register(t.Context(), w, lease))
	registered := listWorkers(t, s)[0].SeenAt
	wait.Until(t, func() error {
		_, err := s.Workers.Renew(t.Context(), w.ID, longLease)
		require.NoError(t, err)
		if seen := listWorkers(t, s)[0].SeenAt; !seen.After(registered) {
			return fmt.Errorf("last seen at %s, registered at %s", seen, registered)
		}
		return nil
	})
	// A second lease as long as the first began later: when it is over, so is the time the first would have had.
	later := register(t, s, lease)
	untilSilent(t, s, later.ID)
	listed := listWorkers(t, s)
	require.Len(t, listed, 1)
	require.Equal(t, w.ID, listed[0].ID)
	_, err := s.Workers.Renew(t.Context(), w.ID, longLease)
	require.NoError(t, err)
}

// untilSilent waits until a worker's lease has run out.
func untilSilent(t *testing.T, s Storage, id domain.WorkerID) {
	t.Helper()
	wait.Until(t, func() error {
		for _, w := range listWorkers(t, s) {
			if w.ID == id {
				return errors.New("the worker is still listed")
			}
		}
		return nil
	})
}

func workerRunsOut(t *testing.T, s Storage) {
	began := time.Now()
	w := register(t, s, shortLease)
	untilSilent(t, s, w.ID)
	require.GreaterOrEqual(t, time.Since(began), shortLease-clockGrain, "the lease was cut short")
	for range 2 {
		_, err := s.Workers.Renew(t.Context(), w.ID, longLease)
		require.ErrorIs(t, err, domain.ErrWorkerNotFound, "a lease that ran out cannot be renewed: the jobs may be another's")
		require.Empty(t, listWorkers(t, s), "the refused renewal renewed it")
	}
}

func workerRetires(t *testing.T, s Storage) {
	w, other := register(t, s, longLease), register(t, s, longLease)
	for range 2 {
		require.NoError(t, s.Workers.Retire(t.Context(), w.ID))
		listed := listWorkers(t, s)
		require.Len(t, listed, 1)
		require.Equal(t, other.ID, listed[0].ID)
		_, err := s.Workers.Renew(t.Context(), w.ID, longLease)
		require.ErrorIs(t, err, domain.ErrWorkerNotFound)
	}
}

func workersDoneContext(t *testing.T, s Storage) {
	w, fresh := register(t, s, longLease), fixture.Worker(t)
	requireDone(t, map[string]func(context.Context) error{
		"Register": func(ctx context.Context) error { return s.Workers.Register(ctx, fresh, longLease) },
		"Renew":    func(ctx context.Context) error { _, err := s.Workers.Renew(ctx, w.ID, longLease); return err },
		"Retire":   func(ctx context.Context) error { return s.Workers.Retire(ctx, w.ID) },
		"List":     func(ctx context.Context) error { _, err := s.Workers.List(ctx); return err },
	})
	listed := listWorkers(t, s)
	require.Len(t, listed, 1)
	require.Equal(t, w.ID, listed[0].ID)
}
