package wire

import (
	"strings"
	"time"

	"github.com/heysubinoy/remora/ports"
)

// JobList is the answer of GET /jobs.
type JobList struct {
	Jobs       []Job      `json:"jobs"`
	Pagination Pagination `json:"pagination"`
	Filters    Filters    `json:"filters"`
}

// Pagination says where in the list a page is. Reached by cursor, a page has no number.
type Pagination struct {
	Page       *int    `json:"page"`
	Limit      int     `json:"limit"`
	Total      int64   `json:"total"`
	Capped     bool    `json:"total_capped,omitempty"` // there are more than total, and more than total_pages
	TotalPages int64   `json:"total_pages"`
	HasNext    bool    `json:"has_next"`
	HasPrev    bool    `json:"has_prev"`
	NextCursor *string `json:"next_cursor"`
}

// Filters repeats what the list was asked for.
type Filters struct {
	Status        string     `json:"status"` // several with commas
	Reason        string     `json:"reason"` // several with commas
	ServerID      string     `json:"server_id"`
	BatchID       string     `json:"batch_id"`
	Search        string     `json:"search"`
	CreatedAfter  *time.Time `json:"created_after"`
	CreatedBefore *time.Time `json:"created_before"`
	SortBy        string     `json:"sort_by"`
	SortOrder     string     `json:"sort_order"`
}

// FiltersOf returns what q asks for.
func FiltersOf(q ports.JobQuery) Filters {
	order := "desc"
	if q.Asc {
		order = "asc"
	}
	return Filters{
		Status: joined(q.Statuses), Reason: joined(q.Reasons), ServerID: string(q.ServerID), BatchID: string(q.BatchID), Search: q.Search,
		CreatedAfter: timeOrNull(q.CreatedAfter), CreatedBefore: timeOrNull(q.CreatedBefore), SortBy: string(q.Sort), SortOrder: order,
	}
}

func joined[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ",")
}

// JobListOf returns the answer to q. Page 0 means that it was reached by cursor.
func JobListOf(p ports.JobPage, q ports.JobQuery, f Filters) JobList {
	l := JobList{Jobs: make([]Job, 0, len(p.Jobs)), Filters: f}
	for i := range p.Jobs {
		l.Jobs = append(l.Jobs, JobOf(&p.Jobs[i].Job, &p.Jobs[i].Server))
	}
	l.Pagination = pageOf(q.Limit, q.Page, q.Cursor, p.Next, p.Total)
	l.Pagination.Capped = p.Capped
	return l
}

func pageOf(limit, page int, cursor, next string, total int64) Pagination {
	p := Pagination{Limit: limit, Total: total, HasNext: next != "", HasPrev: cursor != "" || page > 1, NextCursor: orNull(next)}
	if limit > 0 {
		p.TotalPages = (total + int64(limit) - 1) / int64(limit)
	}
	if cursor == "" {
		page = max(page, 1)
		p.Page = &page
	}
	return p
}

// Page returns the page that the list was made of.
func (l JobList) Page() ports.JobPage {
	p := ports.JobPage{Total: l.Pagination.Total, Capped: l.Pagination.Capped, Next: orEmpty[string](l.Pagination.NextCursor)}
	for _, j := range l.Jobs {
		p.Jobs = append(p.Jobs, j.Detail())
	}
	return p
}
