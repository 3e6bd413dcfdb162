package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.Backlog = (*backlog)(nil)

type backlog struct{ s *Store }

// candidate is a job that a query found, before it is locked and looked at again.
type candidate struct {
	ID       string
	ServerID string `db:"server_id"`
	BatchID  string `db:"batch_id"`
}

const candidatesSQL = "SELECT id, server_id, batch_id FROM jobs WHERE "

// candidates finds jobs without locking anything, so that servers can be locked before jobs.
func candidates(c *conn, where string, args ...any) ([]candidate, error) {
	var list []candidate
	return list, c.all(&list, candidatesSQL+where, args...)
}

func serversOf(list []candidate) []string {
	var servers []string
	for _, f := range list {
		servers = append(servers, f.ServerID)
	}
	slices.Sort(servers)
	return slices.Compact(servers)
}

// lockServers locks the servers of the candidates in one order, with {lock server} or {share server}.
func lockServers(c *conn, list []candidate, how string) error {
	if len(list) == 0 || c.d == &sqlite {
		return nil
	}
	var locked []string
	return c.all(&locked, "SELECT s.id FROM servers s WHERE s.id {in} ORDER BY s.id "+how, c.d.list(serversOf(list)))
}

// load locks those candidates that are still as they were found and that nobody else is changing, and reads what verbs need.
func load(c *conn, list []candidate, still, how string, args ...any) ([]*domain.Job, error) {
	if len(list) == 0 {
		return nil, nil
	}
	found := make([]string, len(list))
	for i, f := range list {
		found[i] = f.ID
	}
	var rows []jobRow
	err := c.all(&rows, "SELECT "+stateColumns+" FROM jobs WHERE id {in} AND "+still+" ORDER BY id "+how,
		append([]any{c.d.list(found)}, args...)...)
	jobs := make([]*domain.Job, len(rows))
	for i := range rows {
		jobs[i] = rows[i].job()
	}
	return jobs, err
}

// moves writes jobs whose verbs changed phase, next action and time of change alone; those that changed alike in one statement.
func moves(c *conn, jobs []*domain.Job) error {
	type change struct {
		state         domain.State
		updated, next time.Time
	}
	groups := map[change][]string{}
	for _, j := range jobs {
		to := change{j.State(), j.UpdatedAt, j.NextActionAt}
		groups[to] = append(groups[to], string(j.ID))
	}
	for to, jobs := range groups {
		_, err := c.exec(`UPDATE jobs SET status = ?, phase = ?, updated_at = ?, next_action_at = ?, revision = revision + 1 WHERE id {in}`,
			string(to.state.Status), string(to.state.Phase), c.d.at(to.updated), c.d.at(to.next), c.d.list(jobs))
		if err != nil {
			return err
		}
	}
	return nil
}

// fillSQL chooses as many held jobs of a server as it has room for, of batches that have room. Those that were released and
// not yet offered take their places in it, by their urgency.
const fillSQL = ` FROM jobs {waiting for server} WHERE server_id = ? AND phase IN ('held', 'pending')
	AND (batch_id = '' OR NOT EXISTS (SELECT 1 FROM batches b WHERE b.id = jobs.batch_id AND (b.stop_reason <> ''
		OR b.max_parallel > 0 AND b.max_parallel <= (SELECT COUNT(*) FROM jobs g {of batch in flight}
			WHERE g.batch_id = b.id AND g.batch_id <> '' AND (g.status = 'running' OR g.phase = 'enqueued')))))
	ORDER BY priority DESC, created_at, id LIMIT (
		SELECT CASE WHEN s.max_sessions > taken.n THEN s.max_sessions - taken.n ELSE 0 END
		FROM servers s, (SELECT COUNT(*) AS n FROM jobs {of in flight} WHERE server_id = ? AND (status = 'running' OR phase = 'enqueued')) taken
		WHERE s.id = ?)
	{lock skip}`

// fill releases held jobs of a server into its room. The caller has locked the server.
func fill(c *conn, id domain.ServerID, at time.Time) error {
	return release(c, at, fillSQL, string(id), string(id), string(id))
}

