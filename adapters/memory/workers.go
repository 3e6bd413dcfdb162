package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.WorkerRepository = (*Workers)(nil)

// Workers keeps the workers and their leases.
type Workers struct{ s *Store }

type lease struct {
	worker domain.Worker
	until  time.Time
}

// alive reports whether a worker's lease is running.
func (s *Store) alive(id domain.WorkerID) bool {
	l := s.workers[id]
	return l != nil && s.now().Before(l.until)
}

// capacity is how many jobs the workers can carry at once.
func (s *Store) capacity() (n int) {
	for id, l := range s.workers {
		if s.alive(id) {
			n += l.worker.Capacity
		}
	}
	return n
}

// Register implements ports.WorkerRepository.
func (r *Workers) Register(ctx context.Context, w domain.Worker, length time.Duration) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if r.s.workers[w.ID] != nil {
		return &domain.Error{Kind: domain.KindConflict, Code: "worker_exists", Message: "a worker with this id is registered"}
	}
	w.SeenAt = r.s.clock()
	r.s.workers[w.ID] = &lease{worker: w, until: r.s.now().Add(length)}
	return nil
}

// Renew implements ports.WorkerRepository.
func (r *Workers) Renew(ctx context.Context, id domain.WorkerID, length time.Duration) ([]domain.JobID, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if !r.s.alive(id) {
		return nil, domain.ErrWorkerNotFound
	}
	l := r.s.workers[id]
	l.until, l.worker.SeenAt = r.s.now().Add(length), r.s.clock()
	var cancels []domain.JobID
	for _, rec := range r.s.jobs {
		if j := rec.job; j.Worker == id && j.Status == domain.StatusRunning && j.CancelRequested {
			cancels = append(cancels, j.ID)
		}
	}
	slices.Sort(cancels)
	return cancels, nil
}

// Retire implements ports.WorkerRepository.
func (r *Workers) Retire(ctx context.Context, id domain.WorkerID) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if l := r.s.workers[id]; l != nil {
		l.until = time.Time{}
	}
	return nil
}

// List implements ports.WorkerRepository.
func (r *Workers) List(ctx context.Context) ([]domain.Worker, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var workers []domain.Worker
	for id, l := range r.s.workers {
		if r.s.alive(id) {
			workers = append(workers, l.worker)
		}
	}
	slices.SortFunc(workers, func(a, b domain.Worker) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return workers, nil
}
