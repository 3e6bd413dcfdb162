package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.JobRepository = (*jobs)(nil)

type jobs struct{ s *Store }

// Add implements ports.JobRepository.
func (r *jobs) Add(ctx context.Context, key ports.Idempotency, list ...*domain.Job) (earlier *domain.Job, err error) {
	if len(list) == 0 {
		return nil, done(ctx)
	}
	err = r.s.write(ctx, func(c *conn) error {
		earlier = nil
		if key.Key != "" {
			if earlier, err = useKey(c, key, list[0].ID); err != nil || earlier != nil {
				return err
			}
		}
		return insertJobs(c, list)
	})
	if err == nil && earlier == nil && key.Key != "" {
		r.s.sweepKeys(ctx)
	}
	return earlier, err
}

// keyLife is how long an idempotency key is remembered, in microseconds.
const keyLife = 24 * int64(time.Hour/time.Microsecond)

// useKey ties a key to a job, or returns the job it is tied to.
func useKey(c *conn, key ports.Idempotency, id domain.JobID) (*domain.Job, error) {
	fresh, err := c.exec(`INSERT INTO idempotency (key, fingerprint, job_id, created_at) VALUES (?, ?, ?, {now})
		ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, job_id = excluded.job_id, created_at = excluded.created_at
		WHERE idempotency.created_at <= {ago}`, text(key.Key), text(key.Fingerprint), string(id), keyLife)
	if err != nil || fresh > 0 {
		return nil, err
	}
	var known struct {
		Fingerprint string
		JobID       string `db:"job_id"`
	}
	if err := c.get(&known, "SELECT fingerprint, job_id FROM idempotency WHERE key = ?", text(key.Key)); err != nil {
		return nil, err
	}
	if known.Fingerprint != text(key.Fingerprint) {
		return nil, domain.ErrIdempotencyKey
	}
	return getJob(c, domain.JobID(known.JobID))
}

const (
	sweepKeysEvery = time.Minute
	sweepKeysLimit = 1000
)

// sweepKeys removes keys that have outlived their time, now and then and in passing. What it does not get done, or fails
// to do, the next call does.
func (s *Store) sweepKeys(ctx context.Context) {
	last, now := s.swept.Load(), time.Now().Unix()
	if now-last < int64(sweepKeysEvery/time.Second) || !s.swept.CompareAndSwap(last, now) {
		return
	}
	_ = s.write(ctx, func(c *conn) error {
		_, err := c.exec(`DELETE FROM idempotency WHERE key IN (
			SELECT key FROM idempotency WHERE created_at <= {ago} ORDER BY created_at LIMIT ? {lock skip})`, keyLife, sweepKeysLimit)
		return err
	})
}

// keepTextSQL stores a text once, for all jobs that run it.
const keepTextSQL = "INSERT INTO job_texts (id, search) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"

const (
	insertJobsSQL = "INSERT INTO jobs (" + jobColumns + ", title, text_id) VALUES "
	jobMarks      = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
	?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	jobsPerStep = 50 // jobs inserted by one statement
)

func jobValues(d *dialect, j *domain.Job, textID int64) []any {
	code, signal := exitColumns(j.Exit)
	return []any{
		string(j.ID), string(j.ServerID), string(j.BatchID), int(j.Priority), int64(j.Timeout), string(j.Retry.Mode), j.Retry.MaxAttempts,
		string(j.Status), string(j.Phase), string(j.Reason), text(j.Message), j.Attempt, j.Failures, j.Epoch, string(j.Worker),
		processColumn(j.Process), code, signal, receiptColumn(j.Receipt), j.CancelRequested,
		d.at(j.CreatedAt), d.at(j.UpdatedAt), d.at(j.StartedAt), d.at(j.FinishedAt), d.at(j.DeadlineAt), d.at(j.NextActionAt),
		j.Output.Stdout, j.Output.Stderr, int64(j.LastSeq), j.Revision,
		string(j.OriginID), string(j.Command.Kind), j.Command.Line, j.Command.Args, argvColumn(j.Command.Argv),
		j.Command.Script, j.Command.Shell, title(j.Command), textID,
	}
}

