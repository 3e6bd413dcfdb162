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

const (
	ticketLease    = 30 * time.Second // for a claim, no more: the queue never holds a running job
	releaseDelay   = time.Second      // before a ticket that could not be claimed is handed out again
	releaseTimeout = 5 * time.Second  // for the queue to hear of it
	shutdownGrace  = 20 * time.Second // for attached jobs to end by themselves when the worker stops
)

var (
	errStopping  = errors.New("the worker is stopping")
	errLeaseGone = errors.New("the worker could not renew its lease")
	// errNoPlace gives a ticket back that was in the queue when its job was taken out of it. The dispatcher gives the job its
	// place again, and the ticket comes back; a claim now would put one job more on the server than it takes.
	errNoPlace = errors.New("the job waits for its place on the server")
)

// WorkerSettings are a worker's limits.
type WorkerSettings struct {
	Concurrency   int           // jobs at once
	FlushInterval time.Duration // how long new output may wait to be stored
	FlushBytes    int           // how much output makes it be stored at once
	MaxOutput     int64         // bytes of one attempt
	KillGrace     time.Duration // between TERM and KILL
}

// Worker takes tickets from the queue and carries their jobs to the servers. Everything it writes bears the epoch of its
// claim; a lease, renewed by heartbeat, keeps others away. When it cannot renew, it stops writing, leaves its jobs on their
// servers for others, and begins anew under another id.
type Worker struct {
	Jobs     ports.JobRepository
	Output   ports.OutputStore
	Workers  ports.WorkerRepository
	Servers  *Servers
	Queue    ports.Dequeuer
	Signals  ports.Signals
	Executor ports.Executor
	Clock    ports.Clock
	Entropy  ports.Entropy
	Log      *slog.Logger
	Settings WorkerSettings
	Hostname string
	PID      int
}

// Run works until ctx is done; then it takes nothing new, stores what its jobs have printed, leaves durable jobs running
// on their servers for another worker, and returns nil.
func (w *Worker) Run(ctx context.Context) error {
	remove := newRemover(w.Executor, w.Log)
	defer remove.close()
	trouble := new(troubleLog)
	for n := 0; ctx.Err() == nil; n++ {
		t, err := w.begin(ctx, remove)
		trouble.note(ctx, w.Log, "registering the worker", err)
		if err != nil {
			pause(ctx, retryDelay(n))
			continue
		}
		n = 0
		t.work(ctx)
	}
	return nil
}

// tenure is a worker's life under one id and one unbroken lease.
type tenure struct {
	*Worker
	id      domain.WorkerID
	log     *slog.Logger
	remove  *remover
	renewed time.Time       // the start of the last renewal that succeeded; monotonic
	lease   context.Context // ends when the lease can no longer be trusted
	lose    context.CancelCauseFunc

	mu       sync.Mutex
	journeys map[domain.JobID]*journey
	carrying sync.WaitGroup
}

func (w *Worker) begin(ctx context.Context, remove *remover) (*tenure, error) {
	t := &tenure{Worker: w, id: domain.WorkerID(w.Entropy.ID()), remove: remove, renewed: time.Now(), journeys: map[domain.JobID]*journey{}}
	t.log = w.Log.With("worker_id", t.id)
	at := w.Clock.Now()
	err := w.Workers.Register(ctx, domain.Worker{
		ID: t.id, Hostname: w.Hostname, PID: w.PID, Capacity: w.Settings.Concurrency, StartedAt: at, SeenAt: at,
	}, domain.LeaseFor)
	return t, err
}

