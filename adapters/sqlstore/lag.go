package sqlstore

import (
	"context"
	"time"
)

// OldestPending returns how long that job has been pending, by the caller's clock, which has been so longest of the first
// thousand in line; 0 when none is pending. It is the dispatcher's lag.
func (s *Store) OldestPending(ctx context.Context, at time.Time) (time.Duration, error) {
	var rows []struct {
		Since stamp
	}
	err := s.read(ctx, func(c *conn) error {
		rows = nil
		return c.all(&rows, oldestPendingSQL)
	})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return max(at.Sub(rows[0].Since.Time), 0), nil
}

// Becoming pending sets the next action to that moment.
const oldestPendingSQL = `SELECT next_action_at AS since FROM (
		SELECT next_action_at FROM jobs WHERE phase = 'pending' ORDER BY priority DESC, created_at, id LIMIT 1000
	) head ORDER BY next_action_at LIMIT 1`
