package bootstrap

import (
	"context"
	"errors"
	"log/slog"

	"github.com/heysubinoy/remora/adapters/jetstream"
	"github.com/heysubinoy/remora/adapters/metrics"
	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// queueClient is the queue as the programs use it, whatever stands behind it.
type queueClient interface {
	ports.Enqueuer
	ports.Dequeuer
	ports.Signals
	ports.Pinger
	Connects() uint64
	Close()
}

// openQueue returns the client of the queue that the settings name, and what tells how full it is.
func openQueue(cfg Config, s Secrets, log *slog.Logger) (queueClient, metrics.QueueSource, error) {
	log = log.With("part", "queue-client")
	if cfg.QueueURL.Empty() {
		c := netqueue.NewClient(netqueue.ClientConfig{
			Addr: cfg.NetQueueAddr, Queue: cfg.QueueName, Token: s.QueueToken, TLS: s.QueueTLS, Logger: log,
		})
		return c, metrics.QueueSource{Connects: c.Connects, Level: func(ctx context.Context) (metrics.Level, error) {
			s, err := c.Stats(ctx)
			return levelOf(s), err
		}}, nil
	}
	url, err := jetstream.ParseURL(cfg.QueueURL.Reveal())
	if err != nil {
		return nil, metrics.QueueSource{}, err
	}
	c, err := jetstream.NewClient(jetstream.Config{URL: url, Queue: cfg.QueueName, Logger: log})
	if err != nil {
		return nil, metrics.QueueSource{}, err
	}
	return c, metrics.QueueSource{Connects: c.Connects, Level: func(ctx context.Context) (metrics.Level, error) {
		s, err := c.Stats(ctx)
		return metrics.Level{Waiting: s.Waiting, Leased: s.Leased, OldestAge: s.OldestAge}, err
	}}, nil
}

var errNoNetQueue = settingsInvalid(errors.New(
	"QUEUE_URL: NetQueue is not used where it is set; run the queue that it names, or remove it"))

// queueURL returns QUEUE_URL, checked. With it, settings of NetQueue that were changed are a mistake: nothing reads them.
func (r *reader) queueURL() domain.Secret {
	u := r.secret("QUEUE_URL")
	if u.Empty() {
		return u
	}
	if _, err := jetstream.ParseURL(u.Reveal()); err != nil {
		r.hidden("QUEUE_URL", err.Error())
	}
	return u
}

// noNetQueue refuses settings of NetQueue that are changed beside QUEUE_URL.
func (r *reader) noNetQueue(defaults map[string]string) {
	for _, name := range []string{
		"NETQUEUE_ADDR", "NETQUEUE_DIR", "NETQUEUE_TOKEN_FILE", "NETQUEUE_TLS_CERT", "NETQUEUE_TLS_KEY", "NETQUEUE_TLS_CA",
	} {
		if v := r.peek(name); v != "" && v != defaults[name] {
			r.mistake(name, v, "QUEUE_URL is set and takes NetQueue's place; remove one of them")
		}
	}
}
