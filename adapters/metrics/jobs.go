package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type jobMeters struct {
	submitted prometheus.Counter
	ended     *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	wait      prometheus.Observer
	passes    *prometheus.CounterVec
	offered   prometheus.Counter
	swept     *prometheus.CounterVec
}

func newJobMeters(m *Meters) jobMeters {
	j := jobMeters{
		submitted: m.counter("remora_jobs_submitted_total", "Jobs stored.").WithLabelValues(),
		ended:     m.counter("remora_jobs_ended_total", "Jobs that this process has ended, each by itself; those that a stopped batch ends together are in remora_jobs alone.", "status", "reason"),
		attempts: zero(m.counter("remora_job_attempts_retried_total", "Attempts that failed and are followed by another, by the reason.", "reason"),
			words(domain.FailureReasons())...),
		duration: m.histogram("remora_job_duration_seconds", "From the start of a job's last attempt to its end.", slow, "status"),
		wait:     m.histogram("remora_job_wait_seconds", "From a job's submission to its first claim by a worker.", slow).WithLabelValues(),
		passes: zero(m.counter("remora_dispatcher_passes_total", "Looks at the pending jobs.", "outcome"),
			ok, failed),
		offered: m.counter("remora_dispatcher_offered_jobs_total", "Jobs taken from the database to be put into the queue.").WithLabelValues(),
		swept: zero(m.counter("remora_sweeper_jobs_total", "Jobs that the sweeper or a new queue moved on.", "action"),
			"woken", "detached", "expired", "adopted"),
	}
	j.ended.WithLabelValues(string(domain.StatusCompleted), "")
	for _, r := range domain.FailureReasons() {
		j.ended.WithLabelValues(string(domain.StatusFailed), string(r))
	}
	for _, r := range domain.CancelReasons() {
		j.ended.WithLabelValues(string(domain.StatusCanceled), string(r))
	}
	return j
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

// saved counts what the save of a job says about it.
func (j *jobMeters) saved(job *domain.Job) {
	switch {
	case job.Status.Final():
		j.ended.WithLabelValues(string(job.Status), string(job.Reason)).Inc()
		if !job.StartedAt.IsZero() && !job.FinishedAt.IsZero() {
			j.duration.WithLabelValues(string(job.Status)).Observe(job.FinishedAt.Sub(job.StartedAt).Seconds())
		}
	case job.Phase == domain.PhaseBackoff && job.EndedAttempt() != nil:
		j.attempts.WithLabelValues(string(job.Reason)).Inc()
	case job.Phase == domain.PhaseClaimed && job.Attempt == 1:
		j.wait.Observe(job.UpdatedAt.Sub(job.CreatedAt).Seconds())
	}
}

type jobRepository struct {
	ports.JobRepository
	meters *jobMeters
}

// Jobs counts jobs as they are stored and as they end.
func (m *Meters) Jobs(next ports.JobRepository) ports.JobRepository {
	return &jobRepository{next, &m.jobs}
}

// Add implements ports.JobRepository.
func (r *jobRepository) Add(ctx context.Context, key ports.Idempotency, jobs ...*domain.Job) (*domain.Job, error) {
	earlier, err := r.JobRepository.Add(ctx, key, jobs...)
	if err == nil && earlier == nil {
		r.meters.submitted.Add(float64(len(jobs)))
	}
	return earlier, err
}

// Save implements ports.JobRepository.
func (r *jobRepository) Save(ctx context.Context, job *domain.Job) error {
	err := r.JobRepository.Save(ctx, job)
	if err == nil {
		r.meters.saved(job)
	}
	return err
}

type backlog struct {
	ports.Backlog
	meters *jobMeters
}

// Backlog counts the passes of dispatcher and sweeper and what they found.
func (m *Meters) Backlog(next ports.Backlog) ports.Backlog { return &backlog{next, &m.jobs} }

// Take implements ports.Backlog.
func (b *backlog) Take(ctx context.Context, limit int, at time.Time) ([]domain.Ticket, bool, error) {
	tickets, more, err := b.Backlog.Take(ctx, limit, at)
	b.meters.passes.WithLabelValues(outcomeOf(err)).Inc()
	b.meters.offered.Add(float64(len(tickets)))
	return tickets, more, err
}

// Wake implements ports.Backlog.
func (b *backlog) Wake(ctx context.Context, limit int, at time.Time) (int, error) {
	n, err := b.Backlog.Wake(ctx, limit, at)
	return b.swept("woken", n), err
}

// Adopt implements ports.Backlog.
func (b *backlog) Adopt(ctx context.Context, queue, store string, at time.Time) (int, error) {
	n, err := b.Backlog.Adopt(ctx, queue, store, at)
	return b.swept("adopted", n), err
}

// DetachSilent implements ports.Backlog.
func (b *backlog) DetachSilent(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error) {
	jobs, err := b.Backlog.DetachSilent(ctx, limit, at)
	return b.moved("detached", jobs), err
}

// Expire implements ports.Backlog.
func (b *backlog) Expire(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error) {
	jobs, err := b.Backlog.Expire(ctx, limit, at)
	return b.moved("expired", jobs), err
}

func (b *backlog) moved(action string, jobs []*domain.Job) []*domain.Job {
	for _, j := range jobs {
		b.meters.saved(j)
	}
	b.swept(action, len(jobs))
	return jobs
}

func (b *backlog) swept(action string, n int) int {
	b.meters.swept.WithLabelValues(action).Add(float64(n))
	return n
}

type batches struct {
	ports.BatchRepository
	meters *jobMeters
}

// Batches counts the jobs of batches as they are stored and canceled.
func (m *Meters) Batches(next ports.BatchRepository) ports.BatchRepository {
	return &batches{next, &m.jobs}
}

// Add implements ports.BatchRepository.
func (r *batches) Add(ctx context.Context, key ports.Idempotency, b *domain.Batch, jobs []*domain.Job) (*domain.Batch, error) {
	earlier, err := r.BatchRepository.Add(ctx, key, b, jobs)
	if err == nil && earlier == nil {
		r.meters.submitted.Add(float64(len(jobs)))
	}
	return earlier, err
}

// Stop implements ports.BatchRepository.
func (r *batches) Stop(ctx context.Context, id domain.BatchID, limit int, at time.Time) (ports.StopStep, error) {
	step, err := r.BatchRepository.Stop(ctx, id, limit, at)
	r.meters.ended.WithLabelValues(string(domain.StatusCanceled), string(domain.ReasonBatch)).Add(float64(step.Canceled))
	return step, err
}

// WatchTotals shows how many jobs, servers and workers there are, from the counts that the database keeps; every process
// shows the same.
func (m *Meters) WatchTotals(totals ports.TotalsRepository, workers ports.WorkerRepository, now func() time.Time) {
	m.registry.MustRegister(collector([]*prometheus.Desc{allJobs, allServers, allWorkers, allCapacity, oldestQueued}, func(ctx context.Context, out chan<- prometheus.Metric) {
		at := now()
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
		}
		if t, err := totals.Totals(ctx, at); err == nil {
			for _, c := range t.Jobs {
				gauge(allJobs, float64(c.Jobs), string(c.Status), string(c.Reason))
			}
			gauge(allServers, float64(t.Servers))
			age := 0.0
			if !t.OldestQueued.IsZero() {
				age = max(at.Sub(t.OldestQueued).Seconds(), 0)
			}
			gauge(oldestQueued, age)
		}
		if list, err := workers.List(ctx); err == nil {
			capacity := 0
			for _, w := range list {
				capacity += w.Capacity
			}
			gauge(allWorkers, float64(len(list)))
			gauge(allCapacity, float64(capacity))
		}
	}))
}

var (
	allJobs      = prometheus.NewDesc("remora_jobs", "Jobs in the database by status and reason; every process shows the same.", []string{"status", "reason"}, nil)
	allServers   = prometheus.NewDesc("remora_servers", "Servers in the database.", nil, nil)
	allWorkers   = prometheus.NewDesc("remora_workers", "Workers whose lease is running.", nil, nil)
	allCapacity  = prometheus.NewDesc("remora_workers_capacity", "Jobs that these workers may run at once.", nil, nil)
	oldestQueued = prometheus.NewDesc("remora_jobs_oldest_queued_age_seconds", "How long the job has waited that waits longest for a worker; 0 where none waits.", nil, nil)
)
