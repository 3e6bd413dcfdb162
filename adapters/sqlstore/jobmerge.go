package sqlstore

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// merge reads the beginning of every range of an index that holds wanted jobs, each in the order of creation, and puts them
// into one order. Which ranges there are is known from the kinds: a range more is a look at an index, whatever is in it.
func (l *listing) merge() (string, []any, error) {
	edge, err := l.skip()
	if err != nil {
		return "", nil, err
	}
	ranges := l.ranges()
	if len(ranges) == 0 { // what was past the cursor has moved on
		return "", nil, nil
	}
	keys := []string{"j.created_at", "j.id"}
	if len(ranges) == 1 {
		f := ranges[0].with(edge)
		end, endArgs := l.limits()
		return "SELECT j.id FROM jobs j" + f.where() + order(keys, l.q.Asc) + end, append(f.args, endArgs...), nil
	}
	first := l.together(ranges, edge, l.offset+l.q.Limit+1)
	keys = keys[:0]
	for _, expr := range append(slices.Clone(l.by.exprs), "j.id") {
		keys = append(keys, strings.TrimPrefix(expr, "j."))
	}
	end, endArgs := l.limits()
	return "SELECT id FROM (" + first.sql + ") r" + order(keys, l.q.Asc) + end, append(first.args, endArgs...), nil
}

// together is the first n of each range.
func (l *listing) together(ranges []*filter, edge *filter, n int) part {
	var parts []string
	var args []any
	end, endArgs := l.firstOf(n)
	for i, r := range ranges {
		f := r.with(edge)
		parts = append(parts, "SELECT * FROM (SELECT j.id, j.status, j.created_at FROM jobs j"+f.where()+
			order([]string{"j.created_at", "j.id"}, l.q.Asc)+end+") r"+strconv.Itoa(i))
		args = slices.Concat(args, f.args, endArgs)
	}
	return part{strings.Join(parts, " UNION ALL "), args}
}

// ranges are the conditions of the ranges, past the cursor.
func (l *listing) ranges() []*filter {
	common := l.span()
	if l.search != nil {
		common = l.search.condition().with(common)
	}
	byStatus := len(l.by.exprs) > 1 // then the cursor stands in the ranges of one status
	var all []*filter
	if !byStatus && (l.q.BatchID != "" || l.q.ServerID == "" && len(l.q.Statuses) == 0 && len(l.q.Reasons) == 0) {
		return []*filter{l.whole().with(common)}
	}
	for _, k := range l.kinds {
		f := &filter{}
		if l.q.ServerID != "" {
			f.and("j.server_id = ?", text(string(l.q.ServerID)))
		}
		how := ""
		if l.q.BatchID != "" { // a batch is few: its jobs are looked through for each kind
			f.and("j.batch_id = ? AND j.batch_id <> ''", text(string(l.q.BatchID)))
			how = "{by order}"
		}
		f.and(how+"j.status = ? AND "+how+"j.reason = ?", string(k.Status), string(k.Reason))
		switch {
		case l.after == nil || byStatus && before(l.after.Text, string(k.Status), l.q.Asc):
		case byStatus && string(k.Status) != l.after.Text:
			continue // all before the cursor
		default:
			f = f.with(l.pastCreated())
		}
		all = append(all, f.with(common))
	}
	return all
}

// whole is the one range of a batch, or of everything.
func (l *listing) whole() *filter {
	f := &filter{}
	if l.q.BatchID != "" {
		f.and("j.batch_id = ? AND j.batch_id <> ''", text(string(l.q.BatchID))) // the index's condition, word for word
		if l.q.ServerID != "" {
			f.and("{by order}j.server_id = ?", text(string(l.q.ServerID)))
		}
		f = f.with(l.kindFilter("{by order}j"))
	}
	if l.after != nil {
		f = f.with(l.pastCreated())
	}
	return f
}

func (l *listing) pastCreated() *filter {
	f := &filter{}
	f.and(beyond([]string{"j.created_at", "j.id"}, l.q.Asc), l.d.instant(time.UnixMicro(l.after.Number)), l.after.ID)
	return f
}

// skip finds out from the kept counts in which hour a far page begins, and leaves only the jobs of that hour to be passed over.
// It returns the condition on the time of creation, and lowers the offset.
func (l *listing) skip() (*filter, error) {
	f := &filter{}
	if l.offset < l.bounds.skip || len(l.by.exprs) > 1 || l.q.ServerID != "" || l.q.BatchID != "" || l.search != nil || l.timed() {
		return f, nil
	}
	kinds := l.kindFilter("s")
	day, err := l.passed(24, 0, farOff/24, kinds)
	if err != nil {
		return nil, err
	}
	hour, err := l.passed(1, day*24, day*24+24, kinds)
	if err != nil {
		return nil, err
	}
	if l.q.Asc {
		f.and("j.created_at >= ?", l.d.instant(hourAt(hour)))
	} else {
		f.and("j.created_at < ?", l.d.instant(hourAt(hour+1)))
	}
	return f, nil
}

// farOff is an hour that no job is made in.
const farOff = int64(24) << 40

// passed takes from the offset the spans that lie wholly before the page, and returns the span in which it begins.
func (l *listing) passed(hours, first, end int64, kinds *filter) (int64, error) {
	all, err := spans(l.conn, hours, first, end, kinds)
	if err != nil || len(all) == 0 {
		return first, err
	}
	if !l.q.Asc {
		slices.Reverse(all)
	}
	for _, s := range all {
		if int64(l.offset) < s.Jobs {
			return s.At, nil
		}
		l.offset -= int(s.Jobs)
	}
	last := all[len(all)-1]
	l.offset += int(last.Jobs)
	return last.At, nil
}
