package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// later returns a time n seconds after the jobs of these tests were made.
func later(n int) time.Time { return epochStart.Add(time.Duration(n) * time.Second) }

func newJob(t *testing.T, retry domain.Retry) *domain.Job {
	t.Helper()
	c, err := domain.ShellLine("true", "")
	require.NoError(t, err)
	j, err := domain.NewJob("job", "server", c, 7, time.Minute, retry, later(0))
	require.NoError(t, err)
	return j
}

// at brings a new job into a phase.
func at(t *testing.T, phase domain.Phase, retry domain.Retry) *domain.Job {
	t.Helper()
	j := newJob(t, retry)
	steps := []struct {
		phase domain.Phase
		do    func() error
	}{
		{domain.PhaseEnqueued, func() error { return j.Offer(later(1)) }},
		{domain.PhaseClaimed, func() error { return j.Claim("w1", later(2)) }},
		{domain.PhaseStarting, func() error { return j.Starting(1, later(3)) }},
		{domain.PhaseExecuting, func() error { return j.Started(1, domain.Process{PID: 42, Boot: "b"}, later(4)) }},
	}
	for _, step := range steps {
		if j.Phase == phase {
			return j
		}
		require.NoError(t, step.do())
	}
	switch phase {
	case domain.PhaseDetached:
		require.NoError(t, j.Detach(later(5)))
	case domain.PhaseCanceling:
		require.NoError(t, j.RequestCancel(domain.ReasonUser, later(5)))
		require.NoError(t, j.Canceling(1, later(5)))
	case domain.PhaseTimingOut:
		require.NoError(t, j.TimingOut(1, later(5)))
	case domain.PhaseCollecting:
		require.NoError(t, j.Collecting(1, domain.Exit{Code: 3}, later(5)))
	}
	require.Equal(t, phase, j.Phase)
	return j
}

var safe = domain.DefaultRetry()

func TestNewJob(t *testing.T) {
	j := newJob(t, safe)
	require.Equal(t, domain.State{Status: domain.StatusQueued, Phase: domain.PhasePending}, j.State())
	require.Equal(t, later(0).Add(domain.QueueTimeout), j.DeadlineAt)
	require.Equal(t, later(0), j.NextActionAt)
	require.Equal(t, domain.Ticket{ID: "job.0.0", Job: "job", Priority: 7}, j.Ticket())
	require.False(t, j.InFlight())
	require.Nil(t, j.KillConfirmed())

	c := j.Command
	for code, make := range map[string]func() (*domain.Job, error){
		"id_invalid":        func() (*domain.Job, error) { return domain.NewJob("", "s", c, 5, time.Minute, safe, later(0)) },
		"server_id_invalid": func() (*domain.Job, error) { return domain.NewJob("j", "", c, 5, time.Minute, safe, later(0)) },
		"command_invalid": func() (*domain.Job, error) {
			return domain.NewJob("j", "s", domain.Command{}, 5, time.Minute, safe, later(0))
		},
		"priority_invalid": func() (*domain.Job, error) { return domain.NewJob("j", "s", c, 11, time.Minute, safe, later(0)) },
		"timeout_invalid":  func() (*domain.Job, error) { return domain.NewJob("j", "s", c, 5, 0, safe, later(0)) },
		"retry_invalid": func() (*domain.Job, error) {
			return domain.NewJob("j", "s", c, 5, time.Minute, domain.Retry{}, later(0))
		},
	} {
		_, err := make()
		requireCode(t, err, code)
	}
}

