package domain

import (
	"fmt"
	"time"
)

// Limits of a batch: how many servers it may name, and how many bytes of commands and scripts its jobs may hold in all.
const (
	MaxBatchServers = 10_000
	MaxBatchBytes   = 64 << 20
)

// Batch is one command or script on many servers, one job each. It changes only through Stop.
type Batch struct {
	ID                BatchID
	OriginID          BatchID // the batch it runs again; empty when none
	Command           Command
	Priority          Priority
	Timeout           time.Duration
	Retry             Retry
	MaxParallel       int // jobs in flight at once; 0 = no bound
	StopAfterFailures int // failed jobs after which nothing more is started; 0 = never
	CreatedAt         time.Time
	StoppedAt         time.Time // zero while jobs of it may be started
	StopReason        Reason    // ReasonUser: it was canceled; ReasonBatch: too many of its jobs had failed
}

// NewBatch returns a batch of jobs like sample. Fails with max_parallel_invalid and stop_after_failures_invalid.
func NewBatch(id BatchID, sample *Job, maxParallel, stopAfterFailures int, at time.Time) (*Batch, error) {
	if id == "" {
		return nil, Invalid("id", "a batch needs an id")
	}
	if maxParallel < 0 || maxParallel > MaxBatchServers {
		return nil, Invalid("max_parallel", "max_parallel %d is out of range; give 1 to %d, or leave it out for no bound", maxParallel, MaxBatchServers)
	}
	if stopAfterFailures < 0 || stopAfterFailures > MaxBatchServers {
		return nil, Invalid("stop_after_failures", "stop_after_failures %d is out of range; give 1 to %d, or leave it out to never stop",
			stopAfterFailures, MaxBatchServers)
	}
	return &Batch{
		ID: id, Command: sample.Command, Priority: sample.Priority, Timeout: sample.Timeout, Retry: sample.Retry,
		MaxParallel: maxParallel, StopAfterFailures: stopAfterFailures, CreatedAt: at,
	}, nil
}

// Job returns the batch's job on a server, pending.
func (b *Batch) Job(id JobID, server ServerID) (*Job, error) {
	j, err := NewJob(id, server, b.Command, b.Priority, b.Timeout, b.Retry, b.CreatedAt)
	if err != nil {
		return nil, err
	}
	j.BatchID = b.ID
	return j, nil
}

// Stopped reports whether no job of the batch may be started any more.
func (b *Batch) Stopped() bool { return !b.StoppedAt.IsZero() }

// Gated reports whether something other than its servers decides when the batch's jobs may start.
func (b *Batch) Gated() bool { return b.MaxParallel > 0 || b.StopAfterFailures > 0 }

// Stop says that no job of the batch may be started any more. It does nothing to a batch that is stopped.
func (b *Batch) Stop(reason Reason, at time.Time) {
	if !b.Stopped() {
		b.StoppedAt, b.StopReason = at, reason
	}
}

// Room returns how many more jobs of the batch may be in flight when n are.
func (b *Batch) Room(n int) int {
	switch {
	case b.Stopped():
		return 0
	case b.MaxParallel == 0:
		return MaxBatchServers
	}
	return max(b.MaxParallel-n, 0)
}

// CheckBatchSize fails with batch_empty, batch_too_large (kinds KindUnprocessable and KindTooLarge) when a batch of n jobs
// that run c is none, or more than is taken at once.
func CheckBatchSize(c Command, n int) error {
	size := len(c.Line) + len(c.Args) + len(c.Script)
	for _, a := range c.Argv {
		size += len(a)
	}
	switch {
	case n == 0:
		return ErrBatchEmpty
	case n > MaxBatchServers:
		return ErrBatchTooLarge.Withf("the batch names %d servers, at most %d are taken at once; make several of it", n, MaxBatchServers).
			WithDetails(map[string]any{"servers": n, "limit": MaxBatchServers})
	case size*n > MaxBatchBytes:
		return ErrBatchTooLarge.Withf("%d bytes of command on %d servers are more than the %d MiB that one batch may hold; make several of it, or put the script on the servers first",
			size, n, MaxBatchBytes>>20).WithDetails(map[string]any{"bytes": size * n, "limit": MaxBatchBytes})
	}
	return nil
}

// Tally counts a set of jobs by status.
type Tally struct {
	Queued, Running, Completed, Failed, Canceled int64
}

// Add counts n more jobs with status s.
func (t *Tally) Add(s Status, n int64) {
	switch s {
	case StatusQueued:
		t.Queued += n
	case StatusRunning:
		t.Running += n
	case StatusCompleted:
		t.Completed += n
	case StatusFailed:
		t.Failed += n
	case StatusCanceled:
		t.Canceled += n
	}
}

// Total returns the count of all jobs.
func (t Tally) Total() int64 { return t.Queued + t.Running + t.Completed + t.Failed + t.Canceled }

// Finished reports whether none of them can change any more.
func (t Tally) Finished() bool { return t.Queued+t.Running == 0 }

// String returns the counts for people, those that are none left out.
func (t Tally) String() string {
	text := ""
	for _, c := range []struct {
		n    int64
		what Status
	}{{t.Queued, StatusQueued}, {t.Running, StatusRunning}, {t.Completed, StatusCompleted}, {t.Failed, StatusFailed}, {t.Canceled, StatusCanceled}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	if text == "" {
		return "none"
	}
	return text[2:]
}
