package sqlstore

import (
	"cmp"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// sorting is what jobs are sorted by: expressions that together with the id tell any two apart, and how a job stands in a
// cursor and a cursor in a statement.
type sorting struct {
	exprs []string
	place func(c *cursor, j *domain.Job)
	value func(d *dialect, c cursor) []any
	// ranges says that the ranges of jobs_of_status and its like, one for each kind of job, come in this order.
	ranges bool
}

func byTime(expr string, of func(j *domain.Job) time.Time) sorting {
	return sorting{
		exprs: []string{expr},
		place: func(c *cursor, j *domain.Job) { c.Number = of(j).UnixMicro() },
		value: func(d *dialect, c cursor) []any { return []any{d.instant(time.UnixMicro(c.Number))} },
	}
}

func created(j *domain.Job) time.Time { return j.CreatedAt }

func sortingOf(f ports.SortField) sorting {
	switch f {
	case ports.SortUpdated:
		return byTime("j.updated_at", func(j *domain.Job) time.Time { return j.UpdatedAt })
	case ports.SortStarted:
		return byTime("COALESCE(j.started_at, {zero})", func(j *domain.Job) time.Time { return j.StartedAt })
	case ports.SortFinished:
		return byTime("COALESCE(j.finished_at, {zero})", func(j *domain.Job) time.Time { return j.FinishedAt })
	case ports.SortStatus:
		then := byTime("j.created_at", created)
		return sorting{
			exprs: []string{"j.status", "j.created_at"},
			place: func(c *cursor, j *domain.Job) {
				c.Text = string(j.Status)
				then.place(c, j)
			},
			value:  func(d *dialect, c cursor) []any { return append([]any{c.Text}, then.value(d, c)...) },
			ranges: true,
		}
	case ports.SortCommand:
		return sorting{
			exprs: []string{"j.title"},
			place: func(c *cursor, j *domain.Job) { c.Text = title(j.Command) },
			value: func(_ *dialect, c cursor) []any { return []any{c.Text} },
		}
	case ports.SortPriority:
		return sorting{
			exprs: []string{"j.priority"},
			place: func(c *cursor, j *domain.Job) { c.Number = int64(j.Priority) },
			value: func(_ *dialect, c cursor) []any { return []any{min(max(c.Number, 0), int64(domain.MaxPriority)+1)} },
		}
	default:
		by := byTime("j.created_at", created)
		by.ranges = true
		return by
	}
}

// order returns ORDER BY over columns.
func order(columns []string, asc bool) string {
	way := " DESC"
	if asc {
		way = " ASC"
	}
	return " ORDER BY " + strings.Join(columns, way+", ") + way
}

// beyond is the condition of what comes after a cursor.
func beyond(columns []string, asc bool) string {
	compare := " < "
	if asc {
		compare = " > "
	}
	return "(" + strings.Join(columns, ", ") + ")" + compare + "(" + marks(len(columns)) + ")"
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// filter is a condition with its arguments, as it grows.
type filter struct {
	terms []string
	args  []any
}

func (f *filter) and(term string, args ...any) {
	f.terms = append(f.terms, term)
	f.args = append(f.args, args...)
}

// with returns both conditions together.
func (f *filter) with(other *filter) *filter {
	return &filter{terms: append(f.terms[:len(f.terms):len(f.terms)], other.terms...), args: append(f.args[:len(f.args):len(f.args)], other.args...)}
}

func (f *filter) where() string {
	if len(f.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.terms, " AND ")
}

// more goes after another condition.
func (f *filter) more() string {
	if len(f.terms) == 0 {
		return ""
	}
	return " AND " + strings.Join(f.terms, " AND ")
}

// oneOf is a column that is one of a list; unlike a list, one value leaves rows in an index's order.
func oneOf[T ~string](f *filter, d *dialect, column string, list []T) {
	switch len(list) {
	case 0:
	case 1:
		f.and(column+" = ?", string(list[0]))
	default:
		f.and(column+" {in}", ids(d, list))
	}
}

// before reports whether a comes before b in a list.
func before(a, b string, asc bool) bool {
	if asc {
		return cmp.Less(a, b)
	}
	return cmp.Less(b, a)
}
