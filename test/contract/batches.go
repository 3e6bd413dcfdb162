package contract

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// BatchRepository proves ports.BatchRepository, and what Backlog, JobRepository and OutputStore do for batches.
func BatchRepository(t *testing.T, open Open) {
	clauses{
		"EveryFieldComesBack":              batchFields,
		"BatchAndJobsAreStoredTogether":    batchTogether,
		"NothingIsStoredOfARefusedBatch":   batchAllOrNone,
		"RepeatReturnsTheEarlierBatch":     batchKey,
		"CountsFollowTheJobs":              batchTally,
		"ListIsNewestFirstAndPaged":        batchList,
		"UnknownBatches":                   batchUnknown,
		"DoneContextEndsEveryBatchMethod":  batchDoneContext,
		"ResultsTellHowEveryJobEnded":      batchResults,
		"EqualOutputsAreEqualHoweverCut":   batchHashes,
		"AnotherAttemptBeginsItsHashAnew":  batchHashOfAttempt,
		"AnotherWorkerGoesOnWithTheHash":   batchHashTakenOver,
		"ThousandJobsAreOneBatchOfResults": batchMany,
	}.run(t, open)
	t.Run("Gate", func(t *testing.T) { gateClauses.run(t, open) })
	t.Run("Stop", func(t *testing.T) { stopClauses.run(t, open) })
	t.Run("Turn", func(t *testing.T) { turnClauses.run(t, open) })
}

// limits gives a batch its bounds.
func limits(maxParallel, stopAfter int) func(*domain.Batch) {
	return func(b *domain.Batch) { b.MaxParallel, b.StopAfterFailures = maxParallel, stopAfter }
}

// newBatch makes a batch with one job on each server.
func newBatch(t *testing.T, servers []*domain.Server, change ...func(*domain.Batch)) (*domain.Batch, []*domain.Job) {
	t.Helper()
	sample := fixture.Job(t, fixture.Pending)
	b, err := domain.NewBatch(fixture.ID[domain.BatchID](t), sample, 0, 0, fixture.Now())
	require.NoError(t, err)
	for _, c := range change {
		c(b)
	}
	jobs := make([]*domain.Job, len(servers))
	for i, s := range servers {
		jobs[i], err = b.Job(fixture.ID[domain.JobID](t), s.ID)
		require.NoError(t, err)
	}
	return b, jobs
}

// addBatch stores a batch with one pending job on each server.
func addBatch(t *testing.T, s Storage, servers []*domain.Server, change ...func(*domain.Batch)) (*domain.Batch, []*domain.Job) {
	t.Helper()
	b, jobs := newBatch(t, servers, change...)
	earlier, err := s.Batches.Add(t.Context(), ports.Idempotency{}, b, jobs)
	require.NoError(t, err)
	require.Nil(t, earlier)
	return b, jobs
}

// addServers stores n servers.
func addServers(t *testing.T, s Storage, n int, change ...func(*domain.Server)) []*domain.Server {
	t.Helper()
	servers := make([]*domain.Server, n)
	for i := range servers {
		servers[i] = addServer(t, s, change...)
	}
	return servers
}

func getBatch(t *testing.T, s Storage, id domain.BatchID) (*domain.Batch, domain.Tally) {
	t.Helper()
	b, tally, err := s.Batches.Get(t.Context(), id)
	require.NoError(t, err)
	return b, tally
}

func batchFields(t *testing.T, s Storage) {
	server := addServer(t, s)
	script, err := domain.Script("#!/bin/sh\necho größer\n", "'a b' c", "/bin/sh")
	require.NoError(t, err)
	argv, err := domain.Argv([]string{"printf", "%s\n", "", "\u2028 ünï"})
	require.NoError(t, err)
	for _, change := range []func(*domain.Batch){
		func(*domain.Batch) {},
		func(b *domain.Batch) {
			b.Command, b.OriginID, b.Priority, b.Timeout = script, fixture.ID[domain.BatchID](t), 9, 90*time.Second
			b.Retry, b.MaxParallel, b.StopAfterFailures = domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}, 7, 3
		},
		func(b *domain.Batch) { b.Command = argv },
	} {
		b, jobs := addBatch(t, s, []*domain.Server{server}, change)
		got, tally := getBatch(t, s, b.ID)
		require.Equal(t, b, got)
		require.Equal(t, domain.Tally{Queued: 1}, tally)
		requireSameJob(t, jobs[0], getJob(t, s, jobs[0].ID))
	}
}

