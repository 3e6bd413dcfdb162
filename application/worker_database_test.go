package application_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
)

func TestWorker_DatabaseAwayInTheMiddleOfAJob(t *testing.T) {
	for _, outage := range []time.Duration{300 * time.Millisecond, 5 * time.Second, 12 * time.Second, time.Minute} {
		t.Run(outage.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				own := w.work()
				program, text := counts(300, 100*time.Millisecond)
				id := w.submit(w.server(), program)
				w.executing(id)
				w.pass(6130 * time.Millisecond)
				own.database.setAway(true)
				w.database.setAway(true)
				w.pass(outage)
				own.database.setAway(false)
				w.database.setAway(false)
				j := w.final(id)
				require.Equal(t, domain.StatusCompleted, j.Status)
				require.Equal(t, 1, j.Attempt)
				require.Equal(t, 1, w.starts(id))
				stdout, _ := w.printed(id)
				require.Equal(t, text, stdout)
			})
		})
	}
}

// TestWorker_AnyAnswerMayBeLost lets every single call of a worker fail once, before or after it took effect.
func TestWorker_AnyAnswerMayBeLost(t *testing.T) {
	for _, op := range []string{"Jobs.Get", "Jobs.Save", "Output.Append", "Servers.Get", "Workers.Register", "Workers.Renew"} {
		for n := range 8 {
			for name, bad := range map[string]fault{"Away": away, "Deaf": deaf} {
				t.Run(fmt.Sprintf("%s/%d/%s", op, n+1, name), func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						program, text := counts(6, time.Second)
						id := w.submit(w.server(), program)
						plan := make([]fault, n+1)
						plan[n] = bad
						own := &faults{}
						own.once(op, plan...)
						w.workOver(own)
						j := w.final(id)
						require.Equal(t, domain.StatusCompleted, j.Status, "%s: %s", j.Reason, j.Message)
						require.Less(t, j.FinishedAt.Sub(j.CreatedAt), 30*time.Second)
						require.Equal(t, 1, w.starts(id))
						stdout, _ := w.printed(id)
						require.Equal(t, text, stdout)
						attempts, err := w.store.Jobs().Attempts(t.Context(), id)
						require.NoError(t, err)
						require.Len(t, attempts, 1)
						if op == "Output.Append" {
							require.Equal(t, int64(1), j.Epoch, "one lost answer is no reason to leave the job to another worker")
						}
					})
				})
			}
		}
	}
}

// moody loses a third of all calls, and a third of all answers.
func moody(seed, side uint64) func(string) fault {
	random := rand.New(rand.NewPCG(seed, side))
	return func(string) fault { return []fault{away, deaf, works}[random.IntN(3)] }
}

// TestWorker_ADatabaseThatComesAndGoes loses a third of all calls and of all answers, for a while.
func TestWorker_ADatabaseThatComesAndGoes(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprintf("Seed%d", seed), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				one, two := &faults{}, &faults{}
				one.set(moody(seed, 1))
				two.set(moody(seed, 2))
				w.workOver(one)
				w.workOver(two)
				s := w.server()
				program, text := counts(20, 500*time.Millisecond)
				exits := map[domain.JobID]int{}
				for code := range 6 {
					exits[w.submit(s, func(p *memory.Process) domain.Exit {
						program(p)
						return domain.Exit{Code: code}
					})] = code
				}
				w.pass(2 * time.Minute)
				one.set(nil)
				two.set(nil)
				for id, code := range exits {
					j := w.final(id)
					require.NotNil(t, j.Exit, "%s: %s", j.Reason, j.Message)
					require.Equal(t, code, j.Exit.Code)
					require.Equal(t, 1, w.starts(id))
					stdout, _ := w.printed(id)
					require.Equal(t, text, stdout)
				}
			})
		})
	}
}

func TestWorker_EndThatCannotBeStoredIsNotForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := &faults{}
		own.once("Jobs.Save", works, works, works, broken) // claimed, starting, started; not: exited
		w.workOver(own)
		program, text := counts(3, time.Second)
		id := w.submit(w.server(), program)
		j := w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Less(t, j.FinishedAt.Sub(j.CreatedAt), 10*time.Second)
		require.Equal(t, 1, w.starts(id))
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_TicketGoesBackWhenTheDatabaseIsAwayAtTheClaim(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := w.work()
		w.pass(time.Second)
		own.database.set(func(op string) fault {
			if op == "Jobs.Get" {
				return away
			}
			return works
		})
		id := w.submit(w.server(), memory.Sequence())
		w.pass(3500 * time.Millisecond)
		require.Equal(t, 4, w.queue.deliveries(), "it is released, and comes again after a second")
		require.Equal(t, domain.PhaseEnqueued, w.job(id).Phase)
		own.database.set(nil)
		w.pass(2 * time.Second)
		require.Equal(t, domain.StatusCompleted, w.job(id).Status)
		require.Equal(t, 1, w.starts(id))
	})
}
