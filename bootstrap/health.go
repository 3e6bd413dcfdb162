package bootstrap

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/heysubinoy/remora/adapters/front"
	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
)

// healthTimeout bounds what a supervisor waits for.
const healthTimeout = 5 * time.Second

// queueHealth asks the queue of the settings whether it works, as those that use it do.
func queueHealth(ctx context.Context) error {
	cfg, err := Load(os.Getenv)
	if err != nil {
		return err
	}
	s, err := cfg.queueSecrets(Named)
	if err != nil {
		return err
	}
	log := NewLogger(cfg, os.Stderr)
	q := netqueue.NewClient(netqueue.ClientConfig{Addr: cfg.NetQueueAddr, Queue: cfg.QueueName, Token: s.QueueToken, TLS: s.QueueTLS, Logger: log})
	defer q.Close()
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return q.Ping(ctx)
}

// workerHealth looks whether a worker of this machine holds its lease.
func workerHealth(ctx context.Context) error {
	cfg, err := Load(os.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	store, err := sqlstore.Open(ctx, cfg.DatabaseURL.Reveal())
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // nothing was written
	workers, err := store.Workers().List(ctx)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(workers, func(w domain.Worker) bool { return w.Hostname == host }) {
		return nil
	}
	return &domain.Error{
		Kind: domain.KindUnavailable, Code: "worker_away",
		Message: fmt.Sprintf("no worker of %s holds its lease: it is not running, or it does not reach the database", host),
	}
}

// web runs the web server before the API at an address.
func web(ctx context.Context, api string) error {
	cfg, err := Load(os.Getenv)
	if err != nil {
		return err
	}
	log := NewLogger(cfg, os.Stderr).With("part", "web")
	s, err := front.Open(front.Config{Addr: cfg.ServerAddr, API: api, Logger: log})
	if err != nil {
		return err
	}
	log.Info("the web server listens", "address", s.URL(), "api", api)
	return s.Run(ctx)
}
