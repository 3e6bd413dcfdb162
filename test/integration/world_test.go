// Package integration runs the application with real adapters joined in one process, without a program around them.
package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// deadHost is the name of a server that refuses connections.
const deadHost = "dead.example.org"

// world is a whole installation over memory, its worker held back until a test says Begin.
type world struct {
	store   *memory.Store
	queue   *memory.Queue
	jobs    *application.Jobs
	output  *application.Output
	servers *application.Servers
	keys    *application.Keys
	gate    *gate
	machine *machines
}

func newWorld(t *testing.T) *world {
	v, err := vault.New([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	signals, clock, entropy := memory.NewSignals(), system.Clock{}, system.Entropy{}
	w := &world{
		store: memory.NewStore(time.Now), queue: memory.NewQueue(time.Now),
		machine: &machines{Executor: memory.NewExecutor(), begun: make(chan *running, 100)},
	}
	w.gate = &gate{Queue: w.queue, permits: make(chan struct{}, 100)}
	w.servers = &application.Servers{
		Repository: w.store.Servers(), Vault: v, Keys: sshexec.KeyReader{}, Stored: w.store.Keys(), Checks: w.store.Checks(),
		Prober: w.machine, Signals: signals, Clock: clock, Entropy: entropy,
	}
	w.keys = &application.Keys{Repository: w.store.Keys(), Vault: v, Reader: sshexec.KeyReader{}, Clock: clock}
	w.jobs = &application.Jobs{
		Repository: w.store.Jobs(), Servers: w.store.Servers(), Output: w.store.Output(), Signals: signals, Clock: clock, Entropy: entropy,
		Rules: application.Rules{DefaultTimeout: 5 * time.Minute, AllowedShells: []string{"/bin/bash", "/bin/sh"}},
	}
	w.output = &application.Output{Jobs: w.store.Jobs(), Store: w.store.Output(), Signals: signals}
	log := slog.New(slog.DiscardHandler)
	w.start(t, (&application.Dispatcher{
		Backlog: w.store.Backlog(), Queue: w.queue, Name: "jobs", Signals: signals, Clock: clock, Log: log,
	}).Run)
	w.start(t, (&application.Sweeper{Backlog: w.store.Backlog(), Signals: signals, Clock: clock, Log: log}).Run)
	w.start(t, (&application.Worker{
		Jobs: w.store.Jobs(), Output: w.store.Output(), Workers: w.store.Workers(), Servers: w.servers, Queue: w.gate, Signals: signals,
		Executor: w.machine, Clock: clock, Entropy: entropy, Log: log, Hostname: "worker-1", PID: 4711,
		Settings: application.WorkerSettings{
			Concurrency: 10, FlushInterval: 5 * time.Millisecond, FlushBytes: 64 << 10, MaxOutput: 1 << 30, KillGrace: domain.KillGrace,
		},
	}).Run)
	t.Cleanup(w.machine.Close) // first of all, so that nobody waits for a command
	return w
}

// start runs something until the test ends, which waits for its end.
func (w *world) start(t *testing.T, run func(context.Context) error) {
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop(errors.New("the test is over"))
		require.NoError(t, <-done)
	})
}

// services are the world's driving ports.
func (w *world) services() contract.Services {
	good := ports.NewServer{
		Name: "good", Hostname: "good.example.org", User: "deploy", Auth: domain.AuthPassword, HostKey: memory.MemoryHostKey,
		Credential: domain.Credential{Password: domain.NewSecret("correct horse")},
	}
	dead := good
	dead.Name, dead.Hostname = "dead", deadHost
	return contract.Services{
		Jobs: w.jobs, Batches: &application.Batches{Jobs: w.jobs, Repository: w.store.Batches()}, Output: w.output, Servers: w.servers,
		Access: w.servers, Keys: w.keys, Begin: w.begin, Good: good, Dead: dead,
		System: &application.System{
			Database: w.store, Queue: w.queue, Totals: w.store.Totals(), Workers: w.store.Workers(), Clock: system.Clock{},
			Started: system.Clock{}.Now(), Version: "1.2.3", Kind: "sqlite",
		},
	}
}