// release makes the held jobs among those that a statement chooses pending.
func release(c *conn, at time.Time, from string, args ...any) error {
	var rows []jobRow
	if err := c.all(&rows, "SELECT "+stateColumns+from, args...); err != nil {
		return err
	}
	var jobs []*domain.Job
	for i := range rows {
		if j := rows[i].job(); j.Phase == domain.PhaseHeld {
			if err := j.Release(at); err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
	}
	return moves(c, jobs)
}

// Take implements ports.Backlog.
func (b *backlog) Take(ctx context.Context, limit int, at time.Time) (tickets []domain.Ticket, more bool, err error) {
	// Every end of a job wakes the dispatchers of every process; most find nothing, and that shall cost no transaction.
	var any bool
	if err := b.s.read(ctx, func(c *conn) error { return c.get(&any, anySQL, c.d.instant(at)) }); err != nil || !any {
		return nil, false, err
	}
	err = b.s.write(ctx, func(c *conn) error {
		tickets, more = nil, false
		offered, morePending, err := offer(c, limit, at)
		if err != nil {
			return err
		}
		again, moreDetached, err := reoffer(c, limit, at)
		if err != nil {
			return err
		}
		for _, j := range append(offered, again...) {
			tickets = append(tickets, j.Ticket())
		}
		more = morePending || moreDetached
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return tickets, more, nil
}

const anySQL = `SELECT EXISTS (SELECT 1 FROM jobs WHERE phase = 'pending')
	OR EXISTS (SELECT 1 FROM jobs WHERE phase = 'detached' AND next_action_at <= ?)`

// offer makes pending jobs enqueued where their server and their batch have room, and held where one has none.
func offer(c *conn, limit int, at time.Time) (offered []*domain.Job, more bool, err error) {
	pending, rest, err := inTurn(c, limit)
	if err != nil || len(pending) == 0 {
		return nil, false, err
	}
	gates, err := lockBatches(c, pending, false)
	if err != nil {
		return nil, false, err
	}
	if err := lockServers(c, pending, "{lock server}"); err != nil {
		return nil, false, err
	}
	jobs, err := load(c, pending, "phase = 'pending'", "{lock skip}")
	if err != nil {
		return nil, false, err
	}
	rooms, err := roomsOf(c, pending)
	if err != nil {
		return nil, false, err
	}
	if err := gates.countFlying(c); err != nil {
		return nil, false, err
	}
	window, err := windowOf(c)
	if err != nil {
		return nil, false, err
	}
	var moved, stopped []*domain.Job
	for _, j := range window.InTurn(jobs) {
		if window.Room(j.Priority) == 0 {
			rest = max(rest, j.Priority)
			break
		}
		g := gates[j.BatchID]
		verb := j.Hold
		switch {
		case g.stopped():
			stopped = append(stopped, j)
			continue
		case rooms[j.ServerID] > 0 && g.take():
			verb = j.Offer
			rooms[j.ServerID]--
			window.Add(j.Line())
			offered = append(offered, j)
		}
		if err := verb(at); err != nil {
			return nil, false, err
		}
		moved = append(moved, j)
	}
	if _, err := cancelAll(c, stopped, at, nil); err != nil { // what is pending has no place
		return nil, false, err
	}
	return offered, rest > 0 && window.Room(rest) > 0, moves(c, moved)
}

const roomsSQL = `SELECT s.id, s.max_sessions - (SELECT COUNT(*) FROM jobs j {of in flight}
		WHERE j.server_id = s.id AND (j.status = 'running' OR j.phase = 'enqueued')) AS room
	FROM servers s WHERE s.id {in}`

// roomsOf returns how many more jobs each server may have in flight. It is asked after the servers were locked, so that
// it sees what those committed who had them before.
func roomsOf(c *conn, list []candidate) (map[domain.ServerID]int, error) {
	var rows []struct {
		ID   string
		Room int
	}
	err := c.all(&rows, roomsSQL, c.d.list(serversOf(list)))
	rooms := make(map[domain.ServerID]int, len(rows))
	for _, r := range rows {
		rooms[domain.ServerID(r.ID)] = r.Room
	}
	return rooms, err
}

// reoffer gives out detached jobs again. They have their places already.
func reoffer(c *conn, limit int, at time.Time) (jobs []*domain.Job, more bool, err error) {
	due, err := candidates(c, "phase = 'detached' AND next_action_at <= ? ORDER BY next_action_at LIMIT ?", c.d.instant(at), limit+1)
	if err != nil {
		return nil, false, err
	}
	if more = len(due) > limit; more {
		due = due[:limit]
	}
	jobs, err = load(c, due, "phase = 'detached' AND next_action_at <= ?", "{lock skip}", c.d.instant(at))
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(jobs, byUrgency)
	for _, j := range jobs {
		if err := j.Reoffer(at); err != nil {
			return nil, false, err
		}
	}
	return jobs, more, moves(c, jobs)
}

func byUrgency(a, b *domain.Job) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// Return implements ports.Backlog.
func (b *backlog) Return(ctx context.Context, tickets []domain.Ticket, at time.Time) error {
	if len(tickets) == 0 {
		return done(ctx)
	}
	given := make(map[string]bool, len(tickets))
	jobs := make([]domain.JobID, len(tickets))
	for i, t := range tickets {
		given[t.ID], jobs[i] = true, t.Job
	}
	return b.s.write(ctx, func(c *conn) error {
		list, err := candidates(c, "id {in} AND phase IN ('enqueued', 'detached')", ids(c.d, jobs))
		if err != nil {
			return err
		}
		return putBack(c, list, at, func(j *domain.Job) bool { return given[j.Ticket().ID] })
	})
}

// putBack makes enqueued jobs pending and detached ones due: their tickets are not in the queue. Unlike the sweeps it
// waits for those who are changing a job, because nobody else will put it back.
func putBack(c *conn, list []candidate, at time.Time, lost func(j *domain.Job) bool) error {
	gates, err := lockBatches(c, list, true)
	if err != nil {
		return err
	}
	if err := lockServers(c, list, "{share server}"); err != nil {
		return err
	}
	freed := map[domain.ServerID]bool{}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Compare(a.ID, b.ID) })
	for page := range slices.Chunk(list, putBackPage) {
		jobs, err := load(c, page, "phase IN ('enqueued', 'detached')", "{lock}")
		if err != nil {
			return err
		}
		jobs = slices.DeleteFunc(jobs, func(j *domain.Job) bool { return !lost(j) })
		for _, j := range jobs {
			if j.Phase == domain.PhaseDetached {
				makeDue(j, at)
				continue
			}
			if err := j.Release(at); err != nil {
				return err
			}
			freed[j.ServerID] = true
		}
		if err := moves(c, jobs); err != nil {
			return err
		}
	}
	return gates.settle(c, nil, freed, at)
}

const putBackPage = 1000

// makeDue says that a detached job is to be offered again at once. It changes nothing that a verb guards.
func makeDue(j *domain.Job, at time.Time) {
	j.NextActionAt = at
	if at.After(j.UpdatedAt) {
		j.UpdatedAt = at
	}
}

// Adopt implements ports.Backlog.
func (b *backlog) Adopt(ctx context.Context, queue, store string, at time.Time) (n int, err error) {
	err = b.s.write(ctx, func(c *conn) error {
		n = 0
		// The row stays locked until the end: who asks meanwhile waits and then finds nothing to do.
		changed, err := c.exec(`INSERT INTO queues (name, store) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET store = excluded.store WHERE queues.store <> excluded.store`, text(queue), text(store))
		if err != nil || changed == 0 {
			return err
		}
		list, err := candidates(c, adoptWhere, c.d.instant(at))
		if err != nil {
			return err
		}
		return putBack(c, list, at, func(j *domain.Job) bool {
			lost := j.Phase == domain.PhaseEnqueued || j.NextActionAt.After(at)
			if lost {
				n++
			}
			return lost
		})
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// The indexes that serve it are those of waiting and of detached jobs; the first needs a bound on the next action, whatever it is.
const adoptWhere = "(phase IN ('backoff', 'held', 'enqueued') AND phase = 'enqueued' AND next_action_at >= {zero}) OR (phase = 'detached' AND next_action_at > ?)"
