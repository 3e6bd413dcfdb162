package netqueue

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/adapters/netqueue/journal"
	"github.com/heysubinoy/remora/domain"
)

// Server is a broker with its log and its connections. Open it, Run it once; ending Run's context or Close stops it.
type Server struct {
	config   ServerConfig
	log      *slog.Logger
	times    times
	token    [sha256.Size]byte
	listener net.Listener
	journal  *journal.Journal
	hub      *hub
	exchange *exchange

	mu        sync.Mutex
	conns     map[net.Conn]struct{}
	strangers int
	stopping  bool
	running   bool
	welcome   atomic.Int64 // connections that have said HELLO
	nextID    uint64
	stop      chan struct{}
	stopped   chan struct{}
	serving   sync.WaitGroup
}

// Open reads the log and listens. Fails with domain.KindInvalid, ErrAddressTaken, ErrQueueInUse, ErrQueueDamaged or the
// system's error.
func Open(config ServerConfig) (*Server, error) {
	s := &Server{config: config.withDefaults(), times: serverTimes, exchange: newExchange(), conns: make(map[net.Conn]struct{}),
		stop: make(chan struct{}), stopped: make(chan struct{})}
	s.log = s.config.Logger
	if config.Token.Empty() || len(config.Token.Reveal()) > maxToken {
		return nil, domain.Invalid("token", "the queue needs a token of 1 to %d bytes, which its clients show", maxToken)
	}
	s.token = sha256.Sum256([]byte(config.Token.Reveal()))
	if config.Dir == "" {
		return nil, domain.Invalid("dir", "the queue needs a directory for its log")
	}
	var err error
	// Listening comes first: of two servers started by mistake the second is told of the address, not of a lock.
	if s.listener, err = listen(config.Addr); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.listener.Close())
	}
	if config.TLS != nil {
		s.listener = tls.NewListener(s.listener, config.TLS)
	}
	return s, nil
}

func (s *Server) load() error {
	began, m := time.Now(), newImage()
	j, err := journal.Open(s.config.Dir, journal.Options{SegmentBytes: s.config.SegmentBytes}, m)
	if damage, ok := errors.AsType[*journal.Damage](err); ok {
		return ErrQueueDamaged.Withf("%s", damage.Error()).Because(err)
	}
	if err != nil {
		return fmt.Errorf("open the queue's log: %w", inUse(s.config.Dir, err))
	}
	s.journal = j
	limits := broker.Limits{Tickets: s.config.MaxTickets, Queues: maxQueues, Losses: max(s.config.MaxLosses, 0)}
	if s.hub, err = newHub(j, m, limits); err != nil {
		return errors.Join(err, j.Close())
	}
	if torn := j.Torn(); torn > 0 {
		s.log.Warn("the log's torn end was cut; nobody had been told of it", "dir", s.config.Dir, "bytes", torn)
	}
	s.log.Info("queue loaded", "dir", s.config.Dir, "store_id", j.StoreID(), "tickets", s.hub.broker.Size(), "took", time.Since(began))
	return nil
}

func inUse(dir string, err error) error {
	if errors.Is(err, journal.ErrLocked) {
		return ErrQueueInUse.Withf("the queue's directory %s is in use: %v", dir, err).Because(err)
	}
	return err
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// StoreID returns the identity of the storage.
func (s *Server) StoreID() string { return s.journal.StoreID() }

// Run serves until ctx ends or Close is called, and returns nil then, everything being on disk and the directory free; or
// until the disk fails, and returns why: what is on disk is then not known, and only a new start can tell.
func (s *Server) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running || s.stopping {
		defer s.mu.Unlock()
		return domain.Internal("run the queue", errors.New("it was run or closed before"))
	}
	s.running = true
	s.mu.Unlock()
	defer close(s.stopped)

	s.log.Info("queue listening", "addr", s.Addr())
	var loops sync.WaitGroup
	loops.Go(s.accept)
	loops.Go(s.keepTime)
	loops.Go(s.compact)
	select {
	case <-ctx.Done():
	case <-s.stop:
	case <-s.journal.Failed():
	}
	s.endConnections()
	loops.Wait()
	s.serving.Wait()
	if err := s.journal.Close(); err != nil {
		s.log.Error("the queue ends: its log cannot be written", "err", err)
		return domain.Internal("write the queue's log", err)
	}
	s.log.Info("queue stopped")
	return nil
}

// Close stops the server and waits until Run has returned; without a Run it frees what Open took. It is idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	s.endConnections()
	if running {
		<-s.stopped
		return nil
	}
	return s.journal.Close()
}

