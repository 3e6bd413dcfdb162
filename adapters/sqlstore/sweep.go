package sqlstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// sweep is a search for jobs and the verb that each is to make.
type sweep struct {
	where string // without order and limit
	order string
	args  []any
	verb  func(j *domain.Job) error
	write func(c *conn, jobs []*domain.Job) error
}

// run sweeps up to limit jobs in one transaction, leaving those alone that others are changing.
func (b *backlog) run(ctx context.Context, limit int, at time.Time, s sweep) (swept []*domain.Job, err error) {
	err = b.s.write(ctx, func(c *conn) error {
		swept = nil
		list, err := candidates(c, s.where+" ORDER BY "+s.order+" LIMIT ?", append(slices.Clone(s.args), limit)...)
		if err != nil || len(list) == 0 {
			return err
		}
		gates, err := lockBatches(c, list, true)
		if err != nil {
			return err
		}
		queued, err := gates.inQueue(c)
		if err != nil {
			return err
		}
		if err := lockServers(c, append(queued, list...), "{share server}"); err != nil {
			return err
		}
		jobs, err := load(c, list, s.where, "{lock skip}", s.args...)
		if err != nil {
			return err
		}
		freed := map[domain.ServerID]bool{}
		for _, j := range jobs {
			was := j.InFlight()
			if err := s.verb(j); err != nil {
				return err
			}
			if was && !j.InFlight() {
				freed[j.ServerID] = true
			}
		}
		if err := s.write(c, jobs); err != nil {
			return err
		}
		swept = jobs
		return gates.settle(c, jobs, freed, at)
	})
	if err != nil {
		return nil, err
	}
	return swept, nil
}

// fillAll releases held jobs on every server where a place became free.
func fillAll(c *conn, freed map[domain.ServerID]bool, at time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(freed)) {
		if err := fill(c, id, at); err != nil {
			return err
		}
	}
	return nil
}

// updates writes jobs whose verbs may have changed anything.
func updates(c *conn, jobs []*domain.Job) error {
	for _, j := range jobs {
		if err := updateJob(c, j); err != nil {
			return err
		}
	}
	return nil
}

// Wake implements ports.Backlog.
func (b *backlog) Wake(ctx context.Context, limit int, at time.Time) (int, error) {
	woken, err := b.run(ctx, limit, at, sweep{
		where: wakeWhere, order: "next_action_at", args: []any{b.s.d.instant(at)},
		verb:  func(j *domain.Job) error { return j.Release(at) },
		write: moves,
	})
	return len(woken), err
}

const wakeWhere = "phase IN ('backoff', 'held', 'enqueued') AND next_action_at <= ?"

// DetachSilent implements ports.Backlog.
func (b *backlog) DetachSilent(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error) {
	return b.run(ctx, limit, at, sweep{
		where: silentWhere, order: "next_action_at",
		verb:  func(j *domain.Job) error { return j.Detach(at) },
		write: updates,
	})
}

const silentWhere = `status = 'running' AND phase <> 'detached'
	AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = jobs.worker AND w.lease_until > {now})`

// Expire implements ports.Backlog.
func (b *backlog) Expire(ctx context.Context, limit int, at time.Time) ([]*domain.Job, error) {
	return b.run(ctx, limit, at, sweep{
		where: expireWhere, order: "deadline_at", args: []any{b.s.d.instant(at), b.s.d.instant(at.Add(-domain.LostAfter))},
		verb:  func(j *domain.Job) error { return j.Expire(at) },
		write: updates,
	})
}

// The last condition is the index's, word for word, as SQLite wants it.
const expireWhere = `((status = 'queued' AND deadline_at <= ?) OR (phase = 'detached' AND deadline_at <= ?))
	AND (status = 'queued' OR phase = 'detached')`
