package sqlstore_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/fixture"
)

// Lists of many jobs are read in other ways than lists of few. With bounds this low, few are many.
func TestLists_KeepTheContractAsOfVeryManyJobs(t *testing.T) {
	for kind, fresh := range databases {
		t.Run(kind, func(t *testing.T) {
			open := func(t *testing.T) contract.Storage {
				s := open(t, fresh(t))
				s.Bound(math.MaxInt32, 1, 1)
				return storage(s)
			}
			contract.Lists(t, open)
			contract.TotalsRepository(t, open)
		})
	}
}

func TestLists_SayWhenTheTotalIsCapped(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		batch := fixture.ID[domain.BatchID](t)
		for i := range 12 {
			addDone(t, s, server, fixture.Line(t, fmt.Sprintf("run number-%d", i), ""), fixture.From(batch, ""))
		}
		s.Bound(5, 3, 500)
		for name, q := range map[string]ports.JobQuery{
			"batch": {BatchID: batch}, "search": {Search: "run"}, "search of all": {Search: "r"}, "server's name": {Search: server.Name},
			"server and time": {ServerID: server.ID, CreatedAfter: time.Unix(0, 0)}, "by command": {Search: "number", Sort: ports.SortCommand},
		} {
			seen := map[domain.JobID]bool{}
			for q.Limit = 5; ; {
				rows, err := s.Jobs().List(t.Context(), q)
				require.NoError(t, err, name)
				require.True(t, rows.Capped, "%s: 12 jobs, counted as %d", name, rows.Total)
				require.Less(t, rows.Total, int64(12), name)
				require.GreaterOrEqual(t, rows.Total, int64(5), name)
				for _, j := range rows.Jobs {
					seen[j.ID] = true
				}
				if q.Cursor = rows.Next; q.Cursor == "" {
					break
				}
			}
			require.Len(t, seen, 12, "%s: a total that is capped hides no job", name)
			rows, err := s.Jobs().List(t.Context(), ports.JobQuery{Search: "number-3", Limit: 5})
			require.NoError(t, err)
			require.False(t, rows.Capped)
			require.EqualValues(t, 1, rows.Total)
		}
		rows, err := s.Jobs().List(t.Context(), ports.JobQuery{ServerID: server.ID, Limit: 5})
		require.NoError(t, err)
		require.False(t, rows.Capped, "what is kept is exact")
		require.EqualValues(t, 12, rows.Total)
	})
}

func addDone(t *testing.T, s *sqlstore.Store, server *domain.Server, opts ...fixture.Option) *domain.Job {
	t.Helper()
	j := fixture.Job(t, fixture.Completed, append(opts, fixture.On(server.ID))...)
	_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, j)
	require.NoError(t, err)
	return j
}

func TestTotals_AreAddedUpInPassing(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		const jobs = 300
		for range jobs {
			addDone(t, s, server)
		}
		require.Less(t, s.Number(t, "SELECT COUNT(*) FROM job_changes"), int64(jobs), "nobody has added up while %d jobs came", jobs)
		require.Positive(t, s.Number(t, "SELECT COUNT(*) FROM job_totals"))
		s.AddUp(t)
		require.Zero(t, s.Number(t, "SELECT COUNT(*) FROM job_changes"))
		for table, where := range map[string]string{"job_totals": "server_id = ''", "job_spans": "hours = 1", "job_spans j": "hours = 24"} {
			require.EqualValues(t, jobs, s.Number(t, "SELECT SUM(jobs) FROM "+table+" WHERE "+where), table)
		}
		requireTotal(t, s, jobs)
	})
}

func requireTotal(t *testing.T, s *sqlstore.Store, want int) {
	t.Helper()
	rows, err := s.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	require.EqualValues(t, want, rows.Total)
}

// Submissions must not wait for each other's counts, and nothing may be counted twice by those who add up at once.
func TestTotals_StayTrueWhileManyWriteAndAddUp(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		const writers, each = 8, 40
		errs := make(chan error)
		for range writers {
			go func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					j := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
					if _, err = s.Jobs().Add(t.Context(), ports.Idempotency{}, j); err == nil {
						if err = j.RequestCancel(domain.ReasonUser, fixture.Now()); err == nil {
							err = s.Jobs().Save(t.Context(), j)
						}
					}
					if i%4 == 0 {
						s.AddUp(t)
					}
				}
				errs <- err
			}()
		}
		var failed []error
		for range writers {
			if err := <-errs; err != nil {
				failed = append(failed, err)
			}
		}
		require.Empty(t, failed)
		requireTotal(t, s, writers*each)
		s.AddUp(t)
		require.EqualValues(t, writers*each, s.Number(t, "SELECT SUM(jobs) FROM job_totals WHERE server_id = '' AND status = 'canceled'"))
		require.Zero(t, s.Number(t, "SELECT SUM(jobs) FROM job_spans WHERE hours = 1 AND status = 'queued'"))
	})
}

func TestTexts_AreKeptOnceAndGoWithTheirLastJob(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		one, two := fixture.Server(t), fixture.Server(t)
		for _, server := range []*domain.Server{one, two} {
			require.NoError(t, s.Servers().Add(t.Context(), server, nil))
			for range 3 {
				addDone(t, s, server, fixture.Line(t, "Shared", ""))
			}
		}
		addDone(t, s, one, fixture.Line(t, "export TOKEN=secret-of-one", ""))
		require.EqualValues(t, 2, s.Number(t, "SELECT COUNT(*) FROM job_texts"))
		_, err := s.Servers().Delete(t.Context(), one.ID, true)
		require.NoError(t, err)
		require.EqualValues(t, 1, s.Number(t, "SELECT COUNT(*) FROM job_texts"))
		require.EqualValues(t, 1, s.Number(t, "SELECT COUNT(*) FROM job_texts WHERE search LIKE ?", "shared%"))
	})
}

// TestTexts_ComeBackWhileTheyGo deletes the last job of a text again and again while others submit it: no submission fails,
// and each job is found.
func TestTexts_ComeBackWhileTheyGo(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		stays := fixture.Server(t, fixture.Sessions(domain.MaxSessions))
		require.NoError(t, s.Servers().Add(t.Context(), stays, nil))
		const rounds, submitters = 25, 4
		for range rounds {
			goes := fixture.Server(t)
			require.NoError(t, s.Servers().Add(t.Context(), goes, nil))
			word := string(goes.ID)
			addDone(t, s, goes, fixture.Line(t, word, ""))
			errs := make(chan error)
			go func() {
				_, err := s.Servers().Delete(t.Context(), goes.ID, true)
				errs <- err
			}()
			for range submitters {
				go func() {
					_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, fixture.Job(t, fixture.Completed, fixture.On(stays.ID), fixture.Line(t, word, "")))
					errs <- err
				}()
			}
			for range submitters + 1 {
				require.NoError(t, <-errs)
			}
			rows, err := s.Jobs().List(t.Context(), ports.JobQuery{Search: strings.ToUpper(word), Limit: 10})
			require.NoError(t, err)
			require.Len(t, rows.Jobs, submitters)
		}
	})
}
