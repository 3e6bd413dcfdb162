package contract

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// JobRepository proves ports.JobRepository.
func JobRepository(t *testing.T, open Open) {
	clauses{
		"UnknownIDIsNotFound":          jobUnknown,
		"AddTwiceIsRefused":            jobAddTwice,
		"AddIsAllOrNone":               jobAddAllOrNone,
		"AddNeedsItsServer":            jobAddNeedsServer,
		"AddOfNothingIsNothing":        jobAddNothing,
		"ReturnedJobIsACopy":           jobIsCopy,
		"SaveRaisesTheRevision":        jobSaveRaisesRevision,
		"StaleSaveChangesNothing":      jobStaleSave,
		"SaveLeavesOutputAlone":        jobSaveLeavesOutput,
		"SaveAsClaimedBeginsNewOutput": jobClaimResetsOutput,
		"DoneContextEndsEveryMethod":   jobDoneContext,
	}.run(t, open)
	t.Run("Fields", func(t *testing.T) { jobFieldClauses.run(t, open) })
	t.Run("Attempts", func(t *testing.T) { jobAttemptClauses.run(t, open) })
	t.Run("Idempotency", func(t *testing.T) { jobKeyClauses.run(t, open) })
	Lists(t, open)
	t.Run("Races", func(t *testing.T) { jobRaceClauses.run(t, open) })
}

// Lists proves ports.JobRepository's List.
func Lists(t *testing.T, open Open) {
	t.Run("List", func(t *testing.T) { jobListClauses.run(t, open) })
	t.Run("Paging", func(t *testing.T) { jobPagingClauses.run(t, open) })
}

func jobUnknown(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, id := range []domain.JobID{fixture.ID[domain.JobID](t), "no-such-job", ""} {
		_, err := s.Jobs.Get(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrJobNotFound, "Get(%q)", id)
		attempts, err := s.Jobs.Attempts(t.Context(), id)
		require.NoError(t, err, "Attempts(%q)", id)
		require.Empty(t, attempts)
	}
	require.ErrorIs(t, s.Jobs.Save(t.Context(), fixture.Job(t, fixture.Running, fixture.On(server.ID))), domain.ErrJobNotFound)
}

func jobAddTwice(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Running, fixture.On(addServer(t, s).ID))
	again := fixture.Job(t, fixture.Pending, fixture.On(j.ServerID))
	again.ID = j.ID
	_, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, again)
	require.ErrorIs(t, err, domain.ErrJobExists)
	requireSameJob(t, j, getJob(t, s, j.ID))
}

func jobAddAllOrNone(t *testing.T, s Storage) {
	server := addServer(t, s)
	known := addJob(t, s, fixture.Pending, fixture.On(server.ID))
	fresh := func() *domain.Job { return fixture.Job(t, fixture.Pending, fixture.On(server.ID)) }
	twin := fresh()
	for name, bad := range map[string]struct {
		job  *domain.Job
		want error
	}{
		"a job that exists":         {known, domain.ErrJobExists},
		"a job twice in one call":   {twin, domain.ErrJobExists},
		"a job on no server at all": {fixture.Job(t, fixture.Pending), domain.ErrServerNotFound},
	} {
		good := []*domain.Job{fresh(), twin}
		_, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, good[0], good[1], bad.job)
		require.ErrorIs(t, err, bad.want, name)
		for _, j := range good {
			_, err := s.Jobs.Get(t.Context(), j.ID)
			require.ErrorIs(t, err, domain.ErrJobNotFound, "stored beside %s", name)
		}
	}
	a, b := fresh(), fresh()
	_, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, a, b)
	require.NoError(t, err)
	requireSameJob(t, a, getJob(t, s, a.ID))
	requireSameJob(t, b, getJob(t, s, b.ID))
}

func jobAddNeedsServer(t *testing.T, s Storage) {
	j := fixture.Job(t, fixture.Pending)
	_, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, j)
	require.ErrorIs(t, err, domain.ErrServerNotFound)
	_, err = s.Jobs.Get(t.Context(), j.ID)
	require.ErrorIs(t, err, domain.ErrJobNotFound)
}

func jobAddNothing(t *testing.T, s Storage) {
	earlier, err := s.Jobs.Add(t.Context(), ports.Idempotency{})
	require.NoError(t, err)
	require.Nil(t, earlier)
	_, total, _, err := list(t, s, ports.JobQuery{Limit: 10})
	require.NoError(t, err)
	require.Zero(t, total)
}

