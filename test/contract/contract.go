// Package contract holds what every implementation of a port must do, as tests that an adapter's own tests call:
//
//	contract.Store(t, func(t *testing.T) contract.Storage { … })
//
// A suite gets a way to open a fresh store, never an adapter's type, and asks only what the comments in ports promise.
// Each clause opens a store of its own and runs beside the others.
package contract

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// Storage is the storage ports over one store.
type Storage struct {
	Jobs    ports.JobRepository
	Batches ports.BatchRepository
	Backlog ports.Backlog
	Workers ports.WorkerRepository
	Output  ports.OutputStore
	Servers ports.ServerRepository
	Tokens  ports.TokenRepository
	Totals  ports.TotalsRepository
	Passes  ports.PassRepository

	Keys      ports.KeyRepository
	Checks    ports.ServerChecks
	MasterKey ports.MasterKeyCheck
}

// Open opens a fresh, empty store and cleans up after the test. It is called from many tests at once.
type Open func(t *testing.T) Storage

// Store runs the suites of all storage ports.
func Store(t *testing.T, open Open) {
	t.Run("JobRepository", func(t *testing.T) { JobRepository(t, open) })
	t.Run("BatchRepository", func(t *testing.T) { BatchRepository(t, open) })
	t.Run("Backlog", func(t *testing.T) { Backlog(t, open) })
	t.Run("WorkerRepository", func(t *testing.T) { WorkerRepository(t, open) })
	t.Run("OutputStore", func(t *testing.T) { OutputStore(t, open) })
	t.Run("ServerRepository", func(t *testing.T) { ServerRepository(t, open) })
	t.Run("TotalsRepository", func(t *testing.T) { TotalsRepository(t, open) })
	t.Run("KeyRepository", func(t *testing.T) { KeyRepository(t, open) })
	t.Run("ServerChecks", func(t *testing.T) { ServerChecks(t, open) })
	t.Run("MasterKeyCheck", func(t *testing.T) { MasterKeyCheck(t, open) })
	t.Run("TokenRepository", func(t *testing.T) { TokenRepository(t, open) })
	t.Run("PassRepository", func(t *testing.T) { PassRepository(t, open) })
}

// clauses are the sentences of a contract and their proofs.
type clauses map[string]func(t *testing.T, s Storage)

func (c clauses) run(t *testing.T, open Open) {
	for name, clause := range c {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clause(t, open(t))
		})
	}
}

// addServer stores a server.
func addServer(t *testing.T, s Storage, change ...func(*domain.Server)) *domain.Server {
	t.Helper()
	server := fixture.Server(t, change...)
	require.NoError(t, s.Servers.Add(t.Context(), server, nil))
	return server
}

// addJob stores a job and walks it to a state. What it returns is as stored.
func addJob(t *testing.T, s Storage, to fixture.State, opts ...fixture.Option) *domain.Job {
	t.Helper()
	j := fixture.Job(t, fixture.Pending, opts...)
	earlier, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, j)
	require.NoError(t, err)
	require.Nil(t, earlier)
	if to != fixture.Pending {
		fixture.Walk(t, j, to, opts...)
		require.NoError(t, s.Jobs.Save(t.Context(), j))
	}
	return j
}

func getJob(t *testing.T, s Storage, id domain.JobID) *domain.Job {
	t.Helper()
	j, err := s.Jobs.Get(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, j)
	return j
}

func requirePhase(t *testing.T, s Storage, id domain.JobID, want domain.Phase) {
	t.Helper()
	require.Equal(t, want, getJob(t, s, id).Phase)
}

// race runs f n times at once, all let go together, and returns their errors in order.
func race(n int, f func(i int) error) []error {
	var (
		errs = make([]error, n)
		gate = make(chan struct{})
		all  sync.WaitGroup
	)
	for i := range n {
		all.Go(func() {
			<-gate
			errs[i] = f(i)
		})
	}
	close(gate)
	all.Wait()
	return errs
}

// requireOneWinner checks that exactly one of the racers got through and the others were told why not. It returns the winner.
func requireOneWinner(t *testing.T, errs []error, others ...error) int {
	t.Helper()
	winner, wins := -1, 0
	for i, err := range errs {
		if err == nil {
			winner, wins = i, wins+1
			continue
		}
		told := false
		for _, other := range others {
			told = told || errors.Is(err, other)
		}
		require.True(t, told, "racer %d failed with %v, not as the contract says", i, err)
	}
	require.Equal(t, 1, wins, "winners among %d racers", len(errs))
	return winner
}

// requireDone calls every method with a context that is canceled and with one past its deadline.
func requireDone(t *testing.T, calls map[string]func(ctx context.Context) error) {
	t.Helper()
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller went away"))
	late, release := context.WithDeadline(t.Context(), fixture.Now().AddDate(-1, 0, 0))
	defer release()
	for name, call := range calls {
		require.Equal(t, domain.KindCanceled, domain.KindOf(call(canceled)), "%s with a canceled context", name)
		require.Equal(t, domain.KindTimeout, domain.KindOf(call(late)), "%s with a context past its deadline", name)
	}
}
