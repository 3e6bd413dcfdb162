package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Submission asks for a job. Zero values take the defaults.
type Submission struct {
	ServerID domain.ServerID
	Command  string   // a shell line, or
	Argv     []string // a program with arguments, or
	Script   string   // a script
	Args     string
	Shell    string
	Timeout  time.Duration
	Priority domain.Priority
	Retry    *domain.Retry

	IdempotencyKey string // a repeated key with the same request returns the first one's job
}

// JobDetail is a job with what a reader wants to know beside it.
type JobDetail struct {
	Job    domain.Job
	Server domain.ServerRef
	Stdout Tail // only from Jobs.Get, Jobs.Submit and Jobs.Cancel
	Stderr Tail
}

// Tail is the end of a stream.
type Tail struct {
	Data      []byte
	Truncated bool // there is more before it
}

// TailBytes is how much of a stream a Tail holds at most.
const TailBytes = 256 << 10

// SortField orders a list of jobs.
type SortField string

// The fields jobs can be sorted by.
const (
	SortCreated  SortField = "created_at"
	SortUpdated  SortField = "updated_at"
	SortStarted  SortField = "started_at"
	SortFinished SortField = "finished_at"
	SortStatus   SortField = "status"
	SortCommand  SortField = "command"
	SortPriority SortField = "priority"
)

// JobQuery selects a page of jobs. The zero value, with a Limit, is the newest first.
type JobQuery struct {
	Statuses      []domain.Status // any of; empty = all
	Reasons       []domain.Reason // any of; empty = all
	ServerID      domain.ServerID
	BatchID       domain.BatchID
	CreatedAfter  time.Time // at this time or later; zero = since ever
	CreatedBefore time.Time // before this time; zero = until now
	Search        string    // part of command, arguments, script or server name, whatever the case
	Sort          SortField
	Asc           bool
	Limit         int    // 1 to 100
	Page          int    // from 1; 0 with Cursor
	Cursor        string // JobPage.Next of the page before; needs the same query
}

// JobPage is a page of jobs without output.
type JobPage struct {
	Jobs   []JobDetail
	Total  int64
	Capped bool   // there are more than Total: counting them all would have taken too long
	Next   string // cursor of the next page; empty on the last
}

// Jobs is what people do with jobs.
type Jobs interface {
	// Submit stores a job; once it returns, the job is never lost. Fails with domain.KindInvalid (the field's code),
	// ErrShellNotAllowed, ErrServerNotFound, ErrServerInactive, ErrIdempotencyKey.
	Submit(ctx context.Context, s Submission) (JobDetail, error)
	// Get returns a job with the tails of its output. Fails with ErrJobNotFound.
	Get(ctx context.Context, id domain.JobID) (JobDetail, error)
	// List returns a page. Fails with domain.KindInvalid (limit_invalid, page_invalid, cursor_invalid, sort_by_invalid, status_invalid,
	// reason_invalid, created_before_invalid).
	List(ctx context.Context, q JobQuery) (JobPage, error)
	// Cancel asks for a job's end. The returned job is canceled when it was queued; else its processes are being ended.
	// Fails with ErrJobNotFound, ErrJobFinal.
	Cancel(ctx context.Context, id domain.JobID) (JobDetail, error)
	// Duplicate submits what a job ran once more, with changes, as a job of its own that is in no batch. Fails with
	// ErrJobNotFound and as Submit.
	Duplicate(ctx context.Context, id domain.JobID, c Change) (Copy, error)
	// Rerun submits what a finished job ran once more. Fails with ErrJobNotFound, ErrJobActive and as Submit.
	Rerun(ctx context.Context, id domain.JobID, idempotencyKey string) (Copy, error)
}