// insertJobs inserts jobs, many in one statement.
func insertJobs(c *conn, list []*domain.Job) error {
	for step := range slices.Chunk(list, jobsPerStep) {
		err := insertStep(c, step)
		switch c.d.fault(err) {
		case faultExists, faultTaken:
			return domain.ErrJobExists.Because(err)
		case faultReference:
			return domain.ErrServerNotFound.Because(err)
		}
		if err != nil {
			return err
		}
		for _, j := range step {
			if err := keepAttempt(c, j); err != nil {
				return err
			}
		}
	}
	return nil
}

func insertStep(c *conn, step []*domain.Job) error {
	known := map[string]int64{}
	var args []any
	for i, j := range step {
		search := foldedCommand(j.Command)
		id, kept := known[search]
		if !kept {
			id = textID(search)
			known[search] = id
		}
		args = append(args, jobValues(c.d, j, id)...)
		if i == len(step)-1 && !kept {
			return c.insertAfter(keepTextSQL, []any{id, search}, insertJobsSQL+jobMarks+strings.Repeat(", "+jobMarks, i), args...)
		}
		if !kept {
			if _, err := c.exec(keepTextSQL, id, search); err != nil {
				return err
			}
		}
	}
	_, err := c.exec(insertJobsSQL+jobMarks+strings.Repeat(", "+jobMarks, len(step)-1), args...)
	return err
}

// keepAttempt stores the record of an attempt once, however often the job that ended it is saved.
func keepAttempt(c *conn, j *domain.Job) error {
	a := j.EndedAttempt()
	if a == nil {
		return nil
	}
	code, signal := exitColumns(a.Exit)
	_, err := c.exec(`INSERT INTO attempts (job_id, number, worker, reason, message, exit_code, exit_signal, started_at, finished_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id, number) DO NOTHING`,
		string(j.ID), a.Number, string(a.Worker), string(a.Reason), text(a.Message), code, signal, c.d.at(a.StartedAt), c.d.at(a.FinishedAt))
	return err
}

// Get implements ports.JobRepository.
func (r *jobs) Get(ctx context.Context, id domain.JobID) (job *domain.Job, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		job, err = getJob(c, id)
		return err
	})
	return job, err
}

func getJob(c *conn, id domain.JobID) (*domain.Job, error) {
	var row jobRow
	ok, err := found(c.get(&row, "SELECT "+jobColumns+" FROM jobs WHERE id = ?", text(string(id))))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, domain.ErrJobNotFound
	}
	return row.job(), nil
}

// Save implements ports.JobRepository.
func (r *jobs) Save(ctx context.Context, job *domain.Job) error {
	err := r.s.write(ctx, func(c *conn) error {
		gates, err := lockGates(c, job)
		if err != nil {
			return err
		}
		leaving, err := leaves(c, gates, job)
		if err != nil {
			return err
		}
		if err := updateJob(c, job); err != nil {
			return err
		}
		freed := map[domain.ServerID]bool{}
		if leaving {
			freed[job.ServerID] = true
		}
		if g := gates[job.BatchID]; g.stopped() && job.Status == domain.StatusQueued {
			again := *job
			again.Revision++
			if _, err := cancelAll(c, []*domain.Job{&again}, job.UpdatedAt, freed); err != nil {
				return err
			}
		}
		return gates.settle(c, []*domain.Job{job}, freed, job.UpdatedAt)
	})
	if err == nil {
		job.Revision++
	}
	return err
}

