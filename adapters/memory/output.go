package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// pageBytes is after how much data a page of chunks stops.
const pageBytes = 1 << 20

var _ ports.OutputStore = (*Output)(nil)

// Output keeps what jobs print.
type Output struct{ s *Store }

type streamID struct {
	attempt int
	stream  domain.Stream
}

// chunkRef is a chunk whose data is a run of its stream.
type chunkRef struct {
	in          streamID
	offset, end int64
	at          time.Time
}

// Append implements ports.OutputStore.
func (o *Output) Append(ctx context.Context, a ports.Append) (domain.Seq, error) {
	end, err := o.s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	r := o.s.jobs[a.Job]
	switch {
	case r == nil:
		return 0, domain.ErrJobNotFound
	case r.job.Status != domain.StatusRunning || r.job.Attempt != a.Attempt || r.job.Epoch != a.Epoch:
		return 0, domain.ErrLeaseLost
	case r.job.Output != a.From:
		return 0, domain.ErrStaleOutput
	}
	for _, p := range a.Pieces {
		id := streamID{a.Attempt, p.Stream}
		from := r.job.Output.Of(p.Stream)
		r.streams[id] = append(r.streams[id], p.Data...)
		r.chunks = append(r.chunks, chunkRef{in: id, offset: from, end: from + int64(len(p.Data)), at: a.At})
		r.job.Output = r.job.Output.Plus(p.Stream, len(p.Data))
		r.job.LastSeq++
	}
	return r.job.LastSeq, nil
}

// Chunks implements ports.OutputStore.
func (o *Output) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int) ([]domain.Chunk, error) {
	end, err := o.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	r := o.s.jobs[id]
	if r == nil || int(after) >= len(r.chunks) {
		return nil, nil
	}
	var chunks []domain.Chunk
	size := 0
	for i, c := range r.chunks[after:] {
		if i == limit || size >= pageBytes {
			break
		}
		data := bytes.Clone(r.streams[c.in][c.offset:c.end])
		size += len(data)
		chunks = append(chunks, domain.Chunk{
			Seq: after + domain.Seq(i) + 1, Attempt: c.in.attempt, Stream: c.in.stream, Offset: c.offset, At: c.at, Data: data,
		})
	}
	return chunks, nil
}

// ReadAt implements ports.OutputStore.
func (o *Output) ReadAt(ctx context.Context, a domain.AttemptID, s domain.Stream, p []byte, offset int64) (int, error) {
	end, err := o.s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	r := o.s.jobs[a.Job]
	if r == nil {
		return 0, nil
	}
	stored := r.streams[streamID{a.Number, s}]
	if offset >= int64(len(stored)) {
		return 0, nil
	}
	return copy(p, stored[offset:]), nil
}
