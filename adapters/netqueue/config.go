package netqueue

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// ServerConfig says how to serve. Zero values take the defaults, where there are any.
type ServerConfig struct {
	Addr           string        // to listen on; port 0 takes a free one
	Dir            string        // of the log; made when it is not there
	Token          domain.Secret // what clients must show; required
	TLS            *tls.Config   // nil = plain TCP
	MaxTickets     int           // in all queues together; default 2,000,000
	MaxConnections int           // default 1024
	MaxLosses      int           // a ticket lost so often (lease over, worker gone) is set aside; default 20, negative = never
	SegmentBytes   int64         // of the log; default 32 MiB
	Logger         *slog.Logger  // nil = silent
}

const (
	defaultTickets     = 2_000_000
	defaultConnections = 1024
	defaultLosses      = 20
	maxQueues          = 1024
	maxStrangers       = 256 // connections that have not said HELLO
)

// times bounds what a connection may take.
type times struct {
	hello time.Duration // from accept to an accepted HELLO, TLS included
	idle  time.Duration // from one batch of frames to the end of the next frame
	write time.Duration // one write
	last  time.Duration // to read the last error, once the connection is to be closed
}

var serverTimes = times{hello: 5 * time.Second, idle: time.Minute, write: 10 * time.Second, last: time.Second}

var (
	errBusy = &domain.Error{Kind: domain.KindExhausted, Code: "connections_exhausted", Message: "the queue has as many connections as it may"}
	// ErrQueueDamaged says that the log cannot be trusted; its message says where and what to do.
	ErrQueueDamaged = &domain.Error{Kind: domain.KindUnprocessable, Code: "queue_damaged", Message: "the queue's log is damaged"}
	// ErrQueueInUse says that another process serves from the directory.
	ErrQueueInUse = &domain.Error{Kind: domain.KindConflict, Code: "queue_in_use", Message: "another process uses the queue's directory"}
	// ErrAddressTaken says that the address cannot be listened on because somebody else does.
	ErrAddressTaken = &domain.Error{Kind: domain.KindConflict, Code: "address_taken", Message: "the address is taken"}
)

func (c ServerConfig) withDefaults() ServerConfig {
	if c.MaxTickets <= 0 {
		c.MaxTickets = defaultTickets
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = defaultConnections
	}
	if c.MaxLosses == 0 {
		c.MaxLosses = defaultLosses
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, ErrAddressTaken.Withf("the queue cannot listen on %s: the address is taken; stop what listens there or give another", addr).Because(err)
	}
	return nil, domain.Invalid("addr", "the queue cannot listen on %q: %v", addr, err).Because(err)
}