func jobIsCopy(t *testing.T, s Storage) {
	argv, err := domain.Argv([]string{"/bin/echo", "hello"})
	require.NoError(t, err)
	j := addJob(t, s, fixture.Canceling, fixture.On(addServer(t, s).ID), fixture.Runs(argv))
	receipt := domain.Receipt{Way: "cgroup", Ended: 1, Left: []domain.Remaining{{PID: 1, Command: "as it was"}}}
	require.NoError(t, j.Ended(j.Epoch, receipt, j.UpdatedAt))
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: 143}, 0, j.UpdatedAt))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	stored := snapshot(t, getJob(t, s, j.ID))
	spoil := func(j *domain.Job) {
		j.Message = "spoiled"
		j.Command.Argv[1] = "spoiled"
		j.Process.PID = -1
		j.Receipt.Left[0].Command = "spoiled"
		j.Receipt.Ended = -1
		j.Exit.Code = -1
	}
	spoil(j)
	spoil(getJob(t, s, j.ID))
	listed, _, _, err := list(t, s, ports.JobQuery{Limit: 10})
	require.NoError(t, err)
	spoil(listed[0])
	require.Equal(t, stored, snapshot(t, getJob(t, s, j.ID)))

	ended := addJob(t, s, fixture.Failed, fixture.On(j.ServerID))
	ended.EndedAttempt().Exit.Code = -1
	attempts, err := s.Jobs.Attempts(t.Context(), ended.ID)
	require.NoError(t, err)
	require.Equal(t, &domain.Exit{Code: 7}, attempts[0].Exit)
	attempts[0].Exit.Code = -1
	attempts, err = s.Jobs.Attempts(t.Context(), ended.ID)
	require.NoError(t, err)
	require.Equal(t, &domain.Exit{Code: 7}, attempts[0].Exit)
}

func jobSaveRaisesRevision(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Pending, fixture.On(addServer(t, s).ID))
	require.Equal(t, getJob(t, s, j.ID).Revision, j.Revision, "an added job is as good as one that was read")
	for range 3 {
		was := j.Revision
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		require.Greater(t, j.Revision, was)
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
	require.NoError(t, j.Offer(fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	requireSameJob(t, j, getJob(t, s, j.ID))
}

func jobStaleSave(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Running, fixture.On(addServer(t, s).ID))
	stale := getJob(t, s, j.ID)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))

	require.NoError(t, stale.Exited(stale.Epoch, domain.Exit{Code: 3}, 0, fixture.Now()))
	was := stale.Revision
	require.ErrorIs(t, s.Jobs.Save(t.Context(), stale), domain.ErrStaleJob)
	require.Equal(t, was, stale.Revision, "a refused save does not raise the revision")
	require.ErrorIs(t, s.Jobs.Save(t.Context(), stale), domain.ErrStaleJob, "nor does asking again help")
	requireSameJob(t, j, getJob(t, s, j.ID))
	attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
	require.NoError(t, err)
	require.Empty(t, attempts, "the stale job's ended attempt was kept")
}

func jobSaveLeavesOutput(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Running, fixture.On(addServer(t, s).ID))
	appendText(t, s, j, "first ")
	require.NoError(t, j.RequestCancel(domain.ReasonUser, fixture.Now()))
	require.Zero(t, j.Output, "this job was read before the output came")
	require.NoError(t, s.Jobs.Save(t.Context(), j), "output does not make a job stale")

	got := getJob(t, s, j.ID)
	require.Equal(t, domain.Offsets{Stdout: 6}, got.Output)
	require.Equal(t, domain.Seq(1), got.LastSeq)
	got.Output, got.LastSeq = domain.Offsets{Stdout: 99, Stderr: 99}, 99
	require.NoError(t, s.Jobs.Save(t.Context(), got))
	again := getJob(t, s, j.ID)
	require.Equal(t, domain.Offsets{Stdout: 6}, again.Output, "Save does not write Output")
	require.Equal(t, domain.Seq(1), again.LastSeq, "Save does not write LastSeq")
}

func jobClaimResetsOutput(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Running, fixture.On(addServer(t, s).ID), fixture.Retrying(domain.RetryOnFailure, 3))
	appendText(t, s, j, "first attempt")
	at := fixture.Now().Add(time.Minute)
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: 1}, time.Second, at))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	require.Equal(t, domain.Offsets{Stdout: 13}, getJob(t, s, j.ID).Output, "while it waits, the last attempt's output stands")
	require.NoError(t, j.Release(at))
	require.NoError(t, j.Claim(fixture.ID[domain.WorkerID](t), at))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	got := getJob(t, s, j.ID)
	require.Zero(t, got.Output)
	require.Equal(t, domain.Seq(1), got.LastSeq, "sequence numbers go on over the attempts")
}

func jobDoneContext(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Pending, fixture.On(addServer(t, s).ID))
	fresh := fixture.Job(t, fixture.Pending, fixture.On(j.ServerID))
	changed := getJob(t, s, j.ID)
	require.NoError(t, changed.Offer(fixture.Now()))
	requireDone(t, map[string]func(context.Context) error{
		"Add": func(ctx context.Context) error {
			_, err := s.Jobs.Add(ctx, ports.Idempotency{Key: "k", Fingerprint: "f"}, fresh)
			return err
		},
		"Get":  func(ctx context.Context) error { _, err := s.Jobs.Get(ctx, j.ID); return err },
		"Save": func(ctx context.Context) error { return s.Jobs.Save(ctx, changed) },
		"List": func(ctx context.Context) error {
			_, err := s.Jobs.List(ctx, ports.JobQuery{Limit: 1})
			return err
		},
		"Attempts": func(ctx context.Context) error { _, err := s.Jobs.Attempts(ctx, j.ID); return err },
	})
	_, err := s.Jobs.Get(t.Context(), fresh.ID)
	require.ErrorIs(t, err, domain.ErrJobNotFound)
	requireSameJob(t, j, getJob(t, s, j.ID))
	earlier, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "another"}, fresh)
	require.NoError(t, err, "the key was not used up")
	require.Nil(t, earlier)
}
