package contract

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
	"github.com/heysubinoy/remora/test/harness/wait"
)

var sweepClauses = clauses{
	"WakeWakesWhatIsDue":                  wakeDue,
	"DetachOnlyAfterTheLeaseRanOut":       detachAfterLease,
	"DetachTakesEveryRunningPhase":        detachPhases,
	"DetachedWriterIsLockedOut":           detachFences,
	"DetachKeepsACancelInMind":            detachCanceled,
	"ExpireEndsWhatWaitedTooLong":         expireQueued,
	"ExpireGivesUpWhatNobodyReaches":      expireDetached,
	"ExpireLeavesCarriedJobsToTheWorker":  expireCarried,
	"DetachAndExpireTellWhatBecameOfThem": sweptAreTold,
}

func wakeDue(t *testing.T, s Storage) {
	for _, state := range []fixture.State{fixture.Backoff, fixture.Held, fixture.Enqueued} {
		j := addJob(t, s, state, fixture.On(addServer(t, s).ID))
		at := j.NextActionAt
		require.Zero(t, sweep(s.Backlog.Wake).run(t, 10, at.Add(-time.Microsecond)), "%s is not due", state)
		requireSameJob(t, j, getJob(t, s, j.ID))
		require.Equal(t, 1, sweep(s.Backlog.Wake).run(t, 10, at), "%s is due", state)
		require.NoError(t, j.Release(at))
		requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
		require.Zero(t, sweep(s.Backlog.Wake).run(t, 10, at))
		take(t, s, 10, at) // out of the way
		require.NoError(t, s.Jobs.Save(t.Context(), withdrawn(t, s, j.ID, at)))
	}
	later := fixture.Now().AddDate(1, 0, 0)
	for _, state := range []fixture.State{fixture.Pending, fixture.Claimed, fixture.Running, fixture.Detached, fixture.Collecting} {
		j := addJob(t, s, state, fixture.On(addServer(t, s).ID))
		require.Zero(t, sweep(s.Backlog.Wake).run(t, 10, later), "%s is not for Wake", state)
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}

func withdrawn(t *testing.T, s Storage, id domain.JobID, at time.Time) *domain.Job {
	t.Helper()
	j := getJob(t, s, id)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, at))
	return j
}

func detachAfterLease(t *testing.T, s Storage) {
	server := addServer(t, s)
	began := time.Now()
	silent, alive, retired := register(t, s, shortLease), register(t, s, longLease), register(t, s, longLease)
	of := func(w domain.WorkerID) *domain.Job {
		return addJob(t, s, fixture.Running, fixture.On(server.ID), fixture.By(w))
	}
	theirs, kept, left, strange := of(silent.ID), of(alive.ID), of(retired.ID), of(fixture.ID[domain.WorkerID](t))
	require.NoError(t, s.Workers.Retire(t.Context(), retired.ID))

	// The caller's clock says nothing about leases: neither a late one nor an early one changes whose has run out.
	late := fixture.Now().AddDate(1, 0, 0)
	wait.Until(t, func() error {
		_, err := s.Backlog.DetachSilent(t.Context(), 10, late)
		require.NoError(t, err)
		for _, j := range []*domain.Job{left, strange} {
			requirePhase(t, s, j.ID, domain.PhaseDetached)
		}
		if getJob(t, s, theirs.ID).Phase != domain.PhaseDetached {
			return errors.New("the silent worker's job is not detached")
		}
		return nil
	})
	require.GreaterOrEqual(t, time.Since(began), shortLease-clockGrain, "a job was taken from a worker whose lease was running")
	requireSameJob(t, kept, getJob(t, s, kept.ID))

	require.NoError(t, s.Workers.Retire(t.Context(), alive.ID))
	require.Equal(t, 1, listed(s.Backlog.DetachSilent).run(t, 10, began.UTC().AddDate(-1, 0, 0).Truncate(time.Microsecond)))
	got := getJob(t, s, kept.ID)
	require.Equal(t, domain.PhaseDetached, got.Phase)
	require.Equal(t, kept.UpdatedAt, got.UpdatedAt, "times never run backward")
}

