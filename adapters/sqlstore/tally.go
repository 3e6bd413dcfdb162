package sqlstore

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The database itself notes every change of a job's status or reason in job_changes, in the transaction that makes it. Those
// rows are added up into job_totals and job_spans by whoever comes past, one at a time: the sums would be rows that every
// submission wants to change, and every submission would wait for the one before.
const (
	addUpEvery = 256    // writes of this process between two times
	addUpLimit = 2000   // rows added up in one transaction
	addUpMost  = 50     // transactions in passing; the next who comes goes on
	manyFresh  = 2000   // so many rows not added up make reading slow
	vacuumFrom = 50_000 // rows that were added up leave so much dead space on PostgreSQL that it is time to use it again
)

// addUpLock is the advisory lock of who adds up on PostgreSQL: "tally" in ASCII.
const addUpLock = 0x74616c6c79

// tally says when it is time.
type tally struct {
	writes atomic.Int64
	dead   atomic.Int64
}

// due counts writes and reports whether it is time to add up.
func (t *tally) due(writes int64) bool {
	n := t.writes.Add(writes)
	return n >= addUpEvery && t.writes.CompareAndSwap(n, 0)
}

// addUp adds up what there is. What it does not get done, or fails to do, the next call does.
func (s *Store) addUp(ctx context.Context) {
	for range addUpMost {
		n, err := s.addUpSome(ctx)
		if err != nil || n < addUpLimit {
			break
		}
	}
	if s.d == &postgres && s.tally.dead.Load() >= vacuumFrom {
		s.tally.dead.Store(0)
		_, _ = s.writes.ExecContext(ctx, "VACUUM job_changes") // PostgreSQL would do it too, a minute later
	}
}

func (s *Store) addUpSome(ctx context.Context) (n int, err error) {
	err = s.commit(ctx, func(c *conn) error {
		n = 0
		if c.d == &postgres {
			var mine bool
			if err := c.get(&mine, "SELECT pg_try_advisory_xact_lock(?)", int64(addUpLock)); err != nil || !mine {
				return err
			}
		}
		var rows []int64
		if err := c.all(&rows, "SELECT id FROM job_changes ORDER BY id LIMIT ?", addUpLimit); err != nil || len(rows) == 0 {
			return err
		}
		// By their numbers: what commits meanwhile may have lower ones.
		these := c.d.longs(rows)
		if _, err := c.exec(addTotalsSQL, these, these); err != nil {
			return err
		}
		if _, err := c.exec(addSpansSQL, these, these); err != nil {
			return err
		}
		n = len(rows)
		_, err := c.exec("DELETE FROM job_changes WHERE id {in}", these)
		return err
	})
	if err == nil {
		s.tally.dead.Add(int64(n))
	}
	return n, err
}

const (
	addTotalsSQL = `INSERT INTO job_totals (server_id, status, reason, jobs, runs, run_us)
		SELECT server_id, status, reason, SUM(jobs), SUM(runs), SUM(run_us) FROM (
			SELECT server_id, status, reason, jobs, runs, run_us FROM job_changes WHERE id {in}
			UNION ALL SELECT '', status, reason, jobs, runs, run_us FROM job_changes WHERE id {in}) c
		GROUP BY server_id, status, reason HAVING SUM(jobs) <> 0 OR SUM(runs) <> 0 OR SUM(run_us) <> 0
		ON CONFLICT (server_id, status, reason) DO UPDATE SET
			jobs = job_totals.jobs + excluded.jobs, runs = job_totals.runs + excluded.runs, run_us = job_totals.run_us + excluded.run_us`
	addSpansSQL = `INSERT INTO job_spans (hours, at, status, reason, jobs)
		SELECT hours, at, status, reason, SUM(jobs) FROM (
			SELECT 1 AS hours, hour AS at, status, reason, jobs FROM job_changes WHERE id {in}
			UNION ALL SELECT 24, hour / 24, status, reason, jobs FROM job_changes WHERE id {in}) c
		GROUP BY hours, at, status, reason HAVING SUM(jobs) <> 0
		ON CONFLICT (hours, at, status, reason) DO UPDATE SET jobs = job_spans.jobs + excluded.jobs`
)

// kind is a status with a reason, and how many jobs are so.
type kind struct {
	Status domain.Status
	Reason domain.Reason
	Jobs   int64
	Runs   int64
	RunUS  int64 `db:"run_us"`
	Fresh  int64 // rows not added up yet
}

const (
	kindsSQL = `SELECT status, reason, SUM(jobs) AS jobs, SUM(runs) AS runs, SUM(run_us) AS run_us, SUM(fresh) AS fresh FROM (
			SELECT status, reason, jobs, runs, run_us, 0 AS fresh FROM job_totals WHERE server_id = ?
			UNION ALL SELECT status, reason, jobs, runs, run_us, 1 FROM job_changes) k
		GROUP BY status, reason ORDER BY status, reason`
	kindsOfServerSQL = `SELECT status, reason, SUM(jobs) AS jobs, SUM(runs) AS runs, SUM(run_us) AS run_us, SUM(fresh) AS fresh FROM (
			SELECT status, reason, jobs, runs, run_us, 0 AS fresh FROM job_totals WHERE server_id = ?
			UNION ALL SELECT status, reason, jobs, runs, run_us, 1 FROM job_changes WHERE server_id = ?) k
		GROUP BY status, reason ORDER BY status, reason`
)

// kinds returns how many jobs there are of each status and reason, on one server or on all. fresh says how many rows had
// to be read that are not added up.
func kinds(c *conn, server domain.ServerID) (all []kind, fresh int64, err error) {
	if server == "" {
		err = c.all(&all, kindsSQL, "")
	} else {
		id := text(string(server))
		err = c.all(&all, kindsOfServerSQL, id, id)
	}
	for _, k := range all {
		fresh += k.Fresh
	}
	return slices.DeleteFunc(all, func(k kind) bool { return k.Jobs == 0 }), fresh, err
}

// wanted reports whether a query asks for jobs of this kind.
func (k kind) wanted(q ports.JobQuery) bool {
	return (len(q.Statuses) == 0 || slices.Contains(q.Statuses, k.Status)) && (len(q.Reasons) == 0 || slices.Contains(q.Reasons, k.Reason))
}

// span is an hour or a day, by its number since 1970, and how many jobs were made in it.
type span struct {
	At   int64
	Jobs int64
}

// spans returns the spans from first up to but without end in which jobs that f wants were made, the earliest first.
func spans(c *conn, hours, first, end int64, f *filter) (all []span, err error) {
	where := f.more()
	err = c.all(&all, `SELECT at, SUM(jobs) AS jobs FROM (
			SELECT at, jobs FROM job_spans s WHERE hours = ? AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT hour / ?, jobs FROM job_changes s WHERE hour >= ? AND hour < ?`+where+`) a
		GROUP BY at HAVING SUM(jobs) <> 0 ORDER BY at`,
		slices.Concat([]any{hours, first, end}, f.args, []any{hours, first * hours, end * hours}, f.args)...)
	return all, err
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func hourAt(n int64) time.Time { return time.Unix(n*3600, 0) }
