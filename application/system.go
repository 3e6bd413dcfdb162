package application

import (
	"context"
	"sync"
	"time"

	"github.com/heysubinoy/remora/ports"
)

// healthTimeout bounds how long a health check waits for each part.
const healthTimeout = 2 * time.Second

// System implements ports.System.
type System struct {
	Database ports.Pinger
	Queue    ports.Pinger
	Clock    ports.Clock
}

var _ ports.System = (*System)(nil)

// Health implements ports.System.
func (s *System) Health(ctx context.Context) ports.Health {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	h := ports.Health{At: s.Clock.Now()}
	var both sync.WaitGroup
	both.Go(func() { h.Database = s.Database.Ping(ctx) })
	both.Go(func() { h.Queue = s.Queue.Ping(ctx) })
	both.Wait()
	return h
}
