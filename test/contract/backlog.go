package contract

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

// Backlog proves ports.Backlog.
func Backlog(t *testing.T, open Open) {
	clauses{
		"EmptyBacklogHasNothingToDo":      backlogEmpty,
		"WritesMakeOlderCopiesStale":      backlogRaisesRevision,
		"DoneContextEndsEveryMethod":      backlogDoneContext,
		"OfClaimAndSweepOneWins":          backlogAgainstClaim,
		"RacingSweepsHandleEachJobOnce":   backlogRacingSweeps,
		"SweepsTakeNoMoreThanTheirLimit":  backlogLimits,
		"FinishedJobsAreNeverLookedAt":    backlogFinal,
		"VerbsOfABehindClockStillAdvance": backlogClockBehind,
	}.run(t, open)
	t.Run("Take", func(t *testing.T) { takeClauses.run(t, open) })
	t.Run("Room", func(t *testing.T) { roomClauses.run(t, open) })
	t.Run("Return", func(t *testing.T) { returnClauses.run(t, open) })
	t.Run("Sweep", func(t *testing.T) { sweepClauses.run(t, open) })
}

func take(t *testing.T, s Storage, limit int, at time.Time) ([]domain.Ticket, bool) {
	t.Helper()
	tickets, more, err := s.Backlog.Take(t.Context(), limit, at)
	require.NoError(t, err)
	return tickets, more
}

func tickets(jobs ...*domain.Job) []domain.Ticket {
	all := []domain.Ticket{}
	for _, j := range jobs {
		all = append(all, j.Ticket())
	}
	return all
}

// sweep is one of the backlog's methods that look for jobs and say how many they handled.
type sweep func(ctx context.Context, limit int, at time.Time) (int, error)

func (f sweep) run(t *testing.T, limit int, at time.Time) int {
	t.Helper()
	n, err := f(t.Context(), limit, at)
	require.NoError(t, err)
	return n
}

func backlogEmpty(t *testing.T, s Storage) {
	at := fixture.Now()
	got, more := take(t, s, 10, at)
	require.Empty(t, got)
	require.False(t, more)
	for _, f := range []sweep{s.Backlog.Wake, listed(s.Backlog.DetachSilent), listed(s.Backlog.Expire)} {
		require.Zero(t, f.run(t, 10, at))
	}
	require.NoError(t, s.Backlog.Return(t.Context(), nil, at))
	n, err := s.Backlog.Adopt(t.Context(), "jobs", "store-1", at)
	require.NoError(t, err)
	require.Zero(t, n)
}

func backlogRaisesRevision(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(domain.MaxSessions))
	at := fixture.Now().Add(time.Minute)
	for name, c := range map[string]struct {
		from fixture.State
		do   func(j *domain.Job) error
	}{
		"Take":         {fixture.Pending, func(*domain.Job) error { _, _, err := s.Backlog.Take(t.Context(), 10, at); return err }},
		"Take (again)": {fixture.Detached, func(*domain.Job) error { _, _, err := s.Backlog.Take(t.Context(), 10, at); return err }},
		"Return":       {fixture.Enqueued, func(j *domain.Job) error { return s.Backlog.Return(t.Context(), tickets(j), at) }},
		"Wake":         {fixture.Backoff, func(*domain.Job) error { _, err := s.Backlog.Wake(t.Context(), 10, at.Add(time.Hour)); return err }},
		"Adopt":        {fixture.Enqueued, func(*domain.Job) error { _, err := s.Backlog.Adopt(t.Context(), "jobs", "new", at); return err }},
		"DetachSilent": {fixture.Running, func(*domain.Job) error { _, err := s.Backlog.DetachSilent(t.Context(), 10, at); return err }},
		"Expire":       {fixture.Held, func(*domain.Job) error { _, err := s.Backlog.Expire(t.Context(), 10, at.AddDate(1, 0, 0)); return err }},
	} {
		j := addJob(t, s, c.from, fixture.On(server.ID))
		require.NoError(t, c.do(j), name)
		got := getJob(t, s, j.ID)
		require.Greater(t, got.Revision, j.Revision, "%s wrote the job", name)
		require.ErrorIs(t, s.Jobs.Save(t.Context(), j), domain.ErrStaleJob, "the copy from before %s", name)
		requireSameJob(t, got, getJob(t, s, j.ID))
	}
}

