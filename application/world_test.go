package application_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// world is a whole installation in memory, inside a synctest bubble: its time passes only when everybody waits.
type world struct {
	t        *testing.T
	store    *memory.Store
	queue    *queue
	signals  *memory.Signals
	machines *memory.Executor
	vault    *vault
	entropy  *entropy
	database *faults // of the API's side: people's requests, dispatcher and sweeper
	jobs     *application.Jobs
	servers  *application.Servers
	output   *application.Output
	retry    *domain.Retry // of submitted jobs; nil = default
	timeout  time.Duration // of submitted jobs; 0 = default
	running  []func()
}

// inWorld runs a test in a fresh world with a dispatcher and a sweeper.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	inQuietWorld(t, func(t *testing.T, w *world) {
		w.dispatch()
		w.sweep()
		test(t, w)
	})
}

// inQuietWorld runs a test in a fresh world where nothing happens by itself.
func inQuietWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		test(t, w)
	})
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, store: memory.NewStore(time.Now), queue: newQueue(), signals: memory.NewSignals(), machines: memory.NewExecutor(),
		vault: newVault(t), entropy: &entropy{}, database: &faults{},
	}
	db := w.through(w.database)
	w.servers = w.serversOver(db)
	w.jobs = &application.Jobs{
		Repository: db.jobs, Servers: db.servers, Output: db.output, Signals: w.signals, Clock: system.Clock{}, Entropy: w.entropy,
		Rules: application.Rules{DefaultTimeout: 5 * time.Minute, AllowedShells: []string{"/bin/bash", "/bin/sh"}},
	}
	w.output = &application.Output{Jobs: db.jobs, Store: db.output, Signals: w.signals}
	return w
}

func (w *world) serversOver(db storage) *application.Servers {
	return &application.Servers{
		Repository: db.servers, Vault: w.vault, Keys: keys{}, Stored: w.store.Keys(), Checks: w.store.Checks(), Prober: w.machines, Signals: w.signals, Clock: system.Clock{}, Entropy: w.entropy,
	}
}

// close ends everything; programs first, so that nobody waits for them.
func (w *world) close() {
	w.machines.Close()
	for _, stop := range w.running {
		stop()
	}
}

// start runs something until the returned function is called, which waits for its end.
func (w *world) start(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel(errors.New("the test stops it"))
		require.NoError(w.t, <-done)
	})
	w.running = append(w.running, stop)
	return stop
}

func (w *world) dispatch() (stop func()) {
	d := &application.Dispatcher{
		Backlog: w.through(w.database).backlog, Queue: w.queue, Name: "jobs", Signals: w.signals, Clock: system.Clock{}, Log: quiet(),
	}
	return w.start(d.Run)
}

func (w *world) sweep() (stop func()) {
	s := &application.Sweeper{Backlog: w.through(w.database).backlog, Signals: w.signals, Clock: system.Clock{}, Log: quiet()}
	return w.start(s.Run)
}

// worker is a running worker with its own way to the database.
type worker struct {
	database *faults
	stop     func()
}

// work starts a worker. change may change it before.
func (w *world) work(change ...func(*application.Worker)) worker {
	own := &faults{}
	return worker{database: own, stop: w.workOver(own, change...)}
}

// workOver starts a worker that reaches the database as the faults say.
func (w *world) workOver(own *faults, change ...func(*application.Worker)) (stop func()) {
	db := w.through(own)
	it := &application.Worker{
		Jobs: db.jobs, Output: db.output, Workers: db.workers, Servers: w.serversOver(db), Queue: w.queue, Signals: w.signals,
		Executor: w.machines, Clock: system.Clock{}, Entropy: w.entropy, Log: quiet(), Hostname: "worker-1", PID: 4711,
		Settings: application.WorkerSettings{
			Concurrency: 50, FlushInterval: 100 * time.Millisecond, FlushBytes: 64 << 10, MaxOutput: 1 << 30, KillGrace: domain.KillGrace,
		},
	}
	for _, c := range change {
		c(it)
	}
	return w.start(it.Run)
}

// server stores an active server with a confirmed key.
func (w *world) server(change ...func(*ports.NewServer)) domain.Server {
	w.t.Helper()
	n := newServer(change...)
	s, err := w.servers.Create(context.Background(), n)
	require.NoError(w.t, err)
	return s
}

