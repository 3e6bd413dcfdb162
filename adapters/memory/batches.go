package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.BatchRepository = (*Batches)(nil)

// Batches keeps batches.
type Batches struct{ s *Store }

// Batches returns the store's batches.
func (s *Store) Batches() *Batches { return &Batches{s} }

// Add implements ports.BatchRepository.
func (r *Batches) Add(ctx context.Context, key ports.Idempotency, b *domain.Batch, jobs []*domain.Job) (*domain.Batch, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	earlier, err := r.s.add(key, jobs)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		return copyOf(r.s.batches[earlier.BatchID]), nil
	}
	r.s.batches[b.ID] = copyOf(b)
	return nil, nil
}

// Get implements ports.BatchRepository.
func (r *Batches) Get(ctx context.Context, id domain.BatchID) (*domain.Batch, domain.Tally, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, domain.Tally{}, err
	}
	defer end()
	b := r.s.batches[id]
	if b == nil {
		return nil, domain.Tally{}, domain.ErrBatchNotFound
	}
	return copyOf(b), r.s.tally(id), nil
}

func (s *Store) tally(id domain.BatchID) (t domain.Tally) {
	for _, r := range s.jobs {
		if r.job.BatchID == id {
			t.Add(r.job.Status, 1)
		}
	}
	return t
}

// batchRank is where a batch stands in the list.
type batchRank struct {
	Created int64
	ID      domain.BatchID
}

func rankOfBatch(b *domain.Batch) batchRank { return batchRank{b.CreatedAt.UnixMicro(), b.ID} }

func newestFirst(a, b batchRank) int {
	return -cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
}

// List implements ports.BatchRepository.
func (r *Batches) List(ctx context.Context, q ports.BatchQuery) (ports.BatchPage, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return ports.BatchPage{}, err
	}
	defer end()
	all := slices.SortedFunc(maps.Values(r.s.batches), func(a, b *domain.Batch) int { return newestFirst(rankOfBatch(a), rankOfBatch(b)) })
	page := ports.BatchPage{Total: int64(len(all))}
	from := max(q.Page-1, 0) * q.Limit
	if q.Cursor != "" {
		last, err := decodeCursor[batchRank](q.Cursor)
		if err != nil {
			return ports.BatchPage{}, err
		}
		if from = slices.IndexFunc(all, func(b *domain.Batch) bool { return newestFirst(rankOfBatch(b), last) > 0 }); from < 0 {
			from = len(all)
		}
	}
	from = min(from, len(all))
	to := min(from+q.Limit, len(all))
	for _, b := range all[from:to] {
		page.Batches = append(page.Batches, ports.BatchDetail{Batch: *copyOf(b), Tally: r.s.tally(b.ID)})
	}
	if to < len(all) && to > from {
		page.Next = encodeCursor(rankOfBatch(all[to-1]))
	}
	return page, nil
}

// Results implements ports.BatchRepository.
func (r *Batches) Results(ctx context.Context, id domain.BatchID) ([]domain.Result, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var results []domain.Result
	for _, rec := range r.s.jobs {
		j := rec.job
		if j.BatchID != id {
			continue
		}
		digest := func(s domain.Stream) domain.Digest { return domain.DigestOf(rec.streams[streamID{j.Attempt, s}]) }
		result := domain.Result{Job: j.ID, Server: j.ServerID, Name: r.s.servers[j.ServerID].server.Name, Outcome: domain.Outcome{
			Status: j.Status, Reason: j.Reason, Output: j.Output, Stdout: digest(domain.Stdout), Stderr: digest(domain.Stderr),
		}}
		if j.Exit != nil {
			result.Exit, result.Exited = *j.Exit, true
		}
		results = append(results, result)
	}
	return results, nil
}

// Stop implements ports.BatchRepository.
func (r *Batches) Stop(ctx context.Context, id domain.BatchID, limit int, at time.Time) (ports.StopStep, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return ports.StopStep{}, err
	}
	defer end()
	b := r.s.batches[id]
	if b == nil {
		return ports.StopStep{}, domain.ErrBatchNotFound
	}
	b.Stop(domain.ReasonUser, at)
	var step ports.StopStep
	live := r.s.pick(func(j *domain.Job) bool {
		return j.BatchID == id && (j.Status == domain.StatusQueued || j.Status == domain.StatusRunning && !j.CancelRequested)
	}, func(a, b *domain.Job) int {
		return cmp.Or(cmp.Compare(stopRank(a), stopRank(b)), byUrgency(a, b))
	})
	step.More = len(live) > limit
	for _, j := range live[:min(limit, len(live))] {
		if err := j.RequestCancel(domain.ReasonBatch, at); err != nil {
			return ports.StopStep{}, err
		}
		r.s.write(j)
		if j.Status == domain.StatusCanceled {
			step.Canceled++
		} else {
			step.Asked = append(step.Asked, j)
		}
	}
	return step, nil
}

// stopRank puts first what could still reach a worker.
func stopRank(j *domain.Job) int {
	switch {
	case j.Phase == domain.PhaseEnqueued:
		return 0
	case j.Status == domain.StatusQueued:
		return 1
	}
	return 2
}

// settle does what follows for its batch from a job's change: a stop after too many failures, the end of what came back to
// the queue of a stopped batch, the release of held jobs.
func (s *Store) settle(j *domain.Job) {
	b := s.batches[j.BatchID]
	if b == nil || j.InFlight() {
		return
	}
	failures := s.tally(b.ID).Failed
	switch {
	case b.Stopped():
		if j.Status == domain.StatusQueued && j.RequestCancel(domain.ReasonBatch, j.UpdatedAt) == nil {
			s.write(j)
		}
	case j.Status == domain.StatusFailed && b.StopAfterFailures > 0 && failures >= int64(b.StopAfterFailures):
		b.Stop(domain.ReasonBatch, j.UpdatedAt)
		s.cancelUnsent(b, j.UpdatedAt)
	}
}

// cancelUnsent ends what of a batch is queued, and asks for the end of what was claimed and of which nothing was sent.
func (s *Store) cancelUnsent(b *domain.Batch, at time.Time) {
	for _, j := range s.pick(func(j *domain.Job) bool {
		return j.BatchID == b.ID && (j.Status == domain.StatusQueued || j.Phase == domain.PhaseClaimed)
	}, byUrgency) {
		if j.RequestCancel(domain.ReasonBatch, at) == nil {
			s.write(j)
		}
	}
}
