package sqlstore

import (
	"github.com/heysubinoy/remora/domain"
)

// windowOf returns how many tickets the queue wants.
func windowOf(c *conn) (*domain.Window, error) {
	var capacity int
	if err := c.get(&capacity, "SELECT CAST(COALESCE(SUM(capacity), 0) AS integer) FROM workers WHERE lease_until > {now}"); err != nil {
		return nil, err
	}
	var rows []struct {
		Priority int
		BatchID  string `db:"batch_id"`
		N        int
	}
	err := c.all(&rows, queuedSQL)
	queued := make(map[domain.Line]int, len(rows))
	for _, r := range rows {
		queued[domain.Line{Priority: domain.Priority(r.Priority), Batch: domain.BatchID(r.BatchID)}] = r.N
	}
	return domain.NewWindow(capacity, queued), err
}

const queuedSQL = "SELECT priority, batch_id, COUNT(*) AS n FROM jobs WHERE phase = 'enqueued' GROUP BY priority, batch_id"

const nextPrioritySQL = "SELECT priority FROM jobs WHERE phase = 'pending' AND priority < ? ORDER BY priority DESC LIMIT 1"

// linesSQL goes from batch to batch through the index, however many jobs each has. Jobs without a batch are one line.
const linesSQL = `WITH RECURSIVE line (id) AS (
		SELECT (SELECT batch_id FROM jobs WHERE phase = 'pending' AND priority = ? ORDER BY batch_id LIMIT 1)
		UNION ALL
		SELECT (SELECT batch_id FROM jobs WHERE phase = 'pending' AND priority = ? AND batch_id > line.id ORDER BY batch_id LIMIT 1)
		FROM line WHERE line.id IS NOT NULL)
	SELECT id FROM line WHERE id IS NOT NULL LIMIT ?`

// maxLines is among how many batches of one priority the turn goes round; the younger ones wait for the end of an older one.
const maxLines = 256

const headOfLineWhere = "phase = 'pending' AND priority = ? AND batch_id = ? ORDER BY created_at, id LIMIT ?"

// inTurn finds up to limit pending jobs whose turn it is, without locking anything, and no more than the queue wants: of each
// batch its share, and never all jobs that wait. rest is the urgency of the next that was not looked at, 0 when there is none.
func inTurn(c *conn, limit int) (list []candidate, rest domain.Priority, err error) {
	var window *domain.Window
	for above := domain.MaxPriority + 1; ; {
		var p domain.Priority
		ok, err := found(c.get(&p, nextPrioritySQL, int(above)))
		if err != nil || !ok {
			return list, 0, err
		}
		if window == nil {
			if window, err = windowOf(c); err != nil {
				return nil, 0, err
			}
		}
		room := min(limit, window.Room(p)) - len(list)
		if room <= 0 {
			return list, p, nil
		}
		next, more, err := round(c, window, p, room)
		list = append(list, next...)
		if err != nil || more {
			return list, p, err
		}
		above = p
	}
}

// round finds the next n pending jobs of one priority, or fewer where a line is shorter than its share. more says that there
// are others.
func round(c *conn, window *domain.Window, p domain.Priority, n int) (list []candidate, more bool, err error) {
	var ids []string
	if err := c.all(&ids, linesSQL, int(p), int(p), maxLines); err != nil {
		return nil, false, err
	}
	lines := make([]domain.Line, len(ids))
	for i, id := range ids {
		lines[i] = domain.Line{Priority: p, Batch: domain.BatchID(id)}
	}
	for i, share := range window.Shares(lines, n) {
		if share == 0 {
			more = true
			continue
		}
		head, err := candidates(c, headOfLineWhere, int(p), ids[i], share+1)
		if err != nil {
			return nil, false, err
		}
		if len(head) > share {
			more, head = true, head[:share]
		}
		list = append(list, head...)
	}
	return list, more, nil
}
