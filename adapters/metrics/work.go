package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type workMeters struct {
	running   prometheus.Gauge
	renewals  *prometheus.CounterVec
	renewed   prometheus.Gauge
	kills     *prometheus.CounterVec
	output    *prometheus.CounterVec
	flushes   *prometheus.HistogramVec
	followers prometheus.Gauge
}

func newWorkMeters(m *Meters) workMeters {
	return workMeters{
		running: m.gauge("remora_jobs_running", "Jobs that this process follows on their servers now.").WithLabelValues(),
		renewals: zero(m.counter("remora_worker_lease_renewals_total", "Heartbeats of the worker.", "outcome"),
			ok, failed),
		renewed: m.gauge("remora_worker_lease_renewed_timestamp_seconds", "When the worker's lease was last begun or renewed; 0 without a worker.").WithLabelValues(),
		kills: zero(m.counter("remora_job_kills_total", "Times a job's processes were ended: confirmed, left (something is alive), failed (not reached).", "outcome"),
			"confirmed", "left", failed),
		output: zero(m.counter("remora_output_bytes_total", "Bytes of output stored.", "stream"),
			domain.Stdout.String(), domain.Stderr.String()),
		flushes:   m.histogram("remora_output_flush_duration_seconds", "Storing one flush of output in the database.", quick, "outcome"),
		followers: m.gauge("remora_output_followers", "Readers that follow a job's output live.").WithLabelValues(),
	}
}

type executor struct {
	ports.Executor
	meters *workMeters
}

// Executor counts the jobs that are being followed, and how ending them went.
func (m *Meters) Executor(next ports.Executor) ports.Executor { return &executor{next, &m.work} }

// Start implements ports.Executor.
func (e *executor) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	e.meters.running.Inc()
	defer e.meters.running.Dec()
	return e.Executor.Start(ctx, t, id, c, sink)
}

// Attach implements ports.Executor.
func (e *executor) Attach(ctx context.Context, t ports.Target, id domain.AttemptID, process *domain.Process, from domain.Offsets, sink ports.Sink) (domain.Exit, error) {
	e.meters.running.Inc()
	defer e.meters.running.Dec()
	return e.Executor.Attach(ctx, t, id, process, from, sink)
}

// Kill implements ports.Executor.
func (e *executor) Kill(ctx context.Context, t ports.Target, id domain.AttemptID, grace time.Duration) (domain.Receipt, error) {
	r, err := e.Executor.Kill(ctx, t, id, grace)
	outcome := "left"
	switch {
	case err != nil:
		outcome = failed
	case r.Confirmed:
		outcome = "confirmed"
	}
	e.meters.kills.WithLabelValues(outcome).Inc()
	return r, err
}

type workers struct {
	ports.WorkerRepository
	meters *workMeters
}

// Workers counts the renewals of the worker's lease.
func (m *Meters) Workers(next ports.WorkerRepository) ports.WorkerRepository {
	return &workers{next, &m.work}
}

// Register implements ports.WorkerRepository.
func (w *workers) Register(ctx context.Context, worker domain.Worker, lease time.Duration) error {
	began := time.Now()
	err := w.WorkerRepository.Register(ctx, worker, lease)
	if err == nil {
		w.meters.renewed.Set(seconds(began))
	}
	return err
}

// Renew implements ports.WorkerRepository.
func (w *workers) Renew(ctx context.Context, id domain.WorkerID, lease time.Duration) ([]domain.JobID, error) {
	began := time.Now()
	cancels, err := w.WorkerRepository.Renew(ctx, id, lease)
	w.meters.renewals.WithLabelValues(outcomeOf(err)).Inc()
	if err == nil {
		w.meters.renewed.Set(seconds(began))
	}
	return cancels, err
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

type outputStore struct {
	ports.OutputStore
	meters *workMeters
}

// OutputStore counts the output that is stored and how long that takes.
func (m *Meters) OutputStore(next ports.OutputStore) ports.OutputStore {
	return &outputStore{next, &m.work}
}

// Append implements ports.OutputStore.
func (s *outputStore) Append(ctx context.Context, a ports.Append) (domain.Seq, error) {
	began := time.Now()
	last, err := s.OutputStore.Append(ctx, a)
	s.meters.flushes.WithLabelValues(outcomeOf(err)).Observe(time.Since(began).Seconds())
	if err == nil {
		for _, p := range a.Pieces {
			s.meters.output.WithLabelValues(p.Stream.String()).Add(float64(len(p.Data)))
		}
	}
	return last, err
}

type output struct {
	ports.Output
	meters *workMeters
}

// Output counts the readers that follow jobs.
func (m *Meters) Output(next ports.Output) ports.Output { return &output{next, &m.work} }

// Follow implements ports.Output.
func (o *output) Follow(ctx context.Context, id domain.JobID, after domain.Seq, emit func(ports.JobEvent) error) error {
	o.meters.followers.Inc()
	defer o.meters.followers.Dec()
	return o.Output.Follow(ctx, id, after, emit)
}

// SSH is what the SSH side tells: its connections now, and the logins it tried since the start.
type SSH struct {
	Connections int // open
	Idle        int // of them without a session
	Sessions    int // open, on all connections
	Logins      map[string]uint64
}

// WatchSSH shows the connections to the servers.
func (m *Meters) WatchSSH(read func() SSH) {
	m.registry.MustRegister(collector(
		[]*prometheus.Desc{sshConnections, sshSessions, sshLogins},
		func(_ context.Context, out chan<- prometheus.Metric) {
			s := read()
			out <- prometheus.MustNewConstMetric(sshConnections, prometheus.GaugeValue, float64(s.Connections-s.Idle), "busy")
			out <- prometheus.MustNewConstMetric(sshConnections, prometheus.GaugeValue, float64(s.Idle), "idle")
			out <- prometheus.MustNewConstMetric(sshSessions, prometheus.GaugeValue, float64(s.Sessions))
			for _, o := range []domain.Reason{ok, domain.ReasonConnect, domain.ReasonAuth, domain.ReasonHostKeyUnknown, domain.ReasonHostKeyMismatch} {
				out <- prometheus.MustNewConstMetric(sshLogins, prometheus.CounterValue, float64(s.Logins[string(o)]), string(o))
			}
		}))
}

var (
	sshConnections = prometheus.NewDesc("remora_ssh_connections", "Open connections to servers: busy with a session, or idle.", []string{"state"}, nil)
	sshSessions    = prometheus.NewDesc("remora_ssh_sessions", "Open sessions on the connections to servers.", nil, nil)
	sshLogins      = prometheus.NewDesc("remora_ssh_dials_total", "Connections tried, handshake and login included: ok, or the reason of the failure.", []string{"outcome"}, nil)
)

// WatchPending shows how long the oldest job has waited for the dispatcher. read returns 0 when none waits.
func (m *Meters) WatchPending(read func(ctx context.Context) (time.Duration, error)) {
	m.registry.MustRegister(collector([]*prometheus.Desc{databaseUp, oldestPending}, func(ctx context.Context, out chan<- prometheus.Metric) {
		age, err := read(ctx)
		if err != nil {
			out <- prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, 0)
			return
		}
		out <- prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, 1)
		out <- prometheus.MustNewConstMetric(oldestPending, prometheus.GaugeValue, age.Seconds())
	}))
}

var (
	databaseUp    = prometheus.NewDesc("remora_database_up", "1 while the database answers this process, else 0.", nil, nil)
	oldestPending = prometheus.NewDesc("remora_dispatcher_oldest_pending_age_seconds", "How long the oldest pending job has waited to be offered to the queue: the dispatcher's lag.", nil, nil)
)
