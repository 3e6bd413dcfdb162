package netqueue_test

import (
	"sync"
	"testing"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	var opened sync.Map // of *queue by the test that opened it
	contract.Queue(t, func(t *testing.T) (ports.Enqueuer, ports.Dequeuer) {
		q := start(t)
		opened.Store(t, q)
		return q.client(t), q.client(t)
	}, contract.QueueTraits{Restart: func(t *testing.T) {
		q, _ := opened.Load(t)
		q.(*queue).stop()
		q.(*queue).start()
	}})
}

// TestQueue_SmallSegments runs the contract on a log that is compacted all the time.
func TestQueue_SmallSegments(t *testing.T) {
	t.Parallel()
	var opened sync.Map
	contract.Queue(t, func(t *testing.T) (ports.Enqueuer, ports.Dequeuer) {
		q := start(t, func(c *netqueue.ServerConfig) { c.SegmentBytes = 512 })
		opened.Store(t, q)
		c := q.client(t)
		return c, c
	}, contract.QueueTraits{Restart: func(t *testing.T) {
		q, _ := opened.Load(t)
		q.(*queue).stop()
		q.(*queue).start()
	}})
}

func TestSignals(t *testing.T) {
	t.Parallel()
	contract.Signals(t, func(t *testing.T) (here, there ports.Signals) {
		q := start(t)
		return q.client(t), q.client(t)
	})
}
