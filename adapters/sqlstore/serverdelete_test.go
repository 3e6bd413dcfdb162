package sqlstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// TestServers_ALongHistoryGoesPieceByPiece deletes a server with 6,000 jobs while others submit, and once is interrupted.
func TestServers_ALongHistoryGoesPieceByPiece(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server, other := fixture.Server(t), fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		require.NoError(t, s.Servers().Add(t.Context(), other, nil))
		done := fixture.Job(t, fixture.Completed, fixture.On(server.ID))
		kept := fixture.Job(t, fixture.Completed, fixture.On(other.ID))
		_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, done, kept)
		require.NoError(t, err)
		const jobs = 6_000
		s.MultiplyJob(t, done.ID, jobs)
		count := func() int64 { return s.Number(t, "SELECT COUNT(*) FROM jobs WHERE server_id = ?", string(server.ID)) }
		all := count()

		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := make(chan error, 1)
		go func() {
			_, err := s.Servers().Delete(ctx, server.ID, true)
			interrupted <- err
		}()
		submitted := 0
		for count() == all { // others get their turn meanwhile
			_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, fixture.Job(t, fixture.Pending, fixture.On(other.ID)))
			require.NoError(t, err)
			submitted++
		}
		cancel(errors.New("the caller went away"))
		require.Error(t, <-interrupted)
		left := count()
		require.Positive(t, left, "one transaction took it all")
		require.Less(t, left, all)
		half, _, err := s.Servers().Get(t.Context(), server.ID)
		require.NoError(t, err)
		require.False(t, half.Active, "it takes no jobs until it is gone")

		ended := make(chan struct{})
		var deleted int64
		go func() {
			defer close(ended)
			deleted, err = s.Servers().Delete(t.Context(), server.ID, true)
		}()
		var longest time.Duration
		for waiting := true; waiting; {
			select {
			case <-ended:
				waiting = false
			default:
				began := time.Now()
				_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, fixture.Job(t, fixture.Pending, fixture.On(other.ID)))
				require.NoError(t, err)
				longest = max(longest, time.Since(began))
				submitted++
			}
		}
		require.NoError(t, err)
		require.Equal(t, left, deleted)
		require.Zero(t, count())
		_, _, err = s.Servers().Get(t.Context(), server.ID)
		require.ErrorIs(t, err, domain.ErrServerNotFound)
		_, err = s.Jobs().Get(t.Context(), kept.ID)
		require.NoError(t, err)
		require.Greater(t, submitted, 10, "others hardly got a turn")
		t.Logf("%d jobs deleted in the end, %d submitted meanwhile, the longest wait of one was %s", deleted, submitted, longest)
	})
}

// BenchmarkDeleteServer deletes a server with 10,000 finished jobs.
func BenchmarkDeleteServer(b *testing.B) {
	for kind, fresh := range databases {
		b.Run(kind, func(b *testing.B) {
			s := open(b, fresh(b))
			for b.Loop() {
				b.StopTimer()
				server := fixture.Server(b)
				require.NoError(b, s.Servers().Add(b.Context(), server, nil))
				done := fixture.Job(b, fixture.Completed, fixture.On(server.ID))
				_, err := s.Jobs().Add(b.Context(), ports.Idempotency{}, done)
				require.NoError(b, err)
				s.MultiplyJob(b, done.ID, 10_000)
				b.StartTimer()
				_, err = s.Servers().Delete(b.Context(), server.ID, true)
				require.NoError(b, err)
			}
		})
	}
}
