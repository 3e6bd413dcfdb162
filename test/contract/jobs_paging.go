package contract

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var jobPagingClauses = clauses{
	"PagesByNumber":                      pageByNumber,
	"CursorIsStableWhileJobsComeIn":      pageStable,
	"CursorOutlivesTheJobItStandsOn":     pageCursorOfMovedJob,
	"CursorOfAnotherListIsRefused":       pageForeignCursor,
	"PageAndCursorReadTheSameJobsInFull": pageSameJobs,
}

// sorted is what a list by field should be, worked out the slow way.
func sorted(jobs []*domain.Job, field ports.SortField, asc bool) []*domain.Job {
	by := map[ports.SortField]func(a, b *domain.Job) int{
		ports.SortCreated:  func(a, b *domain.Job) int { return a.CreatedAt.Compare(b.CreatedAt) },
		ports.SortUpdated:  func(a, b *domain.Job) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
		ports.SortStarted:  func(a, b *domain.Job) int { return a.StartedAt.Compare(b.StartedAt) },
		ports.SortFinished: func(a, b *domain.Job) int { return a.FinishedAt.Compare(b.FinishedAt) },
		ports.SortStatus: func(a, b *domain.Job) int {
			return cmp.Or(cmp.Compare(a.Status, b.Status), a.CreatedAt.Compare(b.CreatedAt))
		},
		ports.SortCommand:  func(a, b *domain.Job) int { return cmp.Compare(a.Command.Text(), b.Command.Text()) },
		ports.SortPriority: func(a, b *domain.Job) int { return cmp.Compare(a.Priority, b.Priority) },
	}[field]
	return slices.SortedFunc(slices.Values(jobs), func(a, b *domain.Job) int {
		c := cmp.Or(by(a, b), cmp.Compare(a.ID, b.ID))
		if asc {
			return c
		}
		return -c
	})
}

func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func addMany(t *testing.T, s Storage, n int, opts ...fixture.Option) []*domain.Job {
	t.Helper()
	jobs := make([]*domain.Job, n)
	for i := range jobs {
		jobs[i] = fixture.Job(t, fixture.Pending, opts...)
	}
	_, err := s.Jobs.Add(t.Context(), ports.Idempotency{}, jobs...)
	require.NoError(t, err)
	return jobs
}

func pageByNumber(t *testing.T, s Storage) {
	jobs := addMany(t, s, 7, fixture.On(addServer(t, s).ID))
	newest := sorted(jobs, ports.SortCreated, false)
	for page, want := range map[int][]*domain.Job{0: newest[:3], 1: newest[:3], 2: newest[3:6], 3: newest[6:], 4: nil, 1000: nil} {
		got, total, next, err := list(t, s, ports.JobQuery{Limit: 3, Page: page})
		require.NoError(t, err)
		require.Equal(t, jobIDs(want...), jobIDs(got...), "page %d", page)
		require.Equal(t, int64(7), total, "page %d", page)
		require.Equal(t, page >= 3, next == "", "page %d: a cursor wherever there is more, and only there", page)
	}
	got, _, next, err := list(t, s, ports.JobQuery{Limit: 7})
	require.NoError(t, err)
	require.Len(t, got, 7)
	require.Empty(t, next, "a page that is just full is the last")
	_, _, next, err = list(t, s, ports.JobQuery{Limit: 3, Page: 2})
	require.NoError(t, err)
	got, _, _, err = list(t, s, ports.JobQuery{Limit: 3, Cursor: next})
	require.NoError(t, err)
	require.Equal(t, jobIDs(newest[6]), jobIDs(got...), "a cursor goes on where a page by number ended")
}

func pageStable(t *testing.T, s Storage) {
	server := addServer(t, s)
	at := fixture.Now().Add(-time.Hour)
	var jobs []*domain.Job
	for i := range 12 { // four times three of one moment: the id alone tells them apart
		jobs = append(jobs, addMany(t, s, 1, fixture.On(server.ID), fixture.Since(at.Add(time.Duration(i/3)*time.Second)))...)
	}
	for _, asc := range []bool{false, true} {
		var seen []domain.JobID
		q := ports.JobQuery{Limit: 5, Asc: asc}
		for {
			page, _, next, err := list(t, s, q)
			require.NoError(t, err)
			for _, j := range page {
				if slices.ContainsFunc(jobs, func(k *domain.Job) bool { return k.ID == j.ID }) {
					seen = append(seen, j.ID)
				}
			}
			if next == "" {
				break
			}
			if q.Cursor == "" { // between the first page and the second, on both sides of what is being read
				addMany(t, s, 5, fixture.On(server.ID))
				addMany(t, s, 5, fixture.On(server.ID), fixture.Since(at.Add(-time.Hour)))
			}
			q.Cursor = next
		}
		require.Equal(t, jobIDs(sorted(jobs, ports.SortCreated, asc)...), seen, "ascending: %t", asc)
	}
}

func pageCursorOfMovedJob(t *testing.T, s Storage) {
	at := fixture.Now().Add(-time.Hour)
	var jobs []*domain.Job
	server := addServer(t, s)
	for i := range 6 {
		jobs = append(jobs, addMany(t, s, 1, fixture.On(server.ID), fixture.Since(at.Add(time.Duration(i)*time.Second)))...)
	}
	q := ports.JobQuery{Limit: 3, Sort: ports.SortUpdated, Asc: true}
	page, _, next, err := list(t, s, q)
	require.NoError(t, err)
	require.Equal(t, jobIDs(jobs[:3]...), jobIDs(page...))
	require.NoError(t, jobs[2].Offer(fixture.Now())) // the last of the page goes to the end of the list
	require.NoError(t, s.Jobs.Save(t.Context(), jobs[2]))
	q.Cursor = next
	page, _, _, err = list(t, s, q)
	require.NoError(t, err)
	require.Equal(t, jobIDs(jobs[3:]...), jobIDs(page...))
}

func pageForeignCursor(t *testing.T, s Storage) {
	addMany(t, s, 4, fixture.On(addServer(t, s).ID))
	_, _, next, err := list(t, s, ports.JobQuery{Limit: 2})
	require.NoError(t, err)
	require.NotEmpty(t, next)
	for name, q := range map[string]ports.JobQuery{
		"no cursor at all":    {Cursor: "x"},
		"nor this":            {Cursor: "!!! '; -- \x00"},
		"cut":                 {Cursor: next[:len(next)/2]},
		"of another field":    {Cursor: next, Sort: ports.SortCommand},
		"of the other way":    {Cursor: next, Asc: true},
		"of numbers for text": {Cursor: "MTIz", Sort: ports.SortStatus},
	} {
		q.Limit = 2
		_, err := s.Jobs.List(t.Context(), q)
		require.ErrorIs(t, err, &domain.Error{Code: "cursor_invalid"}, "%s", name)
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), "%s", name)
	}
}

func pageSameJobs(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, state := range fixture.States() {
		addJob(t, s, state, fixture.On(server.ID), fixture.Runs(commands(t)["script"]))
	}
	q := ports.JobQuery{Limit: 4}
	for page := 1; ; page++ {
		byNumber, _, _, err := list(t, s, ports.JobQuery{Limit: 4, Page: page})
		require.NoError(t, err)
		byCursor, _, next, err := list(t, s, q)
		require.NoError(t, err)
		require.Equal(t, jobIDs(byNumber...), jobIDs(byCursor...))
		for i, j := range byCursor {
			requireSameJob(t, getJob(t, s, j.ID), j)
			requireSameJob(t, j, byNumber[i])
		}
		if next == "" {
			return
		}
		q.Cursor = next
	}
}
