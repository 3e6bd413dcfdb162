package sshexec

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// How connections are used.
const (
	sessionsPerConn = 8  // sshd allows 10 by default
	forwardsPerConn = 64 // ways to other servers; sshd does not count these as sessions
	maxHandshakes   = 3  // at once to one server; sshd begins to drop at 10 from everybody
	keepaliveEvery  = 15 * time.Second
	keepaliveMisses = 3
)

// pool keeps the connections to all servers.
type pool struct {
	ctx            context.Context // ends when the pool closes
	cancel         context.CancelCauseFunc
	connectTimeout time.Duration
	idleTimeout    time.Duration
	log            *slog.Logger
	wg             sync.WaitGroup

	mu     sync.Mutex
	peers  map[string]*peer
	logins map[domain.Reason]uint64 // tried, by outcome
	closed bool
}

// peer is one server under one identity. pool.mu guards it.
type peer struct {
	key     string
	target  ports.Target
	conns   []*conn
	dialing int
	waiting int
	failed  *loginError   // the last failure
	fails   int           // counts failures, so that a waiter knows one from before its time
	changed chan struct{} // closed and replaced when a connection or a place on one is there, or a dial failed
}

// conn is one SSH connection. pool.mu guards its counters.
type conn struct {
	pool   *pool
	peer   *peer
	ssh    ssh.Conn
	tcp    *wire
	dead   chan struct{} // closed when the connection is gone
	gone   bool
	used   int // channels open, but for ways to other servers
	ways   int // to other servers
	stuck  int // channels that the server still counts though we have left them
	limit  int
	served bool // at least one channel was opened
	idle   *time.Timer
}

