package sshexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Limits of what a server may say before and in a heading.
const (
	maxNoise   = 1 << 20
	maxHeading = 4 << 10
	maxNote    = 2 << 10 // of noise kept for messages
	pieceBytes = 32 << 10
)

// ended is what a server says at the end of a channel.
type ended struct {
	known  bool // it said how
	code   int
	signal string
}

// channel is one text running on a server.
type channel struct {
	conn  *conn
	ch    ssh.Channel
	token string
	end   chan ended // receives once

	skipped chan struct{} // closed when stderr's token was found, or never will be
	closed  chan struct{} // closed when we have left

	mu       sync.Mutex
	noise    []byte // what a login shell printed before the text began
	began    bool   // the text runs: its token came on stderr
	released bool
}

// open runs an exec string; see openSlow for its errors. It does not wait longer than ctx, even for a server that stalls.
func (e *Executor) open(ctx context.Context, t ports.Target, token, line string) (*channel, error) {
	type opened struct {
		x   *channel
		err error
	}
	done := make(chan opened, 1)
	go func() {
		x, err := e.openSlow(ctx, t, token, line)
		done <- opened{x, err}
	}()
	select {
	case o := <-done:
		return o.x, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.x != nil {
				o.x.close(true)
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// openSlow fails with a *loginError or the context's cause before anything was sent, and with ErrCut
// once the server may have got it.
func (e *Executor) openSlow(ctx context.Context, t ports.Target, token, line string) (*channel, error) {
	for {
		c, err := e.pool.acquire(ctx, t)
		if err != nil {
			return nil, err
		}
		ch, requests, err := c.openChannel("session", nil)
		if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
			final := c.refused()
			e.log.Debug("server refused another channel", "server", address(t.Server), "reason", refused.Reason.String())
			if final {
				return nil, &loginError{step: ports.StepSession, failure: domain.Failure{
					Reason: domain.ReasonConnect, Message: fmt.Sprintf("%s refuses to open a session: %s", address(t.Server), refused.Message),
				}}
			}
			continue
		}
		if err != nil { // the pooled connection was dead; nothing was sent
			c.release(false)
			c.drop()
			continue
		}
		c.serves()
		return c.begin(ch, requests, token, line)
	}
}

var errDead = errors.New("the connection is gone")

// openChannel does not wait for a connection that is gone, as x/crypto/ssh might when a server broke the protocol.
func (c *conn) openChannel(kind string, payload []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch       ssh.Channel
		requests <-chan *ssh.Request
		err      error
	}
	done := make(chan opened, 1)
	go func() {
		o := opened{err: errDead}
		c.tcp.ask(func() { o.ch, o.requests, o.err = c.ssh.OpenChannel(kind, payload) })
		done <- o
	}()
	select {
	case o := <-done:
		return o.ch, o.requests, o.err
	case <-c.dead:
		return nil, nil, errDead
	}
}

// exec opens a channel and runs an exec string on it.
func (c *conn) exec(token, line string) (*channel, error) {
	ch, requests, err := c.openChannel("session", nil)
	if err != nil {
		return nil, err
	}
	return c.begin(ch, requests, token, line)
}

func (c *conn) begin(ch ssh.Channel, requests <-chan *ssh.Request, token, line string) (*channel, error) {
	x := &channel{conn: c, ch: ch, token: token, end: make(chan ended, 1), skipped: make(chan struct{}), closed: make(chan struct{})}
	c.pool.wg.Go(func() { x.watch(requests) })
	ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{line}))
	if err == nil && ok {
		return x, nil
	}
	x.close(false)
	if err != nil {
		return nil, ports.ErrCut.Because(err)
	}
	return nil, &loginError{step: ports.StepSession, failure: domain.Failure{
		Reason: domain.ReasonStartFailed, Message: fmt.Sprintf("%s refuses to run commands", address(c.peer.target.Server)),
	}}
}

// drop takes a connection that does not work out of the pool and waits for its end.
func (c *conn) drop() {
	_ = c.tcp.Close()
	<-c.dead
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.leave()
}

// watch notes how the server says the text has ended.
func (x *channel) watch(requests <-chan *ssh.Request) {
	var e ended
	for r := range requests {
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &m) == nil {
				e = ended{known: true, code: int(m.Status & 0xff)}
			}
		case "exit-signal":
			var m struct {
				Signal string
				Core   bool
				Error  string
				Lang   string
			}
			if ssh.Unmarshal(r.Payload, &m) == nil {
				e = ended{known: true, signal: m.Signal}
			}
		}
		if r.WantReply {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil)
		}
	}
	x.end <- e
}

// close leaves the channel. left says that the text goes on on the server.
func (x *channel) close(left bool) {
	x.mu.Lock()
	done := x.released
	x.released = true
	x.mu.Unlock()
	if done {
		return
	}
	close(x.closed)
	_ = x.ch.Close()
	x.conn.release(left)
}

func (x *channel) hasBegun() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.began
}

// heading reads the first line that the text itself printed: its words after the token. io.EOF when there is none.
func (x *channel) heading(r *lineReader) ([]string, error) {
	for read := 0; read < maxNoise; {
		line, err := r.line(maxHeading)
		read += len(line)
		if i := bytes.Index(line, []byte(x.token+" ")); i >= 0 && bytes.HasSuffix(line, []byte("\n")) {
			x.note(line[:i])
			return strings.Fields(string(line[i+len(x.token):])), nil
		}
		x.note(line)
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d bytes before the heading", maxNoise)
}

// skip reads stderr up to the token.
func (x *channel) skip(r *lineReader) error {
	for read := 0; read < maxNoise; {
		line, err := r.line(maxHeading)
		read += len(line)
		if i := bytes.Index(line, []byte(x.token+"\n")); i >= 0 {
			x.note(line[:i])
			x.mu.Lock()
			x.began = true
			x.mu.Unlock()
			return nil
		}
		x.note(line)
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("more than %d bytes before the heading", maxNoise)
}

func (x *channel) note(b []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.noise = append(x.noise, b[:min(len(b), maxNote-min(len(x.noise), maxNote))]...)
}

func (x *channel) said() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(x.noise), "?")), " ")
}

// lineReader reads lines from the front of a stream and then the rest of it, without taking a byte too many.
type lineReader struct {
	r   io.Reader
	buf []byte
	at  int
	end int
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: r, buf: make([]byte, pieceBytes)} }

// line returns the next line with its newline, or a piece of limit bytes of a longer one. It is valid until the next call.
func (l *lineReader) line(limit int) ([]byte, error) {
	for {
		have := l.buf[l.at:l.end]
		if i := bytes.IndexByte(have, '\n'); i >= 0 {
			l.at += i + 1
			return have[:i+1], nil
		}
		if len(have) >= limit {
			l.at = l.end
			return have, nil
		}
		if l.at > 0 {
			copy(l.buf, have)
			l.at, l.end = 0, len(have)
		}
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if n == 0 && err != nil {
			l.at = l.end
			return have, err
		}
	}
}

// next returns what comes next, at least one byte, valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	if l.at < l.end {
		b := l.buf[l.at:l.end]
		l.at = l.end
		return b, nil
	}
	for {
		n, err := l.r.Read(l.buf)
		if n > 0 {
			return l.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
