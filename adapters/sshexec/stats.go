package sshexec

import (
	"maps"

	"github.com/heysubinoy/remora/domain"
)

// Stats is what an executor holds now, and what it has tried since it was made.
type Stats struct {
	Connections int                      // open in the pool
	Idle        int                      // of them without a session
	Sessions    int                      // open in the pool
	Logins      map[domain.Reason]uint64 // dial, handshake and login, by the reason of the failure; ReasonNone succeeded
}

// Stats returns the counts.
func (e *Executor) Stats() Stats {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	s := Stats{Logins: maps.Clone(e.pool.logins)}
	for _, pe := range e.pool.peers {
		for _, c := range pe.conns {
			s.Connections++
			s.Sessions += c.used
			if c.used == 0 {
				s.Idle++
			}
		}
	}
	return s
}

// note counts a login. It is called with mu held.
func (p *pool) note(failed *loginError) {
	reason := domain.ReasonNone
	if failed != nil {
		reason = failed.failure.Reason
	}
	p.logins[reason]++
}
