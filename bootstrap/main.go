package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli"
	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

// Main runs one of the programs (remora, remora-api, remora-worker, remora-queue, remora-client) and returns its exit code.
func Main(program string, args []string) int {
	ctx := context.Background() // the command line listens for signals itself: a second one leaves at once
	cfg := cliConfig()
	switch program {
	case "remora-client":
		return cli.ClientMain(ctx, cfg, args)
	case "remora-api", "remora-worker", "remora-queue":
		return cli.ServiceMain(ctx, cfg, program[len("remora-"):], args)
	}
	return cli.Main(ctx, cfg, args)
}

func cliConfig() cli.Config {
	return cli.Config{
		Version: Version, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Connect: connect,
		Up:      up,
		API: func(ctx context.Context) error {
			return apart(ctx, func(ctx context.Context, cfg Config, log *slog.Logger) (*Program, error) {
				s, err := cfg.apiSecrets(Named)
				if err != nil {
					return nil, err
				}
				p, err := NewAPI(ctx, cfg, s, log)
				if err != nil {
					return nil, err
				}
				return &p.Program, p.announceFirst(ctx)
			})
		},
		Worker: func(ctx context.Context) error {
			return apart(ctx, func(ctx context.Context, cfg Config, log *slog.Logger) (*Program, error) {
				s, err := cfg.secrets(Named)
				if err != nil {
					return nil, err
				}
				return NewWorker(ctx, cfg, s, log)
			})
		},
		Queue: func(ctx context.Context) error {
			return apart(ctx, func(_ context.Context, cfg Config, log *slog.Logger) (*Program, error) {
				s, err := cfg.queueSecrets(Named)
				if err != nil {
					return nil, err
				}
				return NewQueue(cfg, s, log)
			})
		},
		Web: web, QueueHealth: queueHealth, WorkerHealth: workerHealth,
		RepairQueue: repairQueue,
		Settings:    settings,
		Backup:      loaded(Backup),
		Restore:     loaded(Restore),
	}
}

func settings() ([]cli.Setting, error) {
	cfg, err := Load(os.Getenv)
	if err != nil {
		return nil, err
	}
	var all []cli.Setting
	for _, s := range cfg.Settings() {
		all = append(all, cli.Setting{Name: s.Name, Value: s.Value, Source: string(s.Source)})
	}
	return all, nil
}

func connect(_ context.Context, url string, token domain.Secret, reach func(error)) (cli.Services, error) {
	c, err := client.New(client.Config{URL: url, Token: token, UserAgent: "remora/" + Version, Reach: reach})
	if err != nil {
		return cli.Services{}, err
	}
	return cli.Services{Jobs: c.Jobs, Batches: c.Batches, Output: c.Output, Servers: c.Servers, Access: c.Access, Keys: c.Keys, System: c.System, Tokens: c.Tokens, Account: c.Account}, nil
}

// apart runs one service as a process of its own, until ctx is done.
func apart(ctx context.Context, put func(context.Context, Config, *slog.Logger) (*Program, error)) error {
	cfg, err := Load(os.Getenv)
	if err != nil {
		return err
	}
	log := NewLogger(cfg, os.Stderr)
	p, err := put(ctx, cfg, log)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// up runs everything in one process, until ctx is done.
func up(ctx context.Context, o cli.UpOptions) error {
	cfg, err := Load(os.Getenv)
	if err != nil {
		return err
	}
	if o.Demo && !cfg.logLevelGiven {
		cfg.LogLevel = slog.LevelWarn // the visitor came to see the job
	}
	log := NewLogger(cfg, os.Stderr)
	s, err := cfg.apiSecrets(Made)
	if err != nil {
		return err
	}
	p, err := NewAllInOne(ctx, cfg, s, log)
	if err != nil {
		return err
	}
	if o.Demo {
		if err := p.addDemo(ctx, cfg, log); err != nil {
			p.close()
			return err
		}
	} else if err := p.announce(ctx, cfg); err != nil {
		p.close()
		return err
	}
	return p.Run(ctx)
}

// NewAllInOne puts queue, API and worker together in one process. Queue and API listen when it returns.
func NewAllInOne(ctx context.Context, cfg Config, s Secrets, log *slog.Logger) (*AllInOne, error) {
	p := &AllInOne{API: API{Program: *newProgram()}}
	err := p.addProfiles(cfg, log)
	if err == nil && cfg.QueueURL.Empty() {
		err = p.addQueue(cfg, s, log)
	}
	var f *foundation
	if err == nil {
		f, err = p.lay(ctx, cfg, s, log)
	}
	if err == nil {
		err = p.addAPI(ctx, cfg, s, f, log)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.addCaretakers(cfg, f, log)
	p.addWorker(cfg, f, log)
	p.foundation = f
	return p, nil
}

// AllInOne is everything in one process.
type AllInOne struct {
	API
	*foundation
}

func (p *AllInOne) addDemo(ctx context.Context, cfg Config, log *slog.Logger) error {
	d := &demo{
		jobs: p.foundation.jobs(cfg, log), servers: p.servers, access: p.servers, dir: filepath.Join(cfg.DataDir, "demo"),
		log: log.With("part", "demo"),
	}
	d.first = func(ctx context.Context) error {
		config := cliConfig()
		config.Stdin = strings.NewReader(demoScript)
		token, _, err := cfg.AdminToken()
		if err != nil {
			return err
		}
		config.Getenv = func(name string) string {
			switch name {
			case "REMORA_URL":
				return p.URL()
			case "REMORA_TOKEN":
				return token.Reveal()
			}
			return os.Getenv(name)
		}
		fmt.Fprintf(os.Stderr, "\nThe first job, on three demo servers (as \"remora run --tag %s --script …\" does it):\n\n", demoTag)
		if code := cli.Main(ctx, config, []string{"run", "--tag", demoTag, "--script", "-"}); code != 0 && ctx.Err() == nil {
			return domain.Internal(fmt.Sprintf("the demo's first job ended with exit code %d", code), nil)
		}
		return nil
	}
	d.ready = func() error {
		if err := p.announce(ctx, cfg); err != nil {
			return err
		}
		fmt.Fprint(os.Stderr, "From another terminal:  bin/remora run --all -- uptime\nCtrl-C ends the demo and takes its servers away.\n")
		return nil
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	p.runs("demo", d.run)
	return nil
}

// secrets returns what API and worker need; Made makes what is missing. The error joins all that cannot be had.
func (c Config) secrets(o Origin) (Secrets, error) {
	s, err := c.queueSecrets(o)
	v, noVault := c.Vault(o)
	s.Vault = v
	return s, settingsInvalid(err, noVault)
}

// apiSecrets returns what the API needs too.
func (c Config) apiSecrets(o Origin) (Secrets, error) {
	s, err := c.secrets(o)
	key, noKey := c.SessionKey(o)
	s.Session = key
	return s, settingsInvalid(err, noKey)
}

// queueSecrets returns what the queue needs.
func (c Config) queueSecrets(o Origin) (Secrets, error) {
	if !c.QueueURL.Empty() {
		return Secrets{}, nil // what it takes stands in the URL
	}
	token, noToken := c.QueueToken(o)
	tls, noTLS := c.NetQueueTLS.config()
	return Secrets{QueueToken: token, QueueTLS: tls}, settingsInvalid(noToken, noTLS)
}

func repairQueue(_ context.Context, dir string) (string, error) {
	report, err := netqueue.Repair(dir)
	return report.String(), err
}
