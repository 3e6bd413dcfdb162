package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.BatchRepository = (*batches)(nil)

type batches struct{ s *Store }

// Batches returns the batches.
func (s *Store) Batches() ports.BatchRepository { return &batches{s} }

const batchColumns = `id, origin_id, kind, line, args, argv, script, shell, priority, timeout_ns, retry_mode, retry_attempts,
	max_parallel, stop_after, created_at, stopped_at, stop_reason`

// batchRow is a row of batches.
type batchRow struct {
	ID            string
	OriginID      string `db:"origin_id"`
	Kind          string
	Line          string
	Args          string
	Argv          nested[[]string]
	Script        string
	Shell         string
	Priority      int
	TimeoutNS     int64  `db:"timeout_ns"`
	RetryMode     string `db:"retry_mode"`
	RetryAttempts int    `db:"retry_attempts"`
	MaxParallel   int    `db:"max_parallel"`
	StopAfter     int    `db:"stop_after"`
	CreatedAt     stamp  `db:"created_at"`
	StoppedAt     stamp  `db:"stopped_at"`
	StopReason    string `db:"stop_reason"`
}

func (r *batchRow) batch() *domain.Batch {
	b := &domain.Batch{
		ID: domain.BatchID(r.ID), OriginID: domain.BatchID(r.OriginID),
		Command:  domain.Command{Kind: domain.CommandKind(r.Kind), Line: r.Line, Args: r.Args, Script: r.Script, Shell: r.Shell},
		Priority: domain.Priority(r.Priority), Timeout: time.Duration(r.TimeoutNS),
		Retry:       domain.Retry{Mode: domain.RetryMode(r.RetryMode), MaxAttempts: r.RetryAttempts},
		MaxParallel: r.MaxParallel, StopAfterFailures: r.StopAfter,
		CreatedAt: r.CreatedAt.Time, StoppedAt: r.StoppedAt.Time, StopReason: domain.Reason(r.StopReason),
	}
	if r.Argv.value != nil {
		b.Command.Argv = *r.Argv.value
	}
	return b
}

// Add implements ports.BatchRepository.
func (r *batches) Add(ctx context.Context, key ports.Idempotency, b *domain.Batch, list []*domain.Job) (earlier *domain.Batch, err error) {
	err = r.s.write(ctx, func(c *conn) error {
		earlier = nil
		if key.Key != "" && len(list) > 0 {
			job, err := useKey(c, key, list[0].ID)
			if err != nil {
				return err
			}
			if job != nil {
				earlier, err = getBatch(c, job.BatchID)
				return err
			}
		}
		_, err := c.exec(`INSERT INTO batches (`+batchColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			string(b.ID), string(b.OriginID), string(b.Command.Kind), b.Command.Line, b.Command.Args, argvColumn(b.Command.Argv),
			b.Command.Script, b.Command.Shell, int(b.Priority), int64(b.Timeout), string(b.Retry.Mode), b.Retry.MaxAttempts,
			b.MaxParallel, b.StopAfterFailures, c.d.at(b.CreatedAt), c.d.at(b.StoppedAt), string(b.StopReason))
		if err != nil {
			return err
		}
		return insertJobs(c, list)
	})
	if err == nil && earlier == nil && key.Key != "" {
		r.s.sweepKeys(ctx)
	}
	return earlier, err
}

func getBatch(c *conn, id domain.BatchID) (*domain.Batch, error) {
	var row batchRow
	ok, err := found(c.get(&row, "SELECT "+batchColumns+" FROM batches WHERE id = ?", text(string(id))))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, domain.ErrBatchNotFound
	}
	return row.batch(), nil
}

// Get implements ports.BatchRepository.
func (r *batches) Get(ctx context.Context, id domain.BatchID) (b *domain.Batch, tally domain.Tally, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		if b, err = getBatch(c, id); err != nil {
			return err
		}
		tallies, err := talliesOf(c, []string{text(string(id))})
		tally = tallies[id]
		return err
	})
	if err != nil {
		return nil, domain.Tally{}, err
	}
	return b, tally, nil
}

const talliesSQL = `SELECT batch_id AS id, status, COUNT(*) AS n FROM jobs {of batch} WHERE batch_id {in} AND batch_id <> '' GROUP BY batch_id, status`

func talliesOf(c *conn, batches []string) (map[domain.BatchID]domain.Tally, error) {
	var rows []struct {
		ID     string
		Status string
		N      int64
	}
	err := c.all(&rows, talliesSQL, c.d.list(batches))
	tallies := make(map[domain.BatchID]domain.Tally, len(batches))
	for _, r := range rows {
		t := tallies[domain.BatchID(r.ID)]
		t.Add(domain.Status(r.Status), r.N)
		tallies[domain.BatchID(r.ID)] = t
	}
	return tallies, err
}

// batchQuery is the fingerprint of the one list of batches there is.
var batchQuery = fingerprint("batches")

