package domain

import (
	"cmp"
	"slices"
)

// minQueued is how many tickets may wait in the queue however little the workers can carry: enough to begin with at once.
const minQueued = 64

// Line is the jobs that wait for their turn together: those of one batch, or all that have none.
type Line struct {
	Priority Priority
	Batch    BatchID
}

// Line returns the line that the job waits in.
func (j *Job) Line() Line { return Line{j.Priority, j.BatchID} }

// Window says how many tickets may wait in the queue, and whose turn is next. What waits there has its order; as much as
// fills every worker is enough, and whose turn it is, and comes later, then waits behind no more than that. Tickets that are
// less urgent are in nobody's way and are not counted.
type Window struct {
	size   int
	queued map[Line]int
}

// NewWindow returns the window of workers that can carry capacity jobs at once, with the tickets that are in the queue.
func NewWindow(capacity int, queued map[Line]int) *Window {
	return &Window{size: max(capacity, minQueued), queued: queued}
}

// Room returns how many more tickets of an urgency the queue wants. Of what is less urgent it wants no more.
func (w *Window) Room(p Priority) int {
	n := w.size
	for line, queued := range w.queued {
		if line.Priority >= p {
			n -= queued
		}
	}
	return max(n, 0)
}

// Add counts one more ticket.
func (w *Window) Add(line Line) { w.queued[line]++ }

// InTurn orders jobs as they are to be offered: the most urgent first; of one priority next the line of which the fewest
// tickets wait, so that batches take turns, and all jobs without a batch theirs as if they were one; in a line the oldest
// first. Among equals the line whose first job is the oldest begins.
func (w *Window) InTurn(jobs []*Job) []*Job {
	type place struct {
		round int
		first *Job // of its line
		job   *Job
	}
	sorted := slices.SortedFunc(slices.Values(jobs), func(a, b *Job) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), byAge(a, b))
	})
	first, rounds := map[Line]*Job{}, map[Line]int{}
	places := make([]place, len(sorted))
	for i, j := range sorted {
		line := j.Line()
		if first[line] == nil {
			first[line], rounds[line] = j, w.queued[line]
		}
		places[i] = place{rounds[line], first[line], j}
		rounds[line]++
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.job.Priority, a.job.Priority), cmp.Compare(a.round, b.round), byAge(a.first, b.first))
	})
	for i, p := range places {
		sorted[i] = p.job
	}
	return sorted
}

// Shares says how many of the next n places of one priority each of its lines gets.
func (w *Window) Shares(lines []Line, n int) []int {
	shares := make([]int, len(lines))
	if len(lines) == 0 {
		return shares
	}
	for range n {
		least := 0
		for i, line := range lines {
			if w.queued[line]+shares[i] < w.queued[lines[least]]+shares[least] {
				least = i
			}
		}
		shares[least]++
	}
	return shares
}

func byAge(a, b *Job) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) }
