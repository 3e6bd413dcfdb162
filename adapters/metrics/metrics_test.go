package metrics_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/metrics"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/fixture"
)

// all returns meters with everything that can be watched, so that every metric there is shows.
func all(t *testing.T) *metrics.Meters {
	t.Helper()
	m := metrics.New("test")
	m.WatchQueue(metrics.QueueSource{
		Level: func(context.Context) (metrics.Level, error) {
			return metrics.Level{Waiting: 3, OldestAge: 1500 * time.Millisecond}, nil
		},
		Connects: func() uint64 { return 2 },
	})
	m.WatchBroker(func() metrics.Broker {
		return metrics.Broker{Level: metrics.Level{Leased: 1}, Put: 7, Acked: 5, Lost: 1, Connections: 4}
	})
	m.WatchPending(func(context.Context) (time.Duration, error) { return 2 * time.Second, nil })
	m.WatchSSH(func() metrics.SSH {
		return metrics.SSH{Connections: 3, Idle: 1, Sessions: 5, Logins: map[string]uint64{"ok": 9, "auth": 1}}
	})
	return m
}

// value reads one sample of a scrape, as name{label="value",…}.
func value(t *testing.T, m *metrics.Meters, sample string) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), sample+" "); ok {
			return rest
		}
	}
	return ""
}

func TestMeters_KeepTheConventions(t *testing.T) {
	m := all(t)
	answered := m.Request("GET", "/api/v1/jobs/:id")
	answered(200, 10)
	problems, err := testutil.GatherAndLint(m.Gatherer())
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := m.Gatherer().Gather()
	require.NoError(t, err)
	ours := 0
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "remora_") {
			ours++
			require.NotEmpty(t, f.GetHelp(), f.GetName())
		} else {
			require.Regexp(t, `^(go|process)_`, f.GetName())
		}
	}
	require.Greater(t, ours, 25)
}

// labels are the words that may tell samples of one metric apart. Each takes its values from a short list of ours: an id, a
// name or a path of a caller would make the number of samples grow without end.
var labels = []string{"method", "route", "code", "status", "reason", "outcome", "operation", "action", "state", "stream", "version", "go_version"}

func TestMeters_LabelsAreBounded(t *testing.T) {
	m := all(t)
	for _, method := range []string{"GET", "BREW", "x1", "x2"} {
		m.Request(method, "")(404, 0)
	}
	families, err := m.Gatherer().Gather()
	require.NoError(t, err)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "remora_") {
			continue
		}
		for _, sample := range f.GetMetric() {
			for _, l := range sample.GetLabel() {
				require.Contains(t, labels, l.GetName(), f.GetName())
			}
		}
	}
	require.Equal(t, "3", value(t, m, `remora_http_requests_total{code="404",method="other",route="none"}`))
	require.Equal(t, "1", value(t, m, `remora_http_requests_total{code="404",method="GET",route="none"}`))
}

func TestMeters_Watched(t *testing.T) {
	m := all(t)
	for sample, want := range map[string]string{
		`remora_queue_up`:                                       "1",
		`remora_queue_tickets{state="waiting"}`:                 "3",
		`remora_queue_oldest_ticket_age_seconds`:                "1.5",
		`remora_queue_connects_total`:                           "2",
		`remora_netqueue_tickets{state="leased"}`:               "1",
		`remora_netqueue_put_tickets_total`:                     "7",
		`remora_netqueue_acked_tickets_total`:                   "5",
		`remora_netqueue_lost_leases_total`:                     "1",
		`remora_netqueue_connections`:                           "4",
		`remora_database_up`:                                    "1",
		`remora_dispatcher_oldest_pending_age_seconds`:          "2",
		`remora_ssh_connections{state="busy"}`:                  "2",
		`remora_ssh_connections{state="idle"}`:                  "1",
		`remora_ssh_sessions`:                                   "5",
		`remora_ssh_dials_total{outcome="ok"}`:                  "9",
		`remora_ssh_dials_total{outcome="auth"}`:                "1",
		`remora_ssh_dials_total{outcome="connect"}`:             "0",
		`remora_jobs_ended_total{reason="",status="completed"}`: "0",
	} {
		require.Equal(t, want, value(t, m, sample), sample)
	}
}

