package netqueue

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// ClientConfig says where the queue is.
type ClientConfig struct {
	Addr   string        // of the server
	Queue  string        // the name of the queue there
	Token  domain.Secret // the server's
	TLS    *tls.Config   // nil = plain TCP
	Name   string        // for the server's log; default: the program's name
	Logger *slog.Logger  // nil = silent
}

const (
	dialTimeout  = 3 * time.Second // with TLS and HELLO
	minReconnect = 50 * time.Millisecond
	maxReconnect = time.Second
)

// Client is the queue over TCP. It connects when it is first used and keeps itself connected from then on. All that it is
// asked for shares one connection: requests are answered as they come to be done, and none waits for another. While the
// server is away a call fails with domain.ErrQueueUnavailable as soon as the next attempt to connect has, which is within
// about four seconds, and at once in most cases.
type Client struct {
	config ClientConfig
	log    *slog.Logger
	subs   *subscriptions

	connects atomic.Uint64

	mu      sync.Mutex
	started bool
	closed  bool
	session *session // nil while there is none
	attempt *attempt // the one that goes on, or is next
	stop    context.Context
	end     context.CancelCauseFunc
	done    sync.WaitGroup
}

var (
	_ ports.Enqueuer = (*Client)(nil)
	_ ports.Dequeuer = (*Client)(nil)
	_ ports.Signals  = (*Client)(nil)
	_ ports.Pinger   = (*Client)(nil)
)

// attempt is one try to connect.
type attempt struct {
	done chan struct{}
	err  error
}

// NewClient returns a client that is not connected yet.
func NewClient(config ClientConfig) *Client {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Name == "" {
		config.Name = filepath.Base(os.Args[0])
	}
	c := &Client{config: config, log: config.Logger.With("addr", config.Addr), attempt: &attempt{done: make(chan struct{})}}
	c.subs = newSubscriptions(c)
	c.stop, c.end = context.WithCancelCause(context.Background())
	return c
}

// Close ends the connection; what was handed out and not settled is offered to others at once. Calls that wait, and later
// ones, fail with domain.ErrQueueUnavailable. It is idempotent.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(nil)
	c.done.Wait()
}

// start begins to connect. It is called with mu held.
func (c *Client) start() {
	if !c.started && !c.closed {
		c.started = true
		c.done.Go(c.keepConnected)
	}
}

// connected returns the session, if need be after waiting for the next attempt to end.
func (c *Client) connected(ctx context.Context) (*session, error) {
	for {
		if ctx.Err() != nil {
			return nil, contextError(ctx)
		}
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, domain.ErrQueueUnavailable.Withf("the queue's client is closed")
		}
		c.start()
		s, a := c.session, c.attempt
		c.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, contextError(ctx)
		case <-a.done:
			if a.err != nil {
				return nil, c.unavailable(a.err)
			}
		}
	}
}

// unavailable says for people why the queue cannot be used.
func (c *Client) unavailable(cause error) error {
	if errors.Is(cause, domain.ErrUnauthenticated) {
		return domain.ErrQueueUnavailable.Withf("the queue at %s refuses our token; give both sides the same", c.config.Addr).Because(cause)
	}
	if e, ok := errors.AsType[*domain.Error](cause); ok {
		return domain.ErrQueueUnavailable.Withf("the queue at %s cannot be used: %s", c.config.Addr, e.Message).Because(cause)
	}
	return domain.ErrQueueUnavailable.Withf("the queue at %s cannot be reached", c.config.Addr).Because(cause)
}

// keepConnected connects, again and again, until Close.
func (c *Client) keepConnected() {
	wait, told := minReconnect, false
	for c.stop.Err() == nil {
		s, err := c.dial()
		if err != nil {
			if !told && c.stop.Err() == nil {
				c.log.Warn("queue cannot be reached; trying on", "err", err)
				told = true
			}
			c.subs.forgetPublished()
			c.conclude(nil, err)
		} else {
			told = false
			began := time.Now()
			c.live(s)
			if time.Since(began) > maxReconnect {
				wait = minReconnect
				continue // at once: a server that was started anew is there already
			}
		}
		select {
		case <-c.stop.Done():
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, maxReconnect)
	}
	c.conclude(nil, net.ErrClosed)
}

// live uses a session until it is lost.
func (c *Client) live(s *session) {
	c.connects.Add(1)
	c.log.Info("queue connected", "store_id", s.welcome.storeID)
	c.conclude(s, nil)
	c.subs.resume(s)
	s.run(c.stop)
	c.mu.Lock()
	c.session = nil
	c.mu.Unlock()
	if c.stop.Err() == nil {
		c.log.Warn("queue connection lost", "err", s.err)
	}
}

// conclude ends an attempt and announces the next.
func (c *Client) conclude(s *session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	c.attempt.err = err
	close(c.attempt.done)
	c.attempt = &attempt{done: make(chan struct{})}
}

func (c *Client) dial() (*session, error) {
	ctx, cancel := context.WithTimeout(c.stop, dialTimeout)
	defer cancel()
	var nc net.Conn
	var err error
	if c.config.TLS != nil {
		nc, err = (&tls.Dialer{Config: c.config.TLS}).DialContext(ctx, "tcp", c.config.Addr)
	} else {
		nc, err = (&net.Dialer{}).DialContext(ctx, "tcp", c.config.Addr)
	}
	if err != nil {
		return nil, err
	}
	end := context.AfterFunc(ctx, func() { _ = nc.Close() })
	s, err := greet(nc, hello{version: protocolVersion, token: c.config.Token.Reveal(), name: c.config.Name}, c.subs.wake)
	if !end() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return s, nil
}
