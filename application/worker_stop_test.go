package application_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestWorker_StopLeavesDurableJobsToAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		first := w.work(func(it *application.Worker) { it.Settings.FlushInterval = time.Hour }) // only the end stores
		program, text := counts(60, time.Second)
		id := w.submit(s, program)
		w.executing(id)
		w.pass(10*time.Second + 50*time.Millisecond)
		w.queue.put()
		began := time.Now()
		first.stop()
		w.pass(0)
		require.Len(t, w.queue.put(), 1, "it is offered to the others at once")
		require.Less(t, time.Since(began), time.Second)
		j := w.job(id)
		require.Equal(t, domain.PhaseDetached, j.Phase)
		require.Empty(t, j.Worker)
		stdout, _ := w.printed(id)
		require.Equal(t, text[:len(stdout)], stdout)
		require.Contains(t, stdout, "line 11 ", "all that was printed is stored")

		w.pass(5 * time.Second)
		w.work()
		j = w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Equal(t, 1, j.Attempt)
		stdout, _ = w.printed(id)
		require.Equal(t, text, stdout)
		require.Equal(t, 1, w.starts(id))
		// It was on its way back into the queue at once.
		require.WithinDuration(t, j.StartedAt.Add(60*time.Second), j.FinishedAt, time.Second)
	})
}

func TestWorker_StopTakesNothingNew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work()
		w.pass(time.Second)
		first.stop()
		id := w.submit(w.server(), memory.Sequence())
		w.pass(10 * time.Second)
		require.Equal(t, domain.PhaseEnqueued, w.job(id).Phase)
		require.Zero(t, w.queue.deliveries())
		list, err := w.store.Workers().List(t.Context())
		require.NoError(t, err)
		require.Empty(t, list, "it has signed off")
	})
}

func TestWorker_StopWhileStarting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work(func(it *application.Worker) { it.Executor = gate{w.machines, make(chan struct{})} })
		program, text := counts(3, time.Second)
		id := w.submit(w.server(), program)
		w.await(id, "starting", func(j *domain.Job) bool { return j.Phase == domain.PhaseStarting })
		first.stop()
		require.Equal(t, domain.PhaseDetached, w.job(id).Phase, "%s", w.job(id).Message)
		w.work()
		j := w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Equal(t, 1, w.starts(id))
		require.Zero(t, j.Failures, "it was not the job's fault")
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_StopWhileCutOff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		first := w.work()
		program, text := counts(30, time.Second)
		id := w.submit(s, program)
		w.executing(id)
		w.machines.Unreachable(s.ID, true)
		w.pass(3 * time.Second)
		first.stop()
		require.Equal(t, domain.PhaseDetached, w.job(id).Phase)
		w.machines.Unreachable(s.ID, false)
		w.work()
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_StopDoesNotWaitForAServerOutOfReach(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"Canceling": time.Hour, "TimingOut": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.timeout = timeout
				s := w.server()
				first := w.work()
				id := w.submit(s, memory.Sequence(memory.Sleeps(2*time.Hour)))
				w.executing(id)
				w.machines.Unreachable(s.ID, true)
				if name == "Canceling" {
					w.cancel(id)
				}
				w.pass(15 * time.Second)
				require.Contains(t, []domain.Phase{domain.PhaseCanceling, domain.PhaseTimingOut}, w.job(id).Phase)
				began := time.Now()
				first.stop()
				require.Less(t, time.Since(began), 30*time.Second)
				require.Equal(t, domain.PhaseDetached, w.job(id).Phase)

				w.machines.Unreachable(s.ID, false)
				w.work()
				j := w.final(id)
				require.True(t, *j.KillConfirmed(), "another worker ends it")
				require.Contains(t, []domain.Reason{domain.ReasonUser, domain.ReasonTimeout}, j.Reason)
			})
		})
	}
}

// attached are servers that cannot keep a command running without its connection.
type attached struct{ *memory.Executor }

type attachedSink struct{ ports.Sink }

func (s attachedSink) Started(ctx context.Context, p domain.Process) error {
	p.Mode = domain.ModeAttached
	return s.Sink.Started(ctx, p)
}

func (a attached) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	return a.Executor.Start(ctx, t, id, c, attachedSink{sink})
}

func TestWorker_StopWaitsForAttachedJobs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work(func(it *application.Worker) { it.Executor = attached{w.machines} })
		program, text := counts(15, time.Second)
		id := w.submit(w.server(), program)
		w.executing(id)
		first.stop()
		j := w.job(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_StopEndsAttachedJobsThatTakeTooLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work(func(it *application.Worker) { it.Executor = attached{w.machines} })
		id := w.submit(w.server(), memory.Sequence(memory.Prints(domain.Stdout, "begin"), memory.Sleeps(time.Hour)))
		w.executing(id)
		began := time.Now()
		first.stop()
		require.WithinDuration(t, began.Add(20*time.Second), time.Now(), 2*time.Second)
		j := w.job(id)
		require.Equal(t, domain.StatusFailed, j.Status)
		require.Equal(t, domain.ReasonLost, j.Reason)
		require.True(t, *j.KillConfirmed())
		stdout, _ := w.printed(id)
		require.Equal(t, "begin", stdout)
	})
}

func TestWorker_StopKeepsTheExitOfAnAttachedJob(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work(func(it *application.Worker) { it.Executor = lateAttached{late{w.machines}} })
		id := w.submit(w.server(), memory.Sequence(memory.Sleeps(19*time.Second), memory.Exits(7)))
		w.executing(id)
		first.stop() // patience ends after 20 s, and the exit is heard of after 21 s
		j := w.job(id)
		require.Equal(t, domain.ReasonExitNonzero, j.Reason)
		require.Equal(t, &domain.Exit{Code: 7}, j.Exit)
		require.Zero(t, j.Receipt.Ended)
	})
}

// lateAttached are servers whose connections are slow and the only thing that keeps a command running.
type lateAttached struct{ late }

func (l lateAttached) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	return l.late.Start(ctx, t, id, c, attachedSink{sink})
}

// A worker with another master key takes a running job over: it can see nothing of it, and so it says nothing of it.
func TestWorker_SealedVaultEndsNoRunningJob(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work()
		program, text := counts(100, time.Second)
		id := w.submit(w.server(), program)
		w.executing(id)
		w.pass(10 * time.Second)
		first.stop()
		w.vault.seal(true)
		blind := w.work()
		w.await(id, "taken over", func(j *domain.Job) bool { return j.Worker != "" && j.Epoch > 2 })
		w.pass(20 * time.Second)
		require.Equal(t, domain.StatusRunning, w.job(id).Status)
		blind.stop()
		w.vault.seal(false)
		w.work()
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
		require.Equal(t, 1, w.starts(id))
	})
}
