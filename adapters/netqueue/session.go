package netqueue

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heysubinoy/remora/domain"
)

const (
	clientPing  = 15 * time.Second
	clientQuiet = 30 * time.Second // without a frame from the server it is given up
	clientWrite = 10 * time.Second
)

// session is one connection of a client.
type session struct {
	nc      net.Conn
	in      *frames
	welcome welcome
	signal  func(topic string)
	heard   atomic.Int64 // when the last frame came, in nanoseconds

	mu     sync.Mutex
	out    []byte
	spare  []byte
	calls  map[uint32]*call
	nextID uint32
	gone   bool
	err    error
	wake   chan struct{}
}

// call is a request that waits for its answer.
type call struct {
	answered  chan answer  // of capacity 1
	then      func(answer) // in place of answered, where not nil; not called when the connection is lost
	abandoned bool         // nobody waits for it any more; what it is handed is given back
}

type answer struct {
	verb verb
	body []byte
	err  error
}

// greet says HELLO and returns the session, which lives once run is called.
func greet(nc net.Conn, h hello, signal func(string)) (*session, error) {
	s := &session{nc: nc, in: newFrames(nc, maxFrame), signal: signal, calls: make(map[uint32]*call), wake: make(chan struct{}, 1)}
	if _, err := nc.Write(appendHello(nil, 0, h)); err != nil {
		return nil, err
	}
	f, err := s.in.next()
	if err != nil {
		return nil, err
	}
	switch f.verb {
	case verbHello | answerBit:
		s.welcome, err = parseWelcome(f.body)
	case verbError:
		err = parseError(f.body)
	default:
		err = errFrameInvalid.Withf("the server answers HELLO with %s", f.verb)
	}
	if err == nil && s.welcome.version != protocolVersion {
		err = errVersion
	}
	return s, err
}

// run reads and writes until the connection is lost or ctx ends.
func (s *session) run(ctx context.Context) {
	s.heard.Store(time.Now().UnixNano())
	stop := context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
	defer stop()
	writing := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { s.write(writing) })
	s.end(s.read())
	close(writing)
	writer.Wait()
}

// end closes the connection and fails what waits for it. The first reason counts.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	s.gone, s.err = true, err
	_ = s.nc.Close()
	for id, c := range s.calls {
		c.answered <- answer{err: err}
		delete(s.calls, id)
	}
}

func (s *session) read() error {
	for {
		f, err := s.in.next()
		if err != nil {
			return err
		}
		s.heard.Store(time.Now().UnixNano())
		if f.verb == verbSignal {
			r := body{b: f.body}
			topic := r.text()
			if err := r.done(f.verb); err != nil {
				return err
			}
			s.signal(topic)
			continue
		}
		if err := s.answer(f); err != nil {
			return err
		}
	}
}

// answer gives an answer to who waits for it.
func (s *session) answer(f frame) error {
	a := answer{verb: f.verb, body: append([]byte(nil), f.body...)}
	if f.verb == verbError {
		a.err = parseError(f.body)
	}
	c, err := s.settle(f, a)
	if c != nil && c.then != nil {
		c.then(a) // without mu: it may take other locks
	}
	return err
}

// settle ends the call that an answer is for, and returns it unless nobody waits for it any more.
func (s *session) settle(f frame, a answer) (*call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.calls[f.correlation]
	if !ok {
		if f.verb == verbError && f.correlation == 0 {
			return nil, a.err // about the connection itself
		}
		return nil, nil // to what needs no answer
	}
	delete(s.calls, f.correlation)
	if !c.abandoned {
		c.answered <- a
		return c, nil
	}
	if f.verb == verbReserve|answerBit {
		return nil, s.giveBack(a.body)
	}
	return nil, nil
}

// giveBack releases what an abandoned RESERVE was handed. It is called with mu held.
func (s *session) giveBack(b []byte) error {
	deliveries, err := parseDeliveries(b)
	for _, d := range deliveries {
		s.push(verbRelease, 0, appendSettlement(nil, settlement{receipt: d.Receipt}))
	}
	return err
}

// write writes what was pushed, and pings so that both sides know of each other.
func (s *session) write(done <-chan struct{}) {
	ping := time.NewTicker(clientPing)
	defer ping.Stop()
	for {
		select {
		case <-done:
			return
		case <-ping.C:
			if quiet := time.Since(time.Unix(0, s.heard.Load())); quiet > clientQuiet {
				s.end(errors.New("the queue is silent"))
				return
			}
			s.mu.Lock()
			s.push(verbPing, 0, nil)
			s.mu.Unlock()
		case <-s.wake:
			runtime.Gosched() // lets those who are about to ask come along in one write
		}
		if err := s.flush(); err != nil {
			s.end(err)
			return
		}
	}
}

func (s *session) flush() error {
	for {
		s.mu.Lock()
		out := s.out
		s.out, s.spare = s.spare, nil
		s.mu.Unlock()
		if len(out) == 0 {
			return nil
		}
		if err := s.nc.SetWriteDeadline(time.Now().Add(clientWrite)); err != nil {
			return err
		}
		if _, err := s.nc.Write(out); err != nil {
			return err
		}
		s.mu.Lock()
		if s.spare == nil && cap(out) <= maxFrame {
			s.spare = out[:0]
		}
		s.mu.Unlock()
	}
}

// push lines a frame up to be written. Correlation 0 is for what needs no answer. It is called with mu held.
func (s *session) push(v verb, correlation uint32, b []byte) {
	s.out = appendFrame(s.out, v, correlation, b)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// post sends what needs no answer.
func (s *session) post(v verb, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.push(v, 0, b)
	}
}

// begin sends a request. then, which may be nil, is called with its answer.
func (s *session) begin(v verb, b []byte, then func(answer)) (*call, uint32, error) {
	if frameHeadBytes+len(b) > maxFrame {
		return nil, 0, errFrameTooLarge.Withf("a request of %d bytes is larger than a frame", len(b))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, 0, s.err
	}
	for {
		s.nextID++
		if _, used := s.calls[s.nextID]; s.nextID != 0 && !used {
			break
		}
	}
	c := &call{answered: make(chan answer, 1), then: then}
	s.calls[s.nextID] = c
	s.push(v, s.nextID, b)
	return c, s.nextID, nil
}

// ask sends a request and waits for its answer. The error of a lost connection is no *domain.Error of the server's;
// fromServer tells which it is.
func (s *session) ask(ctx context.Context, v verb, b []byte) (body []byte, fromServer bool, err error) {
	c, id, err := s.begin(v, b, nil)
	if err != nil {
		return nil, errors.Is(err, errFrameTooLarge), err
	}
	select {
	case a := <-c.answered:
		return a.result(v)
	case <-ctx.Done():
	}
	s.mu.Lock()
	if _, waits := s.calls[id]; !waits {
		s.mu.Unlock()
		return (<-c.answered).result(v) // it came at the same moment: nothing is to be given back
	}
	c.abandoned = true
	if v == verbReserve {
		s.push(verbCancel, 0, []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
	}
	s.mu.Unlock()
	return nil, true, contextError(ctx)
}

func (a answer) result(v verb) ([]byte, bool, error) {
	switch {
	case a.verb == v|answerBit:
		return a.body, true, nil
	case a.verb == verbError:
		return nil, true, a.err
	case a.err != nil:
		return nil, false, a.err
	}
	return nil, true, domain.Internal("ask the queue", errFrameInvalid.Withf("it answers %s with %s", v, a.verb))
}