// work carries jobs until stop is done or the lease is lost.
func (t *tenure) work(stop context.Context) {
	t.lease, t.lose = context.WithCancelCause(context.WithoutCancel(stop))
	defer t.lose(nil)
	t.log.InfoContext(stop, "worker is ready", "concurrency", t.Settings.Concurrency)

	taking, cancel := context.WithCancelCause(stop)
	defer cancel(nil)
	context.AfterFunc(t.lease, func() { cancel(errLeaseGone) })
	beating, quiet := context.WithCancelCause(t.lease)
	var heart sync.WaitGroup
	heart.Go(func() { t.heartbeat(beating) })
	t.take(taking, stop)
	t.carrying.Wait()
	quiet(errStopping)
	heart.Wait()
	if t.lease.Err() == nil {
		if err := t.Workers.Retire(t.lease, t.id); err != nil {
			t.log.WarnContext(stop, "the worker could not sign off; its lease runs out by itself", "error", err)
		}
	}
}

// take reserves as many tickets as there are free places, until ctx is done.
func (t *tenure) take(ctx, stop context.Context) {
	places := make(chan struct{}, t.Settings.Concurrency)
	trouble := new(troubleLog)
	for failures := 0; ; {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		deliveries, err := t.Queue.Reserve(ctx, 1+cap(places)-len(places), ticketLease)
		trouble.note(ctx, t.log, "taking tickets", err)
		if err != nil {
			<-places
			if !pause(ctx, retryDelay(failures)) {
				return
			}
			failures++
			continue
		}
		failures = 0
		<-places
		for _, d := range deliveries {
			places <- struct{}{}
			t.carrying.Go(func() {
				defer func() { <-places }()
				t.carry(stop, d)
			})
		}
	}
}

// carry claims a ticket's job and takes it to its end.
func (t *tenure) carry(stop context.Context, d domain.Delivery) {
	job, err := t.claim(d.Ticket)
	if err != nil {
		t.log.WarnContext(t.lease, "a ticket could not be claimed; it is given back", "job_id", d.Ticket.Job, "error", err)
		// The ticket is nobody's any more, whatever became of our lease.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.lease), releaseTimeout)
		defer cancel()
		if err := t.Queue.Release(ctx, d.Receipt, releaseDelay); err != nil {
			t.log.DebugContext(t.lease, "a ticket could not be given back; its lease runs out", "error", err)
		}
		return
	}
	t.carrying.Go(func() {
		if err := t.Queue.Ack(t.lease, d.Receipt); err != nil {
			t.log.DebugContext(t.lease, "a ticket could not be acknowledged; it comes again and is dropped", "error", err)
		}
	})
	if job == nil {
		return
	}
	was := domain.State{Status: domain.StatusQueued}
	if job.Phase != domain.PhaseClaimed {
		was = domain.State{Status: domain.StatusRunning, Phase: domain.PhaseDetached}
	}
	event(t.lease, t.log, was, job)
	j := newJourney(stop, t, job)
	if !t.enter(j) {
		return
	}
	defer t.leave(j)
	j.run()
}

// enter makes a journey known to the heartbeat. It reports false when the very same claim is carried already.
func (t *tenure) enter(j *journey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.journeys[j.job.ID]; other != nil && other.epoch == j.epoch {
		return false
	}
	t.journeys[j.job.ID] = j
	return true
}

// leave forgets a journey, but not one that has begun for the same job meanwhile.
func (t *tenure) leave(j *journey) {
	id := j.now().ID
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.journeys[id] == j {
		delete(t.journeys, id)
	}
}

