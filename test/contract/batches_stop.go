package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var stopClauses = clauses{
	"TheLastFailureStopsTheBatch":          stopAfterFailures,
	"AClaimSeesTheStop":                    stopSeenByClaims,
	"AClaimedJobIsEndedBeforeItIsSent":     stopSeenByClaimed,
	"AnotherAttemptIsNoFailure":            stopCountsJobs,
	"NothingComesBackToAStoppedBatch":      stopNoReturn,
	"LostAndExpiredJobsCount":              stopByExpiry,
	"PlacesOfTheStoppedGoToOthers":         stopFrees,
	"RacingFailuresStopOnce":               stopRace,
	"CancelEndsAllThatIsQueuedPageByPage":  cancelPages,
	"CancelAsksWhatIsRunning":              cancelAsks,
	"NoTicketComesFromACanceledBatch":      cancelAgainstTake,
	"CancelRacesClaimsAndNothingIsLeftOut": cancelRace,
}

func requireCanceled(t *testing.T, s Storage, jobs ...*domain.Job) {
	t.Helper()
	for _, j := range jobs {
		got := getJob(t, s, j.ID)
		require.Equal(t, domain.StatusCanceled, got.Status)
		require.Equal(t, domain.ReasonBatch, got.Reason)
		require.True(t, got.CancelRequested)
		require.False(t, got.FinishedAt.IsZero())
		require.Equal(t, got.UpdatedAt, got.FinishedAt)
		require.True(t, got.DeadlineAt.IsZero() && got.NextActionAt.IsZero())
		require.Greater(t, got.Revision, j.Revision)
	}
}

func stopAfterFailures(t *testing.T, s Storage) {
	servers := addServers(t, s, 9, fixture.Sessions(2))
	b, jobs := addBatch(t, s, servers, limits(4, 2))
	_, others := addBatch(t, s, servers, limits(0, 1))
	take(t, s, 100, fixture.Now())
	first := exit(t, s, jobs[0].ID, 1)
	stored, _ := getBatch(t, s, b.ID)
	require.False(t, stored.Stopped(), "one is less than two")
	exit(t, s, jobs[1].ID, 0) // releases
	take(t, s, 100, fixture.Now())
	running := getJob(t, s, jobs[2].ID)
	require.NoError(t, running.Claim(fixture.ID[domain.WorkerID](t), fixture.Now()))
	require.NoError(t, running.Starting(running.Epoch, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), running))
	requirePhases(t, s, jobs, "", "", "starting", "enqueued", "enqueued", "enqueued", "held", "held", "held")
	last := exit(t, s, jobs[3].ID, 7)
	stored, tally := getBatch(t, s, b.ID)
	require.Equal(t, domain.ReasonBatch, stored.StopReason)
	require.Equal(t, last.UpdatedAt, stored.StoppedAt)
	require.Greater(t, stored.StoppedAt, first.UpdatedAt)
	require.Equal(t, domain.Tally{Running: 1, Completed: 1, Failed: 2, Canceled: 5}, tally)
	requireCanceled(t, s, jobs[4:]...)
	requireSameJob(t, running, getJob(t, s, running.ID))
	for _, j := range others {
		require.Equal(t, domain.PhaseEnqueued, getJob(t, s, j.ID).Phase, "another batch on the same servers")
	}
	require.NoError(t, running.Exited(running.Epoch, domain.Exit{}, 0, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), running))
	_, tally = getBatch(t, s, b.ID)
	require.Equal(t, domain.Tally{Completed: 2, Failed: 2, Canceled: 5}, tally, "what was running went on to its own end")
	got, _ := take(t, s, 100, fixture.Now().Add(time.Hour))
	require.Empty(t, got)
}

func stopSeenByClaims(t *testing.T, s Storage) {
	_, jobs := addBatch(t, s, addServers(t, s, 2), limits(0, 1))
	take(t, s, 100, fixture.Now())
	mine := getJob(t, s, jobs[1].ID)
	require.NoError(t, mine.Claim(fixture.ID[domain.WorkerID](t), fixture.Now()))
	exit(t, s, jobs[0].ID, 1)
	require.ErrorIs(t, s.Jobs.Save(t.Context(), mine), domain.ErrStaleJob)
	requireCanceled(t, s, jobs[1])
}

func stopSeenByClaimed(t *testing.T, s Storage) {
	_, jobs := addBatch(t, s, addServers(t, s, 3), limits(0, 1))
	take(t, s, 100, fixture.Now())
	claimed, sent := getJob(t, s, jobs[1].ID), getJob(t, s, jobs[2].ID)
	for _, j := range []*domain.Job{claimed, sent} {
		require.NoError(t, j.Claim(fixture.ID[domain.WorkerID](t), fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
	}
	require.NoError(t, sent.Starting(sent.Epoch, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), sent))
	exit(t, s, jobs[0].ID, 1)
	require.NoError(t, claimed.Starting(claimed.Epoch, fixture.Now()))
	require.ErrorIs(t, s.Jobs.Save(t.Context(), claimed), domain.ErrStaleJob, "its worker learns of the stop before it sends anything")
	claimed = getJob(t, s, claimed.ID)
	require.True(t, claimed.CancelRequested)
	require.NoError(t, claimed.Unclaim(claimed.Epoch, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), claimed))
	requireCanceled(t, s, jobs[1])
	requireSameJob(t, sent, getJob(t, s, sent.ID))
}