func TestJob_FromQueueToExit(t *testing.T) {
	j := newJob(t, safe)
	require.NoError(t, j.Hold(later(1)))
	require.Equal(t, later(1).Add(domain.HeldRecheck), j.NextActionAt)
	require.False(t, j.InFlight(), "a held job takes no place")
	require.NoError(t, j.Release(later(2)))
	require.NoError(t, j.Offer(later(3)))
	require.Equal(t, later(3).Add(domain.ReofferAfter), j.NextActionAt)
	require.True(t, j.InFlight(), "its ticket takes a place")

	require.NoError(t, j.Claim("w1", later(4)))
	require.Equal(t, 1, j.Attempt)
	require.EqualValues(t, 1, j.Epoch)
	require.Equal(t, domain.WorkerID("w1"), j.Worker)
	require.Equal(t, domain.AttemptID{Job: "job", Number: 1}, j.AttemptID())
	require.ErrorIs(t, j.Started(1, domain.Process{}, later(5)), domain.ErrIllegalMove, "nothing was sent to the server yet")
	require.NoError(t, j.Starting(1, later(5)))
	require.Equal(t, time.Minute, j.TimeLeft(later(30)), "before the start the whole timeout is left")
	require.NoError(t, j.Started(1, domain.Process{PID: 42}, later(10)))
	require.Equal(t, later(10), j.StartedAt)
	require.Equal(t, later(70), j.DeadlineAt, "the timeout counts from the start")
	require.Equal(t, 40*time.Second, j.TimeLeft(later(30)))
	require.NoError(t, j.Collecting(1, domain.Exit{}, later(20)))
	require.NoError(t, j.Exited(1, domain.Exit{}, 0, later(21)))
	require.Equal(t, domain.StatusCompleted, j.Status)
	require.Equal(t, &domain.Exit{}, j.Exit)
	require.Equal(t, &domain.Attempt{Number: 1, Worker: "w1", Exit: &domain.Exit{}, StartedAt: later(10), FinishedAt: later(21)}, j.EndedAttempt())
}

func TestJob_Exits(t *testing.T) {
	never := domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}
	for _, c := range []struct {
		exit   domain.Exit
		status domain.Status
		reason domain.Reason
		says   string
	}{
		{domain.Exit{}, domain.StatusCompleted, domain.ReasonNone, ""},
		{domain.Exit{Code: 7}, domain.StatusFailed, domain.ReasonExitNonzero, "code 7"},
		{domain.Exit{Code: 255}, domain.StatusFailed, domain.ReasonExitNonzero, "code 255"},
		{domain.Exit{Code: 137, Signal: "KILL"}, domain.StatusFailed, domain.ReasonSignal, "signal KILL"},
		{domain.Exit{Signal: "TERM"}, domain.StatusFailed, domain.ReasonSignal, "signal TERM"},
	} {
		for _, from := range []domain.Phase{domain.PhaseStarting, domain.PhaseExecuting, domain.PhaseCollecting} {
			j := at(t, from, never)
			require.NoError(t, j.Exited(1, c.exit, 0, later(9)))
			require.Equal(t, c.status, j.Status)
			require.Equal(t, c.reason, j.Reason)
			require.Contains(t, j.Message, c.says)
			require.Equal(t, c.exit, *j.Exit)
		}
	}
	for _, from := range []domain.Phase{domain.PhaseClaimed, domain.PhaseDetached} {
		for _, code := range []int{0, 1} {
			j := at(t, from, safe)
			require.ErrorIs(t, j.Exited(j.Epoch, domain.Exit{Code: code}, 0, later(9)), domain.ErrIllegalMove, "nobody can have seen it")
			require.Nil(t, j.Exit)
		}
	}
}

func TestJob_ExitWinsOverCancelAndTimeout(t *testing.T) {
	ended := domain.Receipt{Confirmed: true, Ended: 3}
	nothing := domain.Receipt{Confirmed: true}
	for _, c := range []struct {
		name    string
		phase   domain.Phase
		receipt *domain.Receipt
		exit    domain.Exit
		status  domain.Status
		reason  domain.Reason
	}{
		{"done before anybody looked", domain.PhaseCanceling, nil, domain.Exit{}, domain.StatusCompleted, domain.ReasonNone},
		{"nothing was there to end", domain.PhaseCanceling, &nothing, domain.Exit{Code: 7}, domain.StatusFailed, domain.ReasonExitNonzero},
		{"ended by us", domain.PhaseCanceling, &ended, domain.Exit{Code: 143, Signal: "TERM"}, domain.StatusCanceled, domain.ReasonUser},
		{"caught TERM and exited 1", domain.PhaseCanceling, &ended, domain.Exit{Code: 1}, domain.StatusCanceled, domain.ReasonUser},
		{"caught TERM and exited 0", domain.PhaseCanceling, &ended, domain.Exit{}, domain.StatusCompleted, domain.ReasonNone},
		{"timeout, done before", domain.PhaseTimingOut, nil, domain.Exit{}, domain.StatusCompleted, domain.ReasonNone},
		{"timeout, nothing to end", domain.PhaseTimingOut, &nothing, domain.Exit{Code: 7}, domain.StatusFailed, domain.ReasonExitNonzero},
		{"timeout, ended by us", domain.PhaseTimingOut, &ended, domain.Exit{Code: 137, Signal: "KILL"}, domain.StatusFailed, domain.ReasonTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := at(t, c.phase, safe)
			if c.receipt != nil {
				require.NoError(t, j.Ended(1, *c.receipt, later(6)))
				require.Equal(t, c.receipt.Confirmed, *j.KillConfirmed())
			}
			require.NoError(t, j.Exited(1, c.exit, 0, later(9)))
			require.Equal(t, c.status, j.Status)
			require.Equal(t, c.reason, j.Reason)
			require.Equal(t, c.exit, *j.Exit)
		})
	}
}

