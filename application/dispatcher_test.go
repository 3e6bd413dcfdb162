package application_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestDispatcher_OffersWhatIsSubmittedAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.pass(dispatched / 2) // between two looks of its own
		s := w.server()
		id := w.submit(s, memory.Sequence())
		w.pass(0)
		j := w.job(id)
		require.Equal(t, domain.PhaseEnqueued, j.Phase)
		require.Equal(t, []domain.Ticket{j.Ticket()}, w.queue.put())
	})
}

// dispatched is within what time a pending job is offered, should every signal be lost.
const dispatched = time.Second

func TestDispatcher_LooksByItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.pass(dispatched / 2)
		j := w.add(fixture.Pending, fixture.On(w.server().ID)) // by another process, and no signal came
		w.pass(dispatched)
		require.Equal(t, domain.PhaseEnqueued, w.job(j.ID).Phase)
	})
}

func TestDispatcher_LosesNothingWhileTheQueueIsAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.queue.setAway(true)
		s := w.server()
		id := w.submit(s, memory.Sequence())
		w.pass(time.Hour)
		require.Equal(t, domain.PhasePending, w.job(id).Phase)
		w.queue.setAway(false)
		w.pass(dispatched)
		require.Equal(t, domain.PhaseEnqueued, w.job(id).Phase)
		require.Equal(t, 1, len(w.queue.put()))
	})
}

func TestDispatcher_PutsBackWhatTheQueueDoesNotTake(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.queue.setFull(true)
		s := w.server()
		id := w.submit(s, memory.Sequence())
		w.pass(0)
		require.Equal(t, domain.PhasePending, w.job(id).Phase, "at once, and not when somebody looks after a minute")
		require.Equal(t, 1, w.database.count("Backlog.Return"))
		w.queue.setFull(false)
		w.pass(dispatched)
		require.Equal(t, 1, len(w.queue.put()))
	})
}

func TestDispatcher_PutsBackWhatIsNotTakenWhenStopped(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		id := w.submit(w.server(), memory.Sequence())
		w.queue.hang(true)
		stop := w.dispatch()
		w.pass(0)
		require.Equal(t, domain.PhaseEnqueued, w.job(id).Phase)
		stop()
		require.Equal(t, domain.PhasePending, w.job(id).Phase)
	})
}

func TestDispatcher_OffersAgainWhenReturnFailsToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		w.queue.setFull(true)
		w.database.set(func(op string) fault {
			if op == "Backlog.Return" {
				return away
			}
			return works
		})
		id := w.submit(s, memory.Sequence())
		w.pass(0)
		require.Equal(t, domain.PhaseEnqueued, w.job(id).Phase)
		w.database.set(nil)
		w.queue.setFull(false)
		w.pass(domain.ReofferAfter + 3*time.Second)
		require.Equal(t, 1, len(w.queue.put()))
	})
}

func TestDispatcher_OffersEverythingToANewStore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(n *ports.NewServer) { n.MaxSessions = 256 })
		var ids []domain.JobID
		for range 60 {
			ids = append(ids, w.submit(s, memory.Sequence(memory.Prints(domain.Stdout, "x"))))
		}
		detached := w.add(fixture.Detached, fixture.On(s.ID))
		w.pass(10 * time.Second)
		require.Equal(t, 61, len(w.queue.put()))
		w.queue.lose()
		w.pass(2 * dispatched)
		require.Equal(t, 61, len(w.queue.put()), "queued and detached jobs are offered again, once")
		w.cancel(detached.ID)
		w.work()
		for _, id := range ids {
			require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		}
		require.Len(t, w.machines.Starts(), 60)
	})
}

func TestDispatcher_NeverFillsAServerBeyondItsSessions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		small := w.server(named("small"), func(n *ports.NewServer) { n.MaxSessions = 3 })
		other := w.server(named("other"))
		w.work()
		var ids []domain.JobID
		for range 40 {
			ids = append(ids, w.submit(small, memory.Sequence(memory.Sleeps(700*time.Millisecond))))
		}
		beside := w.submit(other, memory.Sequence())
		w.pass(100 * time.Millisecond)
		require.Equal(t, domain.StatusCompleted, w.job(beside).Status, "a full server does not hold up another")
		began := time.Now()
		for most := 0; ; {
			flying, left := 0, 0
			for _, id := range ids {
				j := w.job(id)
				if j.InFlight() {
					flying++
				}
				if !j.Status.Final() {
					left++
				}
			}
			require.LessOrEqual(t, flying, 3)
			most = max(most, flying)
			if left == 0 {
				require.Equal(t, 3, most)
				break
			}
			require.Less(t, time.Since(began), patience)
			w.pass(10 * time.Millisecond)
		}
		// Fourteen rounds of three; a place that is free is taken at once, and not when held jobs look again.
		require.Less(t, time.Since(began), 15*time.Second)
	})
}

func TestDispatcher_TwoOfferEachJobOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.dispatch()
		s := w.server(func(n *ports.NewServer) { n.MaxSessions = 256 })
		for range 50 {
			w.submit(s, memory.Sequence())
		}
		w.pass(10 * time.Second)
		seen := map[string]bool{}
		for _, ticket := range w.queue.put() {
			require.False(t, seen[ticket.ID], "ticket %s was put twice", ticket.ID)
			seen[ticket.ID] = true
		}
		require.Len(t, seen, 50)
	})
}

func TestDispatcher_TakesMoreThanOneBatch(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		require.NoError(t, w.store.Workers().Register(t.Context(), domain.Worker{ID: "large", Capacity: 600}, time.Hour)) // and idle
		w.database.setAway(true)                                                                                          // let them pile up
		for i := range 6 {
			s := fixture.Server(t, fixture.Named(fmt.Sprintf("s-%d", i)), fixture.Sessions(256))
			require.NoError(t, w.store.Servers().Add(t.Context(), s, nil))
			for range 100 {
				w.add(fixture.Pending, fixture.On(s.ID))
			}
		}
		w.pass(10 * time.Second)
		require.Empty(t, w.queue.put())
		w.database.setAway(false)
		w.pass(dispatched)
		require.Equal(t, 600, len(w.queue.put()))
	})
}

// A queue that takes fewer tickets than are offered at once takes as many as it can; the others stay with the database.
func TestDispatcher_FillsASmallQueue(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		const places = 11
		w.queue.limit = places
		s := w.server(func(n *ports.NewServer) { n.MaxSessions = 256 })
		var ids []domain.JobID
		for range 40 {
			ids = append(ids, w.submit(s, memory.Sequence()))
		}
		w.dispatch()
		w.pass(0)
		phases := map[domain.Phase]int{}
		for _, id := range ids {
			phases[w.job(id).Phase]++
		}
		require.Equal(t, map[domain.Phase]int{domain.PhaseEnqueued: places, domain.PhasePending: 40 - places}, phases)
		require.Len(t, w.queue.put(), places)
	})
}
