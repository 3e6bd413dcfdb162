package netqueue

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

// The limits of one connection.
const (
	maxTopics  = 65_536
	maxWaiting = 1024   // RESERVEs that wait
	maxCredit  = 16_384 // tickets that they may be answered with together
	maxBatch   = 256    // requests under one lock and one sync
)

var (
	errCredit = &domain.Error{Kind: domain.KindExhausted, Code: "credit_exhausted", Message: "this connection waits for as many tickets as it may"}
	errTopics = &domain.Error{Kind: domain.KindExhausted, Code: "topics_exhausted", Message: "this connection has as many topics as it may"}
)

// conn is a connection that has said HELLO. One goroutine reads, decides and usually writes the answers; another writes
// what comes unasked. Neither ever waits for another connection.
type conn struct {
	server *Server
	nc     net.Conn
	id     uint64
	in     *frames

	answers []byte // of the batch, with the record they depend on; only the reader's
	lsn     uint64
	tickets []domain.Ticket
	numbers []uint64
	queue   string

	waiters map[uint32]*waiter // under hub.mu
	credit  int
	topics  map[string]struct{} // under exchange.mu

	mu      sync.Mutex
	out     []byte
	outLSN  uint64
	spare   []byte
	pending map[string]struct{} // topics signaled and not yet said
	wake    chan struct{}

	writing sync.Mutex
}

func newConn(s *Server, nc net.Conn, id uint64, in *frames) *conn {
	return &conn{server: s, nc: nc, id: id, in: in, waiters: make(map[uint32]*waiter), topics: make(map[string]struct{}),
		pending: make(map[string]struct{}), wake: make(chan struct{}, 1)}
}

// serve runs until the connection ends, and says why.
func (c *conn) serve() error {
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { c.writeUnasked(done) })
	err := c.readBatches()
	c.server.exchange.leave(c)
	c.server.hub.leave(c, time.Now())
	close(done)
	writer.Wait()
	return err
}

func (c *conn) readBatches() error {
	for {
		if err := c.nc.SetReadDeadline(time.Now().Add(c.server.times.idle)); err != nil {
			return err
		}
		f, err := c.next()
		if err == nil {
			err = c.batch(f)
		}
		c.post()
		if e := c.flush(); e != nil {
			return e
		}
		if err != nil {
			return err
		}
	}
}

// batch handles a frame and those that have come with it, as one.
func (c *conn) batch(f frame) error {
	h, now := c.server.hub, time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.settle(c, now)
	for n := 1; ; n++ {
		if err := c.handle(f, now); err != nil {
			return err
		}
		if n == maxBatch || !c.in.ready() {
			return nil
		}
		var err error
		if f, err = c.next(); err != nil {
			return err
		}
	}
}

// next reads a frame. One that breaks the rules of framing is answered here; nobody knows its correlation.
func (c *conn) next() (frame, error) {
	f, err := c.in.next()
	if e, ok := errors.AsType[*domain.Error](err); ok {
		c.answerError(0, e)
	}
	return f, err
}

// post hands the batch's answers over to be written.
func (c *conn) post() {
	c.mu.Lock()
	c.out = append(c.out, c.answers...)
	c.outLSN = max(c.outLSN, c.lsn)
	c.mu.Unlock()
	c.lsn = 0
	if c.answers = c.answers[:0]; cap(c.answers) > maxFrame {
		c.answers = nil
	}
}

// deliver answers a RESERVE. What a connection is owed is bounded by its credit.
func (c *conn) deliver(correlation uint32, deliveries []broker.Delivery, lsn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = appendDeliveries(c.out, correlation, deliveries)
	c.outLSN = max(c.outLSN, lsn)
}

func (c *conn) signal(topic string) {
	c.mu.Lock()
	c.pending[topic] = struct{}{}
	c.mu.Unlock()
	c.nudge()
}

// nudge has the writer look.
func (c *conn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *conn) writeUnasked(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-c.wake:
			if err := c.flush(); err != nil {
				_ = c.nc.Close() // the reader ends with it
				return
			}
		}
	}
}

// flush writes what there is to say, once what it depends on is on disk.
func (c *conn) flush() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		out, lsn := c.take()
		if len(out) == 0 {
			return nil
		}
		if err := c.server.journal.Wait(lsn); err != nil {
			return err
		}
		if err := c.nc.SetWriteDeadline(time.Now().Add(c.server.times.write)); err != nil {
			return err
		}
		if _, err := c.nc.Write(out); err != nil {
			return err
		}
		c.mu.Lock()
		if c.spare == nil && cap(out) <= maxFrame {
			c.spare = out[:0]
		}
		c.mu.Unlock()
	}
}

func (c *conn) take() (out []byte, lsn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic := range c.pending {
		var start int
		c.out, start = beginFrame(c.out, verbSignal, 0)
		c.out = endFrame(appendText(c.out, topic), start)
	}
	clear(c.pending)
	out, lsn = c.out, c.outLSN
	c.out, c.outLSN, c.spare = c.spare, 0, nil
	return out, lsn
}

// endsQuietly reports whether a connection ended the way connections end.
func endsQuietly(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
