package application_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestWorker_CancelWhileExecuting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		w.work()
		id := w.submit(s, memory.Sequence(memory.Prints(domain.Stdout, "begin"), memory.Sleeps(time.Hour)))
		w.executing(id)
		w.pass(time.Second)
		w.cancel(id)
		w.pass(100 * time.Millisecond)
		j := w.job(id)
		require.Equal(t, domain.StatusCanceled, j.Status, "the signal wakes the worker: nobody waits for a heartbeat")
		require.Equal(t, domain.ReasonUser, j.Reason)
		require.True(t, *j.KillConfirmed())
		require.Equal(t, 1, j.Receipt.Ended)
		stdout, _ := w.printed(id)
		require.Equal(t, "begin", stdout)
		w.pass(5 * time.Second)
		require.Empty(t, w.machines.Remains(s.ID))
	})
}

func TestWorker_CancelArrivesWithTheHeartbeatWhenItsSignalIsLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work(func(it *application.Worker) { it.Signals = memory.NewSignals() }) // nobody tells it anything
		id := w.submit(w.server(), memory.Sequence(memory.Sleeps(time.Hour)))
		w.executing(id)
		w.cancel(id)
		w.pass(domain.HeartbeatEvery + 100*time.Millisecond)
		require.Equal(t, domain.StatusCanceled, w.job(id).Status)
	})
}

func TestWorker_CancelEndsWhatIgnoresTerm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		id := w.submit(w.server(), memory.Sequence(memory.IgnoresTerm(time.Hour)))
		w.executing(id)
		began := time.Now()
		w.cancel(id)
		w.await(id, "canceling", func(j *domain.Job) bool { return j.Phase == domain.PhaseCanceling })
		j := w.final(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.WithinDuration(t, began.Add(domain.KillGrace), time.Now(), time.Second)
	})
}

// gate is a way to servers whose starts wait until it is opened.
type gate struct {
	*memory.Executor
	open chan struct{}
}

func (g gate) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	select {
	case <-g.open:
		return g.Executor.Start(ctx, t, id, c, sink)
	case <-ctx.Done():
		return domain.Exit{}, ctx.Err()
	}
}

func TestWorker_CancelWhileStarting(t *testing.T) {
	for name, opens := range map[string]bool{"StartArrivesLater": true, "StartNeverArrives": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				g := gate{w.machines, make(chan struct{})}
				w.work(func(it *application.Worker) { it.Executor = g })
				id := w.submit(w.server(), memory.Sequence())
				w.await(id, "starting", func(j *domain.Job) bool { return j.Phase == domain.PhaseStarting })
				w.cancel(id)
				w.pass(time.Second)
				if opens {
					close(g.open)
				}
				j := w.final(id)
				require.Equal(t, domain.StatusCanceled, j.Status)
				require.True(t, *j.KillConfirmed())
				require.Zero(t, w.starts(id), "the attempt was made void before")
			})
		})
	}
}

func TestWorker_CancelWhileDetached(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work()
		id := w.submit(w.server(), memory.Sequence(memory.Sleeps(time.Hour)))
		w.executing(id)
		first.stop()
		require.Equal(t, domain.PhaseDetached, w.job(id).Phase)
		w.cancel(id)
		require.Equal(t, domain.StatusRunning, w.job(id).Status, "its processes are alive")
		w.pass(time.Minute)
		w.work()
		began := time.Now()
		j := w.final(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.True(t, *j.KillConfirmed())
		require.Less(t, time.Since(began), time.Second)
	})
}

func TestWorker_CancelWhileTheServerIsOutOfReach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.timeout = time.Hour
		w.work()
		s := w.server()
		id := w.submit(s, memory.Sequence(memory.Sleeps(2*time.Hour)))
		w.executing(id)
		w.machines.Unreachable(s.ID, true)
		w.cancel(id)
		w.pass(domain.LostAfter - time.Second)
		require.Equal(t, domain.PhaseCanceling, w.job(id).Phase)
		w.pass(20 * time.Second)
		j := w.job(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.False(t, *j.KillConfirmed())
		require.Contains(t, j.Receipt.Way, "unreachable")
	})
}

func TestWorker_CancelReachesAServerThatComesBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		s := w.server()
		id := w.submit(s, memory.Sequence(memory.Sleeps(2*time.Hour)))
		w.executing(id)
		w.machines.Unreachable(s.ID, true)
		w.cancel(id)
		w.pass(time.Minute)
		w.machines.Unreachable(s.ID, false)
		w.pass(15 * time.Second)
		j := w.job(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.True(t, *j.KillConfirmed())
	})
}

