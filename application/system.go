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
	Totals   ports.TotalsRepository
	Workers  ports.WorkerRepository
	Clock    ports.Clock

	Started time.Time // of this process
	Version string
	Kind    string // of the database
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

// rateOver is the time over which the rate of submissions is taken.
const rateOver = 24 * time.Hour

// Info implements ports.System.
func (s *System) Info(ctx context.Context) (ports.SystemInfo, error) {
	at := s.Clock.Now()
	totals, err := s.Totals.Totals(ctx, at)
	return infoOf(at, totals), err
}

// Overview implements ports.System.
func (s *System) Overview(ctx context.Context) (ports.SystemOverview, error) {
	at := s.Clock.Now()
	since := at.Add(-rateOver).Truncate(time.Hour)
	totals, err := s.Totals.Totals(ctx, since)
	if err != nil {
		return ports.SystemOverview{}, err
	}
	workers, err := s.Workers.List(ctx)
	if err != nil {
		return ports.SystemOverview{}, err
	}
	o := ports.SystemOverview{
		SystemInfo: infoOf(at, totals), Connected: totals.Connected, Disconnected: totals.Disconnected,
		JobsPerHour: float64(totals.Recent) / at.Sub(since).Hours(),
		Version:     s.Version, Uptime: at.Sub(s.Started), Database: s.Kind, Workers: make([]ports.WorkerLoad, len(workers)),
	}
	var runs, ran int64
	for _, c := range totals.Jobs {
		runs += c.Runs
		ran += int64(c.RunTime)
	}
	if runs > 0 {
		o.AverageDuration = time.Duration(ran / runs)
	}
	if !totals.OldestQueued.IsZero() {
		o.OldestQueued = max(0, at.Sub(totals.OldestQueued))
	}
	for i, w := range workers {
		o.Workers[i] = ports.WorkerLoad{Worker: w, Running: totals.Carried[w.ID]}
	}
	return o, nil
}

func infoOf(at time.Time, totals ports.Totals) ports.SystemInfo {
	i := ports.SystemInfo{At: at, Servers: totals.Servers}
	for _, c := range totals.Jobs {
		i.Jobs.Add(c.Status, c.Jobs)
	}
	return i
}
