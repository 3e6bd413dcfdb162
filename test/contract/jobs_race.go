package contract

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var jobRaceClauses = clauses{
	"OfTwentyClaimsOneWins":      raceClaims,
	"OfCancelAndFinishOneWins":   raceCancelFinish,
	"RacingAddsOfOneIDStoreOne":  raceAdds,
	"RacingEndsRecordOneAttempt": raceEnds,
	"RetriedSavesAreNeverLost":   raceRetried,
	"SavesOfOtherJobsDoNotMeet":  raceOthers,
}

const racers = 20

// readTogether lets every racer read the job before any of them saves it.
func readTogether(t *testing.T, s Storage, id domain.JobID, n int) func() (*domain.Job, error) {
	var all sync.WaitGroup
	all.Add(n)
	return func() (*domain.Job, error) {
		j, err := s.Jobs.Get(t.Context(), id)
		all.Done()
		all.Wait()
		return j, err
	}
}

func raceClaims(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Enqueued, fixture.On(addServer(t, s).ID))
	read := readTogether(t, s, j.ID, racers)
	at := fixture.Now()
	workers := make([]domain.WorkerID, racers)
	for i := range workers {
		workers[i] = fixture.ID[domain.WorkerID](t)
	}
	errs := race(racers, func(i int) error {
		mine, err := read()
		if err != nil {
			return err
		}
		if err := mine.Claim(workers[i], at); err != nil {
			return err
		}
		return s.Jobs.Save(t.Context(), mine)
	})
	winner := requireOneWinner(t, errs, domain.ErrStaleJob)
	got := getJob(t, s, j.ID)
	require.Equal(t, workers[winner], got.Worker)
	require.Equal(t, 1, got.Attempt)
	require.Equal(t, int64(1), got.Epoch)
}

func raceCancelFinish(t *testing.T, s Storage) {
	server := addServer(t, s)
	for range 10 {
		j := addJob(t, s, fixture.Running, fixture.On(server.ID))
		read := readTogether(t, s, j.ID, 2)
		at := fixture.Now()
		verbs := []func(*domain.Job) error{
			func(j *domain.Job) error { return j.RequestCancel(domain.ReasonUser, at) },
			func(j *domain.Job) error { return j.Exited(j.Epoch, domain.Exit{}, 0, at) },
		}
		errs := race(2, func(i int) error {
			mine, err := read()
			if err != nil {
				return err
			}
			if err := verbs[i](mine); err != nil {
				return err
			}
			return s.Jobs.Save(t.Context(), mine)
		})
		winner := requireOneWinner(t, errs, domain.ErrStaleJob)
		got := getJob(t, s, j.ID)
		if winner == 0 {
			require.True(t, got.CancelRequested)
			require.Equal(t, domain.StatusRunning, got.Status)
			require.NoError(t, verbs[1](got), "the loser reads again and goes on: the exit that was seen wins")
			require.NoError(t, s.Jobs.Save(t.Context(), got))
		} else {
			require.ErrorIs(t, verbs[0](got), domain.ErrJobFinal)
		}
		require.Equal(t, domain.StatusCompleted, getJob(t, s, j.ID).Status)
		requireAttempts(t, s, j.ID, 1)
	}
}

func requireAttempts(t *testing.T, s Storage, id domain.JobID, n int) {
	t.Helper()
	attempts, err := s.Jobs.Attempts(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, attempts, n)
}

func raceAdds(t *testing.T, s Storage) {
	server := addServer(t, s)
	id := fixture.ID[domain.JobID](t)
	jobs := make([]*domain.Job, racers)
	for i := range jobs {
		jobs[i] = fixture.Job(t, fixture.Pending, fixture.On(server.ID), fixture.Line(t, "echo", fmt.Sprint(i)))
		jobs[i].ID = id
	}
	errs := race(racers, func(i int) error {
		_, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, jobs[i])
		return err
	})
	winner := requireOneWinner(t, errs, domain.ErrJobExists)
	requireSameJob(t, jobs[winner], getJob(t, s, id))
}

func raceEnds(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Running, fixture.On(addServer(t, s).ID))
	read := readTogether(t, s, j.ID, racers)
	at := fixture.Now()
	errs := race(racers, func(i int) error {
		mine, err := read()
		if err != nil {
			return err
		}
		if err := mine.Exited(mine.Epoch, domain.Exit{Code: i + 1}, 0, at); err != nil {
			return err
		}
		return s.Jobs.Save(t.Context(), mine)
	})
	winner := requireOneWinner(t, errs, domain.ErrStaleJob)
	attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
	require.NoError(t, err)
	require.Len(t, attempts, 1)
	require.Equal(t, &domain.Exit{Code: winner + 1}, attempts[0].Exit)
}

func raceRetried(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Pending, fixture.On(addServer(t, s).ID))
	before := j.Revision
	const writers, writes = 4, 10
	errs := race(writers, func(int) error {
		for saved := 0; saved < writes; {
			mine, err := s.Jobs.Get(t.Context(), j.ID)
			if err != nil {
				return err
			}
			mine.Failures++
			switch err := s.Jobs.Save(t.Context(), mine); domain.KindOf(err) {
			case "":
				saved++
			case domain.KindConflict: // someone was first: read again
			default:
				return err
			}
		}
		return nil
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	got := getJob(t, s, j.ID)
	require.Equal(t, writers*writes, got.Failures)
	require.GreaterOrEqual(t, got.Revision, before+writers*writes)
}

func raceOthers(t *testing.T, s Storage) {
	server := addServer(t, s)
	jobs := make([]*domain.Job, racers)
	for i := range jobs {
		jobs[i] = addJob(t, s, fixture.Pending, fixture.On(server.ID))
	}
	at, worker := fixture.Now(), fixture.ID[domain.WorkerID](t)
	for i, err := range race(racers, func(i int) error {
		if err := jobs[i].Claim(worker, at); err != nil {
			return err
		}
		return s.Jobs.Save(t.Context(), jobs[i])
	}) {
		require.NoError(t, err)
		requireSameJob(t, jobs[i], getJob(t, s, jobs[i].ID))
	}
}
