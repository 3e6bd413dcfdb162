package contract

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// field is a random set of batches on a few small servers, and what the racers that run them have seen.
type field struct {
	s       Storage
	worker  domain.WorkerID
	servers []*domain.Server
	batches map[domain.BatchID]*domain.Batch
	jobs    map[domain.JobID]*domain.Job

	bounded []*domain.Batch // those with max_parallel

	mu      sync.Mutex
	stopped map[domain.BatchID]bool // known to be, by one who asked after a failure was stored
}

// gateProperty runs random batches with random ends from several dispatchers and workers at once, who look in between
// whether any limit is passed.
func gateProperty(t *testing.T, s Storage) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 7))
		f := newField(t, s, rng)
		const racers = 6
		for i, err := range race(racers, func(i int) error { return f.run(t, rand.New(rand.NewPCG(seed, uint64(i)))) }) {
			require.NoError(t, err, "seed %d, racer %d", seed, i)
		}
		f.requireEnds(t, seed)
	}
}

func newField(t *testing.T, s Storage, rng *rand.Rand) *field {
	f := &field{
		s: s, worker: register(t, s, longLease).ID, batches: map[domain.BatchID]*domain.Batch{}, jobs: map[domain.JobID]*domain.Job{},
		stopped: map[domain.BatchID]bool{},
	}
	for range 6 {
		f.servers = append(f.servers, addServer(t, s, fixture.Sessions(1+rng.IntN(3))))
	}
	for i := range 5 {
		var on []*domain.Server
		for range 3 + rng.IntN(12) {
			on = append(on, f.servers[rng.IntN(len(f.servers))])
		}
		b, jobs := addBatch(t, s, on, limits(min(i, 1+rng.IntN(3)), rng.IntN(4)), func(b *domain.Batch) {
			b.Retry = domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 1 + rng.IntN(2)}
		})
		f.batches[b.ID] = b
		if b.MaxParallel > 0 {
			f.bounded = append(f.bounded, b)
		}
		for _, j := range jobs {
			f.jobs[j.ID] = j
		}
	}
	for range 10 {
		j := addJob(t, s, fixture.Pending, fixture.On(f.servers[rng.IntN(len(f.servers))].ID))
		f.jobs[j.ID] = j
	}
	return f
}

// look counts what is in flight on a random server and of a random batch, each as one statement sees it.
func (f *field) look(t *testing.T, rng *rand.Rand) error {
	server := f.servers[rng.IntN(len(f.servers))]
	b := f.bounded[rng.IntN(len(f.bounded))]
	for _, c := range []struct {
		what  string
		q     ports.JobQuery
		limit int
	}{{"on a server", ports.JobQuery{ServerID: server.ID}, server.MaxSessions}, {"of a batch", ports.JobQuery{BatchID: b.ID}, b.MaxParallel}} {
		c.q.Limit = 100
		page, err := f.s.Jobs.List(t.Context(), c.q)
		if err != nil {
			return err
		}
		n := 0
		for _, j := range page.Jobs {
			if j.InFlight() {
				n++
			}
		}
		if n > c.limit {
			return fmt.Errorf("%d jobs in flight %s, where %d may be", n, c.what, c.limit)
		}
	}
	return nil
}

func (f *field) knownStopped(id domain.BatchID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped[id]
}

// run dispatches and works until nothing is left. A racer that finds nothing wakes what waits for a later time.
func (f *field) run(t *testing.T, rng *rand.Rand) error {
	for {
		got, _, err := f.s.Backlog.Take(t.Context(), 1+rng.IntN(9), fixture.Now())
		if err != nil {
			return err
		}
		if err := f.look(t, rng); err != nil {
			return err
		}
		for _, ticket := range got {
			if err := f.carry(t, ticket, rng); err != nil {
				return err
			}
		}
		if len(got) > 0 {
			continue
		}
		if _, err := f.s.Backlog.Wake(t.Context(), 3, fixture.Now().Add(time.Second)); err != nil { // backoffs alone are due so soon
			return err
		}
		over, err := f.over(t)
		if err != nil || over {
			return err
		}
	}
}

