package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// rank is where a job stands in a list: its sort field is a number or a text, or a text and then a number; the id tells equals apart.
type rank struct {
	Sort   ports.SortField
	Asc    bool
	Number int64
	Text   string
	ID     domain.JobID
}

// List implements ports.JobRepository.
func (r *Jobs) List(ctx context.Context, q ports.JobQuery) (ports.JobRows, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return ports.JobRows{}, err
	}
	defer end()
	if q.Sort == "" {
		q.Sort = ports.SortCreated
	}
	matching := r.s.pick(func(j *domain.Job) bool { return r.s.wanted(j, q) }, func(a, b *domain.Job) int {
		return compareRanks(rankOf(a, q), rankOf(b, q))
	})
	from := max(q.Page-1, 0) * q.Limit
	if q.Cursor != "" {
		last, err := decodeCursor[rank](q.Cursor)
		if err != nil || last.Sort != q.Sort || last.Asc != q.Asc {
			return ports.JobRows{}, errCursor
		}
		passed := func(j *domain.Job) bool { return compareRanks(rankOf(j, q), last) > 0 }
		if from = slices.IndexFunc(matching, passed); from < 0 {
			from = len(matching)
		}
	}
	from = min(from, len(matching))
	to := min(from+q.Limit, len(matching))
	next := ""
	if to < len(matching) && to > from {
		next = encodeCursor(rankOf(matching[to-1], q))
	}
	return ports.JobRows{Jobs: matching[from:to], Total: int64(len(matching)), Next: next}, nil
}

func (s *Store) wanted(j *domain.Job, q ports.JobQuery) bool {
	if len(q.Statuses) > 0 && !slices.Contains(q.Statuses, j.Status) {
		return false
	}
	if len(q.Reasons) > 0 && !slices.Contains(q.Reasons, j.Reason) {
		return false
	}
	if q.ServerID != "" && q.ServerID != j.ServerID || q.BatchID != "" && q.BatchID != j.BatchID {
		return false
	}
	if j.CreatedAt.Before(q.CreatedAfter) || !q.CreatedBefore.IsZero() && !j.CreatedAt.Before(q.CreatedBefore) {
		return false
	}
	return contains(q.Search, j.Command.Text(), j.Command.Script, s.servers[j.ServerID].server.Name)
}

// contains reports whether part is in any of texts, whatever the case.
func contains(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), part) })
}

func rankOf(j *domain.Job, q ports.JobQuery) rank {
	p := rank{Sort: q.Sort, Asc: q.Asc, ID: j.ID}
	switch q.Sort {
	case ports.SortUpdated:
		p.Number = j.UpdatedAt.UnixMicro()
	case ports.SortStarted:
		p.Number = j.StartedAt.UnixMicro()
	case ports.SortFinished:
		p.Number = j.FinishedAt.UnixMicro()
	case ports.SortStatus:
		p.Text, p.Number = string(j.Status), j.CreatedAt.UnixMicro()
	case ports.SortCommand:
		p.Text = j.Command.Text()
	case ports.SortPriority:
		p.Number = int64(j.Priority)
	default:
		p.Number = j.CreatedAt.UnixMicro()
	}
	return p
}

// compareRanks orders two places of one list.
func compareRanks(a, b rank) int {
	c := cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.Number, b.Number), cmp.Compare(a.ID, b.ID))
	if a.Asc {
		return c
	}
	return -c
}
