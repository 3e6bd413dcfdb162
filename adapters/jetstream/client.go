package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Config says where the queue is.
type Config struct {
	URL    URL
	Queue  string       // its name: letters, digits, dots, dashes and underscores
	Name   string       // of this client, for the server's log; default: the program's name
	Logger *slog.Logger // nil = silent
}

const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 3 * time.Second // of a call whose context lives longer
	minReconnect   = 50 * time.Millisecond
	pingEvery      = 5 * time.Second // two without an answer and the connection is lost
)

// Client is the queue on JetStream. It keeps itself connected; while the server is away a call fails with
// domain.ErrQueueUnavailable.
type Client struct {
	config   Config
	log      *slog.Logger
	names    names
	nc       *nats.Conn
	js       js.JetStream
	subs     *subscriptions
	ready    *broadcast // a ticket may have become free
	connects atomic.Uint64
	stop     context.Context
	end      context.CancelCauseFunc
	tasks    sync.WaitGroup

	opening sync.Mutex // held by the one who looks for the stream

	mu       sync.Mutex
	resumed  chan struct{} // closed once what was held before a loss was given back; open while it is being
	lost     chan struct{} // closed when the connection is lost
	opened   *opened       // nil while not known
	leases   map[uint64]*lease
	receipts uint64
	orphans  []*lease // held when the connection was lost
}

var (
	_ ports.Enqueuer = (*Client)(nil)
	_ ports.Dequeuer = (*Client)(nil)
	_ ports.Signals  = (*Client)(nil)
	_ ports.Pinger   = (*Client)(nil)
)

// NewClient returns a client that is connected, or goes on trying. Fails where the URL's files cannot be used.
func NewClient(config Config) (*Client, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Name == "" {
		config.Name = filepath.Base(os.Args[0])
	}
	c := &Client{
		config: config, log: config.Logger.With("url", config.URL.String()), names: namesOf(config.Queue), ready: newBroadcast(),
		leases: map[uint64]*lease{}, receipts: firstReceipt(), lost: make(chan struct{}), resumed: make(chan struct{}),
	}
	close(c.resumed)
	c.subs = newSubscriptions(c)
	c.stop, c.end = context.WithCancelCause(context.Background())
	if err := c.connect(); err != nil {
		c.end(nil)
		return nil, domain.Invalid("queue_url", "the queue at %s cannot be used: %v", config.URL, err).Because(err)
	}
	c.tasks.Go(c.subs.publish)
	c.tasks.Go(c.keepAlive)
	return c, nil
}

func (c *Client) connect() error {
	made := make(chan struct{}) // the library calls back before it returns
	defer close(made)
	options := append([]nats.Option{
		nats.Name(c.config.Name), nats.Timeout(dialTimeout), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(minReconnect), nats.ReconnectJitter(minReconnect, minReconnect), nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2), nats.NoCallbacksAfterClientClose(),
		nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.ConnectHandler(func(*nats.Conn) { <-made; c.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) { <-made; c.connected() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { <-made; c.disconnected(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.log.Warn("queue connection", "err", err) }),
	}, c.config.URL.options()...)
	var err error
	if c.nc, err = nats.Connect(c.config.URL.servers(), options...); err != nil {
		return err
	}
	c.js, err = js.New(c.nc, js.WithPublishAsyncMaxPending(maxPut), js.WithPublishAsyncTimeout(requestTimeout), js.WithDefaultTimeout(requestTimeout))
	if err == nil {
		_, err = c.nc.Subscribe(c.names.ready, func(*nats.Msg) { c.ready.tell() })
	}
	if err != nil {
		c.nc.Close()
	}
	return err
}

// Close gives back what was handed out and not settled, and ends the connection. Calls that wait, and later ones, fail with
// domain.ErrQueueUnavailable. It is idempotent.
func (c *Client) Close() {
	if c.stop.Err() != nil {
		c.tasks.Wait()
		return
	}
	c.end(nil)
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	if c.nc.IsConnected() {
		c.giveBack(ctx, c.dropLeases())
	}
	c.nc.Close()
	c.tasks.Wait()
}

// Connects returns how often the client has connected: once, and once more after every loss.
func (c *Client) Connects() uint64 { return c.connects.Load() }

// connected gives back what was held before a loss, and then lets callers go on: as after a restart of any queue, what was
// handed out waits again.
func (c *Client) connected() {
	c.connects.Add(1)
	c.mu.Lock()
	orphans, resumed := c.orphans, make(chan struct{})
	c.orphans, c.resumed, c.lost = nil, resumed, make(chan struct{})
	c.mu.Unlock()
	c.log.Info("queue connected", "server", c.nc.ConnectedServerName())
	c.tasks.Go(func() {
		defer close(resumed)
		ctx, cancel := context.WithTimeout(c.stop, requestTimeout)
		defer cancel()
		c.giveBack(ctx, orphans)
		c.subs.gap()
		c.ready.tell()
	})
}

func (c *Client) disconnected(err error) {
	dropped := c.dropLeases()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orphans = append(c.orphans, dropped...)
	c.opened = nil
	select {
	case <-c.lost:
	default:
		close(c.lost)
	}
	if c.stop.Err() == nil {
		c.log.Warn("queue connection lost", "err", err)
	}
}

// usable waits until callers may go on after a connection was made. lost is closed when that connection is lost.
func (c *Client) usable(ctx context.Context) (lost <-chan struct{}, err error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	if c.stop.Err() != nil {
		return nil, domain.ErrQueueUnavailable.Withf("the queue's client is closed")
	}
	if !c.nc.IsConnected() {
		cause := c.nc.LastError()
		if cause == nil {
			cause = nats.ErrDisconnected
		}
		return nil, c.unavailable(cause)
	}
	c.mu.Lock()
	resumed, lost := c.resumed, c.lost
	c.mu.Unlock()
	select {
	case <-resumed:
		return lost, nil
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// bounded gives a call its own time limit where its context has a longer one.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}

// translate says for the caller what an error of the library means.
func (c *Client) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	if _, ok := errors.AsType[*domain.Error](err); ok {
		return err
	}
	return c.unavailable(err)
}

// unavailable says for people why the queue cannot be used.
func (c *Client) unavailable(cause error) error {
	what := "cannot be reached"
	switch {
	case errors.Is(cause, nats.ErrAuthorization), errors.Is(cause, nats.ErrAuthExpired), errors.Is(cause, nats.ErrPermissionViolation):
		what = "refuses us; look at what QUEUE_URL signs in with"
	case errors.Is(cause, js.ErrJetStreamNotEnabled), errors.Is(cause, js.ErrJetStreamNotEnabledForAccount), errors.Is(cause, nats.ErrNoResponders):
		what = "does not answer for JetStream; is it switched on there (nats-server -js)?"
	}
	return domain.ErrQueueUnavailable.Withf("the queue at %s %s", c.config.URL, what).Because(cause)
}

func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return domain.ErrTimeout.Because(context.Cause(ctx))
	}
	return domain.ErrCanceled.Because(context.Cause(ctx))
}

// broadcast wakes everybody who waits.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBroadcast() *broadcast { return &broadcast{ch: make(chan struct{})} }

// told returns a channel that is closed by the next tell.
func (b *broadcast) told() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
