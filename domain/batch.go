package domain

import "time"

// Batch is one command or script on many servers, one job each.
type Batch struct {
	ID                BatchID
	MaxParallel       int // jobs at once; 0 = no bound
	StopAfterFailures int // 0 = never stop
	CreatedAt         time.Time
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