func batchTogether(t *testing.T, s Storage) {
	b, jobs := addBatch(t, s, addServers(t, s, 3))
	_, others := addBatch(t, s, addServers(t, s, 2))
	alone := addJob(t, s, fixture.Pending, fixture.On(jobs[0].ServerID))
	page, err := s.Jobs.List(t.Context(), ports.JobQuery{BatchID: b.ID, Limit: 2, Asc: true})
	require.NoError(t, err)
	require.Equal(t, int64(3), page.Total)
	require.Equal(t, []domain.JobID{jobs[0].ID, jobs[1].ID}, []domain.JobID{page.Jobs[0].ID, page.Jobs[1].ID})
	page, err = s.Jobs.List(t.Context(), ports.JobQuery{BatchID: b.ID, Limit: 2, Asc: true, Cursor: page.Next})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 1)
	requireSameJob(t, jobs[2], page.Jobs[0])
	page, err = s.Jobs.List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, int64(len(jobs)+len(others)+1), page.Total)
	require.Empty(t, getJob(t, s, alone.ID).BatchID)
}

func batchAllOrNone(t *testing.T, s Storage) {
	servers := addServers(t, s, 2)
	for name, c := range map[string]struct {
		change func(jobs []*domain.Job)
		want   error
	}{
		"an unknown server": {func(jobs []*domain.Job) { jobs[1].ServerID = fixture.ID[domain.ServerID](t) }, domain.ErrServerNotFound},
		"one job twice":     {func(jobs []*domain.Job) { jobs[1].ID = jobs[0].ID }, domain.ErrJobExists},
	} {
		b, jobs := newBatch(t, servers)
		c.change(jobs)
		_, err := s.Batches.Add(t.Context(), ports.Idempotency{Key: name, Fingerprint: "f"}, b, jobs)
		require.ErrorIs(t, err, c.want, name)
		_, _, err = s.Batches.Get(t.Context(), b.ID)
		require.ErrorIs(t, err, domain.ErrBatchNotFound, name)
		_, err = s.Jobs.Get(t.Context(), jobs[0].ID)
		require.ErrorIs(t, err, domain.ErrJobNotFound, name)
		earlier, err := s.Batches.Add(t.Context(), ports.Idempotency{Key: name, Fingerprint: "g"}, b, nil)
		require.NoError(t, err, "%s used up its key", name)
		require.Nil(t, earlier)
	}
}

func batchKey(t *testing.T, s Storage) {
	servers := addServers(t, s, 3)
	key := ports.Idempotency{Key: "deploy-1", Fingerprint: "f"}
	const racers = 6
	batches := make([]*domain.Batch, racers)
	earlier := make([]*domain.Batch, racers)
	for _, err := range race(racers, func(i int) (err error) {
		b, jobs := newBatch(t, servers)
		batches[i] = b
		earlier[i], err = s.Batches.Add(t.Context(), key, b, jobs)
		return err
	}) {
		require.NoError(t, err)
	}
	winner := slices.Index(earlier, nil)
	require.GreaterOrEqual(t, winner, 0)
	for i, e := range earlier {
		if i != winner {
			require.Equal(t, batches[winner], e)
		}
	}
	page, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, int64(3), page.Total)
	b, jobs := newBatch(t, servers)
	_, err = s.Batches.Add(t.Context(), ports.Idempotency{Key: key.Key, Fingerprint: "g"}, b, jobs)
	require.ErrorIs(t, err, domain.ErrIdempotencyKey)
}

