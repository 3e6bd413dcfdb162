package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// bounds are how much work a list may be. Its cost must not grow with the jobs there ever were.
type bounds struct {
	count  int // where jobs must be counted one by one, counting stops here
	gather int // so few jobs are looked at and sorted; of more, the list's order is gone through
	skip   int // jobs before a page that are worth finding out where to skip to
}

var usualBounds = bounds{count: 10_000, gather: 5_000, skip: 500}

// queryOf tells queries apart whose cursors must not be mixed up.
func queryOf(q ports.JobQuery) string {
	return fingerprint([]any{
		slices.Sorted(slices.Values(q.Statuses)), slices.Sorted(slices.Values(q.Reasons)), q.ServerID, q.BatchID,
		q.CreatedAfter.UnixMicro(), q.CreatedBefore.UnixMicro(), q.Search, q.Sort, q.Asc,
	})
}

// List implements ports.JobRepository.
func (r *jobs) List(ctx context.Context, q ports.JobQuery) (found ports.JobRows, err error) {
	l, err := newListing(q, r.s.bounds)
	if err != nil {
		return found, cmp.Or(done(ctx), err)
	}
	var fresh int64
	err = r.s.snapshot(ctx, func(c *conn) error {
		attempt := l
		attempt.conn = c
		found, err = attempt.page()
		fresh = attempt.fresh
		return err
	})
	if err != nil {
		return ports.JobRows{}, err
	}
	if fresh > manyFresh {
		r.s.addUp(ctx)
	}
	return found, nil
}

// listing is one reading of a page: what is asked, and what is found out on the way.
type listing struct {
	*conn
	bounds bounds
	q      ports.JobQuery
	by     sorting
	query  string
	after  *cursor
	offset int

	kinds  []kind // of the jobs that status, reason and server leave
	known  int64  // how many they are
	fresh  int64
	search *searched // nil without a search
	total  int64
	capped bool
}

func newListing(q ports.JobQuery, b bounds) (listing, error) {
	q.Sort = cmp.Or(q.Sort, ports.SortCreated)
	l := listing{bounds: b, q: q, by: sortingOf(q.Sort), query: queryOf(q), offset: max(q.Page-1, 0) * q.Limit}
	if q.Cursor == "" {
		return l, nil
	}
	after, err := decodeCursor(q.Cursor, l.query)
	l.after, l.offset = &after, 0
	return l, err
}

func (l *listing) page() (found ports.JobRows, err error) {
	if l.kinds, l.fresh, err = kinds(l.conn, l.q.ServerID); err != nil {
		return found, err
	}
	l.kinds = slices.DeleteFunc(l.kinds, func(k kind) bool { return !k.wanted(l.q) })
	for _, k := range l.kinds {
		l.known += k.Jobs
	}
	if l.known == 0 {
		return found, nil
	}
	if l.q.Search != "" {
		if l.search, err = lookFor(l.conn, l.q.Search, l.bounds.count); err != nil {
			return found, err
		}
	}
	if err := l.count(); err != nil {
		return found, err
	}
	if !l.capped && int64(l.offset) >= l.total {
		return ports.JobRows{Total: l.total}, nil
	}
	ids, err := l.ids()
	if err != nil {
		return found, err
	}
	if l.capped { // what this page shows is there too
		l.total = max(l.total, int64(l.offset)+int64(len(ids)))
	}
	found = ports.JobRows{Total: l.total, Capped: l.capped}
	if found.Jobs, err = jobsOf(l.conn, ids[:min(len(ids), l.q.Limit)]); err != nil {
		return found, err
	}
	if len(ids) > l.q.Limit && len(found.Jobs) > 0 {
		last := found.Jobs[len(found.Jobs)-1]
		place := cursor{Query: l.query, ID: string(last.ID)}
		l.by.place(&place, last)
		found.Next = place.encode()
	}
	return found, nil
}

// jobsOf returns the jobs in the order of their ids.
func jobsOf(c *conn, wanted []string) ([]*domain.Job, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	var rows []jobRow
	if err := c.all(&rows, "SELECT "+jobColumns+" FROM jobs WHERE id {in}", c.d.list(wanted)); err != nil {
		return nil, err
	}
	byID := make(map[string]*domain.Job, len(rows))
	for i := range rows {
		byID[rows[i].ID] = rows[i].job()
	}
	list := make([]*domain.Job, 0, len(wanted))
	for _, id := range wanted {
		list = append(list, byID[id]) // each is there: both statements see one moment
	}
	return list, nil
}

// ids returns the ids of the page, and one more where there is another page.
func (l *listing) ids() (ids []string, err error) {
	var statement string
	var args []any
	switch {
	case !l.capped && l.total <= int64(l.bounds.gather) && (l.search != nil || !l.by.ranges && l.filtered()):
		statement, args = l.gather()
	case l.by.ranges:
		if statement, args, err = l.merge(); err != nil {
			return nil, err
		}
	default:
		statement, args = l.walk()
	}
	if statement == "" {
		return nil, nil
	}
	return ids, l.all(&ids, statement, args...)
}

