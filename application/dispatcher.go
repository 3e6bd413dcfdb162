package application

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const (
	dispatchPoll  = time.Second
	dispatchBatch = 256
)

// Dispatcher offers pending jobs to the queue, and everything again to a queue that has lost its tickets. Any number may
// run at once.
type Dispatcher struct {
	Backlog ports.Backlog
	Queue   ports.Enqueuer
	Name    string // of the queue
	Signals ports.Signals
	Clock   ports.Clock
	Log     *slog.Logger

	store string // the storage seen behind the queue last
}

// Run dispatches until ctx is done; it returns nil.
func (d *Dispatcher) Run(ctx context.Context) error {
	wake, cancel := d.Signals.Subscribe(ports.TopicDispatch)
	defer cancel()
	trouble := new(troubleLog)
	for {
		trouble.note(ctx, d.Log, "dispatching", d.pass(ctx))
		select {
		case <-wake:
		case <-time.After(dispatchPoll):
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Dispatcher) pass(ctx context.Context) error {
	if err := d.adopt(ctx); err != nil {
		return err
	}
	for {
		tickets, more, err := d.Backlog.Take(ctx, dispatchBatch, d.Clock.Now())
		if err != nil {
			return err
		}
		for _, t := range tickets {
			d.Log.DebugContext(ctx, "job goes into the queue", "job_id", t.Job, "ticket", t.ID, "priority", int(t.Priority))
		}
		if left, err := d.put(ctx, tickets); err != nil {
			return errors.Join(err, d.Backlog.Return(context.WithoutCancel(ctx), left, d.Clock.Now()))
		}
		if !more {
			return nil
		}
	}
}

// put gives tickets to the queue: all at once, or as many as a queue that is nearly full takes. It returns those that it did
// not take, with the reason.
func (d *Dispatcher) put(ctx context.Context, tickets []domain.Ticket) (left []domain.Ticket, err error) {
	for n := len(tickets); len(tickets) > 0; {
		n = min(n, len(tickets))
		err := d.Queue.Put(ctx, tickets[:n])
		switch {
		case err == nil:
			tickets = tickets[n:]
		case errors.Is(err, domain.ErrQueueFull) && n > 1:
			n /= 2
		default:
			return tickets, err
		}
	}
	return nil, nil
}

func (d *Dispatcher) adopt(ctx context.Context) error {
	store, err := d.Queue.Store(ctx)
	if err != nil || store == d.store {
		return err
	}
	n, err := d.Backlog.Adopt(ctx, d.Name, store, d.Clock.Now())
	if err != nil {
		return err
	}
	if n > 0 {
		d.Log.WarnContext(ctx, "the queue's storage is new: jobs are offered again", "jobs", n, "queue", d.Name)
	}
	d.store = store
	return nil
}

// troubleLog logs a lasting trouble when it begins, changes and ends, not at every turn of a loop.
type troubleLog struct{ last string }

func (t *troubleLog) note(ctx context.Context, log *slog.Logger, doing string, err error) {
	if ctx.Err() != nil {
		return
	}
	now := ""
	if err != nil {
		now = err.Error()
	}
	switch {
	case now == t.last:
	case now == "":
		log.InfoContext(ctx, doing+" works again")
	default:
		log.WarnContext(ctx, doing+" does not work now; trying on", "error", now)
	}
	t.last = now
}

const (
	sweepEvery = time.Second
	sweepBatch = 256
)

// Sweeper looks after jobs that stand still: it wakes those whose next action is due, takes jobs from silent workers and
// ends those past their deadline. Any number may run at once.
type Sweeper struct {
	Backlog ports.Backlog
	Signals ports.Signals
	Clock   ports.Clock
	Log     *slog.Logger
}

// Run sweeps until ctx is done; it returns nil.
func (s *Sweeper) Run(ctx context.Context) error {
	trouble := new(troubleLog)
	for {
		trouble.note(ctx, s.Log, "sweeping", s.pass(ctx))
		select {
		case <-time.After(sweepEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Sweeper) pass(ctx context.Context) error {
	at := s.Clock.Now()
	detached, err := drain(s.telling(ctx, s.Backlog.DetachSilent, at))
	if detached > 0 {
		s.Log.WarnContext(ctx, "jobs of silent workers are offered to others", "jobs", detached)
	}
	expired, err2 := drain(s.telling(ctx, s.Backlog.Expire, at))
	woken, err3 := drain(func() (int, error) { return s.Backlog.Wake(ctx, sweepBatch, at) })
	if detached+expired+woken > 0 {
		s.Signals.Publish(ports.TopicDispatch)
	}
	return errors.Join(err, err2, err3)
}

// telling writes down what a sweep did to each job.
func (s *Sweeper) telling(
	ctx context.Context, sweep func(context.Context, int, time.Time) ([]*domain.Job, error), at time.Time,
) func() (int, error) {
	return func() (int, error) {
		jobs, err := sweep(ctx, sweepBatch, at)
		for _, j := range jobs {
			event(ctx, s.Log, domain.State{Status: domain.StatusRunning}, j)
		}
		return len(jobs), err
	}
}

// drain repeats a paged step until a page is not full.
func drain(step func() (int, error)) (total int, err error) {
	for {
		n, err := step()
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}

// retryDelay is how long to wait before the n-th repeat of something that is away: 100 ms doubling to 5 s.
func retryDelay(n int) time.Duration {
	return min(100*time.Millisecond<<min(n, 10), 5*time.Second)
}

// pause waits for d, or less when ctx is done; it reports whether ctx is alive.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// away reports whether err means that something is not there now and may come back.
func away(err error) bool {
	k := domain.KindOf(err)
	return k == domain.KindUnavailable || k == domain.KindTimeout
}
