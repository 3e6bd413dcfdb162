package ports

import (
	"context"
	"io"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// OutputPage is a run of chunks in the order they were stored.
type OutputPage struct {
	Chunks []domain.Chunk
	Next   domain.Seq // ask for what comes after this
	Final  bool       // the job is final and there is nothing after Next
}

// JobEvent is a change that a follower sees: exactly one of Job and Chunk is set. Followers share what it points to: they read it.
type JobEvent struct {
	Job      *domain.Job   // its state changed
	Chunk    *domain.Chunk // output came
	Complete bool          // with Job: it is final and all output was sent
	More     bool          // another event follows at once; who sends them on may wait for it
}

// Output is how people read what jobs print.
type Output interface {
	// Chunks returns up to limit chunks after a sequence number, at most about 1 MiB of data in all. With wait > 0 and
	// nothing there yet it waits that long for the first. Fails with ErrJobNotFound.
	Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int, wait time.Duration) (OutputPage, error)
	// Open returns the bytes [offset, offset+length) of a stream of the job's current attempt as they are stored now, and
	// the stream's size; length < 0 means to the end. Memory does not grow with length. The caller closes it. Fails with ErrJobNotFound.
	Open(ctx context.Context, id domain.JobID, s domain.Stream, offset, length int64) (r io.ReadCloser, size int64, err error)
	// Follow calls emit with the job's state, every chunk after the sequence number in order with none left out or
	// repeated, and every change of state, until the job is final (a last event with Complete), emit fails or ctx is done.
	// It returns nil after Complete, else emit's or the context's error. Fails with ErrJobNotFound.
	Follow(ctx context.Context, id domain.JobID, after domain.Seq, emit func(JobEvent) error) error
}
