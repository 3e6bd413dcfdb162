package sqlstore

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.WorkerRepository = (*workers)(nil)

type workers struct{ s *Store }

var errWorkerExists = &domain.Error{Kind: domain.KindConflict, Code: "worker_exists", Message: "a worker with this id is registered"}

// retiredFor is how long a worker is remembered after its lease, in microseconds: long enough that its id is not taken again.
const retiredFor = 30 * keyLife

// Register implements ports.WorkerRepository.
func (r *workers) Register(ctx context.Context, w domain.Worker, lease time.Duration) error {
	return r.s.write(ctx, func(c *conn) error {
		if _, err := c.exec("DELETE FROM workers WHERE lease_until <= {ago}", retiredFor); err != nil {
			return err
		}
		_, err := c.exec(`INSERT INTO workers (id, hostname, pid, capacity, started_at, seen_at, lease_until)
			VALUES (?, ?, ?, ?, ?, {now}, {lease})`,
			string(w.ID), text(w.Hostname), w.PID, w.Capacity, c.d.instant(w.StartedAt), lease.Microseconds())
		if c.d.fault(err) == faultExists {
			return errWorkerExists.Because(err)
		}
		return err
	})
}

// Renew implements ports.WorkerRepository.
func (r *workers) Renew(ctx context.Context, id domain.WorkerID, lease time.Duration) (cancels []domain.JobID, err error) {
	err = r.s.write(ctx, func(c *conn) error {
		cancels = nil
		n, err := c.exec("UPDATE workers SET seen_at = {now}, lease_until = {lease} WHERE id = ? AND lease_until > {now}",
			lease.Microseconds(), text(string(id)))
		if err != nil {
			return err
		}
		if n == 0 {
			return domain.ErrWorkerNotFound
		}
		return c.all(&cancels, cancelsSQL, text(string(id)))
	})
	return cancels, err
}

const cancelsSQL = "SELECT id FROM jobs WHERE worker = ? AND status = 'running' AND cancel_requested = {true} ORDER BY id"

// Retire implements ports.WorkerRepository.
func (r *workers) Retire(ctx context.Context, id domain.WorkerID) error {
	return r.s.write(ctx, func(c *conn) error {
		_, err := c.exec("UPDATE workers SET lease_until = {now} WHERE id = ? AND lease_until > {now}", text(string(id)))
		return err
	})
}

// List implements ports.WorkerRepository.
func (r *workers) List(ctx context.Context) (list []domain.Worker, err error) {
	var rows []struct {
		ID        string
		Hostname  string
		PID       int
		Capacity  int
		StartedAt stamp `db:"started_at"`
		SeenAt    stamp `db:"seen_at"`
	}
	err = r.s.read(ctx, func(c *conn) error {
		rows = nil
		return c.all(&rows, `SELECT id, hostname, pid, capacity, started_at, seen_at FROM workers
			WHERE lease_until > {now} ORDER BY started_at, id`)
	})
	for _, w := range rows {
		list = append(list, domain.Worker{
			ID: domain.WorkerID(w.ID), Hostname: w.Hostname, PID: w.PID, Capacity: w.Capacity,
			StartedAt: w.StartedAt.Time, SeenAt: w.SeenAt.Time,
		})
	}
	return list, err
}
