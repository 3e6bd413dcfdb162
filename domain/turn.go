package domain

import (
	"cmp"
	"slices"
)

// minQueued is how many tickets may wait in the queue however little the workers can carry: enough to begin with at once.
const minQueued = 64

// Window says how many tickets may wait in the queue. What waits there has its order; as much as fills every worker is
// enough, and whose turn it is, and comes later, then waits behind no more than that. Tickets that are less urgent are in
// nobody's way and are not counted.
type Window struct {
	size   int
	queued map[Priority]int
}

// NewWindow returns the window of workers that can carry capacity jobs at once, with the tickets that are in the queue.
func NewWindow(capacity int, queued map[Priority]int) *Window {
	return &Window{size: max(capacity, minQueued), queued: queued}
}

// Full reports whether enough tickets of this urgency or more wait. Then it is full for all that is less urgent, too.
func (w *Window) Full(p Priority) bool {
	n := 0
	for q, queued := range w.queued {
		if q >= p {
			n += queued
		}
	}
	return n >= w.size
}

// Add counts one more ticket.
func (w *Window) Add(p Priority) { w.queued[p]++ }

// InTurn orders jobs as they are offered: the most urgent first; of one priority the batches take turns, and the jobs
// without a batch take theirs as if they were one; within a batch the oldest first. The batch whose first job is the
// oldest begins.
func InTurn(jobs []*Job) []*Job {
	type place struct {
		round int
		first *Job // of its batch
		job   *Job
	}
	type line struct {
		Priority
		BatchID
	}
	sorted := slices.SortedFunc(slices.Values(jobs), func(a, b *Job) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), byAge(a, b))
	})
	first, rounds := map[line]*Job{}, map[line]int{}
	places := make([]place, len(sorted))
	for i, j := range sorted {
		in := line{j.Priority, j.BatchID}
		if first[in] == nil {
			first[in] = j
		}
		places[i] = place{rounds[in], first[in], j}
		rounds[in]++
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(b.job.Priority, a.job.Priority), cmp.Compare(a.round, b.round), byAge(a.first, b.first))
	})
	for i, p := range places {
		sorted[i] = p.job
	}
	return sorted
}

func byAge(a, b *Job) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) }