// over reports whether every job has ended.
func (f *field) over(t *testing.T) (bool, error) {
	for id := range f.batches {
		_, tally, err := f.s.Batches.Get(t.Context(), id)
		if err != nil || !tally.Finished() {
			return false, err
		}
	}
	page, err := f.s.Jobs.List(t.Context(), ports.JobQuery{Limit: 1, Statuses: []domain.Status{domain.StatusQueued, domain.StatusRunning}})
	return len(page.Jobs) == 0, err
}

// carry takes a ticket's job to a random end.
func (f *field) carry(t *testing.T, ticket domain.Ticket, rng *rand.Rand) error {
	j, err := f.s.Jobs.Get(t.Context(), ticket.Job)
	if err != nil {
		return err
	}
	if j.Phase != domain.PhaseEnqueued || j.Ticket().ID != ticket.ID {
		return nil // stopped meanwhile
	}
	over := f.knownStopped(j.BatchID)
	for _, step := range []func() error{
		func() error { return j.Claim(f.worker, fixture.Now()) },
		func() error { return j.Starting(j.Epoch, fixture.Now()) },
	} {
		if err := step(); err != nil {
			return err
		}
		switch err := f.s.Jobs.Save(t.Context(), j); {
		case errors.Is(err, domain.ErrStaleJob): // only a stop changes it under our hands
			return f.drop(t, j.ID)
		case err != nil:
			return err
		case over:
			return fmt.Errorf("job %s of a stopped batch became %s", j.ID, j.State())
		}
		over = f.knownStopped(j.BatchID)
	}
	if err := f.look(t, rng); err != nil {
		return err
	}
	code := rng.IntN(2)
	if err := j.Exited(j.Epoch, domain.Exit{Code: code}, 0, fixture.Now()); err != nil {
		return err
	}
	if err := f.s.Jobs.Save(t.Context(), j); err != nil {
		return err
	}
	if j.Status != domain.StatusFailed || j.BatchID == "" {
		return nil
	}
	b, _, err := f.s.Batches.Get(t.Context(), j.BatchID)
	if err == nil && b.Stopped() {
		f.mu.Lock()
		f.stopped[b.ID] = true
		f.mu.Unlock()
	}
	return err
}

// drop gives up a job that was stopped before anything was sent to its server.
func (f *field) drop(t *testing.T, id domain.JobID) error {
	j, err := f.s.Jobs.Get(t.Context(), id)
	if err != nil {
		return err
	}
	if j.Status.Final() {
		return nil
	}
	if !j.CancelRequested || j.Phase != domain.PhaseClaimed {
		return fmt.Errorf("job %s is %s, and nobody asked for its end", j.ID, j.State())
	}
	if err := j.Unclaim(j.Epoch, fixture.Now()); err != nil {
		return err
	}
	return f.s.Jobs.Save(t.Context(), j)
}

func (f *field) requireEnds(t *testing.T, seed uint64) {
	t.Helper()
	for id, b := range f.batches {
		got, tally := getBatch(t, f.s, id)
		stops := b.StopAfterFailures > 0 && tally.Failed >= int64(b.StopAfterFailures)
		require.Equal(t, stops, got.Stopped(), "seed %d: %s with %d", seed, tally, b.StopAfterFailures)
		if !stops {
			require.Zero(t, tally.Canceled, "seed %d", seed)
			continue
		}
		require.Equal(t, domain.ReasonBatch, got.StopReason)
		if b.MaxParallel > 0 { // beyond the last failure that counts, only what was in flight then can have failed
			require.LessOrEqual(t, tally.Failed, int64(b.StopAfterFailures+b.MaxParallel-1), "seed %d: %s", seed, tally)
		}
	}
	for id, j := range f.jobs {
		got := getJob(t, f.s, id)
		require.True(t, got.Status.Final(), "seed %d: job %s is %s", seed, id, got.State())
		if got.Status == domain.StatusCanceled {
			require.Equal(t, domain.ReasonBatch, got.Reason)
			require.NotEmpty(t, j.BatchID)
		}
	}
}
