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
		N        int
	}
	err := c.all(&rows, queuedSQL)
	queued := make(map[domain.Priority]int, len(rows))
	for _, r := range rows {
		queued[domain.Priority(r.Priority)] = r.N
	}
	return domain.NewWindow(capacity, queued), err
}

const queuedSQL = "SELECT priority, COUNT(*) AS n FROM jobs WHERE phase = 'enqueued' GROUP BY priority"

const nextPrioritySQL = "SELECT priority FROM jobs WHERE phase = 'pending' AND priority < ? ORDER BY priority DESC LIMIT 1"

// linesSQL goes from batch to batch through the index, however many jobs each has. Jobs without a batch are one line.
const linesSQL = `WITH RECURSIVE line (id) AS (
		SELECT (SELECT batch_id FROM jobs WHERE phase = 'pending' AND priority = ? ORDER BY batch_id LIMIT 1)
		UNION ALL
		SELECT (SELECT batch_id FROM jobs WHERE phase = 'pending' AND priority = ? AND batch_id > line.id ORDER BY batch_id LIMIT 1)
		FROM line WHERE line.id IS NOT NULL)
	SELECT id FROM line WHERE id IS NOT NULL LIMIT ?`

const headOfLineWhere = "phase = 'pending' AND priority = ? AND batch_id = ? ORDER BY created_at, id LIMIT ?"

// inTurn finds up to limit pending jobs in their turn, without locking anything: so many of each batch that each gets its
// share, and never all jobs that wait. more says that there are others that the queue wants.
func inTurn(c *conn, limit int) (list []candidate, more bool, err error) {
	var window *domain.Window
	for above := domain.MaxPriority + 1; ; {
		var p domain.Priority
		ok, err := found(c.get(&p, nextPrioritySQL, int(above)))
		if err != nil || !ok {
			return list, false, err
		}
		if len(list) == limit {
			return list, true, nil
		}
		if window == nil {
			if window, err = windowOf(c); err != nil {
				return nil, false, err
			}
		}
		if window.Full(p) {
			return list, false, nil
		}
		some, rest, err := roundOf(c, p, limit-len(list))
		list = append(list, some...)
		if err != nil || rest {
			return list, rest, err
		}
		above = p
	}
}

// roundOf finds up to limit pending jobs of one priority. rest says that there are more of it.
func roundOf(c *conn, p domain.Priority, limit int) (list []candidate, rest bool, err error) {
	var lines []string
	if err := c.all(&lines, linesSQL, int(p), int(p), limit+1); err != nil || len(lines) == 0 {
		return nil, false, err
	}
	if rest = len(lines) > limit; rest {
		lines = lines[:limit]
	}
	share := limit / len(lines)
	for _, line := range lines {
		some, err := candidates(c, headOfLineWhere, int(p), line, share+1)
		if err != nil {
			return nil, false, err
		}
		if len(some) > share {
			rest, some = true, some[:share]
		}
		list = append(list, some...)
	}
	return list, rest, nil
}
