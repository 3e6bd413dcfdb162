package sqlstore

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// grace is how long a call whose context is done waits for the database to confirm that it has stopped.
const grace = time.Second

// dialer makes the connection of one lib/pq connection, and the short ones on which that asks to cancel.
type dialer struct {
	net.Dialer
	silence time.Duration
	first   atomic.Pointer[impatient]
}

// DialContext implements pq.DialerContext.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	i := &impatient{Conn: c, silence: d.silence}
	d.first.CompareAndSwap(nil, i)
	return i, nil
}

// DialTimeout implements pq.Dialer.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// giveUp ends, after a grace, whatever waits for the database. The connection is of no use any more.
func (d *dialer) giveUp() {
	if c := d.first.Load(); c != nil {
		c.hurried.Store(true)
		_ = c.Conn.SetReadDeadline(time.Now().Add(grace)) // fails on a closed connection only, where nobody waits
	}
}

// impatient is a connection whose reads end after silence, unless who uses it has set a deadline.
type impatient struct {
	net.Conn
	silence time.Duration // 0 = wait for ever
	bound   atomic.Bool   // by a deadline from outside
	hurried atomic.Bool
}

// SetDeadline implements net.Conn.
func (c *impatient) SetDeadline(t time.Time) error {
	c.bound.Store(!t.IsZero())
	if c.hurried.Load() {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// Read implements net.Conn.
func (c *impatient) Read(p []byte) (int, error) {
	if c.silence > 0 && !c.bound.Load() && !c.hurried.Load() {
		if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
		if c.hurried.Load() { // meanwhile
			if err := c.SetReadDeadline(time.Now().Add(grace)); err != nil {
				return 0, err
			}
		}
	}
	return c.Conn.Read(p)
}
