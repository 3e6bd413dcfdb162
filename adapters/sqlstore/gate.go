package sqlstore

import (
	"maps"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// gate is a batch as the writes of its jobs see it. Batches are locked before servers and servers before jobs, each in
// one order, so that no two transactions wait for each other.
type gate struct {
	ID          string
	MaxParallel int    `db:"max_parallel"`
	StopAfter   int    `db:"stop_after"`
	StopReason  string `db:"stop_reason"` // empty = not stopped

	flying int // jobs in flight; counted by countFlying
}

type gates map[domain.BatchID]*gate

const gateColumns = "b.id, b.max_parallel, b.stop_after, b.stop_reason"

func (g *gate) stopped() bool { return g != nil && g.StopReason != "" }

// take gives a job of the batch a place, if there is one. Jobs without a batch need none.
func (g *gate) take() bool {
	if g == nil || g.MaxParallel == 0 {
		return true
	}
	if g.flying >= g.MaxParallel {
		return false
	}
	g.flying++
	return true
}

func batchesOf(list []candidate) []string {
	var batches []string
	for _, f := range list {
		if f.BatchID != "" {
			batches = append(batches, f.BatchID)
		}
	}
	slices.Sort(batches)
	return slices.Compact(batches)
}

// lockBatches locks the batches of the candidates; with gated only those that count their jobs.
func lockBatches(c *conn, list []candidate, gated bool) (gates, error) {
	batches := batchesOf(list)
	if len(batches) == 0 {
		return nil, nil
	}
	where := ""
	if gated {
		where = " AND (b.max_parallel > 0 OR b.stop_after > 0)"
	}
	var rows []*gate
	err := c.all(&rows, "SELECT "+gateColumns+" FROM batches b WHERE b.id {in}"+where+" ORDER BY b.id {lock batch}", c.d.list(batches))
	locked := make(gates, len(rows))
	for _, g := range rows {
		locked[domain.BatchID(g.ID)] = g
	}
	return locked, err
}

// lockGates locks the batch of a job that gives up its place, if anything follows from that for the batch.
func lockGates(c *conn, j *domain.Job) (gates, error) {
	if j.BatchID == "" || j.InFlight() {
		return nil, nil
	}
	var g gate
	ok, err := found(c.get(&g, "SELECT "+gateColumns+` FROM batches b
		WHERE b.id = ? AND (b.max_parallel > 0 OR b.stop_after > 0 OR ?) {lock batch}`, string(j.BatchID), j.Status == domain.StatusQueued))
	if err != nil || !ok {
		return nil, err
	}
	return gates{j.BatchID: &g}, nil
}

const flyingSQL = `SELECT batch_id AS id, COUNT(*) AS n FROM jobs {of batch in flight}
	WHERE batch_id {in} AND batch_id <> '' AND (status = 'running' OR phase = 'enqueued') GROUP BY batch_id`

// countFlying counts the jobs in flight of the batches that have a bound. It is asked after they were locked.
func (gs gates) countFlying(c *conn) error {
	var bounded []string
	for _, g := range gs {
		if g.MaxParallel > 0 {
			bounded = append(bounded, g.ID)
		}
	}
	if len(bounded) == 0 {
		return nil
	}
	var rows []struct {
		ID string
		N  int
	}
	err := c.all(&rows, flyingSQL, c.d.list(bounded))
	for _, r := range rows {
		gs[domain.BatchID(r.ID)].flying = r.N
	}
	return err
}

const failuresSQL = `SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE batch_id = ? AND batch_id <> '' AND status = 'failed' LIMIT ?) failed`

// spent reports whether so many jobs of the batch have failed, with more besides those that are stored, that it stops.
func (g *gate) spent(c *conn, more int) (bool, error) {
	if g.StopAfter == 0 || g.stopped() {
		return false, nil
	}
	var n int
	err := c.get(&n, failuresSQL, g.ID, g.StopAfter)
	return n+more >= g.StopAfter, err
}

// inQueue finds the jobs whose places become free, should these batches stop: their servers are to be locked.
func (gs gates) inQueue(c *conn) ([]candidate, error) {
	var stoppable []string
	for _, g := range gs {
		if g.StopAfter > 0 && !g.stopped() {
			stoppable = append(stoppable, g.ID)
		}
	}
	if len(stoppable) == 0 {
		return nil, nil
	}
	return candidates(c, inQueueWhere, c.d.list(stoppable))
}

const inQueueWhere = "batch_id {in} AND batch_id <> '' AND (status = 'running' OR phase = 'enqueued') AND phase = 'enqueued'"

// settle does what follows for batches from the writes of their jobs: those that have failed too often are stopped, and
// places that became free are given to held jobs. freed are the servers where places became free.
func (gs gates) settle(c *conn, jobs []*domain.Job, freed map[domain.ServerID]bool, at time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(gs)) {
		g := gs[id]
		failed := func(j *domain.Job) bool { return j.BatchID == id && j.Status == domain.StatusFailed }
		if !slices.ContainsFunc(jobs, failed) {
			continue
		}
		spent, err := g.spent(c, 0)
		if err == nil && spent {
			err = g.stop(c, at, freed)
		}
		if err != nil {
			return err
		}
	}
	if err := fillAll(c, freed, at); err != nil {
		return err
	}
	if err := gs.countFlying(c); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(gs)) {
		if err := gs[id].fill(c, at); err != nil {
			return err
		}
	}
	return nil
}

