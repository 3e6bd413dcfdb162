package application_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// killer is a way to servers on which ends take their own course.
type killer struct {
	*memory.Executor
	kill func(end func() (domain.Receipt, error)) (domain.Receipt, error)
}

func (k killer) Kill(ctx context.Context, t ports.Target, id domain.AttemptID, grace time.Duration) (domain.Receipt, error) {
	return k.kill(func() (domain.Receipt, error) { return k.Executor.Kill(ctx, t, id, grace) })
}

// A worker is lost between ending a job's processes and saying so. What the next one finds is a command that a signal has
// ended, and that is what was asked for.
func TestWorker_LostAfterTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		cancel  bool
		status  domain.Status
		reason  domain.Reason
	}{
		"Cancel":  {time.Hour, true, domain.StatusCanceled, domain.ReasonUser},
		"Timeout": {10 * time.Second, false, domain.StatusFailed, domain.ReasonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.timeout = c.timeout
				var first worker
				first = w.work(func(it *application.Worker) {
					it.Executor = killer{w.machines, func(end func() (domain.Receipt, error)) (domain.Receipt, error) {
						r, err := end()
						first.database.setAway(true)
						return r, err
					}}
				})
				id := w.submit(w.server(), memory.Sequence(memory.Sleeps(2*time.Hour)))
				w.executing(id)
				w.pass(time.Second)
				if c.cancel {
					w.cancel(id)
				}
				w.pass(domain.LeaseFor + time.Minute)
				require.Equal(t, domain.StatusRunning, w.job(id).Status)
				w.work()
				j := w.final(id)
				require.Equal(t, c.status, j.Status, j.Message)
				require.Equal(t, c.reason, j.Reason)
				require.NotNil(t, j.Exit)
				require.Equal(t, "TERM", j.Exit.Signal)
				require.True(t, *j.KillConfirmed())
				require.Equal(t, "memory", j.Receipt.Way, "the next worker has looked for itself")
				require.Equal(t, 1, w.starts(id))
			})
		})
	}
}

// A command that had come to its own end is not said to have been ended, whoever sees it.
func TestWorker_LostBeforeTheEndThatCameByItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.timeout = time.Hour
		var first worker
		first = w.work(func(it *application.Worker) {
			it.Executor = killer{w.machines, func(func() (domain.Receipt, error)) (domain.Receipt, error) {
				first.database.setAway(true)
				return domain.Receipt{}, ports.ErrCut
			}}
		})
		id := w.submit(w.server(), memory.Sequence(memory.Sleeps(30*time.Second)))
		w.executing(id)
		w.cancel(id)
		w.pass(time.Minute)
		w.work()
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
	})
}

// What goes wrong on a server that lets us in may pass.
func TestWorker_EndIsTriedAgainWhereTheServerIsInTrouble(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var tries atomic.Int32
		w.work(func(it *application.Worker) {
			it.Executor = killer{w.machines, func(end func() (domain.Receipt, error)) (domain.Receipt, error) {
				if tries.Add(1) < 4 {
					return domain.Receipt{}, &domain.Failure{Reason: domain.ReasonInternal, Message: "the server cannot fork"}
				}
				return end()
			}}
		})
		id := w.submit(w.server(), memory.Sequence(memory.Sleeps(time.Hour)))
		w.executing(id)
		w.cancel(id)
		j := w.final(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.True(t, *j.KillConfirmed())
		require.EqualValues(t, 4, tries.Load())
	})
}

// A worker that cannot read a credential holds its jobs for a while rather than pass them round with every second.
func TestWorker_SealedVaultDoesNotPassJobsRound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.timeout = time.Hour
		first := w.work()
		id := w.submit(w.server(), memory.Sequence(memory.Sleeps(10*time.Minute)))
		w.executing(id)
		first.stop()
		w.vault.seal(true)
		blind := w.work()
		before := w.job(id).Epoch
		w.pass(2 * time.Minute)
		require.LessOrEqual(t, w.job(id).Epoch-before, int64(20), "each turn is two changes of hands")
		began := time.Now()
		blind.stop()
		require.Less(t, time.Since(began), time.Second, "a stop does not wait for that")
		w.vault.seal(false)
		w.work()
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
	})
}