func newPool(connectTimeout, idleTimeout time.Duration, log *slog.Logger) *pool {
	p := &pool{connectTimeout: connectTimeout, idleTimeout: idleTimeout, log: log, peers: map[string]*peer{}, logins: map[domain.Reason]uint64{}}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

var errPoolClosed = errors.New("the executor is closed")

// close ends all connections and waits for their goroutines.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.cancel(errPoolClosed)
	for _, pe := range p.peers {
		for _, c := range pe.conns {
			_ = c.tcp.Close()
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// acquire returns a connection with a place taken on it, which the caller gives back with release. It fails with a
// *loginError or the context's cause.
func (p *pool) acquire(ctx context.Context, t ports.Target) (*conn, error) {
	return p.acquireFor(ctx, t, (*peer).free, (*conn).take)
}

// acquireThrough is acquire for a way to another server, which releaseThrough gives back.
func (p *pool) acquireThrough(ctx context.Context, t ports.Target) (*conn, error) {
	return p.acquireFor(ctx, t, (*peer).freeThrough, (*conn).takeThrough)
}

func (p *pool) acquireFor(ctx context.Context, t ports.Target, free func(*peer) *conn, take func(*conn)) (*conn, error) {
	if t.Server.HostKey != nil && domain.CheckFingerprint(t.Server.HostKey.Fingerprint) != nil {
		t.Server.HostKey = nil
	}
	key := identity(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	pe := p.peers[key]
	if pe == nil {
		pe = &peer{key: key, target: t, changed: make(chan struct{})}
		p.peers[key] = pe
	}
	pe.waiting++
	defer func() { pe.waiting--; p.forget(pe) }()
	fails := pe.fails
	for {
		switch {
		case p.closed:
			return nil, errPoolClosed
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case pe.fails > fails:
			return nil, pe.failed
		}
		if c := free(pe); c != nil {
			take(c)
			return c, nil
		}
		if pe.dialing < maxHandshakes && pe.waiting > pe.dialing*sessionsPerConn {
			pe.dialing++
			p.wg.Go(func() { p.dial(pe) })
		}
		changed := pe.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		case <-p.ctx.Done():
		}
		p.mu.Lock()
	}
}

// dial makes one more connection to a peer. It does not end with the caller that wanted it: others wait for it as well.
func (p *pool) dial(pe *peer) {
	ctx, cancel := context.WithTimeout(p.ctx, p.connectTimeout)
	defer cancel()
	s, failed := p.login(ctx, pe.target, false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(failed)
	pe.dialing--
	defer pe.tell()
	if failed != nil {
		pe.failed = failed
		pe.fails++
		p.forget(pe)
		return
	}
	c := &conn{pool: p, peer: pe, ssh: s.conn, tcp: s.tcp, dead: make(chan struct{}), limit: sessionsPerConn}
	if p.closed {
		_ = s.tcp.Close()
	}
	pe.conns = append(pe.conns, c)
	c.rest()
	p.wg.Go(func() { ssh.DiscardRequests(s.requests) })
	p.wg.Go(func() {
		for n := range s.channels { // a server has nothing to open here
			_ = n.Reject(ssh.Prohibited, "no channels are accepted")
		}
	})
	p.wg.Go(c.keepalive)
	p.wg.Go(c.mourn)
}

// forget drops a peer, and with it its credential, once nobody needs it.
func (p *pool) forget(pe *peer) {
	if len(pe.conns) == 0 && pe.dialing == 0 && pe.waiting == 0 && p.peers[pe.key] == pe {
		delete(p.peers, pe.key)
	}
}

func (pe *peer) tell() {
	close(pe.changed)
	pe.changed = make(chan struct{})
}

func (pe *peer) free() *conn {
	for _, c := range pe.conns {
		if !c.gone && c.used+c.stuck < c.limit {
			return c
		}
	}
	return nil
}

func (pe *peer) freeThrough() *conn {
	var best *conn
	for _, c := range pe.conns {
		if !c.gone && c.ways < forwardsPerConn && (best == nil || c.ways < best.ways) {
			best = c
		}
	}
	return best
}

func (c *conn) take() {
	c.used++
	c.wake()
}

func (c *conn) takeThrough() {
	c.ways++
	c.wake()
}

// wake keeps the connection from being closed as unused.
func (c *conn) wake() {
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
}

// releaseThrough gives a way to another server back.
func (c *conn) releaseThrough() {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.ways--
	c.rest()
	c.peer.tell()
}

// release gives a place back. left says that the server still counts the channel, because something runs on there.
func (c *conn) release(left bool) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.used--
	if left {
		c.stuck++
	}
	c.rest()
	c.peer.tell()
}

// refused notes that the server allows no more channels than are open, and gives the place back. The server may still
// count channels that we have left, so a connection without any of ours is retired. It reports whether the refusal is
// the server's last word: a fresh connection was refused its first channel.
func (c *conn) refused() (final bool) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.limit = max(1, c.used+c.stuck-1)
	c.used--
	switch {
	case c.used == 0 && c.ways == 0:
		c.leave()
		_ = c.tcp.Close()
	case c.used == 0:
		c.limit = 0 // others go their way over it
	}
	c.peer.tell()
	return c.used == 0 && !c.served
}

// serves notes that the server opened a channel.
func (c *conn) serves() {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.served = true
}

// rest closes the connection after a while without use.
func (c *conn) rest() {
	if c.used > 0 || c.ways > 0 || c.gone || c.idle != nil {
		return
	}
	c.idle = time.AfterFunc(c.pool.idleTimeout, func() {
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		if c.used == 0 && c.ways == 0 {
			c.leave()
			_ = c.tcp.Close()
		}
	})
}

// leave takes the connection out of the pool.
func (c *conn) leave() {
	if c.gone {
		return
	}
	c.gone = true
	if c.idle != nil {
		c.idle.Stop()
	}
	c.peer.conns = slices.DeleteFunc(c.peer.conns, func(o *conn) bool { return o == c })
	c.pool.forget(c.peer)
	c.peer.tell()
}

// mourn waits for the connection's end.
func (c *conn) mourn() {
	_ = c.ssh.Wait()
	_ = c.tcp.Close()
	close(c.dead)
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.leave()
}

// keepalive closes a connection whose server has not answered for a while; without it a network that swallows
// everything would be noticed by nobody.
func (c *conn) keepalive() {
	tick := time.NewTicker(keepaliveEvery)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	asking, misses := false, 0
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-c.dead:
			return
		case <-answered:
			asking, misses = false, 0
		case <-tick.C:
			if asking {
				if misses++; misses >= keepaliveMisses {
					c.pool.log.Warn("server does not answer; closing its connection", "server", address(c.peer.target.Server))
					_ = c.tcp.Close()
					return
				}
				continue
			}
			asking = true
			wg.Go(func() {
				if _, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil); err == nil {
					answered <- struct{}{}
				}
			})
		}
	}
}
