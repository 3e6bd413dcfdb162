package application

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// journey carries one claimed job to its end: it starts the command or attaches to it, stores its output, ends it when
// asked or out of time, and writes down how it ended.
type journey struct {
	*tenure
	log    *slog.Logger
	epoch  int64
	fresh  bool // nothing was sent to the server yet
	cancel chan struct{}
	target ports.Target
	record *recorder

	mu  sync.Mutex // job
	job *domain.Job
}

// outcome is how a run ended.
type outcome struct {
	exit domain.Exit
	err  error
}

func newJourney(t *tenure, job *domain.Job) *journey {
	return &journey{
		tenure: t, job: job, epoch: job.Epoch, fresh: job.Phase == domain.PhaseClaimed, cancel: make(chan struct{}, 1),
		log: t.log.With("job_id", job.ID, "attempt", job.Attempt),
	}
}

// askCancel tells the journey that its job's cancel was requested. It never waits.
func (j *journey) askCancel() {
	select {
	case j.cancel <- struct{}{}:
	default:
	}
}

func (j *journey) now() *domain.Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.job
}

// change applies a verb to the job and saves it. It reads the job anew where others have changed it, and tries on while
// the database is away, until the lease is lost. The verb's own refusal is returned.
func (j *journey) change(verb func(job *domain.Job, at time.Time) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	unsure := false // a save may have landed without its answer
	for n := 0; ; n++ {
		next := *j.job
		if err := verb(&next, j.Clock.Now()); err != nil {
			return err
		}
		err := j.Jobs.Save(j.lease, &next)
		switch {
		case err == nil:
			j.job = &next
			j.Signals.Publish(ports.TopicJob(next.ID))
			return nil
		case away(err):
			unsure = true
			if !pause(j.lease, retryDelay(n)) {
				return contextError(j.lease)
			}
		case errors.Is(err, domain.ErrStaleJob):
			fresh, err := j.Jobs.Get(j.lease, next.ID)
			if err != nil && !away(err) {
				return err
			}
			if err != nil {
				continue
			}
			landed := unsure && fresh.Revision == j.job.Revision+1 && fresh.State() == next.State()
			j.job = fresh
			if landed {
				j.Signals.Publish(ports.TopicJob(next.ID))
				return nil
			}
		default:
			return err
		}
	}
}

// run carries the job until it is over, the worker stops, or the lease is lost.
func (j *journey) run(stop context.Context) {
	if !j.prepare() {
		return
	}
	j.record = newRecorder(j.lease, &recorder{
		store: j.tenure.Output, jobs: j.Jobs, clock: j.Clock, interval: j.Settings.FlushInterval, size: j.Settings.FlushBytes,
		limit: j.Settings.MaxOutput, job: j.job.AttemptID(), epoch: j.epoch,
		stored: func() { j.Signals.Publish(ports.TopicJob(j.job.ID)) },
	}, j.job.Output)
	following, end := context.WithCancelCause(j.lease)
	defer end(nil)
	results := make(chan outcome, 1)
	j.carrying.Go(func() { results <- j.follow(following) })
	if j.now().CancelRequested {
		j.askCancel()
	}
	j.attend(stop, results, end)
}

// prepare opens the server and says that the start is about to be sent. It reports whether to go on.
func (j *journey) prepare() bool {
	err := j.open()
	if err == nil {
		if !j.fresh {
			return true
		}
		err = j.change(func(job *domain.Job, at time.Time) error {
			if job.CancelRequested {
				return job.Unclaim(j.epoch, at)
			}
			return job.Starting(j.epoch, at)
		})
		if err == nil && j.now().Phase == domain.PhaseStarting {
			return true
		}
	}
	if err != nil {
		j.fail(err)
	}
	j.wakeDispatcher()
	return false
}

// open reads the server and its credential; under accept-new it pins the key of a server that was never seen.
func (j *journey) open() error {
	for n := 0; ; n++ {
		t, _, err := j.Servers.target(j.lease, j.job.ServerID)
		switch {
		case away(err) && !errors.Is(err, domain.ErrVaultSealed):
			if !pause(j.lease, retryDelay(n)) {
				return contextError(j.lease)
			}
			continue
		case errors.Is(err, domain.ErrCredentialNeeded):
			return &domain.Failure{Reason: domain.ReasonCredentialNeeded, Message: err.Error(), NotStarted: true}
		case err != nil:
			return err
		case j.fresh && !t.Server.Active:
			return &domain.Failure{Reason: domain.ReasonPolicyDenied, Message: domain.ErrServerInactive.Message, NotStarted: true}
		case t.Server.HostKey == nil && t.Server.HostKeyPolicy == domain.HostKeyAcceptNew && n == 0:
			r, err := j.Servers.Test(j.lease, t.Server.ID)
			if err != nil {
				return err
			}
			if !r.OK && r.Seen == nil {
				return &domain.Failure{Reason: r.Reason, Message: r.Message, NotStarted: true}
			}
			continue
		}
		j.target = t
		return nil
	}
}

// follow runs the attempt, and attaches to it again whenever the connection is cut.
func (j *journey) follow(ctx context.Context) outcome {
	job := j.now()
	start := j.fresh
	for n := 0; ; n++ {
		var exit domain.Exit
		var err error
		taken := j.record.Taken()
		if start {
			exit, err = j.Executor.Start(ctx, j.target, job.AttemptID(), job.Command, j)
		} else {
			exit, err = j.Executor.Attach(ctx, j.target, job.AttemptID(), j.now().Process, taken, j)
		}
		if !errors.Is(err, ports.ErrCut) {
			return outcome{exit, err}
		}
		start = false
		if j.record.Taken() != taken {
			n = 0
		}
		j.log.InfoContext(ctx, "the connection to the server was cut; attaching again", "server_id", job.ServerID, "error", err)
		if !pause(ctx, retryDelay(n)) {
			return outcome{err: context.Cause(ctx)}
		}
	}
}

// Started implements ports.Sink.
func (j *journey) Started(_ context.Context, p domain.Process) error {
	return j.change(func(job *domain.Job, at time.Time) error {
		p.StartedAt = at
		return job.Started(j.epoch, p, at)
	})
}

// Output implements ports.Sink.
func (j *journey) Output(ctx context.Context, s domain.Stream, data []byte) error {
	return j.record.Output(ctx, s, data)
}

// attend waits for what comes first: the run's end, a cancel, the end of its time, the worker's stop.
func (j *journey) attend(stop context.Context, results chan outcome, end context.CancelCauseFunc) {
	for {
		patience := time.Until(j.now().DeadlineAt)
		if j.now().Mode() == domain.ModeAttached && stop.Err() != nil {
			patience = min(patience, shutdownGrace)
		}
		timer := time.NewTimer(patience)
		stopping := stop.Done()
		if stop.Err() != nil {
			stopping = nil
		}
		select {
		case r := <-results:
			timer.Stop()
			j.finish(r, nil)
			return
		case <-j.cancel:
			timer.Stop()
			j.end(results, end, (*domain.Job).Canceling)
			return
		case <-timer.C:
			switch {
			case time.Until(j.now().DeadlineAt) <= 0:
				j.end(results, end, (*domain.Job).TimingOut)
				return
			case stopping == nil:
				j.giveUp(results, end)
				return
			}
		case <-stopping:
			timer.Stop()
			if j.now().Mode() == domain.ModeAttached {
				j.log.InfoContext(j.lease, "the worker stops, and waits for a job that cannot outlive its connection")
				continue
			}
			j.detach(results, end)
			return
		}
	}
}