// stop ends everything of the batch that is queued, and asks for the end of what was claimed and of which nothing was sent
// to its server yet: its worker finds that out before it sends anything.
func (g *gate) stop(c *conn, at time.Time, freed map[domain.ServerID]bool) error {
	if err := g.mark(c, domain.ReasonBatch, at); err != nil {
		return err
	}
	list, err := candidates(c, unsentWhere, g.ID)
	if err != nil {
		return err
	}
	jobs, err := load(c, list, "(status = 'queued' OR phase = 'claimed')", "{lock}")
	if err != nil {
		return err
	}
	_, err = cancelAll(c, jobs, at, freed)
	return err
}

const unsentWhere = "batch_id = ? AND batch_id <> '' AND status IN ('queued', 'running') AND (status = 'queued' OR phase = 'claimed')"

// mark writes down that nothing of the batch is started any more.
func (g *gate) mark(c *conn, reason domain.Reason, at time.Time) error {
	if g.stopped() {
		return nil
	}
	g.StopReason = string(reason)
	_, err := c.exec("UPDATE batches SET stopped_at = ?, stop_reason = ? WHERE id = ?", c.d.at(at), string(reason), g.ID)
	return err
}

// cancelAll requests the cancel of jobs of a stopped batch and writes them. It returns those that are running.
func cancelAll(c *conn, jobs []*domain.Job, at time.Time, freed map[domain.ServerID]bool) (asked []*domain.Job, err error) {
	ended := map[time.Time][]string{}
	for _, j := range jobs {
		was := j.InFlight()
		if err := j.RequestCancel(domain.ReasonBatch, at); err != nil {
			return nil, err
		}
		if was && !j.InFlight() {
			freed[j.ServerID] = true
		}
		if j.Status.Final() {
			ended[j.UpdatedAt] = append(ended[j.UpdatedAt], string(j.ID))
			continue
		}
		asked = append(asked, j)
	}
	for when, ids := range ended {
		// What domain.Job.RequestCancel makes of a queued job, many in one statement.
		_, err := c.exec(`UPDATE jobs SET status = 'canceled', phase = '', reason = 'batch', message = '', cancel_requested = {true},
				updated_at = ?, finished_at = ?, deadline_at = NULL, next_action_at = NULL, revision = revision + 1
			WHERE id {in}`, c.d.at(when), c.d.at(when), c.d.list(ids))
		if err != nil {
			return nil, err
		}
	}
	return asked, updates(c, asked)
}

// fillBatchSQL chooses held jobs of a batch whose servers have room. Those that were released and not yet offered have taken
// their places.
const fillBatchSQL = ` FROM jobs {waiting for batch} WHERE batch_id = ? AND batch_id <> '' AND phase IN ('held', 'pending')
	AND (SELECT s.max_sessions FROM servers s WHERE s.id = jobs.server_id) > (
		SELECT COUNT(*) FROM jobs g {of in flight} WHERE g.server_id = jobs.server_id AND (g.status = 'running' OR g.phase = 'enqueued'))
	ORDER BY created_at, id LIMIT ? {lock skip}`

// fill releases held jobs of the batch into its room.
func (g *gate) fill(c *conn, at time.Time) error {
	if g.MaxParallel == 0 || g.stopped() || g.flying >= g.MaxParallel {
		return nil
	}
	return release(c, at, fillBatchSQL, g.ID, g.MaxParallel-g.flying)
}
