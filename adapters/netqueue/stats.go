package netqueue

import (
	"encoding/binary"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

// Stats is what a queue tells about itself.
type Stats struct {
	Waiting, Delayed, Leased, Dead int           // tickets, by where they are
	Put, Acked, Lost               uint64        // since the server was started
	OldestAge                      time.Duration // of the waiting ticket that was put first; 0 when none waits
	Connections                    int           // to the server, this one included
}

// Stats returns the counts of all queues of the server together.
func (s *Server) Stats() Stats {
	now := time.Now()
	s.hub.mu.Lock()
	total := s.hub.broker.Total(now)
	s.hub.mu.Unlock()
	return statsOf(total, s.connections(), now)
}

// Connects returns how often the client has connected: once, and once more after every loss.
func (c *Client) Connects() uint64 { return c.connects.Load() }

func statsOf(s broker.Stats, connections int, now time.Time) Stats {
	out := Stats{Waiting: s.Waiting, Delayed: s.Delayed, Leased: s.Leased, Dead: s.Dead, Put: s.Put, Acked: s.Acked, Lost: s.Lost,
		Connections: connections}
	if !s.Oldest.IsZero() {
		out.OldestAge = max(now.Sub(s.Oldest), 0)
	}
	return out
}

func (s Stats) append(dst []byte) []byte {
	for _, n := range []uint64{uint64(s.Waiting), uint64(s.Delayed), uint64(s.Leased), uint64(s.Dead), s.Put, s.Acked, s.Lost,
		uint64(s.OldestAge), uint64(s.Connections)} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return dst
}

func parseStats(b []byte) (Stats, error) {
	r := body{b: b}
	s := Stats{Waiting: int(r.u64()), Delayed: int(r.u64()), Leased: int(r.u64()), Dead: int(r.u64()), Put: r.u64(), Acked: r.u64(),
		Lost: r.u64(), OldestAge: time.Duration(r.u64()), Connections: int(r.u64())}
	return s, r.done(verbStats | answerBit)
}

// appendPeeked appends tickets: maxPeek of the largest fit a frame three times.
func appendPeeked(dst []byte, placed []broker.Placed) []byte {
	tickets := make([]domain.Ticket, len(placed))
	for i, p := range placed {
		tickets[i] = p.Ticket
	}
	return appendTickets(dst, tickets)
}

func parsePeeked(b []byte) ([]domain.Ticket, error) {
	r := body{b: b}
	tickets := r.tickets(nil)
	return tickets, r.done(verbPeek | answerBit)
}