// begin lets the worker take one ticket, which is to be that of a job which is still queued.
func (w *world) begin(t *testing.T) contract.Running {
	t.Helper()
	w.gate.permits <- struct{}{}
	select {
	case r := <-w.machine.begun:
		r.world = w
		r.until(t, "executing", func(j *domain.Job) bool { return j.Phase == domain.PhaseExecuting })
		return r
	case <-time.After(wait.Patience):
		t.Fatal("no command was started")
		return nil
	}
}

// gate is the queue, out of which a ticket comes for every permit.
type gate struct {
	*memory.Queue
	permits chan struct{}
}

// Reserve implements ports.Dequeuer.
func (g *gate) Reserve(ctx context.Context, _ int, lease time.Duration) ([]domain.Delivery, error) {
	select {
	case <-g.permits:
	case <-ctx.Done():
		return nil, domain.ErrCanceled.Because(context.Cause(ctx))
	}
	return g.Queue.Reserve(ctx, 1, lease)
}

// machines are servers in memory whose commands do what the test says.
type machines struct {
	*memory.Executor
	begun chan *running
}

// Start implements ports.Executor.
func (m *machines) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	m.On(c.Text(), func(p *memory.Process) domain.Exit {
		r := &running{process: p, exit: make(chan domain.Exit, 1)}
		m.begun <- r
		select {
		case e := <-r.exit:
			return e
		case <-p.Killed():
			return domain.Exit{}
		}
	})
	return m.Executor.Start(ctx, t, id, c, sink)
}

// Probe implements ports.Prober.
func (m *machines) Probe(ctx context.Context, t ports.Target, pin bool) ports.TestReport {
	m.Unreachable(t.Server.ID, t.Server.Hostname == deadHost)
	return m.Executor.Probe(ctx, t, pin)
}

// Check implements ports.Prober.
func (m *machines) Check(ctx context.Context, t ports.Target) ports.TestReport {
	m.Unreachable(t.Server.ID, t.Server.Hostname == deadHost)
	return m.Executor.Check(ctx, t)
}

// running is a command in the test's hands.
type running struct {
	world   *world
	process *memory.Process
	exit    chan domain.Exit
	mu      sync.Mutex
	printed domain.Offsets
}

// Job implements contract.Running.
func (r *running) Job() domain.JobID { return r.process.Attempt().Job }

// Print implements contract.Running.
func (r *running) Print(t *testing.T, s domain.Stream, data []byte) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printed = r.printed.Plus(s, len(data))
	r.process.Print(s, string(data))
	r.until(t, fmt.Sprintf("stored up to %+v", r.printed), func(j *domain.Job) bool { return j.Output == r.printed })
}

// Exit implements contract.Running.
func (r *running) Exit(t *testing.T, e domain.Exit) {
	t.Helper()
	r.exit <- e
	r.until(t, "final", func(j *domain.Job) bool { return j.Status.Final() })
}

// Killed implements contract.Running.
func (r *running) Killed(t *testing.T) {
	t.Helper()
	select {
	case <-r.process.Terminated():
	case <-time.After(wait.Patience):
		t.Fatal("nobody asked for the command's end")
	}
	r.Exit(t, domain.Exit{Code: 143, Signal: "TERM"})
}

func (r *running) until(t *testing.T, what string, as func(*domain.Job) bool) {
	t.Helper()
	wait.Until(t, func() error {
		j, err := r.world.store.Jobs().Get(t.Context(), r.Job())
		if err == nil && !as(j) {
			err = fmt.Errorf("job %s is %s, not %s: %s %s", j.ID, j.State(), what, j.Reason, j.Message)
		}
		return err
	})
}