// claim makes the ticket's job ours. It returns nil when there is nothing to do: the job has moved on since the ticket was
// made. A job that lost its place meanwhile is errNoPlace. Once a save may have landed without its answer it asks until it knows: a job that is ours must be carried.
func (t *tenure) claim(ticket domain.Ticket) (*domain.Job, error) {
	unsure := int64(0) // the epoch of a claim without an answer
	for n := 0; ; n++ {
		job, err := t.Jobs.Get(t.lease, ticket.Job)
		switch {
		case errors.Is(err, domain.ErrJobNotFound):
			return nil, nil
		case away(err) && unsure > 0:
			if !pause(t.lease, retryDelay(n)) {
				return nil, contextError(t.lease)
			}
			continue
		case err != nil:
			return nil, err
		case unsure > 0 && job.Status == domain.StatusRunning && job.Worker == t.id && job.Epoch == unsure:
			return job, nil
		case job.Ticket().ID != ticket.ID:
			return nil, nil
		}
		switch job.Phase {
		case domain.PhasePending:
			return nil, errNoPlace
		case domain.PhaseEnqueued:
			err = job.Claim(t.id, t.Clock.Now())
		case domain.PhaseDetached:
			err = job.Attach(t.id, t.Clock.Now())
		default:
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		err = t.Jobs.Save(t.lease, job)
		switch {
		case err == nil:
			return job, nil
		case away(err):
			unsure = job.Epoch
			if !pause(t.lease, retryDelay(n)) {
				return nil, contextError(t.lease)
			}
		case !errors.Is(err, domain.ErrStaleJob):
			return nil, err
		}
	}
}

// heartbeat renews the lease, brings cancels to the journeys, and loses the lease when it cannot be renewed in time.
func (t *tenure) heartbeat(ctx context.Context) {
	wake, cancel := t.Signals.Subscribe(ports.TopicWorker(t.id))
	defer cancel()
	trouble := new(troubleLog)
	for {
		wait := domain.HeartbeatEvery
		err := t.renew(ctx)
		trouble.note(ctx, t.log, "renewing the worker's lease", err)
		if errors.Is(err, domain.ErrWorkerNotFound) {
			t.lose(errLeaseGone)
			return
		}
		if err != nil {
			wait = time.Second
		}
		left := time.Until(t.renewed.Add(domain.WriteFor))
		if left <= 0 {
			t.log.ErrorContext(ctx, "the worker's lease could not be renewed in time: it leaves its jobs to others", "jobs", t.count())
			t.lose(errLeaseGone)
			return
		}
		select {
		case <-time.After(min(wait, left)):
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

func (t *tenure) renew(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithDeadline(ctx, t.renewed.Add(domain.WriteFor))
	defer cancel()
	cancels, err := t.Workers.Renew(ctx, t.id, domain.LeaseFor)
	if err != nil {
		return err
	}
	t.renewed = began
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range cancels {
		if j := t.journeys[id]; j != nil {
			j.askCancel()
		}
	}
	return nil
}

func (t *tenure) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.journeys)
}

// remover deletes what finished attempts left on their servers, in batches.
type remover struct {
	executor ports.Executor
	log      *slog.Logger
	queue    chan removal
	done     chan struct{}
}

type removal struct {
	target ports.Target
	id     domain.AttemptID
}

const (
	removeEvery   = 2 * time.Second
	removeTimeout = 10 * time.Second
)

func newRemover(e ports.Executor, log *slog.Logger) *remover {
	r := &remover{executor: e, log: log, queue: make(chan removal, 1024), done: make(chan struct{})}
	go r.run()
	return r
}

// add asks for a removal; with too many waiting it is left to the server's own sweep.
func (r *remover) add(t ports.Target, id domain.AttemptID) {
	select {
	case r.queue <- removal{t, id}:
	default:
	}
}

// close removes what is waiting, and ends.
func (r *remover) close() {
	close(r.queue)
	<-r.done
}

func (r *remover) run() {
	defer close(r.done)
	waiting := map[domain.ServerID][]removal{}
	tick := time.NewTicker(removeEvery)
	defer tick.Stop()
	for {
		select {
		case m, more := <-r.queue:
			if !more {
				r.flush(waiting)
				return
			}
			waiting[m.target.Server.ID] = append(waiting[m.target.Server.ID], m)
		case <-tick.C:
			r.flush(waiting)
		}
	}
}

func (r *remover) flush(waiting map[domain.ServerID][]removal) {
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	var all sync.WaitGroup
	for server, list := range waiting {
		delete(waiting, server)
		ids := make([]domain.AttemptID, len(list))
		for i, m := range list {
			ids[i] = m.id
		}
		all.Go(func() {
			if err := r.executor.Remove(ctx, list[0].target, ids...); err != nil {
				r.log.DebugContext(ctx, "run directories were left for the server's sweep", "server_id", server, "error", err)
			}
		})
	}
	all.Wait()
}