func stopCountsJobs(t *testing.T, s Storage) {
	b, jobs := addBatch(t, s, addServers(t, s, 2), limits(1, 1), func(b *domain.Batch) {
		b.Retry = domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 2}
	})
	take(t, s, 100, fixture.Now())
	j := exit(t, s, jobs[0].ID, 1)
	require.Equal(t, domain.PhaseBackoff, j.Phase)
	stored, _ := getBatch(t, s, b.ID)
	require.False(t, stored.Stopped())
	n, err := s.Backlog.Wake(t.Context(), 100, fixture.Now().Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	take(t, s, 100, fixture.Now().Add(time.Second))
	exit(t, s, jobs[0].ID, 1)
	stored, _ = getBatch(t, s, b.ID)
	require.True(t, stored.Stopped(), "the job itself has failed now")
	requireCanceled(t, s, jobs[1])
}

func stopNoReturn(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(1))
	_, jobs := addBatch(t, s, append(addServers(t, s, 3), server), limits(0, 1), func(b *domain.Batch) {
		b.Retry = domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 9}
	})
	waiting := addJob(t, s, fixture.Held, fixture.On(server.ID))
	take(t, s, 100, fixture.Now())
	var sent []*domain.Job
	for _, j := range jobs {
		j = getJob(t, s, j.ID)
		require.NoError(t, j.Claim(fixture.ID[domain.WorkerID](t), fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		require.NoError(t, j.Starting(j.Epoch, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		sent = append(sent, j)
	}
	require.NoError(t, sent[0].Failed(sent[0].Epoch, domain.Failure{Reason: domain.ReasonAuth}, 0, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), sent[0]))

	again := sent[3] // would be tried again
	require.NoError(t, again.Exited(again.Epoch, domain.Exit{Code: 1}, time.Hour, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), again))
	attempts, err := s.Jobs.Attempts(t.Context(), again.ID)
	require.NoError(t, err)
	require.Len(t, attempts, 1)
	back := sent[1] // was never started
	require.NoError(t, back.Unclaim(back.Epoch, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), back))
	requireCanceled(t, s, jobs[1], jobs[3])
	requirePhase(t, s, waiting.ID, domain.PhasePending)
	require.Equal(t, domain.StatusRunning, getJob(t, s, jobs[2].ID).Status)
}

func stopByExpiry(t *testing.T, s Storage) {
	b, jobs := addBatch(t, s, addServers(t, s, 3), limits(1, 1))
	fixture.Walk(t, jobs[0], fixture.Detached)
	require.NoError(t, s.Jobs.Save(t.Context(), jobs[0]))
	_, err := s.Backlog.Expire(t.Context(), 100, jobs[0].DeadlineAt.Add(domain.LostAfter))
	require.NoError(t, err)
	require.Equal(t, domain.ReasonLost, getJob(t, s, jobs[0].ID).Reason)
	stored, _ := getBatch(t, s, b.ID)
	require.Equal(t, domain.ReasonBatch, stored.StopReason)
	requireCanceled(t, s, jobs[1:]...)
}

func stopFrees(t *testing.T, s Storage) {
	servers := addServers(t, s, 2, fixture.Sessions(1))
	_, jobs := addBatch(t, s, servers, limits(0, 1))
	take(t, s, 100, fixture.Now())
	waiting := addJob(t, s, fixture.Held, fixture.On(servers[1].ID))
	exit(t, s, jobs[0].ID, 1)
	requirePhase(t, s, waiting.ID, domain.PhasePending)
}

// stopRace lets ten jobs of a batch fail at once, of which the third is the last that counts.
func stopRace(t *testing.T, s Storage) {
	const n = 10
	b, jobs := addBatch(t, s, addServers(t, s, n+20), limits(n, 3))
	take(t, s, 100, fixture.Now())
	for i := range n {
		jobs[i] = getJob(t, s, jobs[i].ID)
		require.NoError(t, jobs[i].Claim(fixture.ID[domain.WorkerID](t), fixture.Now()))
		require.NoError(t, jobs[i].Starting(jobs[i].Epoch, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), jobs[i]))
	}
	for _, err := range race(n, func(i int) error {
		if err := jobs[i].Exited(jobs[i].Epoch, domain.Exit{Code: 1}, 0, fixture.Now()); err != nil {
			return err
		}
		return s.Jobs.Save(t.Context(), jobs[i])
	}) {
		require.NoError(t, err)
	}
	stored, tally := getBatch(t, s, b.ID)
	require.True(t, stored.Stopped())
	require.Equal(t, domain.Tally{Failed: n, Canceled: 20}, tally)
	for _, j := range jobs[n:] {
		require.LessOrEqual(t, getJob(t, s, j.ID).Revision, int64(4), "canceled once: held, perhaps released, and ended")
	}
}

