package sshexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// connect opens a byte stream to a server's sshd: a TCP connection, or a channel through the server it is reached through.
func (p *pool) connect(ctx context.Context, t ports.Target) (net.Conn, *loginError) {
	if t.Via != nil {
		return p.tunnel(ctx, t)
	}
	addr := net.JoinHostPort(t.Server.Hostname, strconv.Itoa(t.Server.Port))
	dialed, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, dialFailure(ctx, t, err)
	}
	return dialed, nil
}

// tunnel lets the jump server connect to the target. The jump server itself is reached as any server is: over a pooled
// connection, to which it had to show its own pinned host key and where its own credential was used.
func (p *pool) tunnel(ctx context.Context, t ports.Target) (net.Conn, *loginError) {
	for {
		c, err := p.acquireThrough(ctx, *t.Via)
		if err != nil {
			return nil, hopFailure(ctx, t, err)
		}
		ch, err := c.forward(ctx, t.Server)
		if err == nil {
			return c.pipe(ch), nil
		}
		c.releaseThrough()
		if _, told := errors.AsType[*ssh.OpenChannelError](err); told || ctx.Err() != nil {
			return nil, forwardFailure(t, err)
		}
		c.drop() // the pooled connection was dead; nothing was asked
	}
}

// forward opens a channel over which the server at the other end connects to another. It does not wait longer than ctx.
func (c *conn) forward(ctx context.Context, to domain.Server) (ssh.Channel, error) {
	payload := ssh.Marshal(struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{to.Hostname, uint32(to.Port), "127.0.0.1", 0}) //nolint:gosec // a port fits
	type opened struct {
		ch  ssh.Channel
		err error
	}
	done := make(chan opened, 1)
	c.pool.wg.Go(func() {
		ch, requests, err := c.openChannel("direct-tcpip", payload)
		if err == nil {
			c.pool.wg.Go(func() { ssh.DiscardRequests(requests) })
		}
		done <- opened{ch, err}
	})
	select {
	case o := <-done:
		return o.ch, o.err
	case <-ctx.Done():
		c.pool.wg.Go(func() { // it may still come, and is not wanted any more
			if o := <-done; o.err == nil {
				_ = o.ch.Close()
			}
		})
		return nil, context.Cause(ctx)
	}
}

// pipe stands before a channel. A channel cannot be left while its other end is silent, for its reads and writes end when
// that or the whole connection does; a pipe has deadlines and closes at once.
func (c *conn) pipe(ch ssh.Channel) net.Conn {
	near, far := net.Pipe()
	c.pool.wg.Go(func() {
		defer c.releaseThrough()
		var back sync.WaitGroup
		back.Go(func() {
			_, _ = io.Copy(far, ch)
			_ = far.Close()
		})
		_, _ = io.Copy(ch, far)
		_ = ch.Close()
		back.Wait()
	})
	return near
}

// hopFailure is a jump server that could not be logged in to, said of the server behind it.
func hopFailure(ctx context.Context, t ports.Target, err error) *loginError {
	l, ok := errors.AsType[*loginError](err)
	if !ok {
		if ctx.Err() != nil {
			err = errors.New("no answer in time")
		}
		l = &loginError{step: ports.StepConnect, failure: domain.Failure{
			Reason: domain.ReasonConnect, Message: fmt.Sprintf("cannot connect to %s: %s", address(t.Via.Server), err),
		}}
	}
	f := *l
	if f.hop == "" {
		f.hop = t.Via.Server.ID
	}
	f.seen = nil // it is not the server's own key
	f.failure.Message = fmt.Sprintf("cannot reach %s through %s: %s", address(t.Server), t.Via.Server.Name, l.failure.Message)
	return &f
}

// forwardFailure is a jump server that did not connect to the server behind it.
func forwardFailure(t ports.Target, err error) *loginError {
	f := &loginError{step: ports.StepConnect, failure: domain.Failure{Reason: domain.ReasonConnect}}
	refused, told := errors.AsType[*ssh.OpenChannelError](err)
	why := "no answer in time"
	switch {
	case told && refused.Reason == ssh.Prohibited:
		f.hop, f.step, why = t.Via.Server.ID, ports.StepSession, "it does not allow forwarding there (AllowTcpForwarding, PermitOpen in its sshd_config)"
	case told:
		why = fmt.Sprintf("it could not connect (%s)", refused.Message)
	}
	f.failure.Message = fmt.Sprintf("cannot reach %s through %s: %s", address(t.Server), t.Via.Server.Name, why)
	return f
}