// TestMeters_AwayIsSaid: what cannot be asked is told to be away, and the rest of the scrape is whole.
func TestMeters_AwayIsSaid(t *testing.T) {
	m := metrics.New("test")
	m.WatchQueue(metrics.QueueSource{
		Level:    func(context.Context) (metrics.Level, error) { return metrics.Level{}, domain.ErrQueueUnavailable },
		Connects: func() uint64 { return 1 },
	})
	m.WatchPending(func(context.Context) (time.Duration, error) { return 0, domain.ErrStorageUnavailable })
	require.Equal(t, "0", value(t, m, "remora_queue_up"))
	require.Equal(t, "1", value(t, m, "remora_queue_connects_total"))
	require.Empty(t, value(t, m, `remora_queue_tickets{state="waiting"}`), "nobody knows")
	require.Equal(t, "0", value(t, m, "remora_database_up"))
	require.Empty(t, value(t, m, "remora_dispatcher_oldest_pending_age_seconds"))
}

func TestMeters_Requests(t *testing.T) {
	m := metrics.New("test")
	answered := m.Request("GET", "/api/v1/jobs/:id")
	require.Equal(t, "1", value(t, m, "remora_http_requests_in_flight"))
	answered(503, 120)
	require.Equal(t, "0", value(t, m, "remora_http_requests_in_flight"))
	require.Equal(t, "1", value(t, m, `remora_http_requests_total{code="503",method="GET",route="/api/v1/jobs/:id"}`))
	require.Equal(t, "120", value(t, m, `remora_http_response_bytes_total{route="/api/v1/jobs/:id"}`))
	require.Equal(t, "1", value(t, m, `remora_http_request_duration_seconds_count{method="GET",route="/api/v1/jobs/:id"}`))
}

func TestMeters_Queue(t *testing.T) {
	m := metrics.New("test")
	q := memory.NewQueue(time.Now)
	put, take := m.Enqueuer(q), m.Dequeuer(q)
	ctx := t.Context()
	tickets := []domain.Ticket{{ID: "a", Job: "a", Priority: 5}, {ID: "b", Job: "b", Priority: 5}, {ID: "c", Job: "c", Priority: 5}}
	require.NoError(t, put.Put(ctx, tickets))
	require.Error(t, put.Put(ctx, []domain.Ticket{{ID: "", Priority: 5}}))
	_, err := put.Withdraw(ctx, []string{"c"})
	require.NoError(t, err)
	d, err := take.Reserve(ctx, 2, time.Minute)
	require.NoError(t, err)
	require.NoError(t, take.Extend(ctx, d[0].Receipt, time.Minute))
	require.NoError(t, take.Ack(ctx, d[0].Receipt))
	require.NoError(t, take.Release(ctx, d[1].Receipt, time.Hour))
	require.Error(t, take.Ack(ctx, d[0].Receipt))
	gone, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("the worker stops"))
	_, err = take.Reserve(gone, 1, time.Minute)
	require.Error(t, err)
	for operation, n := range map[string]string{"put": "3", "withdrawn": "1", "taken": "2", "acked": "1", "released": "1", "extended": "1"} {
		require.Equal(t, n, value(t, m, `remora_queue_handled_tickets_total{operation="`+operation+`"}`), operation)
	}
	for call, n := range map[string]string{"put": "1", "ack": "1", "reserve": "0"} {
		require.Equal(t, n, value(t, m, `remora_queue_errors_total{operation="`+call+`"}`), call)
	}
}