func TestJob_Killed(t *testing.T) {
	j := at(t, domain.PhaseCanceling, safe)
	require.NoError(t, j.Ended(1, domain.Receipt{Ended: 2, Left: []domain.Remaining{{PID: 9, Command: "stuck"}}}, later(6)))
	require.NoError(t, j.Killed(1, 0, later(7)))
	require.Equal(t, domain.StatusCanceled, j.Status)
	require.Equal(t, domain.ReasonUser, j.Reason)
	require.False(t, *j.KillConfirmed(), "what is left is told")

	j = at(t, domain.PhaseTimingOut, safe)
	require.NoError(t, j.Killed(1, 0, later(7)))
	require.Equal(t, domain.StatusFailed, j.Status)
	require.Equal(t, domain.ReasonTimeout, j.Reason)
	require.Contains(t, j.Message, "1m0s")

	j = at(t, domain.PhaseTimingOut, domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 2})
	require.NoError(t, j.Killed(1, time.Second, later(7)))
	require.Equal(t, domain.PhaseBackoff, j.Phase, "a timeout is a failure that ran")

	j = at(t, domain.PhaseExecuting, safe)
	require.ErrorIs(t, j.Killed(1, 0, later(7)), domain.ErrIllegalMove)
}

func TestJob_Cancel(t *testing.T) {
	for _, phase := range []domain.Phase{domain.PhasePending, domain.PhaseEnqueued} {
		j := at(t, phase, safe)
		require.NoError(t, j.RequestCancel(domain.ReasonBatch, later(9)))
		require.Equal(t, domain.StatusCanceled, j.Status)
		require.Equal(t, domain.ReasonBatch, j.Reason)
		require.True(t, j.CancelRequested)
		require.Nil(t, j.EndedAttempt(), "there was no attempt")
		require.ErrorIs(t, j.RequestCancel(domain.ReasonUser, later(10)), domain.ErrJobFinal)
	}

	j := at(t, domain.PhaseExecuting, safe)
	early := clone(j)
	require.NoError(t, early.Canceling(1, later(8)), "the worker's copy may be older than the request; its save is refused")
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(9)))
	require.Equal(t, domain.PhaseExecuting, j.Phase, "its worker has to end the processes")
	require.NoError(t, j.Canceling(1, later(10)))
	marked := clone(j)
	require.NoError(t, j.RequestCancel(domain.ReasonBatch, later(11)))
	require.Equal(t, marked, j, "asking twice is asking once")
	require.NoError(t, j.Detach(later(12)), "its worker died while canceling")
	require.NoError(t, j.Attach("w2", later(13)))
	require.NoError(t, j.Canceling(j.Epoch, later(14)), "the next one goes on")
	require.NoError(t, j.Killed(j.Epoch, 0, later(15)))
	require.Equal(t, domain.ReasonUser, j.Reason)
}

