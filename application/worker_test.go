package application_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestWorker_JobEndsAsItsCommandDoes(t *testing.T) {
	for name, c := range map[string]struct {
		last   memory.Step
		status domain.Status
		reason domain.Reason
		exit   domain.Exit
	}{
		"Zero":    {memory.Exits(0), domain.StatusCompleted, domain.ReasonNone, domain.Exit{}},
		"Seven":   {memory.Exits(7), domain.StatusFailed, domain.ReasonExitNonzero, domain.Exit{Code: 7}},
		"Most":    {memory.Exits(255), domain.StatusFailed, domain.ReasonExitNonzero, domain.Exit{Code: 255}},
		"ASignal": {memory.Dies("SEGV", 11), domain.StatusFailed, domain.ReasonSignal, domain.Exit{Code: 139, Signal: "SEGV"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server()
				w.work()
				began := time.Now().UTC()
				id := w.submit(s, memory.Sequence(
					memory.Prints(domain.Stdout, "out 1\n"), memory.Prints(domain.Stderr, "err\x00\xff"), memory.Sleeps(3*time.Second),
					memory.Prints(domain.Stdout, "out 2"), c.last))
				j := w.final(id)
				require.Equal(t, c.status, j.Status)
				require.Equal(t, c.reason, j.Reason)
				require.Equal(t, &c.exit, j.Exit)
				require.Equal(t, 1, j.Attempt)
				require.WithinDuration(t, began, j.StartedAt, time.Second)
				require.Equal(t, 3*time.Second, j.FinishedAt.Sub(j.StartedAt))
				require.Nil(t, j.Receipt, "nobody ended it")
				stdout, stderr := w.printed(id)
				require.Equal(t, "out 1\nout 2", stdout)
				require.Equal(t, "err\x00\xff", stderr)

				attempts, err := w.store.Jobs().Attempts(t.Context(), id)
				require.NoError(t, err)
				require.Len(t, attempts, 1)
				require.Equal(t, c.reason, attempts[0].Reason)
				require.NotEmpty(t, w.machines.Remains(s.ID))
				w.pass(5 * time.Second)
				require.Empty(t, w.machines.Remains(s.ID), "the run directory is removed")
			})
		})
	}
}

func TestWorker_TakesNoMoreThanItHasPlacesFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(n *ports.NewServer) { n.MaxSessions = 50 })
		w.work(func(it *application.Worker) { it.Settings.Concurrency = 2 })
		var ids []domain.JobID
		for range 6 {
			ids = append(ids, w.submit(s, memory.Sequence(memory.Sleeps(time.Second))))
		}
		for round := range 3 {
			w.pass(900 * time.Millisecond)
			require.Len(t, w.machines.Starts(), 2*(round+1))
			require.Equal(t, 2*(round+1), w.queue.deliveries(), "the other tickets are for other workers")
			w.pass(100 * time.Millisecond)
		}
		for _, id := range ids {
			require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		}
	})
}

func TestWorker_RunsTheMostUrgentFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		w.machines.On("x", memory.Sequence())
		var ids [11]domain.JobID
		for _, p := range []domain.Priority{3, 10, 1, 7} {
			d, err := w.jobs.Submit(t.Context(), ports.Submission{ServerID: s.ID, Command: "x", Priority: p})
			require.NoError(t, err)
			ids[p] = d.Job.ID
		}
		w.pass(time.Second)
		w.work(func(it *application.Worker) { it.Settings.Concurrency = 1 })
		w.final(ids[1])
		var order []domain.JobID
		for _, a := range w.machines.Starts() {
			order = append(order, a.Job)
		}
		require.Equal(t, []domain.JobID{ids[10], ids[7], ids[3], ids[1]}, order)
	})
}

func TestWorker_RetriesARefusedConnectionUnderSafe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		w.machines.Unreachable(s.ID, true)
		w.work()
		began := time.Now()
		id := w.submit(s, memory.Sequence())
		j := w.final(id)
		require.Equal(t, domain.StatusFailed, j.Status)
		require.Equal(t, domain.ReasonConnect, j.Reason)
		require.Equal(t, 3, j.Attempt)
		require.Zero(t, w.starts(id))
		// With jitter of one half: 2.5 s after the first, 5 s after the second.
		require.WithinDuration(t, began.Add(7500*time.Millisecond), time.Now(), 3*swept)
		attempts, err := w.store.Jobs().Attempts(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, attempts, 3)
	})
}

func TestWorker_RunsOnceTheServerIsBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		w.machines.Unreachable(s.ID, true)
		w.work()
		id := w.submit(s, memory.Sequence(memory.Prints(domain.Stdout, "here")))
		w.await(id, "waiting", func(j *domain.Job) bool { return j.Phase == domain.PhaseBackoff })
		w.machines.Unreachable(s.ID, false)
		j := w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Equal(t, 2, j.Attempt)
		require.Empty(t, j.Message, "what went wrong before is with its attempt")
		require.Equal(t, 1, w.starts(id))
	})
}

func TestWorker_RetryModes(t *testing.T) {
	fails := memory.Sequence(memory.Prints(domain.Stdout, "try"), memory.Exits(1))
	for name, c := range map[string]struct {
		mode     domain.RetryMode
		lose     bool
		attempts int
		reason   domain.Reason
	}{
		"NeverAfterAFailure":       {domain.RetryNever, false, 1, domain.ReasonExitNonzero},
		"SafeNotAfterAFailure":     {domain.RetrySafe, false, 1, domain.ReasonExitNonzero},
		"OnFailureAfterAFailure":   {domain.RetryOnFailure, false, 3, domain.ReasonExitNonzero},
		"AtLeastOnceAfterAFailure": {domain.RetryAtLeastOnce, false, 3, domain.ReasonExitNonzero},
		"SafeNotWhenLost":          {domain.RetrySafe, true, 1, domain.ReasonLost},
		"OnFailureNotWhenLost":     {domain.RetryOnFailure, true, 1, domain.ReasonLost},
		"AtLeastOnceWhenLost":      {domain.RetryAtLeastOnce, true, 3, domain.ReasonLost},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.retry = &domain.Retry{Mode: c.mode, MaxAttempts: 3}
				program := fails
				if c.lose {
					program = func(p *memory.Process) domain.Exit {
						p.Print(domain.Stdout, "try")
						p.Sleep(time.Second)
						w.machines.Lose(p.Attempt())
						return domain.Exit{}
					}
				}
				w.work()
				id := w.submit(w.server(), program)
				j := w.final(id)
				require.Equal(t, c.reason, j.Reason)
				require.Equal(t, c.attempts, j.Attempt)
				require.Equal(t, c.attempts, w.starts(id))
				stdout, _ := w.printed(id)
				require.Equal(t, "try", stdout, "the output of the last attempt")
			})
		})
	}
}

func TestWorker_NeverModeFailsWithTheFirstConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.retry = &domain.Retry{Mode: domain.RetryNever, MaxAttempts: 3}
		s := w.server()
		w.machines.Unreachable(s.ID, true)
		w.work()
		j := w.final(w.submit(s, memory.Sequence()))
		require.Equal(t, domain.ReasonConnect, j.Reason)
		require.Equal(t, 1, j.Attempt)
	})
}

func TestWorker_DoesNotRepeatARefusedLogin(t *testing.T) {
	for _, reason := range []domain.Reason{domain.ReasonAuth, domain.ReasonHostKeyUnknown, domain.ReasonHostKeyMismatch} {
		t.Run(string(reason), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.retry = &domain.Retry{Mode: domain.RetryAtLeastOnce, MaxAttempts: 5}
				s := w.server()
				w.machines.Refuse(s.ID, &domain.Failure{Reason: reason, Message: "no"})
				w.work()
				j := w.final(w.submit(s, memory.Sequence()))
				require.Equal(t, reason, j.Reason)
				require.Equal(t, "no", j.Message)
				require.Equal(t, 1, j.Attempt)
				require.Empty(t, w.machines.Starts())
			})
		})
	}
}

func TestWorker_TimeIsUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.timeout = 5 * time.Second
		w.work()
		id := w.submit(w.server(), memory.Sequence(memory.Prints(domain.Stdout, "begin"), memory.Sleeps(time.Hour)))
		j := w.final(id)
		require.Equal(t, domain.StatusFailed, j.Status)
		require.Equal(t, domain.ReasonTimeout, j.Reason)
		require.Equal(t, 5*time.Second, j.FinishedAt.Sub(j.StartedAt))
		require.True(t, *j.KillConfirmed())
		require.Equal(t, 1, j.Receipt.Ended)
		stdout, _ := w.printed(id)
		require.Equal(t, "begin", stdout)
	})
}