func (s *Server) endConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	close(s.stop)
	_ = s.listener.Close()
	for nc := range s.conns {
		_ = nc.Close()
	}
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			select {
			case <-s.stop:
				return
			case <-time.After(10 * time.Millisecond): // out of file descriptors, most likely: those who leave free some
				s.log.Warn("queue cannot accept a connection", "err", err)
				continue
			}
		}
		id, err := s.admit(nc)
		if errors.Is(err, net.ErrClosed) {
			_ = nc.Close()
			return
		}
		s.serving.Go(func() {
			if err != nil {
				s.refuse(nc, 0, err)
			} else {
				s.greet(nc, id)
			}
			s.forget(nc)
		})
	}
}

// admit counts a connection in. One that is refused is kept track of too until it was told so.
func (s *Server) admit(nc net.Conn) (id uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return 0, net.ErrClosed
	}
	s.nextID++
	if len(s.conns) >= s.config.MaxConnections || s.strangers >= maxStrangers {
		err = errBusy
		if len(s.conns) >= 2*s.config.MaxConnections {
			_ = nc.Close() // so many that they are not even told
		}
	}
	s.conns[nc] = struct{}{}
	s.strangers++
	return s.nextID, err
}

func (s *Server) forget(nc net.Conn) {
	_ = nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
}

func (s *Server) noStranger() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strangers--
}

func (s *Server) connections() int { return int(s.welcome.Load()) }

// greet takes a connection through its HELLO and serves it.
func (s *Server) greet(nc net.Conn, id uint64) {
	log := s.log.With("connection", id, "remote", nc.RemoteAddr().String())
	in := newFrames(nc, maxFrameUnknown)
	h, correlation, err := s.hello(nc, in)
	if err != nil {
		if !endsQuietly(err) {
			log.Warn("queue refuses a connection", "err", err)
		}
		s.refuse(nc, correlation, err)
		return
	}
	s.noStranger()
	s.welcome.Add(1)
	defer s.welcome.Add(-1)
	in.limit = maxFrame
	log = log.With("client", clean(h.name))
	log.Info("queue connection opened")
	err = newConn(s, nc, id, in).serve()
	if endsQuietly(err) {
		log.Info("queue connection ended")
		return
	}
	log.Warn("queue ends a connection", "err", err)
	if _, ok := errors.AsType[*domain.Error](err); ok {
		s.letRead(nc)
	}
}

func (s *Server) hello(nc net.Conn, in *frames) (hello, uint32, error) {
	if err := nc.SetDeadline(time.Now().Add(s.times.hello)); err != nil {
		return hello{}, 0, err
	}
	f, err := in.next()
	if err != nil {
		return hello{}, 0, err
	}
	if f.verb != verbHello {
		return hello{}, f.correlation, domain.ErrUnauthenticated.Withf("say HELLO first")
	}
	h, err := parseHello(f.body)
	if err != nil {
		return h, f.correlation, err
	}
	if shown := sha256.Sum256([]byte(h.token)); subtle.ConstantTimeCompare(shown[:], s.token[:]) != 1 {
		return h, f.correlation, domain.ErrUnauthenticated.Withf("the token is not the queue's")
	}
	w := welcome{version: protocolVersion, storeID: s.journal.StoreID(), maxFrame: maxFrame, idle: s.times.idle}
	if _, err := nc.Write(appendWelcome(nil, f.correlation, w)); err != nil {
		return h, f.correlation, err
	}
	return h, f.correlation, nc.SetDeadline(time.Time{})
}

// refuse tells why a connection that has not said HELLO is closed.
func (s *Server) refuse(nc net.Conn, correlation uint32, err error) {
	defer s.noStranger()
	if _, ok := errors.AsType[*domain.Error](err); !ok {
		return
	}
	_ = nc.SetDeadline(time.Now().Add(s.times.last))
	if _, err := nc.Write(appendError(nil, correlation, err)); err == nil {
		s.letRead(nc)
	}
}

// letRead gives the other side time to read the last error: closing a connection with unread input would make the kernel
// throw away what is on its way.
func (s *Server) letRead(nc net.Conn) {
	_ = nc.SetDeadline(time.Now().Add(s.times.last))
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, nc, 4*maxFrame)
	}
}

// keepTime ends leases and delays when they are over.
func (s *Server) keepTime() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if d := s.hub.tick(time.Now()); d > 0 {
			timer.Reset(d)
		} else {
			timer.Stop()
		}
		select {
		case <-s.stop:
			return
		case <-timer.C:
		case <-s.hub.rearm:
		}
	}
}

// compact folds the log when enough of it is closed.
func (s *Server) compact() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.journal.Due():
			began := time.Now()
			if err := s.journal.Compact(newImage()); err != nil {
				s.log.Error("the queue's log was not compacted; it stays as it is until the next segment is full", "err", err)
				continue
			}
			s.log.Info("the queue's log was compacted", "took", time.Since(began))
		}
	}
}