func backlogDoneContext(t *testing.T, s Storage) {
	server := addServer(t, s)
	at := fixture.Now().AddDate(1, 0, 0)
	var jobs []*domain.Job
	for _, state := range fixture.States() {
		jobs = append(jobs, addJob(t, s, state, fixture.On(server.ID)))
	}
	requireDone(t, map[string]func(context.Context) error{
		"Take":         func(ctx context.Context) error { _, _, err := s.Backlog.Take(ctx, 100, at); return err },
		"Return":       func(ctx context.Context) error { return s.Backlog.Return(ctx, tickets(jobs...), at) },
		"Wake":         func(ctx context.Context) error { _, err := s.Backlog.Wake(ctx, 100, at); return err },
		"Adopt":        func(ctx context.Context) error { _, err := s.Backlog.Adopt(ctx, "jobs", "store-1", at); return err },
		"DetachSilent": func(ctx context.Context) error { _, err := s.Backlog.DetachSilent(ctx, 100, at); return err },
		"Expire":       func(ctx context.Context) error { _, err := s.Backlog.Expire(ctx, 100, at); return err },
	})
	for _, j := range jobs {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
	n, err := s.Backlog.Adopt(t.Context(), "jobs", "store-1", at)
	require.NoError(t, err)
	require.NotZero(t, n, "the store was not taken for seen")
}

// backlogAgainstClaim races a worker's claim with sweeps that would put the job back.
func backlogAgainstClaim(t *testing.T, s Storage) {
	server := addServer(t, s)
	for range 10 {
		j := addJob(t, s, fixture.Enqueued, fixture.On(server.ID))
		mine, worker := getJob(t, s, j.ID), register(t, s, longLease)
		at := j.NextActionAt
		var woken int
		errs := race(2, func(i int) (err error) {
			if i == 0 {
				woken, err = s.Backlog.Wake(t.Context(), 10, at)
				return err
			}
			if err := mine.Claim(worker.ID, at); err != nil {
				return err
			}
			return s.Jobs.Save(t.Context(), mine)
		})
		require.NoError(t, errs[0])
		if woken == 1 {
			require.ErrorIs(t, errs[1], domain.ErrStaleJob)
			requirePhase(t, s, j.ID, domain.PhasePending)
		} else {
			require.Zero(t, woken)
			require.NoError(t, errs[1])
			requirePhase(t, s, j.ID, domain.PhaseClaimed)
		}
		final := getJob(t, s, j.ID)
		require.NoError(t, final.RequestCancel(domain.ReasonUser, at))
		require.NoError(t, s.Jobs.Save(t.Context(), final))
	}
}

// sweeps are the backlog's sweeps, each with a state that it handles and a time when it does.
func sweeps(s Storage) map[string]struct {
	from fixture.State
	do   sweep
	at   time.Time
} {
	soon := fixture.Now().Add(time.Hour)
	return map[string]struct {
		from fixture.State
		do   sweep
		at   time.Time
	}{
		"Wake":         {fixture.Backoff, s.Backlog.Wake, soon},
		"DetachSilent": {fixture.Running, listed(s.Backlog.DetachSilent), soon},
		"Expire":       {fixture.Held, listed(s.Backlog.Expire), soon.AddDate(1, 0, 0)},
	}
}

// endAll finishes what a sweep left, so that the next one has its own jobs alone.
func endAll(t *testing.T, s Storage, jobs []*domain.Job, at time.Time) {
	t.Helper()
	for _, j := range jobs {
		j = getJob(t, s, j.ID)
		if j.Status.Final() {
			continue
		}
		if j.Status == domain.StatusRunning {
			require.NoError(t, j.Attach(fixture.ID[domain.WorkerID](t), at))
			require.NoError(t, j.Exited(j.Epoch, domain.Exit{}, 0, at))
		} else {
			require.NoError(t, j.RequestCancel(domain.ReasonUser, at))
		}
		require.NoError(t, s.Jobs.Save(t.Context(), j))
	}
}

func backlogRacingSweeps(t *testing.T, s Storage) {
	const n, sweepers = 60, 8
	for name, c := range sweeps(s) {
		server := addServer(t, s)
		var jobs []*domain.Job
		for range n {
			jobs = append(jobs, addJob(t, s, c.from, fixture.On(server.ID)))
		}
		counts := make([]int, sweepers)
		for _, err := range race(sweepers, func(i int) error {
			for {
				k, err := c.do(t.Context(), 7, c.at)
				if err != nil || k == 0 {
					return err
				}
				counts[i] += k
			}
		}) {
			require.NoError(t, err, name)
		}
		total := 0
		for _, k := range counts {
			total += k
		}
		for k := 1; k > 0; total += k { // what racers left to each other
			k = c.do.run(t, n, c.at)
		}
		require.Equal(t, n, total, "%s: jobs handled", name)
		for _, j := range jobs {
			require.Equal(t, j.Revision+1, getJob(t, s, j.ID).Revision, "%s: written once", name)
		}
		endAll(t, s, jobs, c.at)
	}
}

func backlogLimits(t *testing.T, s Storage) {
	for name, c := range sweeps(s) {
		server := addServer(t, s)
		var jobs []*domain.Job
		for range 5 {
			jobs = append(jobs, addJob(t, s, c.from, fixture.On(server.ID)))
		}
		for _, want := range []int{2, 2, 1, 0} {
			require.Equal(t, want, c.do.run(t, 2, c.at), name)
		}
		endAll(t, s, jobs, c.at)
	}
}

func backlogFinal(t *testing.T, s Storage) {
	server := addServer(t, s)
	at := fixture.Now().AddDate(1, 0, 0)
	var jobs []*domain.Job
	for _, state := range fixture.States() {
		if j := fixture.Job(t, state); j.Status.Final() {
			jobs = append(jobs, addJob(t, s, state, fixture.On(server.ID)))
		}
	}
	got, more := take(t, s, 100, at)
	require.Empty(t, got)
	require.False(t, more)
	for _, f := range []sweep{s.Backlog.Wake, listed(s.Backlog.DetachSilent), listed(s.Backlog.Expire)} {
		require.Zero(t, f.run(t, 100, at))
	}
	n, err := s.Backlog.Adopt(t.Context(), "jobs", "new", at)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, s.Backlog.Return(t.Context(), tickets(jobs...), at))
	for _, j := range jobs {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}

// backlogClockBehind: the process that takes may have a clock behind the one that submitted.
func backlogClockBehind(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(1))
	at := fixture.Now()
	first := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Since(at))
	second := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Since(at.Add(time.Second)))
	got, _ := take(t, s, 10, at.Add(-time.Minute))
	require.Equal(t, tickets(first), got)
	enqueued, held := getJob(t, s, first.ID), getJob(t, s, second.ID)
	require.Equal(t, first.UpdatedAt, enqueued.UpdatedAt, "times never run backward")
	require.Equal(t, first.UpdatedAt.Add(domain.ReofferAfter), enqueued.NextActionAt)
	require.Equal(t, domain.PhaseHeld, held.Phase)
	require.Equal(t, second.UpdatedAt, held.UpdatedAt)
}
