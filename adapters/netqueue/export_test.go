package netqueue

import "time"

// Shorten makes a server that is not running yet less patient.
func (s *Server) Shorten(hello, idle, write time.Duration) {
	s.times = times{hello: hello, idle: idle, write: write, last: serverTimes.last}
}
