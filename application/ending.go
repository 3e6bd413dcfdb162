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

// detach leaves the command running on its server for another worker, all its output so far stored.
func (j *journey) detach(results chan outcome, end context.CancelCauseFunc) {
	end(errStopping)
	r := <-results
	if !errors.Is(r.err, errStopping) && domain.KindOf(r.err) != domain.KindCanceled {
		j.finish(r, nil) // it ended in the meantime
		return
	}
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

// giveUp ends a command that would not outlive the worker.
func (j *journey) giveUp(results chan outcome, end context.CancelCauseFunc) {
	receipt := j.kill()
	end(errStopping)
	<-results
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
	receipt := j.kill()
	patience := time.NewTimer(exitPatience)
	defer patience.Stop()
	select {
	case r := <-results:
		j.finish(r, &receipt)
	case <-patience.C:
		stopFollowing(errStopping)
		r := <-results
		if r.err != nil {
			j.finishKilled(receipt)
			return
		}
		j.finish(r, &receipt)
	}
}

// kill ends the job's processes, and tries on while the server is out of reach, until LostAfter beyond the deadline.
func (j *journey) kill() domain.Receipt {
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
			return receipt
		}
		j.log.WarnContext(ctx, "the job's processes could not be ended; trying on", "error", err)
		if refused(err) || !pause(ctx, retryDelay(n)) {
			return domain.Receipt{Way: "unreachable: " + err.Error(), Took: time.Since(began).Truncate(time.Microsecond)}
		}
	}
}

// refused reports whether a server will not let us in however often we ask.
func refused(err error) bool {
	f, ok := errors.AsType[*domain.Failure](err)
	return ok && f.Reason != domain.ReasonConnect
}

// finish writes down how the run ended. receipt is not nil when its processes were ended.
func (j *journey) finish(r outcome, receipt *domain.Receipt) {
	if errors.Is(r.err, errOutputLimit) {
		killed := j.kill()
		receipt = &killed
	}
	if j.lease.Err() != nil {
		j.record.Abandon(errLeaseGone)
		j.log.WarnContext(j.lease, "the job is left to another worker: the lease is lost")
		return
	}
	if r.err == nil && j.record.Behind() > int64(j.Settings.FlushBytes) {
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
	case isFailure && f.NotStarted && f.Reason == domain.ReasonLost && phase == domain.PhaseStarting:
		j.putBack()
	case isFailure && receipt != nil && !f.NotStarted && (phase == domain.PhaseCanceling || phase == domain.PhaseTimingOut):
		j.conclude(receipt, func(job *domain.Job, at time.Time) error {
			return job.Killed(j.epoch, job.Retry.Backoff(job.Failures+1, j.Entropy.Float64()), at)
		})
	default:
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
		return
	}
	j.logEnd()
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
	j.logEnd()
}

// leftBehind lets the server be tidied, once nothing of the attempt is needed any more.
func (j *journey) leftBehind() {
	job := j.now()
	if job.Status == domain.StatusRunning || (job.Receipt != nil && !job.Receipt.Confirmed) || job.Reason == domain.ReasonLost {
		return
	}
	j.remove.add(j.target, domain.AttemptID{Job: job.ID, Number: job.Attempt})
}

func (j *journey) logEnd() {
	job := j.now()
	j.log.InfoContext(j.lease, "job ended its attempt", "status", job.Status, "phase", job.Phase, "reason", job.Reason,
		"server_id", job.ServerID, "output_bytes", job.Output.Total())
}

func (j *journey) wakeDispatcher() { j.Signals.Publish(ports.TopicDispatch) }