func TestWorker_OutputBeyondTheLimitEndsTheJob(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const limit = 10_000
		w.work(func(it *application.Worker) { it.Settings.MaxOutput = limit })
		s := w.server()
		line := strings.Repeat("ü", 50)
		program := func(p *memory.Process) domain.Exit {
			for p.Sleep(10 * time.Millisecond) {
				p.Print(domain.Stdout, line)
			}
			return domain.Exit{Code: 143, Signal: "TERM"}
		}
		id := w.submit(s, program)
		j := w.final(id)
		require.Equal(t, domain.StatusFailed, j.Status)
		require.Equal(t, domain.ReasonOutputLimit, j.Reason)
		require.True(t, *j.KillConfirmed(), "its processes are ended")
		stdout, _ := w.printed(id)
		require.Equal(t, strings.Repeat(line, limit/100), stdout, "what came before is kept")

		exact := w.submit(s, memory.Sequence(memory.Prints(domain.Stderr, strings.Repeat("x", limit))))
		require.Equal(t, domain.StatusCompleted, w.final(exact).Status, "the limit itself is allowed")
	})
}

func TestWorker_ServerIsNotActiveAnyMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		id := w.submit(s, memory.Sequence())
		_, err := w.servers.Update(t.Context(), s.ID, ports.ServerChange{Active: new(false)})
		require.NoError(t, err)
		w.work()
		j := w.final(id)
		require.Equal(t, domain.ReasonPolicyDenied, j.Reason)
		require.Equal(t, 1, j.Attempt)
		require.Empty(t, w.machines.Starts())
	})
}

func TestWorker_CarriesOnWhereTheServerIsNotActiveAnyMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		first := w.work()
		program, text := counts(20, time.Second)
		id := w.submit(s, program)
		w.executing(id)
		_, err := w.servers.Update(t.Context(), s.ID, ports.ServerChange{Active: new(false)})
		require.NoError(t, err)
		first.stop()
		w.work()
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_CredentialIsNeededAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.retry = &domain.Retry{Mode: domain.RetryAtLeastOnce, MaxAttempts: 5}
		s := w.server()
		_, err := w.servers.Update(t.Context(), s.ID, ports.ServerChange{User: new("root")})
		require.NoError(t, err)
		w.work()
		j := w.final(w.submit(s, memory.Sequence()))
		require.Equal(t, domain.ReasonCredentialNeeded, j.Reason)
		require.Equal(t, 1, j.Attempt)
		require.Empty(t, w.machines.Starts())
	})
}

func TestWorker_DropsStaleTickets(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		done := w.add(fixture.Completed, fixture.On(s.ID))
		held := w.add(fixture.Held, fixture.On(s.ID))
		old := w.add(fixture.Backoff, fixture.On(s.ID))
		stale := old.Ticket()
		stale.ID = string(old.ID) + ".0.0" // from before its first attempt
		require.NoError(t, old.Release(time.Now()))
		require.NoError(t, old.Offer(time.Now()))
		require.NoError(t, w.store.Jobs().Save(t.Context(), old))
		for _, ticket := range []domain.Ticket{
			{ID: "gone.0.0", Job: "gone", Priority: 5}, done.Ticket(), held.Ticket(), stale,
		} {
			require.NoError(t, w.queue.Put(t.Context(), []domain.Ticket{ticket}))
		}
		w.work()
		w.pass(time.Minute)
		require.Empty(t, w.machines.Starts())
		require.Equal(t, domain.PhaseHeld, w.job(held.ID).Phase)
		require.Equal(t, domain.PhaseEnqueued, w.job(old.ID).Phase)
		require.Equal(t, 4, w.queue.deliveries(), "they are acknowledged, and do not come again")
	})
}

func TestWorker_TicketDeliveredTwiceStartsOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.queue.forget(true) // acknowledgements do not arrive, so that every ticket comes again
		w.work()
		w.work()
		program, text := counts(100, time.Second)
		id := w.submit(w.server(), program)
		j := w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Equal(t, 1, j.Attempt)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
		require.Greater(t, w.queue.deliveries(), 2)
	})
}

// A ticket outlives its job's place when nobody took it for too long: the job was put back, and its place given away.
func TestWorker_ClaimsNoJobThatLostItsPlace(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(n *ports.NewServer) { n.MaxSessions = 1 })
		j := w.job(w.submit(s, memory.Sequence()))
		require.NoError(t, w.queue.Put(t.Context(), []domain.Ticket{j.Ticket()}))
		w.work()
		w.pass(time.Minute)
		require.Empty(t, w.machines.Starts(), "it has no place on its server")
		require.Equal(t, domain.PhasePending, w.job(j.ID).Phase)
		w.dispatch()
		require.Equal(t, domain.StatusCompleted, w.final(j.ID).Status, "the ticket comes back when it has one")
	})
}
