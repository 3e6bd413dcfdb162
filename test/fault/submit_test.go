package fault

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// Promise 1: the API is killed in the middle of submits. What it had acknowledged is there and runs once, and a repeat
// under the same idempotency key never makes a second job.
func TestAPIKilledWhileSubmitting(t *testing.T) {
	const jobs, before, callers = 50, 20, 5
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			h := house.New(t, url, sshd.Start(t))
			_, api, _ := h.StartAll(t)
			h.Register(t)
			n := &noter{dir: t.TempDir(), ids: make([]domain.JobID, jobs)}
			submit := func(i int) (domain.JobID, error) {
				d, err := h.Jobs().Submit(t.Context(), ports.Submission{
					ServerID: h.Server.ID, Command: n.command(i), IdempotencyKey: fmt.Sprintf("submit-%d", i),
				})
				return d.Job.ID, err
			}
			acknowledged := make([]domain.JobID, jobs)
			var answers atomic.Int64
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() {
					for i := c; i < jobs; i += callers {
						if id, err := submit(i); err == nil {
							acknowledged[i] = id
							if answers.Add(1) == before {
								api.Kill()
							}
						}
					}
				})
			}
			all.Wait()
			require.GreaterOrEqual(t, answers.Load(), int64(before))
			require.Less(t, answers.Load(), int64(jobs), "the API was not killed in the middle")
			h.StartAPI(t)
			for i, was := range acknowledged {
				if was != "" {
					h.Job(t, was) // it is there, whoever asks
				}
				id, err := submit(i)
				require.NoError(t, err)
				require.True(t, was == "" || was == id, "the repeat of submit %d made job %s, it had made %s", i, id, was)
				n.ids[i] = id
			}
			n.requireRanOnce(t, h)
			list, err := h.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
			require.NoError(t, err)
			require.Equal(t, int64(jobs), list.Total, "jobs in all")
		})
	}
}

// Promises 4 and 6: cancels race with claims. A job that was answered to be canceled never starts and stays canceled.
func TestCancelRacesClaim(t *testing.T) {
	const jobs, callers = 150, 8
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			h := house.New(t, url, sshd.Start(t))
			h.StartAll(t)
			h.Register(t)
			n := &noter{dir: t.TempDir(), ids: make([]domain.JobID, jobs)}
			answers := make([]domain.Status, jobs) // empty: it had finished
			t.Run("callers", func(t *testing.T) {
				for c := range callers {
					t.Run(fmt.Sprint(c), func(t *testing.T) {
						t.Parallel()
						for i := c; i < jobs; i += callers {
							n.ids[i] = h.Submit(t, ports.Submission{Command: n.command(i)})
							cancelAs(t, h, n.ids[i], i%3, &answers[i])
						}
					})
				}
			})
			h.Run(t, ports.Submission{Command: "true"}) // whatever was in the queue before it has been handed out
			counts := map[domain.Status]int{}
			for i, id := range n.ids {
				job, _, _ := h.End(t, id)
				counts[answers[i]]++
				if answers[i] != domain.StatusCanceled {
					continue
				}
				require.Equal(t, domain.StatusCanceled, job.Status)
				require.Zero(t, job.Attempt)
				_, err := os.Stat(n.note(i))
				require.ErrorIs(t, err, os.ErrNotExist, "job %d was canceled in the queue, and ran", i)
			}
			t.Logf("answers to cancel: %v", counts)
			require.NotZero(t, counts[domain.StatusCanceled])
			require.NotZero(t, jobs-counts[domain.StatusCanceled])
		})
	}
}

// cancelAs cancels a job at once (0), as soon as it was offered (1) or as soon as it was claimed (2).
func cancelAs(t *testing.T, h *house.House, id domain.JobID, when int, answer *domain.Status) {
	t.Helper()
	if when > 0 {
		wait.Until(t, func() error {
			job := h.Job(t, id)
			if job.Phase == domain.PhasePending || when > 1 && job.Status == domain.StatusQueued {
				return fmt.Errorf("job %s is %s", id, job.State())
			}
			return nil
		})
	}
	d, err := h.Jobs().Cancel(t.Context(), id)
	if err == nil {
		*answer = d.Job.Status
		return
	}
	require.ErrorIs(t, err, domain.ErrJobFinal)
}
