package application_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
)

type pinger func(ctx context.Context) error

func (p pinger) Ping(ctx context.Context) error { return p(ctx) }

func TestHealth(t *testing.T) {
	well := pinger(func(context.Context) error { return nil })
	gone := pinger(func(context.Context) error { return domain.ErrQueueUnavailable })
	hanging := pinger(func(ctx context.Context) error {
		<-ctx.Done()
		return domain.ErrTimeout
	})
	for name, c := range map[string]struct {
		database, queue pinger
		databaseWell    bool
		queueWell       bool
		within          time.Duration
	}{
		"Well":          {well, well, true, true, 0},
		"QueueGone":     {well, gone, true, false, 0},
		"DatabaseHangs": {hanging, well, false, true, 2 * time.Second},
		"BothHang":      {hanging, hanging, false, false, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &application.System{Database: c.database, Queue: c.queue, Clock: system.Clock{}}
				began := time.Now()
				h := s.Health(t.Context())
				require.Equal(t, c.databaseWell, h.Database == nil)
				require.Equal(t, c.queueWell, h.Queue == nil)
				require.Equal(t, c.databaseWell && c.queueWell, h.Healthy())
				require.Equal(t, began.UTC(), h.At)
				require.LessOrEqual(t, time.Since(began), c.within)
			})
		})
	}
}
