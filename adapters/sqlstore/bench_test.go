package sqlstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// writers is how many callers write at once in the benchmarks.
const writers = 32

// benchEach measures on both databases; on SQLite also without sharing transactions.
func benchEach(b *testing.B, bench func(b *testing.B, s *sqlstore.Store)) {
	for kind, fresh := range databases {
		for _, group := range []int{64, 1} {
			name := kind
			if group == 1 {
				name += "/alone"
			}
			if kind == "postgres" && group == 1 {
				continue
			}
			b.Run(name, func(b *testing.B) {
				s := open(b, fresh(b))
				s.GroupAtMost(group)
				b.SetParallelism(writers / 2)
				bench(b, s)
			})
		}
	}
}

func benchServer(b *testing.B, s *sqlstore.Store) *domain.Server {
	b.Helper()
	server := fixture.Server(b, fixture.Sessions(domain.MaxSessions))
	require.NoError(b, s.Servers().Add(b.Context(), server, nil))
	return server
}

func BenchmarkSubmit(b *testing.B) {
	benchEach(b, func(b *testing.B, s *sqlstore.Store) {
		server := benchServer(b, s)
		var n atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				key := ports.Idempotency{Key: fmt.Sprint(n.Add(1)), Fingerprint: "f"}
				if _, err := s.Jobs().Add(b.Context(), key, fixture.Job(b, fixture.Pending, fixture.On(server.ID))); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
}

func BenchmarkSave(b *testing.B) {
	benchEach(b, func(b *testing.B, s *sqlstore.Store) {
		server := benchServer(b, s)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			j := fixture.Job(b, fixture.Running, fixture.On(server.ID))
			if _, err := s.Jobs().Add(b.Context(), ports.Idempotency{}, j); err != nil {
				b.Error(err)
				return
			}
			for pb.Next() {
				if err := s.Jobs().Save(b.Context(), j); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "saves/s")
	})
}

func BenchmarkAppend(b *testing.B) {
	benchEach(b, func(b *testing.B, s *sqlstore.Store) {
		server := benchServer(b, s)
		line := []byte("counted line of output, of some eighty bytes, as a build or a test would print it\n")
		b.SetBytes(int64(len(line)))
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			j := fixture.Job(b, fixture.Running, fixture.On(server.ID))
			if _, err := s.Jobs().Add(b.Context(), ports.Idempotency{}, j); err != nil {
				b.Error(err)
				return
			}
			a := ports.Append{Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, At: time.Now(), Pieces: []ports.Piece{{Stream: domain.Stdout, Data: line}}}
			for pb.Next() {
				if _, err := s.Output().Append(b.Context(), a); err != nil {
					b.Error(err)
					return
				}
				a.From.Stdout += int64(len(line))
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	})
}
