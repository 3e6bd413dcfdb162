package memory

import (
	"cmp"
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.Backlog = (*Backlog)(nil)

// Backlog is the table of jobs as the dispatcher and the sweeper see it.
type Backlog struct{ s *Store }

// Take implements ports.Backlog.
func (b *Backlog) Take(ctx context.Context, limit int, at time.Time) ([]domain.Ticket, bool, error) {
	end, err := b.s.begin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer end()
	var tickets []domain.Ticket
	window := domain.NewWindow(b.s.capacity(), b.s.queued())
	pending := window.InTurn(b.s.pick(func(j *domain.Job) bool { return j.Phase == domain.PhasePending }, byUrgency))
	rooms := newRooms(b.s)
	looked := 0
	for _, j := range pending[:min(limit, len(pending))] {
		if window.Room(j.Priority) == 0 {
			break
		}
		looked++
		var err error
		switch batch := b.s.batches[j.BatchID]; {
		case batch != nil && batch.Stopped():
			err = j.RequestCancel(domain.ReasonBatch, at)
		case rooms.take(j):
			err = j.Offer(at)
			window.Add(j.Line())
			tickets = append(tickets, j.Ticket())
		default:
			err = j.Hold(at)
		}
		if err != nil {
			return nil, false, err
		}
		b.s.write(j)
	}
	more := len(pending) > looked && window.Room(pending[looked].Priority) > 0
	waiting := b.s.pick(func(j *domain.Job) bool { return j.Phase == domain.PhaseDetached && due(j, at) }, byNextAction)
	for _, j := range waiting[:min(limit, len(waiting))] {
		if err := j.Reoffer(at); err != nil {
			return nil, false, err
		}
		b.s.write(j)
		tickets = append(tickets, j.Ticket())
	}
	return tickets, more || len(waiting) > limit, nil
}

// queued counts the tickets that are in the queue.
func (s *Store) queued() map[domain.Line]int {
	n := map[domain.Line]int{}
	for _, r := range s.jobs {
		if r.job.Phase == domain.PhaseEnqueued {
			n[r.job.Line()]++
		}
	}
	return n
}

// Return implements ports.Backlog.
func (b *Backlog) Return(ctx context.Context, tickets []domain.Ticket, at time.Time) error {
	end, err := b.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	for _, t := range tickets {
		r := b.s.jobs[t.Job]
		if r == nil || r.job.Ticket().ID != t.ID {
			continue
		}
		j := copyJob(r.job)
		switch j.Phase {
		case domain.PhaseEnqueued:
			if err := j.Release(at); err != nil {
				return err
			}
		case domain.PhaseDetached:
			makeDue(j, at)
		default:
			continue
		}
		b.s.write(j)
	}
	return nil
}

// Wake implements ports.Backlog.
func (b *Backlog) Wake(ctx context.Context, limit int, at time.Time) (int, error) {
	woken, err := b.sweep(ctx, limit, func(j *domain.Job) bool {
		switch j.Phase {
		case domain.PhaseBackoff, domain.PhaseHeld, domain.PhaseEnqueued:
			return due(j, at)
		}
		return false
	}, func(j *domain.Job) error { return j.Release(at) })
	return len(woken), err
}

// Adopt implements ports.Backlog.
func (b *Backlog) Adopt(ctx context.Context, queue, store string, at time.Time) (int, error) {
	end, err := b.s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	if known, ok := b.s.queues[queue]; ok && known == store {
		return 0, nil
	}
	b.s.queues[queue] = store
	lost := b.s.pick(func(j *domain.Job) bool {
		return j.Phase == domain.PhaseEnqueued || j.Phase == domain.PhaseDetached && !due(j, at)
	}, byNextAction)
	for _, j := range lost {
		if j.Phase == domain.PhaseDetached {
			makeDue(j, at)
		} else if err := j.Release(at); err != nil {
			return 0, err
		}
		b.s.write(j)
	}
	return len(lost), nil
}

// DetachSilent implements ports.Backlog.
func (b *Backlog) DetachSilent(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error) {
	return b.sweep(ctx, limit, func(j *domain.Job) bool {
		return j.Status == domain.StatusRunning && j.Phase != domain.PhaseDetached && !b.s.alive(j.Worker)
	}, func(j *domain.Job) error { return j.Detach(at) })
}

// Expire implements ports.Backlog.
func (b *Backlog) Expire(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error) {
	may := func(j *domain.Job) bool { return copyJob(j).Expire(at) == nil }
	return b.sweep(ctx, limit, may, func(j *domain.Job) error { return j.Expire(at) })
}

// sweep applies a verb to up to limit jobs that match when their turn comes: one write may change another job, as when
// a freed place releases a held one.
func (b *Backlog) sweep(ctx context.Context, limit int, match func(*domain.Job) bool, verb func(*domain.Job) error) (swept []*domain.Job, err error) {
	end, err := b.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	for _, picked := range b.s.pick(match, byNextAction) {
		if len(swept) == limit {
			break
		}
		j := copyJob(b.s.jobs[picked.ID].job)
		if !match(j) {
			continue
		}
		if err := verb(j); err != nil {
			return swept, err
		}
		b.s.write(j)
		swept = append(swept, copyJob(j))
	}
	return swept, nil
}

func due(j *domain.Job, at time.Time) bool { return !j.NextActionAt.After(at) }

// makeDue says that a detached job is to be offered again at once: its ticket is not in the queue.
func makeDue(j *domain.Job, at time.Time) {
	j.NextActionAt = at
	if at.After(j.UpdatedAt) {
		j.UpdatedAt = at
	}
}

func byUrgency(a, b *domain.Job) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

func byNextAction(a, b *domain.Job) int {
	return cmp.Or(a.NextActionAt.Compare(b.NextActionAt), cmp.Compare(a.ID, b.ID))
}
