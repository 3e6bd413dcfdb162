package ports

import (
	"context"
	"time"
)

// Health says whether what the API stands on is there.
type Health struct {
	At       time.Time
	Database error // nil = connected
	Queue    error
}

// Healthy reports whether nothing is away.
func (h Health) Healthy() bool { return h.Database == nil && h.Queue == nil }

// System is what is asked about the whole.
type System interface {
	// Health asks database and queue, each with its own short time limit. It never fails and takes at most about 2 s.
	Health(ctx context.Context) Health
}
