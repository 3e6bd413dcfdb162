package domain

import "time"

// The lease of a worker: it renews every HeartbeatEvery; after LeaseFor without a renewal the others take its jobs over;
// it stops writing by itself after WriteFor, measured on its own monotonic clock.
const (
	HeartbeatEvery = 5 * time.Second
	LeaseFor       = 20 * time.Second
	WriteFor       = LeaseFor * 2 / 3
)

// KillGrace is how long a command may take to end after TERM before it is killed.
const KillGrace = 10 * time.Second

// Worker is one run of a worker process.
type Worker struct {
	ID        WorkerID
	Hostname  string
	PID       int
	Capacity  int // jobs at once
	StartedAt time.Time
	SeenAt    time.Time // last heartbeat, by the database's clock
}
