package sqlstore

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.TotalsRepository = (*totals)(nil)

type totals struct{ s *Store }

// Totals returns the kept counts.
func (s *Store) Totals() ports.TotalsRepository { return &totals{s} }

// checksSQL counts servers; a check is JSON, and its truth is a word.
const checksSQL = `SELECT COUNT(*) AS servers, COUNT(CASE WHEN connected THEN 1 END) AS connected,
		COUNT(CASE WHEN NOT connected THEN 1 END) AS disconnected
	FROM (SELECT {connected} AS connected FROM servers) s`

// oldestSQL looks at the beginning of each range of queued jobs, of which there is one for every reason.
const oldestSQL = `SELECT MIN(created_at) FROM jobs WHERE status = 'queued' AND reason = ?`

const carriedSQL = "SELECT worker, COUNT(*) AS n FROM jobs WHERE status = 'running' AND worker <> '' GROUP BY worker"

// Totals implements ports.TotalsRepository.
func (r *totals) Totals(ctx context.Context, recent time.Time) (found ports.Totals, err error) {
	var fresh int64
	err = r.s.snapshot(ctx, func(c *conn) error {
		found = ports.Totals{Carried: map[domain.WorkerID]int{}}
		var all []kind
		if all, fresh, err = kinds(c, ""); err != nil {
			return err
		}
		for _, k := range all {
			found.Jobs = append(found.Jobs, ports.JobCount{
				Status: k.Status, Reason: k.Reason, Jobs: k.Jobs, Runs: k.Runs, RunTime: time.Duration(k.RunUS) * time.Microsecond,
			})
			if k.Status != domain.StatusQueued {
				continue
			}
			var oldest stamp
			if err := c.get(&oldest, oldestSQL, string(k.Reason)); err != nil {
				return err
			}
			if t := found.OldestQueued; t.IsZero() || oldest.Before(t) {
				found.OldestQueued = oldest.Time
			}
		}
		return r.rest(c, recent, &found)
	})
	if err != nil {
		return ports.Totals{}, err
	}
	if fresh > manyFresh {
		r.s.addUp(ctx)
	}
	return found, nil
}

func (r *totals) rest(c *conn, recent time.Time, found *ports.Totals) error {
	hours, err := spans(c, 1, hourOf(recent), farOff, &filter{})
	if err != nil {
		return err
	}
	for _, h := range hours {
		found.Recent += h.Jobs
	}
	var checks struct{ Servers, Connected, Disconnected int64 }
	if err := c.get(&checks, checksSQL); err != nil {
		return err
	}
	found.Servers, found.Connected, found.Disconnected = checks.Servers, checks.Connected, checks.Disconnected
	var carried []struct {
		Worker string
		N      int
	}
	err = c.all(&carried, carriedSQL)
	for _, w := range carried {
		found.Carried[domain.WorkerID(w.Worker)] = w.N
	}
	return err
}
