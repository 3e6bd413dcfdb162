package memory

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.TotalsRepository = (*Totals)(nil)

// Totals counts what the store holds.
type Totals struct{ s *Store }

// Totals returns the store's counts.
func (s *Store) Totals() *Totals { return &Totals{s} }

// Totals implements ports.TotalsRepository.
func (r *Totals) Totals(ctx context.Context, recent time.Time) (ports.Totals, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return ports.Totals{}, err
	}
	defer end()
	t := ports.Totals{Servers: int64(len(r.s.servers)), Carried: map[domain.WorkerID]int{}}
	for _, rec := range r.s.servers {
		switch check := rec.server.LastCheck; {
		case check == nil:
		case check.Connected:
			t.Connected++
		default:
			t.Disconnected++
		}
	}
	type kind struct {
		status domain.Status
		reason domain.Reason
	}
	counts := map[kind]*ports.JobCount{}
	for _, rec := range r.s.jobs {
		j := rec.job
		k := kind{j.Status, j.Reason}
		if counts[k] == nil {
			counts[k] = &ports.JobCount{Status: j.Status, Reason: j.Reason}
		}
		counts[k].Jobs++
		if !j.StartedAt.IsZero() && !j.FinishedAt.IsZero() {
			counts[k].Runs++
			counts[k].RunTime += j.FinishedAt.Sub(j.StartedAt)
		}
		if !j.CreatedAt.Before(recent.Truncate(time.Hour)) {
			t.Recent++
		}
		if j.Status == domain.StatusQueued && (t.OldestQueued.IsZero() || j.CreatedAt.Before(t.OldestQueued)) {
			t.OldestQueued = j.CreatedAt
		}
		if j.Status == domain.StatusRunning && j.Worker != "" {
			t.Carried[j.Worker]++
		}
	}
	for _, c := range counts {
		t.Jobs = append(t.Jobs, *c)
	}
	return t, nil
}