func newServer(change ...func(*ports.NewServer)) ports.NewServer {
	n := ports.NewServer{
		Name: "web-1", Hostname: "web-1.example.org", User: "deploy", Auth: domain.AuthPassword, HostKey: memory.MemoryHostKey,
		Credential: domain.Credential{Password: domain.NewSecret("correct horse")},
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

// submit asks for a job that does what program says.
func (w *world) submit(server domain.Server, program memory.Program) domain.JobID {
	w.t.Helper()
	line := fmt.Sprintf("program-%d", w.entropy.count())
	w.machines.On(line, program)
	d, err := w.jobs.Submit(context.Background(), ports.Submission{ServerID: server.ID, Command: line, Retry: w.retry, Timeout: w.timeout})
	require.NoError(w.t, err)
	return d.Job.ID
}

// add stores a job in a state, as if it had come there.
func (w *world) add(to fixture.State, opts ...fixture.Option) *domain.Job {
	w.t.Helper()
	j := fixture.Job(w.t, to, opts...)
	_, err := w.store.Jobs().Add(context.Background(), ports.Idempotency{}, j)
	require.NoError(w.t, err)
	return j
}

// job reads a job as it is stored.
func (w *world) job(id domain.JobID) *domain.Job {
	w.t.Helper()
	j, err := w.store.Jobs().Get(context.Background(), id)
	require.NoError(w.t, err)
	return j
}

// pass lets time pass, and everybody do what there is to do then.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// patience is how long a fact may take to come true.
const patience = 30 * time.Minute

// await waits until a job is as wanted.
func (w *world) await(id domain.JobID, wanted string, as func(*domain.Job) bool) *domain.Job {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < patience; {
		synctest.Wait()
		if j := w.job(id); as(j) {
			return j
		}
		<-time.After(20 * time.Millisecond)
	}
	j := w.job(id)
	require.FailNow(w.t, "the job never became "+wanted, "it is %s, reason %q, message %q, attempt %d, worker %q", j.State(), j.Reason, j.Message, j.Attempt, j.Worker)
	return nil
}

// final waits for a job's end, and proves what is true of every end.
func (w *world) final(id domain.JobID) *domain.Job {
	w.t.Helper()
	j := w.await(id, "final", func(j *domain.Job) bool { return j.Status.Final() })
	w.provesOnce(id)
	return j
}

// provesOnce proves that no attempt was started twice, and that an attempt after another one was allowed to be.
func (w *world) provesOnce(id domain.JobID) {
	w.t.Helper()
	seen := map[domain.AttemptID]bool{}
	for _, a := range w.machines.Starts() {
		require.False(w.t, seen[a], "attempt %s was started twice", a)
		seen[a] = true
	}
}

func (w *world) executing(id domain.JobID) *domain.Job {
	w.t.Helper()
	return w.await(id, "executing", func(j *domain.Job) bool { return j.Phase == domain.PhaseExecuting })
}

// starts counts the attempts of a job that were really started.
func (w *world) starts(id domain.JobID) (n int) {
	for _, a := range w.machines.Starts() {
		if a.Job == id {
			n++
		}
	}
	return n
}

// printed is what is stored of a job's streams; it proves that the chunks tell the same.
func (w *world) printed(id domain.JobID) (stdout, stderr string) {
	w.t.Helper()
	j := w.job(id)
	var texts [3]strings.Builder
	var after domain.Seq
	for {
		page, err := w.output.Chunks(context.Background(), id, after, 100, 0)
		require.NoError(w.t, err)
		for _, c := range page.Chunks {
			require.Equal(w.t, after+1, c.Seq)
			after = c.Seq
			if c.Attempt == j.Attempt {
				require.Equal(w.t, int64(texts[c.Stream].Len()), c.Offset)
				texts[c.Stream].Write(c.Data)
			}
		}
		if len(page.Chunks) == 0 {
			break
		}
	}
	stdout, stderr = texts[domain.Stdout].String(), texts[domain.Stderr].String()
	require.Equal(w.t, j.Output, domain.Offsets{Stdout: int64(len(stdout)), Stderr: int64(len(stderr))})
	require.Equal(w.t, j.LastSeq, after)
	return stdout, stderr
}

func (w *world) cancel(id domain.JobID) ports.JobDetail {
	w.t.Helper()
	d, err := w.jobs.Cancel(context.Background(), id)
	require.NoError(w.t, err)
	return d
}

// counts is a program that prints n counted lines, one every gap, and the text that it prints in all.
func counts(n int, gap time.Duration) (memory.Program, string) {
	var steps []memory.Step
	var all strings.Builder
	for i := range n {
		line := fmt.Sprintf("line %d — größer\n", i+1)
		all.WriteString(line)
		steps = append(steps, memory.Prints(domain.Stdout, line), memory.Sleeps(gap))
	}
	return memory.Sequence(steps...), all.String()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