// TestMeters_Jobs counts a job through its life, and one that the sweeper ends.
func TestMeters_Jobs(t *testing.T) {
	m := metrics.New("test")
	ctx, s := t.Context(), memory.NewStore(time.Now)
	jobs, backlog := m.Jobs(s.Jobs()), m.Backlog(s.Backlog())
	server := fixture.Server(t)
	require.NoError(t, s.Servers().Add(ctx, server, nil))
	job := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	_, err := jobs.Add(ctx, ports.Idempotency{Key: "k", Fingerprint: "f"}, job)
	require.NoError(t, err)
	repeat := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	earlier, err := jobs.Add(ctx, ports.Idempotency{Key: "k", Fingerprint: "f"}, repeat)
	require.NoError(t, err)
	require.NotNil(t, earlier)
	require.Equal(t, "1", value(t, m, "remora_jobs_submitted_total"), "a repeat is no new job")

	at := job.CreatedAt.Add(2 * time.Second)
	require.NoError(t, job.Claim("w", at))
	require.NoError(t, jobs.Save(ctx, job))
	require.NoError(t, job.Starting(job.Epoch, at))
	require.NoError(t, jobs.Save(ctx, job))
	require.NoError(t, job.Started(job.Epoch, domain.Process{}, at))
	require.NoError(t, jobs.Save(ctx, job))
	stale := *job
	require.NoError(t, job.Exited(job.Epoch, domain.Exit{Code: 3}, 0, at.Add(3*time.Second)))
	require.NoError(t, jobs.Save(ctx, job))
	require.NoError(t, stale.Exited(stale.Epoch, domain.Exit{Code: 3}, 0, at.Add(3*time.Second)))
	require.Error(t, jobs.Save(ctx, &stale))

	old := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	_, err = jobs.Add(ctx, ports.Idempotency{}, old)
	require.NoError(t, err)
	tickets, _, err := backlog.Take(ctx, 10, old.CreatedAt)
	require.NoError(t, err)
	require.Len(t, tickets, 1)
	_, err = backlog.Expire(ctx, 10, old.DeadlineAt)
	require.NoError(t, err)
	for sample, want := range map[string]string{
		`remora_jobs_submitted_total`:                                     "2",
		`remora_jobs_ended_total{reason="exit_nonzero",status="failed"}`:  "1",
		`remora_jobs_ended_total{reason="queue_timeout",status="failed"}`: "1",
		`remora_job_duration_seconds_sum{status="failed"}`:                "3",
		`remora_job_duration_seconds_count{status="failed"}`:              "1",
		`remora_job_wait_seconds_sum`:                                     "2",
		`remora_dispatcher_passes_total{outcome="ok"}`:                    "1",
		`remora_dispatcher_offered_jobs_total`:                            "1",
		`remora_sweeper_jobs_total{action="expired"}`:                     "1",
	} {
		require.Equal(t, want, value(t, m, sample), sample)
	}
}

