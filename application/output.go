package application

import (
	"context"
	"io"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// followPoll is how often a follower looks by itself, should a signal be lost.
const followPoll = time.Second

// maxChunks bounds a page of chunks.
const maxChunks = 1000

// Output implements ports.Output.
type Output struct {
	Jobs    ports.JobRepository
	Store   ports.OutputStore
	Signals ports.Signals

	hubs hubs
}

var _ ports.Output = (*Output)(nil)

// Chunks implements ports.Output.
func (o *Output) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int, wait time.Duration) (ports.OutputPage, error) {
	if limit < 1 || limit > maxChunks {
		limit = maxChunks
	}
	wake, cancel := o.Signals.Subscribe(ports.TopicJob(id))
	defer cancel()
	patience := time.NewTimer(wait)
	defer patience.Stop()
	for {
		page, err := o.page(ctx, id, after, limit)
		if err != nil || len(page.Chunks) > 0 || page.Final || wait <= 0 {
			return page, err
		}
		select {
		case <-wake:
		case <-time.After(followPoll):
		case <-patience.C:
			return page, nil
		case <-ctx.Done():
			return ports.OutputPage{}, contextError(ctx)
		}
	}
}

func (o *Output) page(ctx context.Context, id domain.JobID, after domain.Seq, limit int) (ports.OutputPage, error) {
	job, err := o.Jobs.Get(ctx, id)
	if err != nil {
		return ports.OutputPage{}, err
	}
	chunks, err := o.Store.Chunks(ctx, id, after, limit)
	if err != nil {
		return ports.OutputPage{}, err
	}
	next := after
	if len(chunks) > 0 {
		next = chunks[len(chunks)-1].Seq
	}
	return ports.OutputPage{Chunks: chunks, Next: next, Final: job.Status.Final() && next >= job.LastSeq}, nil
}

// Open implements ports.Output.
func (o *Output) Open(ctx context.Context, id domain.JobID, s domain.Stream, offset, length int64) (io.ReadCloser, int64, error) {
	job, err := o.Jobs.Get(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	size := job.Output.Of(s)
	end := size
	if length >= 0 && length < size-offset {
		end = offset + length
	}
	return &outputReader{ctx: ctx, store: o.Store, attempt: job.AttemptID(), stream: s, at: offset, end: end}, size, nil
}

// Follow implements ports.Output. All who follow a job here share the reading of it.
func (o *Output) Follow(ctx context.Context, id domain.JobID, after domain.Seq, emit func(ports.JobEvent) error) error {
	h, leave := o.join(id)
	defer leave()
	shown := int64(-1)
	for {
		seen, moved, err := h.look(ctx, after, func(ctx context.Context, r *reading) { o.read(ctx, id, after, r) })
		if err != nil {
			return err
		}
		events := seen.events(shown)
		for i := range events {
			events[i].More = i < len(events)-1
			if err := emit(events[i]); err != nil {
				return err
			}
		}
		shown = seen.job.Revision
		if n := len(seen.chunks); n > 0 {
			after = seen.chunks[n-1].Seq
			continue // there may be more
		}
		if seen.job.Status.Final() {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return contextError(ctx)
		}
	}
}

// read reads the job first: what it has printed by the time it is final is there when the chunks are read.
func (o *Output) read(ctx context.Context, id domain.JobID, after domain.Seq, r *reading) {
	if r.job, r.err = o.Jobs.Get(ctx, id); r.err == nil {
		r.chunks, r.err = o.Store.Chunks(ctx, id, after, maxChunks)
	}
}

// events are what a follower is told who was shown the job at a revision.
func (r *reading) events(shown int64) []ports.JobEvent {
	var events []ports.JobEvent
	state := func() *domain.Job {
		job := *r.job
		return &job
	}
	if r.job.Revision != shown && !r.job.Status.Final() {
		events = append(events, ports.JobEvent{Job: state()})
	}
	for i := range r.chunks {
		events = append(events, ports.JobEvent{Chunk: &r.chunks[i]})
	}
	if r.job.Status.Final() && len(r.chunks) == 0 {
		events = append(events, ports.JobEvent{Job: state(), Complete: true})
	}
	return events
}

// outputReader reads a stored stream from at to end.
type outputReader struct {
	ctx     context.Context
	store   ports.OutputStore
	attempt domain.AttemptID
	stream  domain.Stream
	at, end int64
}

func (r *outputReader) Read(p []byte) (int, error) {
	if r.at >= r.end {
		return 0, io.EOF
	}
	if left := r.end - r.at; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.store.ReadAt(r.ctx, r.attempt, r.stream, p, r.at)
	r.at += int64(n)
	if err == nil && n == 0 && len(p) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *outputReader) Close() error { return nil }

// contextError translates the end of ctx.
func contextError(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return domain.ErrTimeout.Because(context.Cause(ctx))
	}
	return domain.ErrCanceled.Because(context.Cause(ctx))
}
