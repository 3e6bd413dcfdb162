package sqlstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// benchBatch makes a batch of n jobs on n servers.
func benchBatch(b *testing.B, servers []*domain.Server) (*domain.Batch, []*domain.Job) {
	b.Helper()
	batch, err := domain.NewBatch(fixture.ID[domain.BatchID](b), fixture.Job(b, fixture.Pending), 0, 0, fixture.Now())
	require.NoError(b, err)
	jobs := make([]*domain.Job, len(servers))
	for i, s := range servers {
		jobs[i], err = batch.Job(fixture.ID[domain.JobID](b), s.ID)
		require.NoError(b, err)
	}
	return batch, jobs
}

func benchServers(b *testing.B, s *sqlstore.Store, n int) []*domain.Server {
	b.Helper()
	servers := make([]*domain.Server, n)
	for i := range servers {
		servers[i] = fixture.Server(b)
		require.NoError(b, s.Servers().Add(b.Context(), servers[i], nil))
	}
	return servers
}

// BenchmarkGroups compares 2,000 servers that have each printed 64 KiB, in ten ways.
func BenchmarkGroups(b *testing.B) {
	for kind, fresh := range databases {
		b.Run(kind, func(b *testing.B) {
			s := open(b, fresh(b))
			batch, jobs := benchBatch(b, benchServers(b, s, 2000))
			_, err := s.Batches().Add(b.Context(), ports.Idempotency{}, batch, jobs)
			require.NoError(b, err)
			for i, j := range jobs {
				fixture.Walk(b, j, fixture.Running)
				require.NoError(b, s.Jobs().Save(b.Context(), j))
				_, err := s.Output().Append(b.Context(), ports.Append{
					Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, At: time.Now(),
					Pieces: []ports.Piece{{Stream: domain.Stdout, Data: make([]byte, 64<<10-i%10)}},
				})
				require.NoError(b, err)
				require.NoError(b, j.Exited(j.Epoch, domain.Exit{}, 0, time.Now()))
				require.NoError(b, s.Jobs().Save(b.Context(), j))
			}
			for b.Loop() {
				results, err := s.Batches().Results(b.Context(), batch.ID)
				require.NoError(b, err)
				require.Len(b, domain.GroupResults(results).Finished, 10)
			}
		})
	}
}

// BenchmarkBatchAdd accepts a batch of 1,000 jobs.
func BenchmarkBatchAdd(b *testing.B) {
	for kind, fresh := range databases {
		b.Run(kind, func(b *testing.B) {
			s := open(b, fresh(b))
			servers := benchServers(b, s, 1000)
			for b.Loop() {
				batch, jobs := benchBatch(b, servers)
				_, err := s.Batches().Add(b.Context(), ports.Idempotency{Key: string(batch.ID), Fingerprint: "f"}, batch, jobs)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkTake offers a job at a time, as one ends, of so many that wait in a hundred batches.
func BenchmarkTake(b *testing.B) {
	for kind, fresh := range databases {
		for _, n := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				s := open(b, fresh(b))
				server := benchServer(b, s)
				servers := make([]*domain.Server, n/100)
				for i := range servers {
					servers[i] = server
				}
				for range 100 {
					batch, jobs := benchBatch(b, servers)
					_, err := s.Batches().Add(b.Context(), ports.Idempotency{}, batch, jobs)
					require.NoError(b, err)
				}
				s.Exec(b, "ANALYZE")
				var last []domain.Ticket
				for more := true; more; {
					var err error
					last, more, err = s.Backlog().Take(b.Context(), 256, time.Now())
					require.NoError(b, err)
				}
				require.NotEmpty(b, last)
				for b.Loop() {
					b.StopTimer()
					j, err := s.Jobs().Get(b.Context(), last[0].Job)
					require.NoError(b, err)
					require.NoError(b, j.RequestCancel(domain.ReasonUser, time.Now()))
					require.NoError(b, s.Jobs().Save(b.Context(), j))
					b.StartTimer()
					last, _, err = s.Backlog().Take(b.Context(), 256, time.Now())
					require.NoError(b, err)
					require.NotEmpty(b, last)
				}
			})
		}
	}
}
