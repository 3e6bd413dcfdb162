package sqlstore

import (
	"slices"
	"strconv"
	"time"
)

// count finds out how many jobs match: from the kept counts where they tell, else one by one up to a bound.
func (l *listing) count() error {
	q := l.q
	switch {
	case l.search == nil && q.BatchID == "" && !l.timed():
		l.total = l.known
		return nil
	case l.search == nil && q.BatchID == "" && q.ServerID == "":
		return l.countSpan()
	case l.search != nil && l.search.none():
		return nil
	case l.search != nil && l.search.many && l.known > int64(l.bounds.gather):
		// Nearly everywhere; how often cannot be had in the time. Each text has a job, but with another filter it may not be wanted.
		l.capped = true
		if q.ServerID == "" && q.BatchID == "" && len(q.Statuses) == 0 && len(q.Reasons) == 0 && !l.timed() {
			l.total = int64(l.bounds.count)
		}
		return nil
	}
	return l.countOneByOne()
}

// countOneByOne counts up to a bound.
func (l *listing) countOneByOne() error {
	most := l.bounds.count + 1
	var parts []part
	if l.search != nil {
		parts = l.search.parts("j.id", l.conditions, most)
	} else {
		whole := *l
		whole.after = nil
		parts = append(parts, whole.together(whole.ranges(), &filter{}, most))
	}
	for _, p := range parts {
		var n int64
		if err := l.get(&n, "SELECT COUNT(*) FROM (SELECT * FROM ("+p.sql+") p LIMIT "+strconv.Itoa(most)+") n", p.args...); err != nil {
			return err
		}
		if l.total += n; l.total >= int64(most) {
			l.total, l.capped = int64(l.bounds.count), true
			return nil
		}
	}
	return nil
}

// countSpan adds up the days and hours of a time, and counts the jobs of the hours that it cuts.
func (l *listing) countSpan() error {
	first, end := -farOff, farOff
	if t := l.q.CreatedAfter; !t.IsZero() {
		if first = hourOf(t); hourAt(first).Before(t) {
			first++
		}
	}
	if t := l.q.CreatedBefore; !t.IsZero() {
		end = hourOf(t)
	}
	if first >= end {
		return l.countOneByOne()
	}
	kinds := l.kindFilter("s")
	days := [2]int64{(first + 23) / 24, end / 24} // whole days; what is before 1970 is nobody's
	if days[0] >= days[1] {
		days = [2]int64{end / 24, end / 24}
	}
	where := kinds.more()
	err := l.get(&l.total, `SELECT COALESCE(SUM(jobs), 0) FROM (
			SELECT jobs FROM job_spans s WHERE hours = 24 AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT jobs FROM job_spans s WHERE hours = 1 AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT jobs FROM job_spans s WHERE hours = 1 AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT jobs FROM job_changes s WHERE hour >= ? AND hour < ?`+where+`) n`,
		slices.Concat([]any{days[0], days[1]}, kinds.args, []any{first, min(days[0]*24, end)}, kinds.args,
			[]any{max(days[1]*24, first), end}, kinds.args, []any{first, end}, kinds.args)...)
	if err != nil {
		return err
	}
	return l.countEdges(hourAt(first), hourAt(end))
}

// countEdges counts the jobs of the time before its first whole hour and after its last.
func (l *listing) countEdges(first, end time.Time) error {
	for _, edge := range [][2]time.Time{{l.q.CreatedAfter, first}, {end, l.q.CreatedBefore}} {
		if edge[0].IsZero() || edge[1].IsZero() || !edge[0].Before(edge[1]) {
			continue
		}
		part := *l
		part.q.CreatedAfter, part.q.CreatedBefore, part.total = edge[0], edge[1], 0
		if err := part.countOneByOne(); err != nil {
			return err
		}
		l.total, l.capped = l.total+part.total, l.capped || part.capped
	}
	return nil
}
