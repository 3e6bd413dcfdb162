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
	return l.countOneByOne(l.conditions(""))
}

func (l *listing) countOneByOne(f *filter) error {
	var n int64
	err := l.get(&n, "SELECT COUNT(*) FROM (SELECT j.id FROM jobs j"+f.where()+" LIMIT "+strconv.Itoa(l.bounds.count+1)+") n", f.args...)
	if most := int64(l.bounds.count); n > most {
		n, l.capped = most, true
	}
	l.total += n
	return err
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
		return l.countOneByOne(l.conditions(""))
	}
	kinds := l.kindFilter("")
	days := [2]int64{(first + 23) / 24, end / 24} // whole days; what is before 1970 is nobody's
	if days[0] >= days[1] {
		days = [2]int64{end / 24, end / 24}
	}
	where := kinds.more()
	err := l.get(&l.total, `SELECT COALESCE(SUM(jobs), 0) FROM (
			SELECT jobs FROM job_spans j WHERE hours = 24 AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT jobs FROM job_spans j WHERE hours = 1 AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT jobs FROM job_spans j WHERE hours = 1 AND at >= ? AND at < ?`+where+`
			UNION ALL SELECT jobs FROM job_changes j WHERE hour >= ? AND hour < ?`+where+`) n`,
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
		f := l.kindFilter("")
		f.and("j.created_at >= ? AND j.created_at < ?", l.d.instant(edge[0]), l.d.instant(edge[1]))
		if err := l.countOneByOne(f); err != nil {
			return err
		}
	}
	return nil
}