// filtered reports whether the list is not simply of all jobs.
func (l *listing) filtered() bool {
	q := l.q
	return len(q.Statuses) > 0 || len(q.Reasons) > 0 || q.ServerID != "" || q.BatchID != "" || l.search != nil || l.timed()
}

// timed reports whether only jobs of a certain time are wanted.
func (l *listing) timed() bool { return !l.q.CreatedAfter.IsZero() || !l.q.CreatedBefore.IsZero() }

// span is the condition on the time of creation.
func (l *listing) span() *filter {
	f := &filter{}
	if !l.q.CreatedAfter.IsZero() {
		f.and("j.created_at >= ?", l.d.instant(l.q.CreatedAfter))
	}
	if !l.q.CreatedBefore.IsZero() {
		f.and("j.created_at < ?", l.d.instant(l.q.CreatedBefore))
	}
	return f
}

// kindFilter is the condition on status and reason of a table.
func (l *listing) kindFilter(how string) *filter {
	f := &filter{}
	oneOf(f, l.d, how+".status", l.q.Statuses)
	oneOf(f, l.d, how+".reason", l.q.Reasons)
	return f
}

// conditions are all that a job must meet, but for the search. how stands before the columns of indexes that might be read
// in their place.
func (l *listing) conditions(how string) *filter {
	f := &filter{}
	if l.q.ServerID != "" {
		f.and(how+"j.server_id = ?", text(string(l.q.ServerID)))
	}
	if l.q.BatchID != "" {
		f.and(how+"j.batch_id = ? AND j.batch_id <> ''", text(string(l.q.BatchID)))
	}
	return f.with(l.kindFilter(how + "j")).with(l.span())
}

// gather reads all jobs that match, which are few, and sorts them.
func (l *listing) gather() (string, []any) {
	keys := []string{"k1", "k2"}[:len(l.by.exprs)]
	var columns strings.Builder
	for i, expr := range l.by.exprs {
		columns.WriteString(", " + expr + " AS " + keys[i])
	}
	keys = append(slices.Clone(keys), "id")
	past := l.past(keys)
	end, endArgs := l.limits()
	f := l.conditions("")
	parts := []part{{"SELECT j.id" + columns.String() + " FROM jobs j" + f.where(), f.args}}
	if l.search != nil {
		parts = l.search.parts("j.id"+columns.String(), l.conditions, l.bounds.gather+1)
	}
	var all []string
	var args []any
	for _, p := range parts {
		all, args = append(all, p.sql), append(args, p.args...)
	}
	return "WITH found AS MATERIALIZED (" + strings.Join(all, " UNION ALL ") + ") SELECT id FROM found" +
		past.where() + order(keys, l.q.Asc) + end, slices.Concat(args, past.args, endArgs)
}

// walk goes through the finished jobs in the list's order, past those that do not match, and puts the others, which are few,
// between them.
func (l *listing) walk() (string, []any) {
	f := l.conditions("{by order}").with(l.past([]string{l.by.exprs[0], "j.id"}))
	if l.search != nil {
		f = f.with(l.search.condition())
	}
	var parts []string
	var args []any
	half, halfArgs := l.firstOf(l.offset + l.q.Limit + 1)
	for _, which := range []string{"j.finished_at IS NOT NULL", "j.status IN ('queued', 'running')"} {
		f := (&filter{terms: []string{which}}).with(f)
		parts = append(parts, "SELECT * FROM (SELECT j.id, "+l.by.exprs[0]+" AS k FROM jobs j"+f.where()+
			order([]string{l.by.exprs[0], "j.id"}, l.q.Asc)+half+") h"+strconv.Itoa(len(parts)))
		args = slices.Concat(args, f.args, halfArgs)
	}
	end, endArgs := l.limits()
	return "SELECT id FROM (" + strings.Join(parts, " UNION ALL ") + ") w" + order([]string{"k", "id"}, l.q.Asc) + end, append(args, endArgs...)
}

// past is the condition of what comes after the cursor.
func (l *listing) past(keys []string) *filter {
	f := &filter{}
	if l.after != nil {
		f.and(beyond(keys, l.q.Asc), append(l.by.value(l.d, *l.after), l.after.ID)...)
	}
	return f
}

// firstOf bounds a part of the list, as limits does the whole.
func (l *listing) firstOf(n int) (string, []any) {
	if n == l.q.Limit+1 {
		return " LIMIT " + strconv.Itoa(n), nil
	}
	return " LIMIT ?", []any{n}
}

// limits is how much of the list is wanted. The usual number stands in the statement itself, so that PostgreSQL plans for it
// and not for a tenth of all jobs.
func (l *listing) limits() (string, []any) {
	n := l.q.Limit + 1
	if l.offset == 0 {
		return " LIMIT " + strconv.Itoa(n), nil
	}
	return " LIMIT ? OFFSET ?", []any{n, l.offset}
}
