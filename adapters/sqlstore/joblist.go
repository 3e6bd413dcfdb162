package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// sorting is a field that jobs are sorted by: its expression, and how it stands in a cursor.
type sorting struct {
	expr  string
	place func(c *cursor, j *domain.Job)
	value func(d *dialect, c cursor) any
}

func byTime(expr string, of func(j *domain.Job) time.Time) sorting {
	return sorting{
		expr:  expr,
		place: func(c *cursor, j *domain.Job) { c.Number = of(j).UnixMicro() },
		value: func(d *dialect, c cursor) any { return d.instant(time.UnixMicro(c.Number)) },
	}
}

func byText(expr string, of func(j *domain.Job) string) sorting {
	return sorting{
		expr:  expr,
		place: func(c *cursor, j *domain.Job) { c.Text = of(j) },
		value: func(_ *dialect, c cursor) any { return c.Text },
	}
}

func sortingOf(f ports.SortField) sorting {
	switch f {
	case ports.SortUpdated:
		return byTime("j.updated_at", func(j *domain.Job) time.Time { return j.UpdatedAt })
	case ports.SortStarted:
		return byTime("COALESCE(j.started_at, {zero})", func(j *domain.Job) time.Time { return j.StartedAt })
	case ports.SortFinished:
		return byTime("COALESCE(j.finished_at, {zero})", func(j *domain.Job) time.Time { return j.FinishedAt })
	case ports.SortStatus:
		return byText("j.status", func(j *domain.Job) string { return string(j.Status) })
	case ports.SortCommand:
		return byText("j.title", func(j *domain.Job) string { return title(j.Command) })
	case ports.SortPriority:
		return sorting{
			expr:  "j.priority",
			place: func(c *cursor, j *domain.Job) { c.Number = int64(j.Priority) },
			value: func(_ *dialect, c cursor) any { return c.Number },
		}
	default:
		return byTime("j.created_at", func(j *domain.Job) time.Time { return j.CreatedAt })
	}
}

// filter is a condition with its arguments, as it grows.
type filter struct {
	terms []string
	args  []any
}

func (f *filter) and(term string, args ...any) {
	f.terms = append(f.terms, term)
	f.args = append(f.args, args...)
}

func (f *filter) where() string {
	if len(f.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.terms, " AND ")
}

func jobFilter(d *dialect, q ports.JobQuery) *filter {
	f := &filter{}
	switch len(q.Statuses) {
	case 0:
	case 1:
		f.and("j.status = ?", string(q.Statuses[0])) // unlike a list, one value leaves the rows in the index's order
	default:
		f.and("j.status {in}", ids(d, q.Statuses))
	}
	if q.ServerID != "" {
		f.and("j.server_id = ?", text(string(q.ServerID)))
	}
	if q.BatchID != "" {
		f.and("j.batch_id = ? AND j.batch_id <> ''", text(string(q.BatchID)))
	}
	if q.Search != "" {
		part := folded(text(q.Search))
		f.and(`({position}(j.search, ?) > 0 OR j.server_id IN (SELECT id FROM servers WHERE {position}(name_folded, ?) > 0))`, part, part)
	}
	return f
}

// queryOf tells queries apart whose cursors must not be mixed up.
func queryOf(q ports.JobQuery) string {
	return fingerprint([]any{slices.Sorted(slices.Values(q.Statuses)), q.ServerID, q.BatchID, q.Search, q.Sort, q.Asc})
}

// List implements ports.JobRepository.
func (r *jobs) List(ctx context.Context, q ports.JobQuery) (list []*domain.Job, total int64, next string, err error) {
	q.Sort = cmp.Or(q.Sort, ports.SortCreated)
	sorting := sortingOf(q.Sort)
	query := queryOf(q)
	f := jobFilter(r.s.d, q)
	count, countArgs := "SELECT COUNT(*) FROM jobs j"+f.where(), f.args
	page, pageArgs, err := jobPage(r.s.d, q, f, sorting, query)
	if err != nil {
		return nil, 0, "", cmp.Or(done(ctx), err)
	}
	var rows []jobRow
	err = r.s.read(ctx, func(c *conn) error {
		rows = nil
		if err := c.get(&total, count, countArgs...); err != nil {
			return err
		}
		return c.all(&rows, page, pageArgs...)
	})
	if err != nil {
		return nil, 0, "", err
	}
	for i := range rows[:min(len(rows), q.Limit)] {
		list = append(list, rows[i].job())
	}
	if len(rows) > q.Limit && len(list) > 0 {
		last := cursor{Query: query, ID: rows[q.Limit-1].ID}
		sorting.place(&last, list[len(list)-1])
		next = last.encode()
	}
	return list, total, next, nil
}

// jobPage returns the statement for a page, with one row more than wanted, which tells that there is another page.
func jobPage(d *dialect, q ports.JobQuery, f *filter, by sorting, query string) (string, []any, error) {
	compare, order := "<", "DESC"
	if q.Asc {
		compare, order = ">", "ASC"
	}
	f = &filter{terms: slices.Clone(f.terms), args: slices.Clone(f.args)}
	offset := max(q.Page-1, 0) * q.Limit
	if q.Cursor != "" {
		last, err := decodeCursor(q.Cursor, query)
		if err != nil {
			return "", nil, err
		}
		offset = 0
		f.and("("+by.expr+", j.id) "+compare+" (?, ?)", by.value(d, last), last.ID)
	}
	statement := "SELECT " + jobColumns + " FROM jobs j" + f.where() +
		" ORDER BY " + by.expr + " " + order + ", j.id " + order + " LIMIT ? OFFSET ?"
	return statement, append(f.args, q.Limit+1, offset), nil
}