func TestJob_CancelOfWhatNeverStarted(t *testing.T) {
	j := at(t, domain.PhaseClaimed, safe)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(5)))
	require.NoError(t, j.Unclaim(1, later(6)))
	require.Equal(t, domain.StatusCanceled, j.Status)

	j = at(t, domain.PhaseClaimed, safe)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(5)))
	require.NoError(t, j.Detach(later(6)))
	require.Equal(t, domain.StatusCanceled, j.Status)

	j = at(t, domain.PhaseStarting, safe)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(5)))
	require.NoError(t, j.Failed(1, domain.Failure{Reason: domain.ReasonConnect, NotStarted: true}, 0, later(6)))
	require.Equal(t, domain.StatusCanceled, j.Status)

	j = at(t, domain.PhaseExecuting, domain.Retry{Mode: domain.RetryAtLeastOnce, MaxAttempts: 9})
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(5)))
	require.NoError(t, j.Failed(1, domain.Failure{Reason: domain.ReasonLost}, 0, later(6)))
	require.Equal(t, domain.StatusFailed, j.Status, "it ran and is lost: that is the truth")
	require.Equal(t, domain.ReasonLost, j.Reason)
}

func TestJob_Unclaim(t *testing.T) {
	for _, phase := range []domain.Phase{domain.PhaseClaimed, domain.PhaseStarting} {
		j := at(t, phase, safe)
		require.NoError(t, j.Unclaim(1, later(9)))
		require.Equal(t, domain.PhasePending, j.Phase)
		require.Equal(t, 0, j.Failures, "it does not count")
		require.EqualValues(t, 2, j.Epoch)
		require.Nil(t, j.EndedAttempt())
		require.Equal(t, "job.1.2", j.Ticket().ID, "a new place in the queue")
		require.NoError(t, j.Claim("w2", later(10)))
		require.Equal(t, 2, j.Attempt, "the name of an attempt is never used twice")
	}
	for _, phase := range []domain.Phase{domain.PhaseExecuting, domain.PhaseDetached, domain.PhaseCanceling, domain.PhaseCollecting} {
		j := at(t, phase, safe)
		require.ErrorIs(t, j.Unclaim(j.Epoch, later(9)), domain.ErrIllegalMove, "%s: the command has started", phase)
	}
}

func TestJob_DetachAndAttach(t *testing.T) {
	j := at(t, domain.PhaseClaimed, safe)
	require.NoError(t, j.Detach(later(9)))
	require.Equal(t, domain.PhasePending, j.Phase, "nothing was sent to its server")

	j = at(t, domain.PhaseExecuting, safe)
	require.NoError(t, j.Detach(later(9)))
	require.Equal(t, domain.PhaseDetached, j.Phase)
	require.Empty(t, j.Worker)
	require.Equal(t, later(9), j.NextActionAt)
	require.True(t, j.InFlight(), "its process may be alive")
	require.ErrorIs(t, j.Collecting(1, domain.Exit{}, later(10)), domain.ErrLeaseLost)
	require.ErrorIs(t, j.Detach(later(10)), domain.ErrIllegalMove)
	require.NoError(t, j.Reoffer(later(10)))
	require.Equal(t, later(10).Add(domain.ReofferAfter), j.NextActionAt)
	require.NoError(t, j.Attach("w2", later(11)))
	require.Equal(t, domain.PhaseExecuting, j.Phase)
	require.Equal(t, domain.WorkerID("w2"), j.Worker)
	require.EqualValues(t, 3, j.Epoch)
	require.Equal(t, 1, j.Attempt, "still the same attempt")
	require.Equal(t, later(4), j.StartedAt)
	require.Equal(t, 42, j.Process.PID)
	require.ErrorIs(t, j.Reoffer(later(12)), domain.ErrIllegalMove)
	require.ErrorIs(t, j.Attach("w3", later(12)), domain.ErrIllegalMove)

	j = at(t, domain.PhaseStarting, safe)
	require.NoError(t, j.Detach(later(9)))
	require.NoError(t, j.Attach("w2", later(10)))
	require.Equal(t, domain.PhaseStarting, j.Phase, "only the server knows whether it started")
}

func TestJob_LateStarted(t *testing.T) {
	j := at(t, domain.PhaseStarting, safe)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(5)))
	require.NoError(t, j.Canceling(1, later(5)))
	require.NoError(t, j.Started(1, domain.Process{PID: 1}, later(6)))
	require.Equal(t, domain.PhaseCanceling, j.Phase)
	require.Equal(t, 1, j.Process.PID)
	require.Equal(t, later(6), j.StartedAt)
	require.NoError(t, j.Started(1, domain.Process{PID: 2}, later(7)))
	require.Equal(t, 1, j.Process.PID, "the first word stands")
	require.Equal(t, later(6), j.UpdatedAt)
}

