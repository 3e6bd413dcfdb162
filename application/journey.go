package application

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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
	stop   context.Context // done when the worker stops
	target ports.Target
	record *recorder

	holdFor time.Duration // how long a job that is still ours at the end is kept from others

	saving chan struct{} // capacity 1; held by the one who writes the job, which may take as long as the database is away
	mu     sync.Mutex    // job
	job    *domain.Job
}

// outcome is how a run ended.
type outcome struct {
	exit domain.Exit
	err  error
}

func newJourney(stop context.Context, t *tenure, job *domain.Job) *journey {
	return &journey{
		tenure: t, job: job, stop: stop, holdFor: letGoAfter, epoch: job.Epoch, fresh: job.Phase == domain.PhaseClaimed, cancel: make(chan struct{}, 1), saving: make(chan struct{}, 1),
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

func (j *journey) know(job *domain.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.job = job
}

// refresh reads the job anew: others may ask for its cancel. While the database is away it is what it was.
func (j *journey) refresh() *domain.Job {
	j.saving <- struct{}{}
	defer func() { <-j.saving }()
	if fresh, err := j.Jobs.Get(j.lease, j.now().ID); err == nil {
		j.know(fresh)
	}
	return j.now()
}

// change applies a verb to the job and saves it. It reads the job anew where others have changed it, and tries on while
// the database is away, until the lease is lost. The verb's own refusal is returned.
func (j *journey) change(verb func(job *domain.Job, at time.Time) error) error {
	j.saving <- struct{}{}
	defer func() { <-j.saving }()
	var unsure []time.Time // of saves that may have landed without their answer
	for n := 0; ; n++ {
		was := j.now()
		next := *was
		if err := verb(&next, j.Clock.Now()); err != nil {
			return err
		}
		err := j.Jobs.Save(j.lease, &next)
		switch {
		case err == nil:
			j.know(&next)
			j.tell(was.State(), &next)
			j.Signals.Publish(ports.TopicJob(next.ID))
			return nil
		case away(err):
			unsure = append(unsure, next.UpdatedAt)
			if !pause(j.lease, retryDelay(n)) {
				return contextError(j.lease)
			}
		case errors.Is(err, domain.ErrStaleJob):
			fresh, err := j.Jobs.Get(j.lease, next.ID)
			if away(err) && pause(j.lease, retryDelay(n)) {
				continue
			}
			if err != nil {
				return err
			}
			j.know(fresh)
			if fresh.Revision == was.Revision+1 && fresh.State() == next.State() && slices.ContainsFunc(unsure, fresh.UpdatedAt.Equal) {
				j.tell(was.State(), fresh) // it had landed
				j.Signals.Publish(ports.TopicJob(next.ID))
				return nil
			}
		default:
			return err
		}
	}
}

// tell writes down a change of the job's state.
func (j *journey) tell(was domain.State, job *domain.Job) {
	if was == job.State() {
		return
	}
	var more []slog.Attr
	if job.Status.Final() {
		more = append(more, slog.Int64("output_bytes", j.printed()))
	}
	event(j.lease, j.tenure.log, was, job, more...)
}

// run carries the job until it is over, the worker stops, or the lease is lost.
func (j *journey) run() {
	defer j.letGo()
	if !j.prepare() {
		return
	}
	job := j.now()
	j.record = newRecorder(j.lease, &recorder{
		store: j.tenure.Output, jobs: j.Jobs, clock: j.Clock, interval: j.Settings.FlushInterval, size: j.Settings.FlushBytes,
		limit: j.Settings.MaxOutput, job: job.AttemptID(), epoch: j.epoch,
		stored: func() { j.Signals.Publish(ports.TopicJob(job.ID)) },
	}, job.Output)
	following, end := context.WithCancelCause(j.lease)
	defer end(nil)
	results := make(chan outcome, 1)
	j.carrying.Go(func() { results <- j.follow(following) })
	if job.CancelRequested {
		j.askCancel()
	}
	j.attend(results, end)
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
	switch {
	case err != nil && !j.fresh && errors.Is(err, domain.ErrVaultSealed):
		// The command may be running well; it is this worker that cannot look.
		j.holdFor = letGoUnreadable
		j.log.ErrorContext(j.lease, "a running job is left to another worker: the master key is not the one that its credential was sealed with")
	case err != nil:
		j.fail(err)
	}
	j.wakeDispatcher()
	return false
}

// open reads the server and its credential; under accept-new it pins the key of a server that was never seen. While the
// database is away it tries on.
func (j *journey) open() error {
	var tested domain.ServerID
	for n := 0; ; n++ {
		t, _, err := j.Servers.target(j.lease, j.now().ServerID)
		if err == nil && j.fresh && !t.Server.Active {
			return &domain.Failure{Reason: domain.ReasonPolicyDenied, Message: domain.ErrServerInactive.Message, NotStarted: true}
		}
		if id, first := unseen(t); err == nil && first && id != tested {
			if err = j.pinFirst(id); err == nil {
				tested = id
				continue
			}
		}
		switch {
		case err == nil:
			j.target = t
			return nil
		case away(err) && !errors.Is(err, domain.ErrVaultSealed):
			if !pause(j.lease, retryDelay(n)) {
				return contextError(j.lease)
			}
		case errors.Is(err, domain.ErrCredentialNeeded):
			return &domain.Failure{Reason: domain.ReasonCredentialNeeded, Message: err.Error(), NotStarted: j.fresh}
		default:
			return err
		}
	}
}

// pinFirst looks at a server for the first time. It fails with a *domain.Failure where no key was seen.
func (j *journey) pinFirst(id domain.ServerID) error {
	r, err := j.Servers.Test(j.lease, id)
	if err != nil {
		return err
	}
	if !r.OK && r.Seen == nil {
		return &domain.Failure{Reason: r.Reason, Message: r.Message, NotStarted: j.fresh}
	}
	return nil
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
func (j *journey) attend(results chan outcome, end context.CancelCauseFunc) {
	for {
		patience := time.Until(j.now().DeadlineAt)
		if j.now().Mode() == domain.ModeAttached && j.stop.Err() != nil {
			patience = min(patience, shutdownGrace)
		}
		timer := time.NewTimer(patience)
		stopping := j.stop.Done()
		if j.stop.Err() != nil {
			stopping = nil
		}
		select {
		case r := <-results:
			timer.Stop()
			j.finish(r, nil)
			return
		case <-j.cancel:
			timer.Stop()
			if !j.refresh().CancelRequested {
				continue
			}
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
