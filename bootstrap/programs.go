package bootstrap

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"

	"github.com/heysubinoy/remora/adapters/metrics"
	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Secrets are what a program needs to know and nobody else may.
type Secrets struct {
	Vault      *vault.Vault
	QueueToken domain.Secret
	QueueTLS   *tls.Config
	Session    domain.Secret // of the API alone
}

// Program is one of Remora's programs, put together and listening.
type Program struct {
	lifecycle
	url    string
	meters *metrics.Meters
}

func newProgram() *Program { return &Program{meters: metrics.New(Version)} }

// URL is where its API listens; empty for programs without one.
func (p *Program) URL() string { return p.url }

// Run runs the program until ctx is done. A clean stop returns nil.
func (p *Program) Run(ctx context.Context) error { return p.run(ctx) }

// foundation is what every program but the queue stands on.
type foundation struct {
	store    *sqlstore.Store
	queue    queueClient
	executor *sshexec.Executor
	servers  *application.Servers
	keys     *application.Keys
	clock    system.Clock
	entropy  system.Entropy
	meters   *metrics.Meters
}

// NewQueue puts the queue broker together. It listens when it returns.
func NewQueue(cfg Config, s Secrets, log *slog.Logger) (*Program, error) {
	if !cfg.QueueURL.Empty() {
		return nil, errNoNetQueue
	}
	p := newProgram()
	err := p.addSideListeners(cfg, log)
	if err == nil {
		err = p.addQueue(cfg, s, log)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// NewAPI puts the API server together, with a dispatcher and a sweeper. It listens when it returns.
func NewAPI(ctx context.Context, cfg Config, s Secrets, log *slog.Logger) (*API, error) {
	p := &API{Program: *newProgram()}
	f, err := p.lay(ctx, cfg, s, log)
	if err == nil {
		err = p.addProfiles(cfg, log)
	}
	if err == nil {
		err = p.addAPI(ctx, cfg, s, f, log)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.addCaretakers(cfg, f, log)
	return p, nil
}

// NewWorker puts a worker together, with a dispatcher and a sweeper.
func NewWorker(ctx context.Context, cfg Config, s Secrets, log *slog.Logger) (*Program, error) {
	p := newProgram()
	f, err := p.lay(ctx, cfg, s, log)
	if err == nil {
		err = p.addSideListeners(cfg, log)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.addCaretakers(cfg, f, log)
	p.addWorker(cfg, f, log)
	return p, nil
}

// lay opens what the others stand on.
func (p *Program) lay(ctx context.Context, cfg Config, s Secrets, log *slog.Logger) (*foundation, error) {
	store, err := sqlstore.Open(ctx, cfg.DatabaseURL.Reveal())
	if err != nil {
		return nil, err
	}
	p.closes("database", store.Close)
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := checkMasterKey(ctx, cfg, store.MasterKeyCheck(), s.Vault); err != nil {
		return nil, err
	}
	queue, level, err := openQueue(cfg, s, log)
	if err != nil {
		return nil, err
	}
	p.closes("queue client", func() error {
		queue.Close()
		return nil
	})
	executor := sshexec.New(sshexec.Config{ConnectTimeout: cfg.SSHConnectionTimeout, Logger: log.With("part", "ssh")})
	p.closes("ssh", executor.Close)
	f := &foundation{store: store, queue: queue, executor: executor, meters: p.meters}
	f.watch(level)
	f.servers = &application.Servers{
		Repository: store.Servers(), Vault: s.Vault, Keys: sshexec.KeyReader{}, Stored: store.Keys(), Checks: store.Checks(),
		Prober: executor, Signals: queue, Clock: f.clock, Entropy: f.entropy,
	}
	f.keys = &application.Keys{Repository: store.Keys(), Vault: s.Vault, Reader: sshexec.KeyReader{}, Clock: f.clock}
	return f, nil
}

func (p *Program) addQueue(cfg Config, s Secrets, log *slog.Logger) error {
	server, err := netqueue.Open(netqueue.ServerConfig{
		Addr: cfg.NetQueueAddr, Dir: cfg.NetQueueDir, Token: s.QueueToken, TLS: s.QueueTLS, Logger: log.With("part", "queue"),
	})
	if err != nil {
		return err
	}
	watchBroker(p.meters, server)
	p.runs("queue", server.Run)
	return nil
}

func (f *foundation) jobs(cfg Config, log *slog.Logger) *application.Jobs {
	return &application.Jobs{
		Repository: f.meters.Jobs(f.store.Jobs()), Servers: f.store.Servers(), Output: f.store.Output(), Signals: f.queue,
		Clock: f.clock, Entropy: f.entropy, Log: log.With("part", "jobs"),
		Rules: application.Rules{DefaultTimeout: cfg.SSHExecutionTimeout, AllowedShells: cfg.AllowedShells},
	}
}

func (f *foundation) system() ports.System {
	return &application.System{
		Database: f.store, Queue: f.queue, Totals: f.store.Totals(), Workers: f.store.Workers(), Clock: f.clock,
		Started: f.clock.Now(), Version: Version, Kind: f.store.Kind(),
	}
}

func (f *foundation) output() ports.Output {
	return f.meters.Output(&application.Output{Jobs: f.store.Jobs(), Store: f.store.Output(), Signals: f.queue})
}

func (p *Program) addCaretakers(cfg Config, f *foundation, log *slog.Logger) {
	p.runs("dispatcher", (&application.Dispatcher{
		Backlog: f.meters.Backlog(f.store.Backlog()), Queue: f.meters.Enqueuer(f.queue), Name: cfg.QueueName, Signals: f.queue, Clock: f.clock,
		Log: log.With("part", "dispatcher"),
	}).Run)
	p.runs("sweeper", (&application.Sweeper{
		Backlog: f.meters.Backlog(f.store.Backlog()), Signals: f.queue, Clock: f.clock, Log: log.With("part", "sweeper"),
	}).Run)
}

func (p *Program) addWorker(cfg Config, f *foundation, log *slog.Logger) {
	hostname, _ := os.Hostname()
	p.runs("worker", (&application.Worker{
		Jobs: f.meters.Jobs(f.store.Jobs()), Output: f.meters.OutputStore(f.store.Output()), Workers: f.meters.Workers(f.store.Workers()),
		Servers: f.servers, Queue: f.meters.Dequeuer(f.queue), Signals: f.queue, Executor: f.meters.Executor(f.executor),
		Clock: f.clock, Entropy: f.entropy, Log: log.With("part", "worker"), Hostname: hostname, PID: os.Getpid(),
		Settings: application.WorkerSettings{
			Concurrency: cfg.WorkerConcurrency, FlushInterval: cfg.OutputFlushInterval, FlushBytes: cfg.OutputFlushBytes,
			MaxOutput: cfg.MaxOutputSize, KillGrace: domain.KillGrace,
		},
	}).Run)
}