func TestJob_Expire(t *testing.T) {
	j := at(t, domain.PhaseEnqueued, safe)
	require.ErrorIs(t, j.Expire(j.DeadlineAt.Add(-1)), domain.ErrIllegalMove)
	require.NoError(t, j.Expire(j.DeadlineAt))
	require.Equal(t, domain.ReasonQueueTimeout, j.Reason)
	require.ErrorIs(t, j.Expire(later(1<<30)), domain.ErrJobFinal)

	j = at(t, domain.PhaseExecuting, safe)
	require.ErrorIs(t, j.Expire(later(1<<30)), domain.ErrIllegalMove, "it is its worker's to end")

	j = at(t, domain.PhaseDetached, safe)
	lost := j.DeadlineAt.Add(domain.LostAfter)
	require.ErrorIs(t, j.Expire(lost.Add(-1)), domain.ErrIllegalMove)
	require.NoError(t, j.Expire(lost))
	require.Equal(t, domain.StatusFailed, j.Status)
	require.Equal(t, domain.ReasonLost, j.Reason)
	require.Equal(t, false, *j.KillConfirmed())
	require.Equal(t, 1, j.EndedAttempt().Number)

	j = at(t, domain.PhaseDetached, safe)
	require.NoError(t, j.RequestCancel(domain.ReasonUser, later(9)))
	require.NoError(t, j.Expire(lost))
	require.Equal(t, domain.StatusCanceled, j.Status)
	require.Contains(t, j.Message, "may be alive")
}

func TestJob_AnotherAttempt(t *testing.T) {
	j := at(t, domain.PhaseExecuting, domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 2})
	require.NoError(t, j.Exited(1, domain.Exit{Code: 9}, 30*time.Second, later(10)))
	require.Equal(t, domain.PhaseBackoff, j.Phase)
	require.Equal(t, later(40), j.NextActionAt)
	require.Equal(t, later(10).Add(domain.QueueTimeout), j.DeadlineAt)
	require.Equal(t, domain.ReasonExitNonzero, j.Reason, "why it waits")
	require.Equal(t, 1, j.EndedAttempt().Number)
	require.NoError(t, j.Release(later(40)))
	require.Nil(t, j.EndedAttempt(), "told once")
	require.NoError(t, j.Claim("w2", later(41)))
	require.Equal(t, domain.ReasonNone, j.Reason)
	require.Nil(t, j.Exit)
	require.True(t, j.StartedAt.IsZero())
	require.NoError(t, j.Starting(j.Epoch, later(42)))
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: 9}, 0, later(43)))
	require.Equal(t, domain.StatusFailed, j.Status, "two attempts were allowed")
	require.Equal(t, 2, j.EndedAttempt().Number)
}

// TestJob_RetryPolicies draws every policy against every reason, of an attempt that ran and of one proven not started.
// r: another attempt; .: failed.
func TestJob_RetryPolicies(t *testing.T) {
	modes := []domain.RetryMode{domain.RetryNever, domain.RetrySafe, domain.RetryOnFailure, domain.RetryAtLeastOnce}
	want := map[domain.Reason]string{ // never safe on_failure at_least_once, ran and then not started
		domain.ReasonExitNonzero:      "..rr .rrr",
		domain.ReasonSignal:           "..rr .rrr",
		domain.ReasonTimeout:          "..rr .rrr",
		domain.ReasonQueueTimeout:     ".... ....",
		domain.ReasonConnect:          "..rr .rrr",
		domain.ReasonAuth:             ".... ....",
		domain.ReasonHostKeyUnknown:   ".... ....",
		domain.ReasonHostKeyMismatch:  ".... ....",
		domain.ReasonStartFailed:      ".... ....",
		domain.ReasonServerRebooted:   "...r .rrr",
		domain.ReasonLost:             "...r .rrr",
		domain.ReasonOutputLimit:      ".... ....",
		domain.ReasonCredentialNeeded: ".... ....",
		domain.ReasonPolicyDenied:     ".... ....",
		domain.ReasonInternal:         ".... ....",
	}
	for _, reason := range domain.FailureReasons() {
		drawn := ""
		for _, notStarted := range []bool{false, true} {
			for _, mode := range modes {
				j := at(t, domain.PhaseStarting, domain.Retry{Mode: mode, MaxAttempts: 3})
				require.NoError(t, j.Failed(1, domain.Failure{Reason: reason, Message: "why", NotStarted: notStarted}, time.Second, later(9)))
				require.Equal(t, "why", j.Message)
				require.Equal(t, 1, j.Failures)
				if j.Phase == domain.PhaseBackoff {
					drawn += "r"
				} else {
					require.Equal(t, domain.StatusFailed, j.Status)
					drawn += "."
				}
			}
			if !notStarted {
				drawn += " "
			}
		}
		require.Equal(t, want[reason], drawn, reason)
	}
}

