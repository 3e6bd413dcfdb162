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
)

// cannotRenew is a database that keeps a worker's writes but not its lease.
func cannotRenew(op string) fault {
	if strings.HasPrefix(op, "Workers.") {
		return away
	}
	return works
}

func TestWorker_WritesNothingOnceItsLeaseIsInDoubt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work()
		program, text := counts(600, 100*time.Millisecond)
		id := w.submit(w.server(), program)
		w.executing(id)
		w.pass(7 * time.Second)
		first.database.set(cannotRenew)
		last := time.Now().Add(-2 * time.Second).Truncate(time.Microsecond) // its heartbeat was at 5 s
		w.work()
		epoch := w.job(id).Epoch
		w.pass(time.Until(last.Add(domain.WriteFor)) - 500*time.Millisecond)
		written := len(first.database.writes())
		require.Greater(t, written, 50, "it wrote until then")
		w.pass(time.Second)
		final := len(first.database.writes())
		require.Equal(t, epoch, w.job(id).Epoch, "the database would still take what it writes")

		j := w.final(id)
		require.Len(t, first.database.writes(), final, "it has written since its lease is in doubt")
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Greater(t, j.Epoch, epoch)
		require.Equal(t, 1, j.Attempt)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
		require.Equal(t, 1, w.starts(id))
	})
}

func TestWorker_WhatAnEarlierHolderWritesIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work()
		program, text := counts(60, time.Second)
		id := w.submit(w.server(), program)
		old := w.executing(id)
		first.database.setAway(true)
		w.work()
		w.await(id, "taken over", func(j *domain.Job) bool { return j.Worker != "" && j.Worker != old.Worker })
		a := ports.Append{
			Job: id, Attempt: 1, Epoch: old.Epoch, From: w.job(id).Output,
			Pieces: []ports.Piece{{Stream: domain.Stdout, Data: []byte("from the grave")}}, At: time.Now(),
		}
		_, err := w.store.Output().Append(t.Context(), a)
		require.ErrorIs(t, err, domain.ErrLeaseLost)
		require.ErrorIs(t, w.job(id).Exited(old.Epoch, domain.Exit{}, 0, time.Now()), domain.ErrLeaseLost)
		first.database.setAway(false)
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_IsTakenOverWithinHalfAMinute(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.work()
		s := w.server()
		program, text := counts(100, time.Second)
		var ids []domain.JobID
		for range 5 {
			ids = append(ids, w.submit(s, program))
		}
		old := w.executing(ids[4])
		w.pass(3 * time.Second)
		first.database.setAway(true)
		w.work()
		w.pass(domain.LeaseFor + 2*swept)
		for _, id := range ids {
			j := w.job(id)
			require.Equal(t, domain.PhaseExecuting, j.Phase)
			require.NotEqual(t, old.Worker, j.Worker)
		}
		for _, id := range ids {
			w.final(id)
			stdout, _ := w.printed(id)
			require.Equal(t, text, stdout)
			require.Equal(t, 1, w.starts(id))
		}
	})
}

func TestWorker_BeginsAnewWhenDeclaredSilent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		program, text := counts(60, time.Second)
		id := w.submit(w.server(), program)
		old := w.executing(id)
		require.NoError(t, w.store.Workers().Retire(t.Context(), old.Worker)) // as after a jump of the database's clock
		w.pass(domain.HeartbeatEvery + swept)
		j := w.job(id)
		require.Equal(t, domain.PhaseExecuting, j.Phase)
		require.NotEqual(t, old.Worker, j.Worker, "it heard so with its next heartbeat")
		require.Equal(t, 1, j.Attempt)
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
		list, err := w.store.Workers().List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.NotEqual(t, old.Worker, list[0].ID)
	})
}

func TestWorker_LostBeforeTheStartDoesNotStartTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		hanging := gate{w.machines, make(chan struct{})}
		first := w.work(func(it *application.Worker) { it.Executor = hanging })
		program, text := counts(3, time.Second)
		id := w.submit(s, program)
		w.await(id, "starting", func(j *domain.Job) bool { return j.Phase == domain.PhaseStarting })
		first.database.setAway(true)
		w.work()
		j := w.final(id)
		close(hanging.open) // the old start arrives after all
		w.pass(time.Minute)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Equal(t, 2, j.Attempt, "the first is void for ever")
		require.Zero(t, j.Failures)
		require.Equal(t, 1, w.starts(id))
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_KeepsItsLeaseOverAShortOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := w.work()
		program, text := counts(40, time.Second)
		id := w.submit(w.server(), program)
		old := w.executing(id)
		for range 3 {
			w.pass(6 * time.Second)
			own.database.setAway(true)
			w.pass(7 * time.Second)
			own.database.setAway(false)
		}
		j := w.final(id)
		require.Equal(t, old.Epoch, j.Epoch)
		require.Equal(t, old.Worker, j.Worker)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_HangingRenewalLosesTheLeaseToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := w.work()
		program, text := counts(60, time.Second)
		id := w.submit(w.server(), program)
		old := w.executing(id)
		own.database.set(func(op string) fault {
			switch op {
			case "Workers.Renew":
				return hangs
			case "Workers.Register":
				return away
			}
			return works
		})
		w.pass(domain.HeartbeatEvery + domain.WriteFor + time.Second)
		writes := len(own.database.writes())
		w.pass(3 * time.Second)
		require.Len(t, own.database.writes(), writes)
		w.work()
		j := w.final(id)
		require.NotEqual(t, old.Worker, j.Worker)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_RunDirectoriesGoOnlyAfterTheEndIsStored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		own := w.work()
		id := w.submit(s, memory.Sequence(memory.Sleeps(time.Second), memory.Prints(domain.Stdout, "end")))
		w.executing(id)
		own.database.set(func(op string) fault {
			if op == "Jobs.Save" {
				return away
			}
			return works
		})
		w.pass(time.Minute)
		require.Equal(t, domain.PhaseExecuting, w.job(id).Phase)
		require.Len(t, w.machines.Remains(s.ID), 1)
		own.database.set(nil)
		w.pass(10 * time.Second)
		require.Equal(t, domain.StatusCompleted, w.job(id).Status)
		require.Empty(t, w.machines.Remains(s.ID))
	})
}