// leaves reports whether a save gives up the job's place on its server, and if so keeps others from giving places there,
// and on the servers whose places become free because the job's end stops its batch.
func leaves(c *conn, gates gates, job *domain.Job) (bool, error) {
	if job.InFlight() {
		return false, nil
	}
	if g := gates[job.BatchID]; g != nil && job.Status == domain.StatusFailed {
		stops, err := g.spent(c, 1)
		if err != nil {
			return false, err
		}
		if stops {
			list, err := gates.inQueue(c)
			if err == nil {
				err = lockServers(c, append(list, candidate{ServerID: string(job.ServerID)}), "{share server}")
			}
			if err != nil {
				return false, err
			}
		}
	}
	var was bool
	ok, err := found(c.get(&was, `SELECT (j.status = 'running' OR j.phase = 'enqueued') FROM servers s JOIN jobs j ON j.server_id = s.id
		WHERE j.id = ? {share server}`, text(string(job.ID))))
	return ok && was, err
}

// updateJob writes what verbs change, and keeps the attempt that one has ended. A new attempt begins with no output.
func updateJob(c *conn, j *domain.Job) error {
	code, signal := exitColumns(j.Exit)
	n, err := c.exec(`UPDATE jobs SET
			stdout_bytes = CASE WHEN attempt = ? THEN stdout_bytes ELSE 0 END,
			stderr_bytes = CASE WHEN attempt = ? THEN stderr_bytes ELSE 0 END,
			status = ?, phase = ?, reason = ?, message = ?, attempt = ?, failures = ?, epoch = ?, worker = ?,
			process = ?, exit_code = ?, exit_signal = ?, receipt = ?, cancel_requested = ?,
			updated_at = ?, started_at = ?, finished_at = ?, deadline_at = ?, next_action_at = ?, revision = revision + 1
		WHERE id = ? AND revision = ?`,
		j.Attempt, j.Attempt,
		string(j.Status), string(j.Phase), string(j.Reason), text(j.Message), j.Attempt, j.Failures, j.Epoch, string(j.Worker),
		processColumn(j.Process), code, signal, receiptColumn(j.Receipt), j.CancelRequested,
		c.d.at(j.UpdatedAt), c.d.at(j.StartedAt), c.d.at(j.FinishedAt), c.d.at(j.DeadlineAt), c.d.at(j.NextActionAt),
		text(string(j.ID)), j.Revision)
	if err != nil {
		return err
	}
	if n == 0 {
		if _, err := getState(c, j.ID); err != nil {
			return err
		}
		return domain.ErrStaleJob
	}
	return keepAttempt(c, j)
}

// getState reads a job without its command.
func getState(c *conn, id domain.JobID) (*domain.Job, error) {
	var row jobRow
	ok, err := found(c.get(&row, "SELECT "+stateColumns+" FROM jobs WHERE id = ?", text(string(id))))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, domain.ErrJobNotFound
	}
	return row.job(), nil
}

type attemptRow struct {
	Number     int
	Worker     string
	Reason     string
	Message    string
	ExitCode   sql.NullInt64 `db:"exit_code"`
	ExitSignal string        `db:"exit_signal"`
	StartedAt  stamp         `db:"started_at"`
	FinishedAt stamp         `db:"finished_at"`
}

// Attempts implements ports.JobRepository.
func (r *jobs) Attempts(ctx context.Context, id domain.JobID) (attempts []domain.Attempt, err error) {
	var rows []attemptRow
	err = r.s.read(ctx, func(c *conn) error {
		rows = nil
		return c.all(&rows, `SELECT number, worker, reason, message, exit_code, exit_signal, started_at, finished_at
			FROM attempts WHERE job_id = ? ORDER BY number`, text(string(id)))
	})
	for _, a := range rows {
		attempts = append(attempts, domain.Attempt{
			Number: a.Number, Worker: domain.WorkerID(a.Worker), Reason: domain.Reason(a.Reason), Message: a.Message,
			Exit: exit(a.ExitCode, a.ExitSignal), StartedAt: a.StartedAt.Time, FinishedAt: a.FinishedAt.Time,
		})
	}
	return attempts, err
}