func TestJob_LostLeaseChangesNothing(t *testing.T) {
	for _, epoch := range []int64{0, 2} {
		j := at(t, domain.PhaseExecuting, safe)
		before := clone(j)
		for _, err := range []error{
			j.Starting(epoch, later(9)), j.Started(epoch, domain.Process{}, later(9)), j.Canceling(epoch, later(9)),
			j.TimingOut(epoch, later(9)), j.Collecting(epoch, domain.Exit{}, later(9)), j.Ended(epoch, domain.Receipt{}, later(9)),
			j.Exited(epoch, domain.Exit{}, 0, later(9)), j.Killed(epoch, 0, later(9)),
			j.Failed(epoch, domain.Failure{}, 0, later(9)), j.Unclaim(epoch, later(9)),
		} {
			require.ErrorIs(t, err, domain.ErrLeaseLost)
		}
		require.Equal(t, before, j)
	}
	j := at(t, domain.PhaseEnqueued, safe)
	require.ErrorIs(t, j.TimingOut(j.Epoch, later(9)), domain.ErrLeaseLost, "nobody carries a queued job")
}

func TestJob_AClockThatWentBack(t *testing.T) {
	j := at(t, domain.PhaseStarting, safe)
	require.NoError(t, j.Started(1, domain.Process{}, later(-1000)))
	require.Equal(t, j.UpdatedAt, j.StartedAt)
	require.Equal(t, later(3), j.UpdatedAt)
	require.NoError(t, j.Exited(1, domain.Exit{}, 0, later(-2000)))
	require.Equal(t, later(3), j.FinishedAt)
}

func TestRetry_Backoff(t *testing.T) {
	r := domain.DefaultRetry()
	for failures, ceiling := range map[int]time.Duration{
		0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second, 6: 160 * time.Second,
		7: 5 * time.Minute, 100: 5 * time.Minute, 1 << 30: 5 * time.Minute,
	} {
		require.Equal(t, ceiling/2, r.Backoff(failures, 0.5), failures)
		require.Zero(t, r.Backoff(failures, 0))
		require.Less(t, r.Backoff(failures, 0.999), ceiling)
	}
}

func TestLimits(t *testing.T) {
	for p, ok := range map[domain.Priority]bool{0: false, 1: true, 10: true, 11: false, -1: false} {
		require.Equal(t, ok, p.Check() == nil, p)
	}
	for d, ok := range map[time.Duration]bool{
		0: false, time.Second - 1: false, time.Second: true, domain.MaxTimeout: true, domain.MaxTimeout + 1: false,
	} {
		require.Equal(t, ok, domain.CheckTimeout(d) == nil, d)
	}
	for r, ok := range map[domain.Retry]bool{
		{}: false, {Mode: "always", MaxAttempts: 1}: false, {Mode: domain.RetrySafe}: false,
		{Mode: domain.RetryNever, MaxAttempts: 1}: true, {Mode: domain.RetrySafe, MaxAttempts: 100}: true, {Mode: domain.RetrySafe, MaxAttempts: 101}: false,
	} {
		require.Equal(t, ok, r.Check() == nil, r)
	}
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[*domain.Error](err)
	require.True(t, ok, "%v is no domain error; want %s", err, code)
	require.Equal(t, code, e.Code)
}