func TestWorker_CancelSaysWhatIsLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		removed := &tidy{Executor: w.machines}
		w.work(func(it *application.Worker) { it.Executor = removed })
		s := w.server()
		program := func(p *memory.Process) domain.Exit { // it survives its own end, and prints on
			p.Defy()
			for {
				select {
				case <-p.Killed():
					return domain.Exit{}
				case <-time.After(time.Second):
					p.Print(domain.Stdout, "still here\n")
				}
			}
		}
		id := w.submit(s, program)
		w.executing(id)
		w.pass(2500 * time.Millisecond)
		w.cancel(id)
		w.pass(time.Minute)
		j := w.job(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.False(t, *j.KillConfirmed())
		require.Len(t, j.Receipt.Left, 1)
		stdout, _ := w.printed(id)
		require.True(t, strings.HasPrefix(stdout, "still here\nstill here\n"))
		require.Empty(t, removed.attempts(), "what may be alive keeps its run directory")
	})
}

// tidy are servers that tell what was to be removed.
type tidy struct {
	*memory.Executor
	mu  sync.Mutex
	ids []domain.AttemptID
}

func (s *tidy) Remove(ctx context.Context, t ports.Target, ids ...domain.AttemptID) error {
	s.mu.Lock()
	s.ids = append(s.ids, ids...)
	s.mu.Unlock()
	return s.Executor.Remove(ctx, t, ids...)
}

func (s *tidy) attempts() []domain.AttemptID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func TestWorker_CancelBeforeAnythingWasSent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := w.work()
		own.database.set(func(op string) fault {
			if op == "Servers.Get" {
				return away
			}
			return works
		})
		id := w.submit(w.server(), memory.Sequence())
		w.await(id, "claimed", func(j *domain.Job) bool { return j.Phase == domain.PhaseClaimed })
		w.cancel(id)
		own.database.set(nil)
		j := w.final(id)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.Nil(t, j.Receipt, "there was nothing to end")
		require.Zero(t, w.starts(id))
	})
}

func TestWorker_ExitWinsOverCancel(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		w.work(func(it *application.Worker) { it.Executor = late{w.machines} })
		id := w.submit(s, memory.Sequence(memory.Sleeps(time.Second), memory.Prints(domain.Stdout, "done")))
		w.executing(id)
		w.pass(1500 * time.Millisecond) // it has ended, but nobody was told yet
		require.Equal(t, domain.PhaseExecuting, w.job(id).Phase)
		w.cancel(id)
		j := w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.True(t, j.CancelRequested)
		require.Zero(t, j.Receipt.Ended)
		stdout, _ := w.printed(id)
		require.Equal(t, "done", stdout)
	})
}

// late tells of an exit two seconds after it happened.
type late struct{ *memory.Executor }

func (l late) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	exit, err := l.Executor.Start(ctx, t, id, c, sink)
	if err == nil {
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return domain.Exit{}, context.Cause(ctx)
		}
	}
	return exit, err
}

func TestWorker_EndedJobWithMuchOutputIsStillWhatWasAsked(t *testing.T) {
	for name, c := range map[string]struct {
		cancel bool
		status domain.Status
		reason domain.Reason
	}{
		"Canceled": {true, domain.StatusCanceled, domain.ReasonUser},
		"TimedOut": {false, domain.StatusFailed, domain.ReasonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.timeout = 5 * time.Second
				own := w.work()
				own.database.mu.Lock()
				own.database.slow = 2 * time.Second // so that output is still to be stored when the exit comes
				own.database.mu.Unlock()
				text := strings.Repeat("0123456789abcdef", 64<<10/16)
				program := func(p *memory.Process) domain.Exit {
					for p.Sleep(200 * time.Millisecond) {
						p.Print(domain.Stdout, text)
					}
					return domain.Exit{Code: 143, Signal: "TERM"}
				}
				id := w.submit(w.server(), program)
				w.executing(id)
				w.pass(3 * time.Second)
				if c.cancel {
					w.cancel(id)
				}
				j := w.final(id)
				require.Equal(t, c.status, j.Status)
				require.Equal(t, c.reason, j.Reason)
				require.NotNil(t, j.Receipt)
			})
		})
	}
}