func detachPhases(t *testing.T, s Storage) {
	server := addServer(t, s)
	at := fixture.Now().Add(time.Hour)
	for _, state := range []fixture.State{
		fixture.Claimed, fixture.Starting, fixture.Running, fixture.Canceling, fixture.TimingOut, fixture.Collecting,
	} {
		j := addJob(t, s, state, fixture.On(server.ID), fixture.Timeout(domain.MaxTimeout))
		require.Equal(t, 1, listed(s.Backlog.DetachSilent).run(t, 10, at), "%s", state)
		epoch := j.Epoch
		require.NoError(t, j.Detach(at))
		got := getJob(t, s, j.ID)
		requireSameJob(t, j, got, "Revision")
		require.Greater(t, got.Epoch, epoch)
		require.Zero(t, listed(s.Backlog.DetachSilent).run(t, 10, at), "%s: once is enough", state)
		if state == fixture.Claimed {
			require.Equal(t, domain.PhasePending, got.Phase, "nothing was sent to the server: it goes back to the queue")
			requireAttempts(t, s, j.ID, 0)
		}
		offeredNow, _ := take(t, s, 10, at)
		require.Equal(t, tickets(got), offeredNow, "%s: it is offered again at once", state)
	}
}

func detachFences(t *testing.T, s Storage) {
	j := runningJob(t, s)
	appendText(t, s, j, "before")
	require.Equal(t, 1, listed(s.Backlog.DetachSilent).run(t, 10, fixture.Now()))
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{Stdout: 6}, pieces(domain.Stdout, []byte("after"))...))
	require.ErrorIs(t, err, domain.ErrLeaseLost)
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{}, 0, fixture.Now()))
	require.ErrorIs(t, s.Jobs.Save(t.Context(), j), domain.ErrStaleJob)
	got := getJob(t, s, j.ID)
	require.Equal(t, domain.Offsets{Stdout: 6}, got.Output, "its output stands")
	require.ErrorIs(t, got.Exited(j.Epoch, domain.Exit{}, 0, fixture.Now()), domain.ErrLeaseLost, "whoever reads again learns of it")

	require.NoError(t, got.Attach(register(t, s, longLease).ID, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), got))
	_, err = s.Output.Append(t.Context(), appendTo(got, domain.Offsets{Stdout: 6}, pieces(domain.Stdout, []byte("after"))...))
	require.NoError(t, err, "the next worker goes on where the last one stopped")
	require.Equal(t, "beforeafter", string(readAll(t, s, got.AttemptID(), domain.Stdout)))
}

func detachCanceled(t *testing.T, s Storage) {
	server := addServer(t, s)
	claimed := addJob(t, s, fixture.Claimed, fixture.On(server.ID))
	running := addJob(t, s, fixture.Running, fixture.On(server.ID))
	for _, j := range []*domain.Job{claimed, running} {
		require.NoError(t, s.Jobs.Save(t.Context(), withdrawn(t, s, j.ID, fixture.Now())))
	}
	require.Equal(t, 2, listed(s.Backlog.DetachSilent).run(t, 10, fixture.Now()))
	require.Equal(t, domain.StatusCanceled, getJob(t, s, claimed.ID).Status, "nothing was sent to the server")
	requireAttempts(t, s, claimed.ID, 1)
	got := getJob(t, s, running.ID)
	require.Equal(t, domain.PhaseDetached, got.Phase)
	require.True(t, got.CancelRequested)
	require.Equal(t, domain.ReasonUser, got.Reason)
}

