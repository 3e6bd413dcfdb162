package bootstrap

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/adapters/metrics"
	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

// watch has the meters ask what no port tells: the queue, the database and the connections to the servers.
func (f *foundation) watch(queue metrics.QueueSource) {
	f.meters.WatchQueue(queue)
	f.meters.WatchTotals(f.store.Totals(), f.store.Workers(), f.clock.Now)
	f.meters.WatchPending(func(ctx context.Context) (time.Duration, error) { return f.store.OldestPending(ctx, f.clock.Now()) })
	f.meters.WatchSSH(func() metrics.SSH {
		s := f.executor.Stats()
		logins := make(map[string]uint64, len(s.Logins))
		for reason, n := range s.Logins {
			if reason == domain.ReasonNone {
				reason = "ok"
			}
			logins[string(reason)] = n
		}
		return metrics.SSH{Connections: s.Connections, Idle: s.Idle, Sessions: s.Sessions, Logins: logins}
	})
}

// watchBroker has the meters ask the broker in this process.
func watchBroker(m *metrics.Meters, server *netqueue.Server) {
	m.WatchBroker(func() metrics.Broker {
		s := server.Stats()
		return metrics.Broker{Level: levelOf(s), Put: s.Put, Acked: s.Acked, Lost: s.Lost, Connections: s.Connections}
	})
}

func levelOf(s netqueue.Stats) metrics.Level {
	return metrics.Level{Waiting: s.Waiting, Delayed: s.Delayed, Leased: s.Leased, Dead: s.Dead, OldestAge: s.OldestAge}
}
