package application

import (
	"context"
	"errors"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// exitPatience is how long the exit of a command may take to arrive after its processes were ended.
const exitPatience = 5 * time.Second

// A job that cannot be carried to its end is held for a while, so that it does not go round and round: for a moment where its
// end could not be stored, for longer where the vault is sealed, which ends when a person acts.
const (
	letGoAfter      = time.Second
	letGoUnreadable = 15 * time.Second
)

// detach leaves the command running on its server for another worker, all its output so far stored.
func (j *journey) detach(results chan outcome, end context.CancelCauseFunc) {
	end(errStopping)
	if r := <-results; !interrupted(r.err) {
		j.finish(r, nil) // it ended in the meantime
		return
	}
	j.handOver()
}

// interrupted reports whether a run came back because it was told to.
func interrupted(err error) bool {
	return errors.Is(err, errStopping) || errors.Is(err, context.Canceled) || domain.KindOf(err) == domain.KindCanceled
}

// handOver stores the output and gives the job to whoever takes it next.
func (j *journey) handOver() {
	if err := j.record.Close(); err != nil {
		j.log.WarnContext(j.lease, "output could not be stored; the next worker fetches it again", "error", err)
	}
	if err := j.change(func(job *domain.Job, at time.Time) error {
		if job.Epoch != j.epoch {
			return domain.ErrLeaseLost
		}
		return job.Detach(at)
	}); err != nil {
		j.log.WarnContext(j.lease, "the job could not be handed over; its lease runs out by itself", "error", err)
	}
	j.wakeDispatcher()
}

// letGo hands over a job that is still ours at its journey's end, because what was to be written could not be: while this
// worker lives nobody else would look for it.
func (j *journey) letGo() {
	ours := func(job *domain.Job) bool { return job.Status == domain.StatusRunning && job.Epoch == j.epoch }
	if j.lease.Err() != nil || !ours(j.now()) {
		return
	}
	select {
	case <-time.After(j.holdFor):
	case <-j.stop.Done():
	case <-j.lease.Done():
		return
	}
	err := j.change(func(job *domain.Job, at time.Time) error {
		if !ours(job) {
			return domain.ErrLeaseLost
		}
		return job.Detach(at)
	})
	if err == nil {
		j.log.WarnContext(j.lease, "the job is offered to the workers again")
		j.wakeDispatcher()
	}
}

// giveUp ends a command that would not outlive the worker.
func (j *journey) giveUp(results chan outcome, end context.CancelCauseFunc) {
	receipt, err := j.kill()
	if err != nil {
		receipt = unreachable(err, 0)
	}
	r, came := j.awaitExit(results, receipt.Confirmed)
	if !came {
		end(errStopping)
		r = <-results
	}
	if r.err == nil && receipt.Ended == 0 { // it had ended by itself
		j.finish(r, &receipt)
		return
	}
	j.finish(outcome{err: &domain.Failure{
		Reason:  domain.ReasonLost,
		Message: "the worker was stopped, and this server cannot keep a command running without its connection",
	}}, &receipt)
}

// end ends the job's processes and finishes it with what came of that.
func (j *journey) end(results chan outcome, stopFollowing context.CancelCauseFunc, say func(*domain.Job, int64, time.Time) error) {
	if err := j.change(func(job *domain.Job, at time.Time) error { return say(job, j.epoch, at) }); err != nil && !errors.Is(err, domain.ErrIllegalMove) {
		stopFollowing(err)
		j.finish(<-results, nil)
		return
	}
	receipt, err := j.kill()
	if err != nil {
		j.detach(results, stopFollowing)
		return
	}
	r, came := j.awaitExit(results, receipt.Confirmed)
	if !came {
		stopFollowing(errStopping)
		if r = <-results; r.err != nil {
			j.finishKilled(receipt)
			return
		}
	}
	j.finish(r, &receipt)
}

// awaitExit waits for the end of a run whose processes were ended. Where nothing is left alive it waits as long as there
// is still output to fetch; what could not be ended may print for ever.
func (j *journey) awaitExit(results chan outcome, confirmed bool) (r outcome, came bool) {
	for taken := j.record.Taken(); ; {
		select {
		case r := <-results:
			return r, true
		case <-time.After(exitPatience):
			if now := j.record.Taken(); confirmed && now != taken {
				taken = now
				continue
			}
			return outcome{}, false
		}
	}
}

// kill ends the job's processes, and tries on while the server is out of reach, until LostAfter beyond the deadline. It
// fails only when the worker stops before the server was reached: then that is for another worker to do.
func (j *journey) kill() (domain.Receipt, error) {
	job := j.now()
	began := time.Now()
	until := max(time.Until(job.DeadlineAt), 0) + domain.LostAfter
	if job.CancelRequested {
		until = domain.LostAfter
	}
	ctx, cancel := context.WithTimeout(j.lease, until)
	defer cancel()
	for n := 0; ; n++ {
		receipt, err := j.Executor.Kill(ctx, j.target, job.AttemptID(), j.Settings.KillGrace)
		if err == nil {
			return receipt, nil
		}
		j.log.WarnContext(ctx, "the job's processes could not be ended; trying on", "error", err)
		if refused(err) || ctx.Err() != nil {
			return unreachable(err, time.Since(began)), nil
		}
		select {
		case <-time.After(retryDelay(n)):
		case <-ctx.Done():
			return unreachable(err, time.Since(began)), nil
		case <-j.stop.Done():
			return domain.Receipt{}, err
		}
	}
}

// unreachable is the receipt of an end that nobody saw.
func unreachable(err error, took time.Duration) domain.Receipt {
	return domain.Receipt{Way: "unreachable: " + err.Error(), Took: took.Truncate(time.Microsecond)}
}

// refused reports whether a server will not let us in however often we ask. What else goes wrong there may pass: a server
// without a process or a file to spare has one again later.
func refused(err error) bool {
	f, ok := errors.AsType[*domain.Failure](err)
	if !ok {
		return false
	}
	switch f.Reason {
	case domain.ReasonAuth, domain.ReasonHostKeyUnknown, domain.ReasonHostKeyMismatch, domain.ReasonCredentialNeeded, domain.ReasonPolicyDenied:
		return true
	}
	return false
}

// finish writes down how the run ended. receipt is not nil when its processes were ended.
func (j *journey) finish(r outcome, receipt *domain.Receipt) {
	if errors.Is(r.err, errOutputLimit) {
		killed, err := j.kill()
		if err != nil {
			j.handOver()
			return
		}
		receipt = &killed
	}
	if j.lease.Err() != nil {
		j.record.Abandon(errLeaseGone)
		j.log.WarnContext(j.lease, "the job is left to another worker: the lease is lost")
		return
	}
	ended := receipt != nil && receipt.Ended > 0 // then canceling or timing out says why it exited
	if r.err == nil && !ended && j.record.Behind() > int64(j.Settings.FlushBytes) {
		_ = j.change(func(job *domain.Job, at time.Time) error { return job.Collecting(j.epoch, r.exit, at) })
	}
	if err := j.record.Close(); err != nil && r.err == nil {
		r.err = err
	}
	if r.err != nil {
		j.finishFailed(r.err, receipt)
		return
	}
	j.conclude(receipt, func(job *domain.Job, at time.Time) error {
		return job.Exited(j.epoch, r.exit, job.Retry.Backoff(job.Failures+1, j.Entropy.Float64()), at)
	})
}

func (j *journey) finishKilled(receipt domain.Receipt) {
	if err := j.record.Close(); err != nil {
		j.finishFailed(err, &receipt)
		return
	}
	j.conclude(&receipt, func(job *domain.Job, at time.Time) error {
		return job.Killed(j.epoch, job.Retry.Backoff(job.Failures+1, j.Entropy.Float64()), at)
	})
}

func (j *journey) finishFailed(err error, receipt *domain.Receipt) {
	phase := j.now().Phase
	f, isFailure := errors.AsType[*domain.Failure](err)
	switch {
	case errors.Is(err, domain.ErrLeaseLost) || errors.Is(err, domain.ErrStaleOutput) || errors.Is(err, domain.ErrJobFinal):
		j.log.WarnContext(j.lease, "the job is left: another worker has it", "error", err)
	case isFailure && f.NotStarted && f.Reason == domain.ReasonLost && phase == domain.PhaseStarting && !j.fresh:
		j.putBack()
	case isFailure && receipt != nil && !f.NotStarted && (phase == domain.PhaseCanceling || phase == domain.PhaseTimingOut):
		j.conclude(receipt, func(job *domain.Job, at time.Time) error {
			return job.Killed(j.epoch, job.Retry.Backoff(job.Failures+1, j.Entropy.Float64()), at)
		})
	default:
		if receipt == nil && j.leftAlone(err) {
			receipt = &domain.Receipt{Way: "the server was not asked"}
		}
		if receipt != nil {
			if err := j.change(func(job *domain.Job, at time.Time) error { return job.Ended(j.epoch, *receipt, at) }); err != nil {
				j.log.WarnContext(j.lease, "the receipt could not be kept", "error", err)
			}
		}
		j.fail(err)
		j.leftBehind()
	}
	j.wakeDispatcher()
}

// leftAlone reports whether a run that failed with err may have left its command running on the server.
func (j *journey) leftAlone(err error) bool {
	if j.now().Process == nil {
		return false
	}
	f, ok := errors.AsType[*domain.Failure](err)
	return !ok || !f.NotStarted && f.Reason != domain.ReasonLost && f.Reason != domain.ReasonServerRebooted
}

// putBack gives the job back to the queue: a worker was lost before the start reached the server, and it never will.
func (j *journey) putBack() {
	if err := j.change(func(job *domain.Job, at time.Time) error { return job.Unclaim(j.epoch, at) }); err != nil {
		j.log.WarnContext(j.lease, "the job could not be given back; another worker finds it", "error", err)
	}
}

// fail ends the attempt with a failure; what is not a *domain.Failure is our own trouble, and said so.
func (j *journey) fail(err error) {
	if j.lease.Err() != nil {
		return
	}
	f, ok := errors.AsType[*domain.Failure](err)
	switch {
	case ok:
	case errors.Is(err, errOutputLimit):
		f = &domain.Failure{Reason: domain.ReasonOutputLimit, Message: errOutputLimit.Message}
	case errors.Is(err, domain.ErrLeaseLost), errors.Is(err, domain.ErrJobFinal):
		j.log.InfoContext(j.lease, "the job is no longer ours", "error", err)
		return
	default:
		j.log.ErrorContext(j.lease, "the job failed through a fault of ours", "error", err)
		f = &domain.Failure{Reason: domain.ReasonInternal, Message: "Remora could not run the job: " + err.Error()}
	}
	if err := j.change(func(job *domain.Job, at time.Time) error {
		return job.Failed(j.epoch, *f, job.Retry.Backoff(job.Failures+1, j.Entropy.Float64()), at)
	}); err != nil {
		j.log.WarnContext(j.lease, "the job's failure could not be kept; another worker finds it", "error", err)
	}
}

// conclude keeps the receipt, if any, and the end in one save.
func (j *journey) conclude(receipt *domain.Receipt, verb func(*domain.Job, time.Time) error) {
	err := j.change(func(job *domain.Job, at time.Time) error {
		if receipt != nil {
			if err := job.Ended(j.epoch, *receipt, at); err != nil {
				return err
			}
		}
		return verb(job, at)
	})
	j.wakeDispatcher()
	if err != nil {
		j.log.WarnContext(j.lease, "the job's end could not be kept; another worker finds it", "error", err)
		return
	}
	j.leftBehind()
}

// leftBehind lets the server be tidied, once nothing of the attempt is needed any more.
func (j *journey) leftBehind() {
	job := j.now()
	if job.Status == domain.StatusRunning || (job.Receipt != nil && !job.Receipt.Confirmed) || job.Reason == domain.ReasonLost {
		return
	}
	j.remove.add(j.target, domain.AttemptID{Job: job.ID, Number: job.Attempt})
}

func (j *journey) wakeDispatcher() { j.Signals.Publish(ports.TopicDispatch) }

// printed returns how many bytes of output were taken.
func (j *journey) printed() int64 {
	if j.record == nil {
		return 0
	}
	return j.record.Taken().Total()
}
