package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// BatchSubmission asks for a job on each of many servers: those named by id together with those that have all of the
// tags, each once, or all there are. Tags and All choose among active servers only.
type BatchSubmission struct {
	Submission // of each job; its ServerID stays empty

	ServerIDs []domain.ServerID
	Tags      []string
	All       bool

	MaxParallel       int // jobs in flight at once; 0 = no bound
	StopAfterFailures int // failed jobs after which nothing more is started; 0 = never
}

// BatchDetail is a batch with the counts of its jobs and some of them.
type BatchDetail struct {
	Batch domain.Batch
	Tally domain.Tally
	Jobs  JobPage // all of them from Submit and Rerun, the page asked for from Get, none from List and Cancel
}

// BatchQuery selects a page of batches, the newest first.
type BatchQuery struct {
	Limit  int    // 1 to 100
	Page   int    // from 1; 0 with Cursor
	Cursor string // BatchPage.Next of the page before
}

// BatchPage is a page of batches.
type BatchPage struct {
	Batches []BatchDetail
	Total   int64
	Next    string // cursor of the next page; empty on the last
}

// BatchCanceled is what a cancel of a batch has come to.
type BatchCanceled struct {
	BatchDetail
	Canceled int64 // jobs that were queued and are canceled now
	Ending   int64 // jobs that are running, and whose processes are being ended
}

// BatchRerun says what of a batch to run again.
type BatchRerun struct {
	OnlyFailed     bool   // on the servers where its job failed, and no other
	IdempotencyKey string // as Submission's
}

// Batches is what people do with batches.
type Batches interface {
	// Submit stores a batch and all of its jobs, or nothing. Fails as Jobs.Submit does and with server_ids_invalid,
	// tags_invalid, max_parallel_invalid, stop_after_failures_invalid, ErrBatchEmpty, ErrBatchTooLarge; ErrServerNotFound and
	// ErrServerInactive say in their details which server_ids they mean.
	Submit(ctx context.Context, s BatchSubmission) (BatchDetail, error)
	// Get returns a batch with the page of its jobs that q selects; q.BatchID is taken to be id. Fails with
	// ErrBatchNotFound, and as Jobs.List does.
	Get(ctx context.Context, id domain.BatchID, q JobQuery) (BatchDetail, error)
	// List returns a page. Fails with limit_invalid, page_invalid, cursor_invalid.
	List(ctx context.Context, q BatchQuery) (BatchPage, error)
	// Groups compares what the jobs of a batch have printed and how they ended. Fails with ErrBatchNotFound.
	Groups(ctx context.Context, id domain.BatchID) (domain.Groups, error)
	// Cancel asks for the end of every job of a batch. Once it returns, none of them will be started. Fails with
	// ErrBatchNotFound, ErrBatchFinished.
	Cancel(ctx context.Context, id domain.BatchID) (BatchCanceled, error)
	// Rerun submits a finished batch again, on the same servers, with the same limits. Fails with ErrBatchNotFound,
	// ErrBatchActive, ErrBatchEmpty (nothing failed), and as Submit does.
	Rerun(ctx context.Context, id domain.BatchID, r BatchRerun) (BatchDetail, error)
}

// BatchRepository keeps batches. What a batch may do is decided where its jobs are written: a job of a batch that may not
// start one is held; when the batch has failed StopAfterFailures times, the write that ends the last of these jobs stops
// it: every queued job of it ends canceled (domain.ReasonBatch), and one that was claimed, but of which nothing was sent to its
// server, is asked to. A job that would go back to the queue of a stopped batch ends canceled instead. Whoever stops it, its jobs end for domain.ReasonBatch.
type BatchRepository interface {
	// Add stores a batch with its jobs, all or none. An idempotency key is as in JobRepository.Add: a repeat stores nothing and
	// returns the earlier batch. Fails with ErrJobExists, ErrServerNotFound, ErrIdempotencyKey.
	Add(ctx context.Context, key Idempotency, b *domain.Batch, jobs []*domain.Job) (earlier *domain.Batch, err error)
	// Get returns a batch with its counts. Fails with ErrBatchNotFound.
	Get(ctx context.Context, id domain.BatchID) (*domain.Batch, domain.Tally, error)
	// List returns a page, newest first, without jobs. Fails with cursor_invalid.
	List(ctx context.Context, q BatchQuery) (BatchPage, error)
	// Results returns how every job of a batch stands, in no order. None for an unknown batch.
	Results(ctx context.Context, id domain.BatchID) ([]domain.Result, error)
	// Stop stops a batch because a person asked (domain.ReasonUser), unless it is stopped, before anything else: from its first effect on none of its jobs comes into
	// flight but by a ticket that is in the queue. Then it looks at up to limit of its jobs, those in the queue first: the
	// queued ones end canceled, the running ones are asked to, and their workers are returned. It may be called until more
	// is false: then no job of the batch will be started. Fails with ErrBatchNotFound.
	Stop(ctx context.Context, id domain.BatchID, limit int, at time.Time) (StopStep, error)
}

// StopStep is what one BatchRepository.Stop has done.
type StopStep struct {
	Canceled int64
	Asked    []*domain.Job // running jobs whose cancel was requested now
	More     bool
}
