package netqueue

import (
	"fmt"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

// Shorten makes a server that is not running yet less patient.
func (s *Server) Shorten(hello, idle, write time.Duration) {
	s.times = times{hello: hello, idle: idle, write: write, last: serverTimes.last}
}

// VerbNames returns the row of each verb in the documentation, up to its name.
func VerbNames() []string {
	var rows []string
	for v, name := range verbNames {
		if v != verbError {
			rows = append(rows, fmt.Sprintf("| %02x | %s |", byte(v), name))
		}
	}
	return rows
}

// Codes returns the codes that a server answers with.
func Codes() []string {
	var codes []string
	for _, e := range []*domain.Error{errFrameTooLarge, errFrameInvalid, errVerbUnknown, errVersion, errBusy, errCredit, errTopics,
		broker.ErrQueuesExhausted, domain.ErrQueueFull, domain.ErrReceiptStale, domain.ErrUnauthenticated} {
		codes = append(codes, e.Code)
	}
	return codes
}
