package application_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// swept is within what time the sweeper sees what is due, and the dispatcher what it woke.
const swept = 2 * time.Second

func TestSweeper_WakesWhatIsDue(t *testing.T) {
	for state, wait := range map[fixture.State]time.Duration{
		fixture.Backoff: domain.MinBackoff, fixture.Held: domain.HeldRecheck, fixture.Enqueued: domain.ReofferAfter,
	} {
		t.Run(string(state), func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				w.sweep()
				j := w.add(state, fixture.On(w.server().ID))
				due := j.NextActionAt
				require.WithinDuration(t, time.Now().Add(wait), due, 5*time.Second)
				w.pass(time.Until(due) - time.Millisecond)
				require.Equal(t, j.Phase, w.job(j.ID).Phase)
				w.pass(swept)
				require.Equal(t, domain.PhasePending, w.job(j.ID).Phase)
			})
		})
	}
}

func TestSweeper_TellsTheDispatcher(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		w.sweep()
		woken, cancel := w.signals.Subscribe(ports.TopicDispatch)
		defer cancel()
		s := w.server()
		w.pass(10 * time.Second)
		require.Empty(t, woken, "nothing was due")
		w.add(fixture.Held, fixture.On(s.ID))
		w.pass(domain.HeldRecheck + swept)
		require.Len(t, woken, 1)
	})
}

func TestSweeper_ExpiresWhatNobodyTook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.add(fixture.Pending, fixture.On(w.server().ID), fixture.Since(time.Now().Add(time.Minute-domain.QueueTimeout)))
		w.pass(time.Minute - time.Second) // and no worker
		require.Equal(t, domain.StatusQueued, w.job(old.ID).Status)
		w.pass(swept)
		j := w.job(old.ID)
		require.Equal(t, domain.StatusFailed, j.Status)
		require.Equal(t, domain.ReasonQueueTimeout, j.Reason)
	})
}

func TestSweeper_GivesUpDetachedJobsBeyondReach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		lost := w.add(fixture.Detached, fixture.On(s.ID), fixture.Timeout(time.Minute))
		canceled := w.add(fixture.Detached, fixture.On(s.ID), fixture.Timeout(time.Minute))
		w.cancel(canceled.ID)
		w.pass(time.Until(lost.DeadlineAt.Add(domain.LostAfter)) - time.Second)
		require.Equal(t, domain.PhaseDetached, w.job(lost.ID).Phase)
		w.pass(2 * swept)
		j := w.job(lost.ID)
		require.Equal(t, domain.ReasonLost, j.Reason)
		require.False(t, *j.KillConfirmed())
		j = w.job(canceled.ID)
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.False(t, *j.KillConfirmed(), "nobody saw its processes end")
	})
}

func TestSweeper_TakesJobsFromSilentWorkers(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		silent := domain.Worker{ID: "silent", StartedAt: time.Now(), Capacity: 1}
		require.NoError(t, w.store.Workers().Register(t.Context(), silent, domain.LeaseFor))
		running := w.add(fixture.Running, fixture.On(s.ID), fixture.By(silent.ID))
		claimed := w.add(fixture.Claimed, fixture.On(s.ID), fixture.By(silent.ID))
		w.sweep()
		w.pass(domain.LeaseFor - time.Millisecond)
		require.Equal(t, domain.PhaseExecuting, w.job(running.ID).Phase)
		w.pass(swept)
		j := w.job(running.ID)
		require.Equal(t, domain.PhaseDetached, j.Phase)
		require.Greater(t, j.Epoch, running.Epoch, "whatever the silent worker still writes is refused")
		require.Equal(t, domain.PhasePending, w.job(claimed.ID).Phase, "nothing was sent to its server")
	})
}

func TestSweeper_SweepsMoreThanOneBatch(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(n *ports.NewServer) { n.MaxSessions = 1 })
		var last *domain.Job
		for range 600 {
			last = w.add(fixture.Held, fixture.On(s.ID))
		}
		w.pass(time.Until(last.NextActionAt))
		w.sweep()
		w.pass(0)
		require.Equal(t, domain.PhasePending, w.job(last.ID).Phase)
	})
}
