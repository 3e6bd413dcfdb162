package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Health says whether what the API stands on is there.
type Health struct {
	At       time.Time
	Database error // nil = connected
	Queue    error
}

// Healthy reports whether nothing is away.
func (h Health) Healthy() bool { return h.Database == nil && h.Queue == nil }

// SystemInfo counts what there is.
type SystemInfo struct {
	At      time.Time
	Servers int64
	Jobs    domain.Tally
}

// SuccessRate is the share of finished jobs that completed, in percent; those that were canceled are left out. 0 while there are none.
func (i SystemInfo) SuccessRate() float64 {
	if ended := i.Jobs.Completed + i.Jobs.Failed; ended > 0 {
		return 100 * float64(i.Jobs.Completed) / float64(ended)
	}
	return 0
}

// SystemOverview is what an operator looks at first. Its job counts and averages are kept with the jobs, not counted anew.
type SystemOverview struct {
	SystemInfo
	Connected       int64         // servers whose last check got through; those that nobody checked are in neither
	Disconnected    int64         // servers whose last check did not
	AverageDuration time.Duration // of all runs of finished jobs, from start to end; 0 while there are none
	JobsPerHour     float64       // submitted, over the last 24 hours
	OldestQueued    time.Duration // how long the job has waited that waits longest for a worker; 0 where none waits
	Workers         []WorkerLoad  // whose lease is running, oldest first
	Version         string
	Uptime          time.Duration // of the process that answers
	Database        string        // "sqlite" or "postgres"
}

// Capacity is how many jobs the workers may run at once.
func (o SystemOverview) Capacity() (n int) {
	for _, w := range o.Workers {
		n += w.Capacity
	}
	return n
}

// WorkerLoad is a worker and how many jobs it carries.
type WorkerLoad struct {
	domain.Worker
	Running int
}

// System is what is asked about the whole.
type System interface {
	// Info counts servers and jobs. Fails with ErrStorageUnavailable.
	Info(ctx context.Context) (SystemInfo, error)
	// Overview is Info with what is measured beside it. Fails with ErrStorageUnavailable.
	Overview(ctx context.Context) (SystemOverview, error)
	// Health asks database and queue, each with its own short time limit. It never fails and takes at most about 2 s.
	Health(ctx context.Context) Health
}