// TestMeters_Work counts what a worker does.
func TestMeters_Work(t *testing.T) {
	m := metrics.New("test")
	ctx, s := t.Context(), memory.NewStore(time.Now)
	workers, output := m.Workers(s.Workers()), m.OutputStore(s.Output())
	w := fixture.Worker(t)
	require.Equal(t, "0", value(t, m, "remora_worker_lease_renewed_timestamp_seconds"))
	require.NoError(t, workers.Register(ctx, w, time.Minute))
	_, err := workers.Renew(ctx, w.ID, time.Minute)
	require.NoError(t, err)
	_, err = workers.Renew(ctx, "another", time.Minute)
	require.Error(t, err)

	server := fixture.Server(t)
	require.NoError(t, s.Servers().Add(ctx, server, nil))
	job := fixture.Job(t, fixture.Running, fixture.On(server.ID))
	_, err = s.Jobs().Add(ctx, ports.Idempotency{}, job)
	require.NoError(t, err)
	a := ports.Append{Job: job.ID, Attempt: job.Attempt, Epoch: job.Epoch, At: time.Now(), Pieces: []ports.Piece{
		{Stream: domain.Stdout, Data: []byte("12345")}, {Stream: domain.Stderr, Data: []byte("12")}, {Stream: domain.Stdout, Data: []byte("1")},
	}}
	_, err = output.Append(ctx, a)
	require.NoError(t, err)
	_, err = output.Append(ctx, a) // these offsets are stored
	require.Error(t, err)

	e := m.Executor(stuck{func() { require.Equal(t, "1", value(t, m, "remora_jobs_running")) }})
	_, _ = e.Start(ctx, ports.Target{}, job.AttemptID(), job.Command, nil)
	_, _ = e.Attach(ctx, ports.Target{}, job.AttemptID(), nil, domain.Offsets{}, nil)
	for range 3 {
		_, _ = e.Kill(ctx, ports.Target{}, domain.AttemptID{}, 0)
	}
	o := m.Output(nobody{func() { require.Equal(t, "1", value(t, m, "remora_output_followers")) }})
	require.NoError(t, o.Follow(ctx, job.ID, 0, nil))
	for sample, want := range map[string]string{
		`remora_worker_lease_renewals_total{outcome="ok"}`:             "1",
		`remora_worker_lease_renewals_total{outcome="failed"}`:         "1",
		`remora_output_bytes_total{stream="stdout"}`:                   "6",
		`remora_output_bytes_total{stream="stderr"}`:                   "2",
		`remora_output_flush_duration_seconds_count{outcome="ok"}`:     "1",
		`remora_output_flush_duration_seconds_count{outcome="failed"}`: "1",
		`remora_jobs_running`:                                          "0",
		`remora_job_kills_total{outcome="failed"}`:                     "3",
		`remora_output_followers`:                                      "0",
	} {
		require.Equal(t, want, value(t, m, sample), sample)
	}
	require.NotEqual(t, "0", value(t, m, "remora_worker_lease_renewed_timestamp_seconds"))
}

// stuck is an executor that reaches no server; during calls what it is asked to look at.
type stuck struct{ during func() }

func (e stuck) Start(context.Context, ports.Target, domain.AttemptID, domain.Command, ports.Sink) (domain.Exit, error) {
	e.during()
	return domain.Exit{}, ports.ErrCut
}

func (e stuck) Attach(context.Context, ports.Target, domain.AttemptID, *domain.Process, domain.Offsets, ports.Sink) (domain.Exit, error) {
	e.during()
	return domain.Exit{}, ports.ErrCut
}

func (e stuck) Kill(context.Context, ports.Target, domain.AttemptID, time.Duration) (domain.Receipt, error) {
	return domain.Receipt{}, ports.ErrCut
}

func (e stuck) Remove(context.Context, ports.Target, ...domain.AttemptID) error { return nil }

// nobody prints nothing.
type nobody struct{ during func() }

func (o nobody) Chunks(context.Context, domain.JobID, domain.Seq, int, time.Duration) (ports.OutputPage, error) {
	return ports.OutputPage{}, nil
}

func (o nobody) Open(context.Context, domain.JobID, domain.Stream, int64, int64) (io.ReadCloser, int64, error) {
	return nil, 0, nil
}

func (o nobody) Follow(context.Context, domain.JobID, domain.Seq, func(ports.JobEvent) error) error {
	o.during()
	return nil
}

// TestMeters_ChangeNothing: wrapped, queue and stores keep their contracts.
func TestMeters_ChangeNothing(t *testing.T) {
	t.Run("Queue", func(t *testing.T) {
		contract.Queue(t, func(*testing.T) (ports.Enqueuer, ports.Dequeuer) {
			m, q := metrics.New("test"), memory.NewQueue(time.Now)
			return m.Enqueuer(q), m.Dequeuer(q)
		}, contract.QueueTraits{})
	})
	contract.Store(t, func(*testing.T) contract.Storage {
		m, s := metrics.New("test"), memory.NewStore(time.Now)
		return contract.Storage{
			Jobs: m.Jobs(s.Jobs()), Batches: m.Batches(s.Batches()), Backlog: m.Backlog(s.Backlog()), Workers: m.Workers(s.Workers()), Output: m.OutputStore(s.Output()),
			Servers: s.Servers(), Tokens: s.Tokens(), Passes: s.Passes(),
			Keys: s.Keys(), Checks: s.Checks(), MasterKey: s.MasterKeyCheck(), Totals: s.Totals(),
		}
	})
}