// List implements ports.BatchRepository.
func (r *batches) List(ctx context.Context, q ports.BatchQuery) (page ports.BatchPage, err error) {
	f := &filter{}
	offset := max(q.Page-1, 0) * q.Limit
	if q.Cursor != "" {
		last, err := decodeCursor(q.Cursor, batchQuery)
		if err != nil {
			return page, err
		}
		offset = 0
		f.and("(created_at, id) < (?, ?)", r.s.d.instant(time.UnixMicro(last.Number)), last.ID)
	}
	err = r.s.read(ctx, func(c *conn) error {
		page = ports.BatchPage{}
		var rows []batchRow
		if err := c.get(&page.Total, "SELECT COUNT(*) FROM batches"); err != nil {
			return err
		}
		if err := c.all(&rows, "SELECT "+batchColumns+" FROM batches"+f.where()+" ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
			append(f.args, q.Limit+1, offset)...); err != nil {
			return err
		}
		if len(rows) > q.Limit {
			rows = rows[:q.Limit]
			last := rows[q.Limit-1]
			page.Next = cursor{Query: batchQuery, Number: last.CreatedAt.UnixMicro(), ID: last.ID}.encode()
		}
		found := make([]string, len(rows))
		for i := range rows {
			found[i] = rows[i].ID
		}
		tallies, err := talliesOf(c, found)
		for i := range rows {
			b := rows[i].batch()
			page.Batches = append(page.Batches, ports.BatchDetail{Batch: *b, Tally: tallies[b.ID]})
		}
		return err
	})
	return page, err
}

// resultRow is how a job of a batch stands.
type resultRow struct {
	ID          string
	ServerID    string `db:"server_id"`
	Name        string
	Status      string
	Reason      string
	ExitCode    sql.NullInt64 `db:"exit_code"`
	ExitSignal  string        `db:"exit_signal"`
	StdoutBytes int64         `db:"stdout_bytes"`
	StderrBytes int64         `db:"stderr_bytes"`
	Stdout      []byte
	Stderr      []byte
}

// resultsSQL leaves out the hashes of an earlier attempt: a new one begins with no output.
const resultsSQL = `SELECT j.id, j.server_id, s.name, j.status, j.reason, j.exit_code, j.exit_signal, j.stdout_bytes, j.stderr_bytes,
		h.stdout, h.stderr
	FROM jobs j {of batch} JOIN servers s ON s.id = j.server_id LEFT JOIN job_hashes h ON h.job_id = j.id AND h.attempt = j.attempt
	WHERE j.batch_id = ? AND j.batch_id <> ''`

// Results implements ports.BatchRepository.
func (r *batches) Results(ctx context.Context, id domain.BatchID) (results []domain.Result, err error) {
	var rows []resultRow
	err = r.s.read(ctx, func(c *conn) error {
		rows = nil
		return c.all(&rows, resultsSQL, text(string(id)))
	})
	if err != nil {
		return nil, err
	}
	for i := range rows {
		row := &rows[i]
		result := domain.Result{Job: domain.JobID(row.ID), Server: domain.ServerID(row.ServerID), Name: row.Name, Outcome: domain.Outcome{
			Status: domain.Status(row.Status), Reason: domain.Reason(row.Reason),
			Output: domain.Offsets{Stdout: row.StdoutBytes, Stderr: row.StderrBytes},
		}}
		if e := exit(row.ExitCode, row.ExitSignal); e != nil {
			result.Exit, result.Exited = *e, true
		}
		if result.Stdout, err = digest(row.Stdout); err != nil {
			return nil, err
		}
		if result.Stderr, err = digest(row.Stderr); err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// stopWhere finds what of a batch is to be ended; those in the queue first, which a worker could still take.
const stopWhere = `batch_id = ? AND batch_id <> '' AND status IN ('queued', 'running') AND (status = 'queued' OR cancel_requested <> {true})`

// Stop implements ports.BatchRepository.
func (r *batches) Stop(ctx context.Context, id domain.BatchID, limit int, at time.Time) (step ports.StopStep, err error) {
	err = r.s.write(ctx, func(c *conn) error {
		step = ports.StopStep{}
		var g gate
		ok, err := found(c.get(&g, "SELECT "+gateColumns+" FROM batches b WHERE b.id = ? {lock batch}", text(string(id))))
		if err != nil {
			return err
		}
		if !ok {
			return domain.ErrBatchNotFound
		}
		if err := g.mark(c, domain.ReasonUser, at); err != nil {
			return err
		}
		list, err := candidates(c, stopWhere+" ORDER BY CASE WHEN phase = 'enqueued' THEN 0 WHEN status = 'queued' THEN 1 ELSE 2 END, id LIMIT ?",
			g.ID, limit+1)
		if err != nil {
			return err
		}
		if step.More = len(list) > limit; step.More {
			list = list[:limit]
		}
		if err := lockServers(c, list, "{share server}"); err != nil {
			return err
		}
		jobs, err := load(c, list, "status IN ('queued', 'running')", "{lock}")
		if err != nil {
			return err
		}
		freed := map[domain.ServerID]bool{}
		if step.Asked, err = cancelAll(c, jobs, at, freed); err != nil {
			return err
		}
		step.Canceled = int64(len(jobs) - len(step.Asked))
		return fillAll(c, freed, at)
	})
	return step, err
}