func expireQueued(t *testing.T, s Storage) {
	for _, state := range []fixture.State{fixture.Pending, fixture.Enqueued, fixture.Held, fixture.Backoff} {
		j := addJob(t, s, state, fixture.On(addServer(t, s).ID))
		before, err := s.Jobs.Attempts(t.Context(), j.ID)
		require.NoError(t, err)
		at := j.DeadlineAt
		require.Zero(t, listed(s.Backlog.Expire).run(t, 10, at.Add(-time.Microsecond)), "%s", state)
		requireSameJob(t, j, getJob(t, s, j.ID))
		require.Equal(t, 1, listed(s.Backlog.Expire).run(t, 10, at), "%s", state)
		require.NoError(t, j.Expire(at))
		require.Equal(t, domain.ReasonQueueTimeout, j.Reason)
		requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
		requireAttempts(t, s, j.ID, len(before))
		require.Zero(t, listed(s.Backlog.Expire).run(t, 10, at))
	}
}

func expireDetached(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(1))
	j := addJob(t, s, fixture.Detached, fixture.On(server.ID), fixture.Retrying(domain.RetryAtLeastOnce, 1))
	at := j.DeadlineAt.Add(domain.LostAfter)
	waiting := addJob(t, s, fixture.Held, fixture.On(server.ID))
	require.Zero(t, listed(s.Backlog.Expire).run(t, 10, at.Add(-time.Microsecond)))
	requireSameJob(t, j, getJob(t, s, j.ID))
	require.Equal(t, 1, listed(s.Backlog.Expire).run(t, 10, at))
	require.NoError(t, j.Expire(at))
	require.Equal(t, domain.ReasonLost, j.Reason)
	requireSameJob(t, j, getJob(t, s, j.ID), "Revision")
	attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, []domain.Attempt{*j.EndedAttempt()}, attempts)
	requirePhase(t, s, waiting.ID, domain.PhasePending) // its place is free
}

func expireCarried(t *testing.T, s Storage) {
	server := addServer(t, s)
	at := fixture.Now().AddDate(1, 0, 0)
	var carried []*domain.Job
	for _, state := range []fixture.State{
		fixture.Claimed, fixture.Starting, fixture.Running, fixture.Canceling, fixture.TimingOut, fixture.Collecting,
	} {
		carried = append(carried, addJob(t, s, state, fixture.On(server.ID)))
	}
	stranded := addJob(t, s, fixture.Pending, fixture.On(server.ID))
	require.Equal(t, 1, listed(s.Backlog.Expire).run(t, 1, at), "jobs that are not its own do not use up its limit")
	require.Equal(t, domain.StatusFailed, getJob(t, s, stranded.ID).Status)
	require.Zero(t, listed(s.Backlog.Expire).run(t, 10, at))
	for _, j := range carried {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}

// listed is a sweep that says which jobs it handled.
func listed(f func(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error)) sweep {
	return func(ctx context.Context, limit int, at time.Time) (int, error) {
		jobs, err := f(ctx, limit, at)
		return len(jobs), err
	}
}

// sweptAreTold checks that DetachSilent and Expire say what became of the jobs they handled.
func sweptAreTold(t *testing.T, s Storage) {
	server := addServer(t, s)
	tell := func(jobs []*domain.Job, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		now := getJob(t, s, jobs[0].ID)
		require.Equal(t, now.State(), jobs[0].State())
		require.Equal(t, now.Reason, jobs[0].Reason)
		require.Equal(t, now.ServerID, jobs[0].ServerID)
		require.Equal(t, now.Attempt, jobs[0].Attempt)
		require.True(t, now.CreatedAt.Equal(jobs[0].CreatedAt))
		require.True(t, now.StartedAt.Equal(jobs[0].StartedAt))
		require.True(t, now.FinishedAt.Equal(jobs[0].FinishedAt))
	}
	running := addJob(t, s, fixture.Running, fixture.On(server.ID))
	tell(s.Backlog.DetachSilent(t.Context(), 10, fixture.Now()))
	tell(s.Backlog.Expire(t.Context(), 10, running.DeadlineAt.AddDate(0, 0, 1)))
	require.Equal(t, domain.ReasonLost, getJob(t, s, running.ID).Reason)
	held := addJob(t, s, fixture.Held, fixture.On(server.ID))
	tell(s.Backlog.Expire(t.Context(), 10, held.DeadlineAt))
	require.Equal(t, domain.ReasonQueueTimeout, getJob(t, s, held.ID).Reason)
}
