package application

import (
	"context"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// countEvery is how long the number of waiting jobs is believed.
const countEvery = time.Second

// waiting is how many jobs wait, as far as is known here.
type waiting struct {
	mu    sync.Mutex
	until time.Time
	jobs  int64
}

// admit fails with ErrQueueFull when n more jobs would be more than may wait. The number is asked for once a second, and what is
// let in meanwhile is added to it: within a second, other API servers may let in a little more, and repeats count as jobs.
func (a *Jobs) admit(ctx context.Context, n int) error {
	if a.Rules.MaxQueued <= 0 {
		return nil
	}
	w := &a.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := a.Clock.Now(); !now.Before(w.until) {
		rows, err := a.Repository.List(ctx, ports.JobQuery{Statuses: []domain.Status{domain.StatusQueued}, Sort: ports.SortCreated, Limit: 1, Page: 1})
		if err != nil {
			return err
		}
		w.jobs, w.until = rows.Total, now.Add(countEvery)
	}
	if w.jobs+int64(n) > int64(a.Rules.MaxQueued) {
		return domain.ErrQueueFull.
			Withf("%d jobs wait already, and %d may; try again when some of them have run", w.jobs, a.Rules.MaxQueued).
			WithDetails(map[string]any{"limit": a.Rules.MaxQueued, "waiting": w.jobs})
	}
	w.jobs += int64(n)
	return nil
}