func batchTally(t *testing.T, s Storage) {
	var servers []*domain.Server
	states := fixture.States()
	for range states {
		servers = append(servers, addServer(t, s))
	}
	b, jobs := addBatch(t, s, servers)
	addBatch(t, s, servers)
	var want domain.Tally
	for i, state := range states {
		if state != fixture.Pending {
			fixture.Walk(t, jobs[i], state)
			require.NoError(t, s.Jobs.Save(t.Context(), jobs[i]))
		}
		want.Add(jobs[i].Status, 1)
	}
	_, got := getBatch(t, s, b.ID)
	require.Equal(t, want, got)
}

func batchList(t *testing.T, s Storage) {
	server := addServer(t, s)
	page, err := s.Batches.List(t.Context(), ports.BatchQuery{Limit: 2})
	require.NoError(t, err)
	require.Empty(t, page)
	at := fixture.Now()
	var want []domain.BatchID
	for i := range 7 {
		b, _ := addBatch(t, s, []*domain.Server{server}, func(b *domain.Batch) { b.CreatedAt = at.Add(time.Duration(i/2) * time.Second) })
		want = append([]domain.BatchID{b.ID}, want...)
	}
	seen := func(p ports.BatchPage) (ids []domain.BatchID) {
		for _, d := range p.Batches {
			ids = append(ids, d.Batch.ID)
			require.Equal(t, domain.Tally{Queued: 1}, d.Tally)
			require.Empty(t, d.Jobs)
		}
		require.Equal(t, int64(7), p.Total)
		return ids
	}
	var got []domain.BatchID
	for q := (ports.BatchQuery{Limit: 3}); ; {
		page, err := s.Batches.List(t.Context(), q)
		require.NoError(t, err)
		got = append(got, seen(page)...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
	for i, n := range []int{3, 3, 1, 0} {
		page, err := s.Batches.List(t.Context(), ports.BatchQuery{Limit: 3, Page: i + 1})
		require.NoError(t, err)
		require.Equal(t, want[min(3*i, 7):min(3*i, 7)+n], append([]domain.BatchID{}, seen(page)...))
	}
	_, err = s.Batches.List(t.Context(), ports.BatchQuery{Limit: 3, Cursor: "not one of ours"})
	require.ErrorIs(t, err, &domain.Error{Code: "cursor_invalid"})
}

func batchUnknown(t *testing.T, s Storage) {
	id := fixture.ID[domain.BatchID](t)
	_, _, err := s.Batches.Get(t.Context(), id)
	require.ErrorIs(t, err, domain.ErrBatchNotFound)
	_, err = s.Batches.Stop(t.Context(), id, 10, fixture.Now())
	require.ErrorIs(t, err, domain.ErrBatchNotFound)
	results, err := s.Batches.Results(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, results)
}

func batchDoneContext(t *testing.T, s Storage) {
	servers := addServers(t, s, 2)
	b, jobs := addBatch(t, s, servers)
	other, theirs := newBatch(t, servers)
	requireDone(t, map[string]func(context.Context) error{
		"Add": func(ctx context.Context) error {
			_, err := s.Batches.Add(ctx, ports.Idempotency{}, other, theirs)
			return err
		},
		"Get":     func(ctx context.Context) error { _, _, err := s.Batches.Get(ctx, b.ID); return err },
		"List":    func(ctx context.Context) error { _, err := s.Batches.List(ctx, ports.BatchQuery{Limit: 1}); return err },
		"Results": func(ctx context.Context) error { _, err := s.Batches.Results(ctx, b.ID); return err },
		"Stop": func(ctx context.Context) error {
			_, err := s.Batches.Stop(ctx, b.ID, 1, fixture.Now())
			return err
		},
	})
	got, _ := getBatch(t, s, b.ID)
	require.Equal(t, b, got)
	for _, j := range jobs {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}