func cancelPages(t *testing.T, s Storage) {
	b, jobs := addBatch(t, s, addServers(t, s, 12), limits(3, 0))
	_, others := addBatch(t, s, addServers(t, s, 2))
	take(t, s, 100, fixture.Now())
	first := fixture.Now().Add(time.Second)
	var canceled int64
	for i := 0; ; i++ {
		step, err := s.Batches.Stop(t.Context(), b.ID, 5, first.Add(time.Duration(i)*time.Second))
		require.NoError(t, err)
		require.Empty(t, step.Asked)
		require.LessOrEqual(t, step.Canceled, int64(5))
		canceled += step.Canceled
		stored, tally := getBatch(t, s, b.ID)
		require.Equal(t, domain.ReasonUser, stored.StopReason)
		require.Equal(t, first, stored.StoppedAt)
		require.Equal(t, canceled, tally.Canceled)
		for _, j := range jobs[:3] {
			require.Equal(t, domain.StatusCanceled, getJob(t, s, j.ID).Status, "what is in the queue comes first")
		}
		if !step.More {
			break
		}
	}
	require.Equal(t, int64(12), canceled)
	requireCanceled(t, s, jobs...)
	for _, j := range others {
		require.False(t, getJob(t, s, j.ID).Status.Final())
	}
}

func cancelAsks(t *testing.T, s Storage) {
	b, jobs := addBatch(t, s, addServers(t, s, 4))
	for i, state := range []fixture.State{fixture.Running, fixture.Claimed, fixture.Completed} {
		fixture.Walk(t, jobs[i], state)
		require.NoError(t, s.Jobs.Save(t.Context(), jobs[i]))
	}
	step, err := s.Batches.Stop(t.Context(), b.ID, 100, fixture.Now())
	require.NoError(t, err)
	require.False(t, step.More)
	require.Equal(t, int64(1), step.Canceled)
	var asked []domain.JobID
	for _, j := range step.Asked {
		asked = append(asked, j.ID)
		require.NotEmpty(t, j.Worker)
	}
	require.ElementsMatch(t, []domain.JobID{jobs[0].ID, jobs[1].ID}, asked)
	for _, j := range jobs[:2] {
		got := getJob(t, s, j.ID)
		require.True(t, got.CancelRequested)
		require.Equal(t, domain.ReasonBatch, got.Reason)
		require.Equal(t, domain.StatusRunning, got.Status)
	}
	requireSameJob(t, jobs[2], getJob(t, s, jobs[2].ID))
	step, err = s.Batches.Stop(t.Context(), b.ID, 100, fixture.Now())
	require.NoError(t, err)
	require.Empty(t, step.Asked, "asked once")
}

func cancelAgainstTake(t *testing.T, s Storage) {
	b, jobs := addBatch(t, s, addServers(t, s, 20))
	step, err := s.Batches.Stop(t.Context(), b.ID, 1, fixture.Now()) // and no further
	require.NoError(t, err)
	require.True(t, step.More)
	got, more := take(t, s, 100, fixture.Now())
	require.Empty(t, got)
	require.False(t, more)
	requireCanceled(t, s, jobs...)
}

// cancelRace cancels a batch while workers claim its jobs as fast as they can. When the cancel is done, none can be claimed
// any more, and each that was is asked to end.
func cancelRace(t *testing.T, s Storage) {
	const n, workers = 60, 4
	b, jobs := addBatch(t, s, addServers(t, s, n), limits(20, 0))
	take(t, s, 100, fixture.Now())
	for _, err := range race(workers+1, func(i int) error {
		if i < workers {
			for k := i; k < n; k += workers {
				j, err := s.Jobs.Get(t.Context(), jobs[k].ID)
				if err != nil {
					return err
				}
				if j.Phase == domain.PhaseEnqueued && j.Claim("w", fixture.Now()) == nil {
					_ = s.Jobs.Save(t.Context(), j) // one of the two wins
				}
				if _, _, err := s.Backlog.Take(t.Context(), 10, fixture.Now()); err != nil {
					return err
				}
			}
			return nil
		}
		for {
			step, err := s.Batches.Stop(t.Context(), b.ID, 7, fixture.Now())
			if err != nil || !step.More {
				return err
			}
		}
	}) {
		require.NoError(t, err)
	}
	for _, j := range jobs {
		got := getJob(t, s, j.ID)
		require.True(t, got.CancelRequested, "job %s is %s", got.ID, got.State())
		require.NotEqual(t, domain.StatusQueued, got.Status)
	}
}
